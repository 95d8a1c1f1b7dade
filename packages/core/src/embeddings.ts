import { SerotineError } from './errors.js'

/** The vectors of one text, one per kept token: row-major `[length × dim]`. Immutable by convention. */
export interface TokenEmbeddings {
  readonly data: Float32Array
  /** Number of tokens (rows). */
  readonly length: number
  /** Components per token (columns). */
  readonly dim: number
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
