import { describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { Encoder } from '../encoder.js'
import type { TokenEmbeddings } from '../embeddings.js'

/**
 * What an encoder gave for texts: one matrix per text. Any object may serve as an encoder, so its output is checked here like any other input. Numbers
 * and dimension are for the caller to check, who can name the text.
 *
 * @throws EMBEDDINGS_SHAPE
 */
export function checkModelOutput(
  { name }: Encoder,
  method: 'encodeQueries' | 'encodeDocuments',
  encoded: unknown,
  texts: number,
): TokenEmbeddings[] {
  const isMatrix = (matrix: TokenEmbeddings | undefined): boolean =>
    matrix?.data instanceof Float32Array && Number.isInteger(matrix.length) && matrix.length >= 0
  if (Array.isArray(encoded) && encoded.length === texts && encoded.every(isMatrix)) return encoded as TokenEmbeddings[]
  throw new SerotineError(
    'EMBEDDINGS_SHAPE',
    `${method} of the model ${describe(name)} must give one { data: Float32Array, length, dim } per text, ${texts} here; ` +
      `it gave ${describe(encoded)}.`,
  )
}
