import { checkInteger, checkString, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { TextConfig } from '../text/template.js'
import type { JsonFile } from './json-file.js'
import type { ConfigOverrides } from './types.js'

/** The keys one file names; undefined means that it does not. */
type Source = { [K in keyof TextConfig]?: TextConfig[K] | undefined }

/** Python's `string.punctuation`. */
const PUNCTUATION = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~']

const DEFAULTS: TextConfig = {
  queryPrefix: '[Q] ',
  documentPrefix: '[D] ',
  queryLength: 32,
  documentLength: 180,
  doQueryExpansion: true,
  attendToExpansionTokens: false,
  skiplistWords: PUNCTUATION,
  doLowerCase: false,
  prompts: { query: '', document: '' },
  defaultPromptName: null,
}

/**
 * Settings of the text side in PyLate's priority: the caller, then each source in turn, then the defaults.
 *
 * @throws INVALID_ARGUMENT for a wrong override, MODEL_CORRUPT for an unknown default prompt in a file
 */
export function mergeTextConfig(overrides: ConfigOverrides, sources: readonly Source[]): TextConfig {
  checkOverrideTypes(overrides)
  const layers: Source[] = [overrides as Source, ...sources, DEFAULTS]
  const pick = <K extends keyof TextConfig>(key: K) =>
    layers.find((layer) => layer[key] !== undefined)![key] as TextConfig[K]
  const prompts = mergePrompts(layers)
  const defaultPromptName = pick('defaultPromptName')
  if (defaultPromptName !== null && !Object.hasOwn(prompts, defaultPromptName)) {
    const code = overrides.defaultPromptName === undefined ? 'MODEL_CORRUPT' : 'INVALID_ARGUMENT'
    throw new SerotineError(
      code,
      `The default prompt ${describe(defaultPromptName)} is not among the prompts ${Object.keys(prompts).join(', ')}.`,
    )
  }
  const doQueryExpansion = pick('doQueryExpansion')
  return {
    queryPrefix: pick('queryPrefix'),
    documentPrefix: pick('documentPrefix'),
    queryLength: pick('queryLength'),
    documentLength: pick('documentLength'),
    doQueryExpansion,
    attendToExpansionTokens: doQueryExpansion && pick('attendToExpansionTokens'),
    skiplistWords: pick('skiplistWords'),
    doLowerCase: pick('doLowerCase'),
    prompts,
    defaultPromptName,
  }
}

/** `config_sentence_transformers.json` as PyLate writes it; `onnx_config.json` of pylate-onnx-export has the same keys. */
export function fromPyLate(json: JsonFile): Source {
  return {
    queryPrefix: json.string('query_prefix'),
    documentPrefix: json.string('document_prefix'),
    queryLength: json.integer('query_length'),
    documentLength: json.integer('document_length'),
    doQueryExpansion: json.boolean('do_query_expansion'),
    attendToExpansionTokens: json.boolean('attend_to_expansion_tokens'),
    skiplistWords: json.strings('skiplist_words'),
    doLowerCase: json.boolean('do_lower_case'),
    prompts: readPrompts(json),
    defaultPromptName: json.string('default_prompt_name'),
  }
}

/**
 * stanford-futuredata ColBERT's `artifact.metadata`. As in PyLate, `query_token_id` holds a token *string*, and
 * `mask_punctuation`, `dim` and `similarity` are not read.
 */
export function fromArtifactMetadata(json: JsonFile): Source {
  return {
    queryPrefix: json.string('query_token_id') ?? '[unused0]',
    documentPrefix: json.string('doc_token_id') ?? '[unused1]',
    queryLength: json.integer('query_maxlen'),
    documentLength: json.integer('doc_maxlen'),
    attendToExpansionTokens: json.boolean('attend_to_mask_tokens'),
  }
}

/** `prompts` of a config; null values are empty. */
export function readPrompts(json: JsonFile): Record<string, string> | undefined {
  const prompts = json.object('prompts')
  if (!prompts) return undefined
  return Object.fromEntries(Object.keys(prompts.values).map((name) => [name, prompts.string(name) ?? '']))
}

/** The caller's prompts win key by key; a source fills keys that are absent or empty. */
function mergePrompts(layers: readonly Source[]): Record<string, string> {
  const prompts: Record<string, string> = {}
  for (const layer of [DEFAULTS, ...layers]) {
    for (const [name, text] of Object.entries(layer.prompts ?? {})) {
      if (!Object.hasOwn(prompts, name) || prompts[name] === '') prompts[name] = text
    }
  }
  return prompts
}

function checkOverrideTypes(overrides: ConfigOverrides): void {
  for (const name of ['queryPrefix', 'documentPrefix'] as const)
    if (overrides[name] !== undefined) checkString(name, overrides[name])
  for (const name of ['queryLength', 'documentLength'] as const)
    if (overrides[name] !== undefined) checkInteger(name, overrides[name], 1)
  for (const name of ['doQueryExpansion', 'attendToExpansionTokens', 'doLowerCase'] as const) {
    if (overrides[name] !== undefined && typeof overrides[name] !== 'boolean') {
      throw new SerotineError('INVALID_ARGUMENT', `${name} must be true or false, got ${describe(overrides[name])}.`)
    }
  }
  const { skiplistWords, prompts, defaultPromptName } = overrides
  if (skiplistWords !== undefined) {
    if (!Array.isArray(skiplistWords))
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `skiplistWords must be a list of strings, got ${describe(skiplistWords)}.`,
      )
    skiplistWords.forEach((word, i) => checkString(`skiplistWords[${i}]`, word))
  }
  if (prompts !== undefined) {
    if (typeof prompts !== 'object' || prompts === null)
      throw new SerotineError('INVALID_ARGUMENT', `prompts must be an object, got ${describe(prompts)}.`)
    for (const [name, text] of Object.entries(prompts)) checkString(`prompts.${name}`, text)
  }
  if (defaultPromptName !== undefined && defaultPromptName !== null) checkString('defaultPromptName', defaultPromptName)
}
