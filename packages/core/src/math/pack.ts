/** Query lanes per block: the kernels score 16 query tokens (or hash with 16 hyperplanes) at a time. */
export const LANES = 16

export function blocksOf(count: number): number {
  return Math.ceil(count / LANES)
}

/**
 * Row-major `[count × dim]` → `[blocks of 16][dim][16]`, so that the lanes of a vector are 16 query tokens and no sum across
 * lanes is ever needed. Missing rows are zero: their best similarity is 0 and adds nothing.
 */
export function packLanes(rows: Float32Array, count: number, dim: number): Float32Array {
  const packed = new Float32Array(blocksOf(count) * dim * LANES)
  for (let row = 0; row < count; row++) {
    const base = Math.floor(row / LANES) * dim * LANES + (row % LANES)
    for (let k = 0; k < dim; k++) packed[base + k * LANES] = rows[row * dim + k]!
  }
  return packed
}

export interface Int16Query {
  /** `[blocks][padded / 2][16][2]`, padded = dim rounded up to 8 */
  codes: Int16Array
  /** `[blocks × 16]`, 0 for missing rows */
  scales: Float32Array
}

/**
 * A query for the int8 kernel: i16 codes with one scale per token. The codes are as large as a sum of `dim` products with int8
 * can take without leaving 32 bits, ±8191 up to 2,064 dimensions.
 */
export function packInt16(rows: Float32Array, count: number, dim: number): Int16Query {
  const limit = int16Limit(dim)
  const blocks = blocksOf(count)
  const padded = (dim + 7) & ~7
  const codes = new Int16Array(blocks * padded * LANES)
  const scales = new Float32Array(blocks * LANES)
  for (let row = 0; row < count; row++) {
    let largest = 0
    for (let k = 0; k < dim; k++) largest = Math.max(largest, Math.abs(rows[row * dim + k]!))
    if (largest === 0) continue
    scales[row] = largest / limit
    const base = Math.floor(row / LANES) * padded * LANES + (row % LANES) * 2
    for (let k = 0; k < dim; k++)
      codes[base + (k >> 1) * 2 * LANES + (k & 1)] = Math.round((rows[row * dim + k]! * limit) / largest)
  }
  return { codes, scales }
}

/** The largest i16 magnitude for which `terms` products with int8 codes always fit 32 bits. */
export function int16Limit(terms: number): number {
  return Math.min(8191, Math.floor(2147483647 / (127 * terms)))
}
