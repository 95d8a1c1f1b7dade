import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { GROUPS } from './command.js'
import {
  parseDenseOverride,
  parseFde,
  parseInteger,
  parseKeywords,
  parseKeyValue,
  parsePattern,
  parseWords,
} from './option-values.js'

/**
 * One option of the library as a flag: `name` is the library's, the flag is the same in kebab-case, and commander gives
 * it back in camelCase. Help, parsing and what is handed to the library all come from these tables.
 */
export interface OptionSpec {
  readonly name: string
  /** Shown for the value, e.g. `n`. Absent for switches, which also get a `--no-` form. */
  readonly value?: string
  readonly help: string
  readonly choices?: readonly string[]
  /** Turns the text of a flag, given again and again, into the option's value. Default: the text itself. */
  readonly parse?: (text: string, previous: unknown) => unknown
}

const integer = (min: number) => (text: string) => parseInteger(text, min)

/** `ColBERT.load`, and `MultiVectorIndex.open` where it loads the model. */
export const MODEL_OPTIONS: readonly OptionSpec[] = [
  { name: 'revision', value: 'name', help: 'branch, tag or commit of a Hub model' },
  { name: 'token', value: 'token', help: 'Hugging Face token (default: HF_TOKEN)' },
  { name: 'cacheDir', value: 'folder', help: 'Hub cache (default: the one Python uses)' },
  { name: 'offline', help: 'never use the network' },
  { name: 'endpoint', value: 'url', help: 'another Hub, e.g. a mirror' },
  { name: 'dtype', value: 'type', choices: ['fp32', 'int8'], help: 'precision of the network:' },
  { name: 'runtime', value: 'kind', choices: ['auto', 'native', 'wasm'], help: 'build of ONNX Runtime:' },
  { name: 'workers', value: 'n', parse: integer(0), help: 'worker threads to encode in, 0 for none' },
  { name: 'threads', value: 'n', parse: integer(1), help: 'threads of each ONNX Runtime session' },
  { name: 'batchSize', value: 'n', parse: integer(1), help: 'most texts encoded at once (default: 32)' },
  {
    name: 'maskedAttention',
    value: 'rule',
    choices: ['zeros', 'uniform'],
    help: 'far expansion tokens as in transformers 5 or 4:',
  },
]

/** `ColBERT.load`: what can be set instead of the checkpoint. */
export const OVERRIDE_OPTIONS: readonly OptionSpec[] = [
  { name: 'queryLength', value: 'n', parse: integer(1), help: 'longest query, in tokens' },
  { name: 'documentLength', value: 'n', parse: integer(1), help: 'longest document, in tokens' },
  { name: 'queryPrefix', value: 'token', help: 'token put before queries; "" for none' },
  { name: 'documentPrefix', value: 'token', help: 'token put before documents; "" for none' },
  { name: 'doQueryExpansion', help: 'pad queries with [MASK] tokens that are scored' },
  { name: 'attendToExpansionTokens', help: 'let other tokens attend to them' },
  {
    name: 'skiplistWords',
    value: 'words',
    parse: parseWords,
    help: 'document words that get no vector; "" for none',
  },
  { name: 'prompts', value: 'name=text', parse: parseKeyValue, help: 'named prompts, repeatable, or JSON' },
  { name: 'defaultPromptName', value: 'name', help: 'prompt used when none is named; "" for none' },
  { name: 'doLowerCase', help: 'lower-case texts before the tokenizer' },
  {
    name: 'denseOverrides',
    value: 'change',
    parse: parseDenseOverride,
    help: '2_Dense.useResidual=true, repeatable, or JSON',
  },
  { name: 'projection', value: 'file', help: 'safetensors file with the linear.weight that the model lacks' },
]

