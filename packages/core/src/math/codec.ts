import { SerotineError } from '../errors.js'
import type { TokenEmbeddings } from '../types.js'
import { align16, workspace as sharedWorkspace } from './workspace.js'
import type { Workspace } from './workspace.js'

/** A matrix as int8 codes with one scale per row: row i = codes · scales[i]. */
export interface Int8Matrix {
  /** `[length × dim]` */
  codes: Int8Array
  /** `[length]`, the largest magnitude of each row / 127; 0 for a zero row */
  scales: Float32Array
}

/** f32 rows → int8, at most half a step (largest magnitude / 254) from the original. */
export function quantizeInt8({ data, length, dim }: TokenEmbeddings, workspace: Workspace = sharedWorkspace): Int8Matrix {
  const codes = align16(64 + data.byteLength)
  const scales = align16(codes + data.length)
  workspace.claim(quantizeInt8, scales + length * 4 + 16)
  const { kernels } = workspace
  new Float32Array(kernels.buffer, 64, data.length).set(data)
  kernels.quantizeInt8(64, length, dim, codes, dim, scales)
  return {
    codes: new Int8Array(kernels.buffer, codes, data.length).slice(),
    scales: new Float32Array(kernels.buffer, scales, length).slice(),
  }
}

/** @throws EMBEDDINGS_SHAPE when codes and scales disagree */
export function dequantizeInt8({ codes, scales }: Int8Matrix, workspace: Workspace = sharedWorkspace): TokenEmbeddings {
  const length = scales.length
  const dim = length === 0 ? 0 : codes.length / length
  if (!Number.isInteger(dim)) {
    throw new SerotineError('EMBEDDINGS_SHAPE', `${codes.length} codes are not a whole number of rows for ${length} scales.`)
  }
  const scalesAt = align16(64 + codes.length)
  const out = align16(scalesAt + scales.byteLength)
  workspace.claim(quantizeInt8, out + codes.length * 4 + 16)
  const { kernels } = workspace
  new Int8Array(kernels.buffer, 64, codes.length).set(codes)
  new Float32Array(kernels.buffer, scalesAt, length).set(scales)
  kernels.dequantizeInt8(64, dim, scalesAt, length, dim, out)
  return { data: new Float32Array(kernels.buffer, out, codes.length).slice(), length, dim }
}

/** f32 → IEEE half precision, rounded to nearest even; magnitudes above 65,504 saturate there. */
export function toF16(values: Float32Array, workspace: Workspace = sharedWorkspace): Uint16Array {
  const out = align16(64 + values.byteLength)
  workspace.claim(quantizeInt8, out + values.length * 2 + 16)
  const { kernels } = workspace
  new Float32Array(kernels.buffer, 64, values.length).set(values)
  kernels.f32ToF16(64, values.length, out)
  return new Uint16Array(kernels.buffer, out, values.length).slice()
}

/** IEEE half precision → f32, exact. Infinities and NaN are not supported. */
export function fromF16(halves: Uint16Array, workspace: Workspace = sharedWorkspace): Float32Array {
  const out = align16(64 + halves.byteLength)
  workspace.claim(quantizeInt8, out + halves.length * 4 + 16)
  const { kernels } = workspace
  new Uint16Array(kernels.buffer, 64, halves.length).set(halves)
  kernels.f16ToF32(64, halves.length, out)
  return new Float32Array(kernels.buffer, out, halves.length).slice()
}
