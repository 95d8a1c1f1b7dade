import { SerotineError } from './errors.js'
import type { OnWarning } from './errors.js'

/** The vectors of one text, one per kept token: row-major `[length × dim]`. Immutable by convention. */
export interface TokenEmbeddings {
  readonly data: Float32Array
  /** Number of tokens (rows). */
  readonly length: number
  /** Components per token (columns). */
  readonly dim: number
}

/** A JSON value: what metadata may hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type Metadata = { readonly [key: string]: Json }

export interface Progress {
  /** What is being counted, e.g. `encode`, `download`, `index`. */
  readonly stage: 'download' | 'encode' | 'index' | 'build' | 'evaluate'
  readonly done: number
  /** Undefined while the total is not known (streams). */
  readonly total?: number
  /** `download`: the file; otherwise absent. */
  readonly file?: string
  /** Tokens encoded per second so far, where known. */
  readonly tokensPerSecond?: number
}
export type OnProgress = (progress: Progress) => void

/** Options of one encoding call. Names follow PyLate's `encode`, in camelCase. */
export interface EncodeOptions {
  /** Prepended verbatim to every text. Wins over `promptName`. `''` switches the default prompt off. */
  prompt?: string
  /** Key of the model's `prompts`. */
  promptName?: string
  /** L2-normalise each token vector. Default true. */
  normalize?: boolean
  /** Documents only: keep about 1/poolFactor of the vectors (hierarchical pooling). Default 1 = off. */
  poolFactor?: number
  /** Documents only: this many leading vectors are never pooled. Default 1 ([CLS]). */
  protectedTokens?: number
  /** Most texts per ONNX Runtime call; a token budget cuts batches further. Default 32. */
  batchSize?: number
  signal?: AbortSignal
  onProgress?: OnProgress
  /** Called once per call when texts were cut to the model's length. */
  onWarning?: OnWarning
}

/** What the index and the adapters need from a model. `ColBERT` is one; embeddings made elsewhere can be another. */
export interface Encoder {
  /** Components per token. */
  readonly dim: number
  /** Changes whenever the same text could give other vectors: weights, lengths, prefixes, dtype. */
  readonly fingerprint: string
  /** For messages: a name people recognise. */
  readonly name: string
  encodeQueries(texts: readonly string[], options?: EncodeOptions): Promise<TokenEmbeddings[]>
  encodeDocuments(texts: readonly string[], options?: EncodeOptions): Promise<TokenEmbeddings[]>
}

/**
 * Wraps a flat array as token embeddings, checking its shape and that every number is finite.
 *
 * @param what names the text in errors, e.g. `document "a"`
 * @throws EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function tokenEmbeddings(data: Float32Array, dim: number, what = 'the matrix'): TokenEmbeddings {
  if (!Number.isInteger(dim) || dim < 1)
    throw new SerotineError('EMBEDDINGS_SHAPE', `dim must be a positive integer, got ${dim}.`)
  const length = data.length / dim
  if (!Number.isInteger(length)) {
    throw new SerotineError(
      'EMBEDDINGS_SHAPE',
      `${data.length} numbers for ${what} are not a whole number of ${dim}-dimensional tokens.`,
    )
  }
  checkFinite(data, dim, what)
  return { data, length, dim }
}

/** @throws NOT_FINITE naming the token */
export function checkFinite(data: Float32Array, dim: number, what: string): void {
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i]!)) {
      throw new SerotineError(
        'NOT_FINITE',
        `${what}, token ${Math.floor(i / dim)} holds ${data[i]}. Check the model's weights and dtype.`,
      )
    }
  }
}

/** @throws EMBEDDINGS_SHAPE when data, length and dim disagree; DIM_MISMATCH when dim is not the one expected */
export function checkEmbeddings(embeddings: TokenEmbeddings, dim: number, what: string): void {
  if (embeddings.dim !== dim) {
    throw new SerotineError(
      'DIM_MISMATCH',
      `${what} has dimension ${embeddings.dim}, expected ${dim}. Was it made by another model?`,
    )
  }
  const expected = embeddings.length * embeddings.dim
  if (embeddings.data.length !== expected) {
    throw new SerotineError(
      'EMBEDDINGS_SHAPE',
      `Expected ${embeddings.length} × ${dim} = ${expected} numbers for ${what}, got ${embeddings.data.length}.`,
    )
  }
  checkFinite(embeddings.data, dim, what)
}
