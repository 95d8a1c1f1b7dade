import { posix } from 'node:path'
import { SerotineError } from '../errors.js'
import type { TextConfig } from '../text/template.js'
import type { ModuleEntry } from './modules.js'
import { unsupported } from './encoder-config.js'
import { JsonFile } from './json-file.js'
import { readPrompts } from './text-config.js'

/**
 * Folders saved by Sentence Transformers 6 `MultiVectorEncoder`: lengths and query expansion are in
 * `sentence_bert_config.json`, the skiplist in a `MultiVectorMask` module, the prefixes inside `prompts`, and those
 * prompts are applied by role. `Normalize` is a module of its own.
 *
 * Read from the sentence-transformers 6.2.0 sources (Apache-2.0), `multi_vector_encoder/` and `base/modules/`.
 */
export async function readMultiVectorEncoder(
  folder: string,
  modules: readonly ModuleEntry[],
  settings: JsonFile,
  transformer: JsonFile,
  tokenizer: { json: unknown; config: JsonFile; maxPositions: number },
): Promise<{
  text: { [K in keyof TextConfig]?: TextConfig[K] | undefined }
  rolePrompts?: { query: string; document: string }
}> {
  const task = transformer.string('transformer_task') ?? 'feature-extraction'
  if (task !== 'feature-extraction') throw unsupported(transformer, 'transformer_task', 'feature-extraction')
  const processing = transformer.object('processing_kwargs')
  const changed = Object.keys(processing?.values ?? {}).find(
    (key) => Object.keys(processing!.object(key)?.values ?? {}).length > 0,
  )
  if (changed !== undefined) throw unsupported(processing!, changed, 'no overrides')
  if (transformer.object('modality_config')?.has('message'))
    throw unsupported(transformer, 'modality_config', 'text (no chat template)')
  await requireNormalize(folder, modules)

  const tokens = tokenTexts(tokenizer.json)
  const prompts = readPrompts(settings) ?? {}
  const query = splitPrefix(prompts['query'] ?? '', tokens.added)
  const document = splitPrefix(prompts['document'] ?? '', tokens.added)
  const limit = Math.min(
    transformer.integer('max_seq_length') ?? tokenizer.config.number('model_max_length') ?? Infinity,
    tokenizer.maxPositions,
  )
  const expansion = readExpansion(transformer, tokenizer.config)
  const rest = { ...prompts, query: query.rest, document: document.rest }
  return {
    text: {
      queryPrefix: query.prefix,
      documentPrefix: document.prefix,
      queryLength: expansion?.length ?? Math.min(transformer.integer('query_length') ?? Infinity, limit),
      documentLength: Math.min(transformer.integer('document_length') ?? Infinity, limit),
      doQueryExpansion: expansion !== undefined,
      attendToExpansionTokens: expansion?.attend ?? false,
      // Words that are no single token are dropped; PyLate would drop all unknown tokens instead.
      skiplistWords: (await readSkiplist(folder, modules)).filter((word) => tokens.all.has(word)),
      doLowerCase: transformer.boolean('do_lower_case'),
      prompts: rest,
      defaultPromptName: settings.string('default_prompt_name'),
    },
    ...(query.rest === '' && document.rest === ''
      ? {}
      : { rolePrompts: { query: query.rest, document: document.rest } }),
  }
}

function readExpansion(
  transformer: JsonFile,
  tokenizerConfig: JsonFile,
): { length: number; attend: boolean } | undefined {
  const expansion = transformer.object('query_expansion')
  if (!expansion) return undefined
  for (const key of Object.keys(expansion.values)) {
    if (!['strategy', 'attend', 'token', 'length'].includes(key))
      throw unsupported(expansion, key, 'strategy, attend, token, length')
  }
  if (expansion.string('strategy') !== 'fixed') throw unsupported(expansion, 'strategy', 'fixed')
  const token = expansion.string('token')
  const mask = maskToken(tokenizerConfig)
  if (token !== undefined && token !== mask)
    throw unsupported(expansion, 'token', `the mask token ${JSON.stringify(mask)}`)
  return { length: expansion.size('length'), attend: expansion.boolean('attend') ?? false }
}

async function readSkiplist(folder: string, modules: readonly ModuleEntry[]): Promise<string[]> {
  const module = modules.find(({ type }) => type.endsWith('MultiVectorMask'))
  if (!module) return []
  const mask =
    (await JsonFile.read(folder, posix.join(module.path, 'config.json'))) ?? JsonFile.absent(folder, module.path)
  const tasks = mask.strings('skiplist_tasks') ?? ['document']
  if (tasks.length !== 1 || tasks[0] !== 'document') throw unsupported(mask, 'skiplist_tasks', '["document"]')
  if (mask.has('keep_only_token_ids'))
    throw unsupported(mask, 'keep_only_token_ids', 'null (image models are not supported)')
  return mask.strings('skiplist_words') ?? []
}

async function requireNormalize(folder: string, modules: readonly ModuleEntry[]): Promise<void> {
  for (const { path, type } of modules) {
    if (!type.endsWith('Normalize')) continue
    const json = await JsonFile.read(folder, posix.join(path, 'config.json'))
    if (json?.string('module_input_name') === 'token_embeddings') return
  }
  throw new SerotineError(
    'MODEL_UNSUPPORTED',
    `${folder}: modules.json has no Normalize for token_embeddings, so this MultiVectorEncoder scores with vectors ` +
      'of any length. ' +
      'Supported: normalised token vectors. Append Normalize(module_input_name="token_embeddings") and save it again.',
  )
}

/** "[Q] search: " → the added token "[Q] " and the text "search: ". */
function splitPrefix(prompt: string, added: readonly string[]): { prefix: string; rest: string } {
  const prefix =
    added.filter((token) => token !== '' && prompt.startsWith(token)).sort((a, b) => b.length - a.length)[0] ?? ''
  return { prefix, rest: prompt.slice(prefix.length) }
}

/** Token strings of a `tokenizer.json`. */
function tokenTexts(json: unknown): { added: string[]; all: Set<string> } {
  const { added_tokens: addedTokens, model } = (json ?? {}) as {
    added_tokens?: { content?: string }[]
    model?: { vocab?: unknown }
  }
  const added = (addedTokens ?? []).flatMap(({ content }) => (typeof content === 'string' ? [content] : []))
  const vocab = model?.vocab
  const words = Array.isArray(vocab)
    ? vocab.map((entry) => String((entry as unknown[] | null)?.[0]))
    : Object.keys(vocab ?? {})
  return { added, all: new Set([...words, ...added]) }
}

function maskToken(config: JsonFile): string {
  const token = config.values['mask_token']
  if (typeof token === 'string') return token
  return (token as { content?: string } | null | undefined)?.content ?? '[MASK]'
}
