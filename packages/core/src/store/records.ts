import { SerotineError } from '../errors.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { align16, workspace } from '../math/workspace.js'

/**
 * How token vectors are stored. Bytes per component, and what it does to the ranking (recall of the exact fp32 top 10
 * over 2,000 documents of an anisotropic model): `f32` 4, exact; `f16` 2, 1.000; `int8` 1 (and 4 per token), .990. `residual`: a record is as with
 * `int8`; the embedded store keeps a centroid and a bit a component of most (20 bytes for 128 components) and makes the record of them.
 */
export type TokenCodec = 'f32' | 'f16' | 'int8' | 'residual'

/** Every codec there is, the most precise first. */
export const TOKEN_CODECS: readonly TokenCodec[] = ['f32', 'f16', 'int8', 'residual']

/** Where in an int8 or residual record the scales start: one float32 per token, after the codes. */
export function scaleOffset(tokens: number, dim: number): number {
  return (tokens * dim + 3) & ~3
}

/** Bytes of the record of one document, padded so that the next one can be viewed as any typed array. */
export function recordBytes(codec: TokenCodec, tokens: number, dim: number): number {
  if (codec === 'f32' || codec === 'f16') return align16(tokens * dim * (codec === 'f32' ? 4 : 2))
  return align16(scaleOffset(tokens, dim) + 4 * tokens)
}

/** Who the kernel memory belongs to while a record is made or read. */
const owner = {}

/**
 * The record of one document: row-major components `[tokens × dim]`; for int8 and residual then one scale per token (component =
 * code × scale).
 *
 * @throws INVALID_ARGUMENT when a component does not fit f16
 */
export function encodeRecord(codec: TokenCodec, { data, length, dim }: TokenEmbeddings): Uint8Array {
  const bytes = recordBytes(codec, length, dim)
  if (codec === 'f32') {
    const record = new Uint8Array(bytes)
    record.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return record
  }
  workspace.claim(owner, bytes + data.byteLength + 64)
  const { kernels } = workspace
  new Uint8Array(kernels.buffer, 0, bytes).fill(0)
  new Float32Array(kernels.buffer, bytes, data.length).set(data)
  if (codec === 'f16') {
    checkHalfRange(data)
    kernels.f32ToF16(bytes, data.length, 0)
  } else {
    kernels.quantizeInt8(bytes, length, dim, 0, dim, scaleOffset(length, dim))
  }
  return new Uint8Array(kernels.buffer, 0, bytes).slice()
}

function checkHalfRange(data: Float32Array): void {
  const tooLarge = data.find((value) => Math.abs(value) > 65504)
  if (tooLarge === undefined) return
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `The component ${tooLarge} does not fit float16 (±65504). Create the index with codec: 'f32'.`,
  )
}

/** The vectors in a record, as rounded when it was made. */
export function decodeRecord(codec: TokenCodec, record: Uint8Array, tokens: number, dim: number): TokenEmbeddings {
  const data = new Float32Array(tokens * dim)
  if (codec === 'f32') {
    new Uint8Array(data.buffer).set(record.subarray(0, data.byteLength))
    return { data, length: tokens, dim }
  }
  workspace.claim(owner, record.length + data.byteLength + 64)
  const { kernels } = workspace
  new Uint8Array(kernels.buffer, 0, record.length).set(record)
  if (codec === 'f16') kernels.f16ToF32(0, data.length, record.length)
  else kernels.dequantizeInt8(0, dim, scaleOffset(tokens, dim), tokens, dim, record.length)
  data.set(new Float32Array(kernels.buffer, record.length, data.length))
  return { data, length: tokens, dim }
}
