import { OVERRIDES } from './checkpoint/config.js'
import type { ConfigOverrides } from './checkpoint/types.js'
import type { ResolveOptions } from './hub/resolve.js'
import type { RuntimeOptions } from './runtime/runtime.js'
import type { ExternalTokenizer } from './text/external-tokenizer.js'
import type { EncodeOptions } from './encoder.js'

/** How a checkpoint is found, read and run. Every field is optional. */
export interface LoadOptions extends ConfigOverrides, ResolveOptions, RuntimeOptions {
  /**
   * A tokenizer made elsewhere, for pipelines Serotine does not know: what `AutoTokenizer.from_pretrained(folder)` of
   * `@huggingface/transformers` resolves to, or anything with its `encode` and `get_vocab`. The checkpoint then needs no
   * tokenizer.json.
   */
  tokenizer?: ExternalTokenizer
}

export { OVERRIDES }
export const RESOLVE = [
  'revision',
  'token',
  'cacheDir',
  'offline',
  'endpoint',
  'fetch',
  'signal',
  'onProgress',
  'onWarning',
] as const satisfies readonly (keyof ResolveOptions)[]
export const RUNTIME = [
  'dtype',
  'workers',
  'threads',
  'batchSize',
  'maskedAttention',
  'workerUrl',
  'runtime',
  'ort',
] as const satisfies readonly (keyof RuntimeOptions)[]
/** Names of all options `ColBERT.load` takes. */
export const LOAD_OPTIONS: readonly string[] = [...OVERRIDES, ...RESOLVE, ...RUNTIME, 'tokenizer']
/** Of `queryInput` and `documentInput`. */
export const INPUT_OPTIONS: readonly (keyof EncodeOptions)[] = ['prompt', 'promptName']
/** Names of all options `encodeQueries` and `encodeDocuments` take. */
export const ENCODE_OPTIONS: readonly (keyof EncodeOptions)[] = [
  'prompt',
  'promptName',
  'normalize',
  'poolFactor',
  'protectedTokens',
  'batchSize',
  'signal',
  'onProgress',
  'onWarning',
]
export const ENCODE_ALIASES = {
  prompt_name: 'promptName',
  normalize_embeddings: 'normalize',
  pool_factor: 'poolFactor',
  protected_tokens: 'protectedTokens',
  batch_size: 'batchSize',
  abortSignal: 'signal',
}