/** `encodeQueries`, `encodeDocuments`. `batchSize` is the model's. */
export const ENCODING_OPTIONS: readonly OptionSpec[] = [
  { name: 'prompt', value: 'text', help: 'text put before each text; "" for none' },
  { name: 'promptName', value: 'name', help: 'name of one of the model’s prompts' },
  { name: 'normalize', help: 'scale vectors to length 1 (default: yes)' },
  { name: 'poolFactor', value: 'n', parse: integer(0), help: 'documents: keep about one vector in n' },
  { name: 'protectedTokens', value: 'n', parse: integer(0), help: 'documents: leading vectors never pooled (1)' },
]

/** How an index, or one search, finds candidates. */
export const FIRST_STAGES = ['auto', 'exact', 'centroids', 'muvera', 'fde', 'hnsw'] as const
export type FirstStageChoice = (typeof FIRST_STAGES)[number]

/** `MultiVectorIndex.open`. */
export const INDEX_OPTIONS: readonly OptionSpec[] = [
  { name: 'codec', value: 'type', choices: ['f32', 'f16', 'int8', 'residual'], help: 'how token vectors are stored:' },
  { name: 'fde', value: 'preset', parse: parseFde, help: 'MUVERA: compact, small, quality, paper, none, or JSON' },
  { name: 'firstStage', value: 'stage', choices: FIRST_STAGES, help: 'how candidates are found:' },
  {
    name: 'keywords',
    value: 'language',
    parse: parseKeywords,
    help: 'language of the words kept for --hybrid; off: none',
  },
]

/** The flag of a library option: `queryLength` → `--query-length`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Adds a table to a command, under a heading of its help. */
export function addOptions(command: Command, specs: readonly OptionSpec[], group: string): Command {
  for (const spec of specs) {
    const flag = flagOf(spec.name)
    const option = new Option(spec.value ? `${flag} <${spec.value}>` : flag, spec.help).helpGroup(group)
    if (spec.choices) {
      option.argParser((text) => {
        if (spec.choices!.includes(text)) return text
        throw new InvalidArgumentError(`It is one of ${spec.choices!.join(', ')}.`)
      })
      option.description += ` ${spec.choices.join(', ')}`
    } else if (spec.parse) {
      option.argParser(spec.parse)
    }
    command.addOption(option)
    if (!spec.value) command.addOption(new Option(flag.replace('--', '--no-')).hideHelp().helpGroup(group))
  }
  return command
}

/** An address in the place of a folder: sets the option that names the folder. */
export function addStoreOption(command: Command, sets: 'index' | 'out'): Command {
  command.option('--store <address>', `index in a database: postgres://…, weaviate://…; as --${sets}`)
  return command.on('option:store', (address: string) => command.setOptionValue(sets, address))
}

/** What is read of folders and how texts are cut: the same for every command that reads texts into an index. */
export function addReadingOptions(command: Command): Command {
  command
    .option('--exclude <pattern>', 'leave out, as a .gitignore would; repeatable; "" for none', parsePattern)
    // First, so that neither is the default: what the index was made with is.
    .addOption(new Option('--gitignore').hideHelp())
    .option('--no-gitignore', 'read what .gitignore files leave out')
  const before = command.optionsGroup()
  command.optionsGroup(GROUPS.passages)
  command
    .option('--passage-tokens <n>', 'longest passage in tokens (default: what the model takes)', (text) =>
      parseInteger(text, 8),
    )
    .option('--overlap <n>', 'tokens repeated from the previous passage (default: 0)', (text) => parseInteger(text, 0))
    .option('--no-split', 'keep each file and JSONL line whole')
    .option('--extensions <endings>', 'read these as plain text too, e.g. .ts,.py', parseWords)
    .option('--skip-bad-lines', 'skip bad JSONL lines')
  command.optionsGroup(before)
  return command
}

/** The library's options among a command's: those that were given, no others, so that the library's defaults hold. */
export function pickOptions(
  values: Readonly<Record<string, unknown>>,
  specs: readonly OptionSpec[],
): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const { name } of specs) if (values[name] !== undefined) picked[name] = values[name]
  // An empty name means none, which the library spells null.
  if (picked.defaultPromptName === '') picked.defaultPromptName = null
  return picked
}
