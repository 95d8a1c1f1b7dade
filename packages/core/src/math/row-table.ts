import { SerotineError } from '../errors.js'
import type { Kernels } from './kernels.js'
import { int16Limit } from './pack.js'
import { createKernels } from './simd.js'
import { align16 } from './workspace.js'

/** Bytes of rows per memory: far from WebAssembly's 4 GiB, so that tables larger than that are several memories. */
const SEGMENT_BYTES = 2 ** 30
/** Rows a segment's result area covers per kernel call. */
const BATCH = 4096

interface Segment {
  kernels: Kernels
  rows: number
}

/**
 * Many vectors of one dimension in kernel memory, for an exact inner-product scan: `scores(query)` reads every row once.
 * int8 (one scale per row) needs a quarter of the memory and is read about as much faster.
 */
export class RowTable {
  readonly dim: number
  readonly codec: 'f32' | 'int8'
  #length = 0
  readonly #segments: Segment[] = []
  readonly #segmentRows: number
  readonly #stride: number
  readonly #create: () => Kernels
  readonly #layout: { query: number; scores: number; scales: number; row: number; rows: number }

  constructor(dim: number, codec: 'f32' | 'int8' = 'int8', options: { simd?: boolean; segmentBytes?: number } = {}) {
    if (!Number.isInteger(dim) || dim < 1) throw new SerotineError('INVALID_ARGUMENT', `dim must be a positive integer, got ${dim}.`)
    this.dim = dim
    this.codec = codec
    this.#stride = codec === 'int8' ? align16(dim) : dim * 4
    this.#segmentRows = Math.max(1, Math.floor((options.segmentBytes ?? SEGMENT_BYTES) / (this.#stride + 4)))
    this.#create = () => createKernels(options.simd === undefined ? {} : { simd: options.simd })
    // The scales come first, with room for a full segment: address space, not memory, until it is written.
    const query = 64
    const scores = align16(query + align16(dim) * 4)
    const row = scores + BATCH * 4
    const scales = align16(row + dim * 4)
    this.#layout = { query, scores, row, scales, rows: align16(scales + (codec === 'int8' ? this.#segmentRows * 4 : 0)) + 64 }
  }

  /** Rows in the table. */
  get length(): number {
    return this.#length
  }

  /** Bytes of kernel memory in use. */
  get byteLength(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.kernels.buffer.byteLength, 0)
  }

  /** Adds one row and returns its index. @throws DIM_MISMATCH */
  append(row: Float32Array): number {
    this.#checkDim(row)
    const { kernels, at, segment } = this.#place(this.#length)
    segment.rows++
    this.#write(kernels, at, row)
    return this.#length++
  }

  /** Replaces a row. @throws DIM_MISMATCH, INVALID_ARGUMENT */
  set(index: number, row: Float32Array): void {
    this.#checkDim(row)
    this.#checkIndex(index)
    const { kernels, at } = this.#place(index)
    this.#write(kernels, at, row)
  }

  /**
   * Adds one row as it was stored, without decoding: `dim` codes and a scale (int8), or `dim` f32 (as their bytes).
   *
   * @throws EMBEDDINGS_SHAPE
   */
  appendStored(bytes: Uint8Array, scale = 1): number {
    const expected = this.codec === 'int8' ? this.dim : this.dim * 4
    if (bytes.length !== expected) {
      throw new SerotineError('EMBEDDINGS_SHAPE', `A stored ${this.codec} row of dimension ${this.dim} has ${expected} bytes, got ${bytes.length}.`)
    }
    const { kernels, at, segment } = this.#place(this.#length)
    segment.rows++
    new Uint8Array(kernels.buffer, this.#layout.rows + at * this.#stride).set(bytes)
    if (this.codec === 'int8') new Float32Array(kernels.buffer, this.#layout.scales)[at] = scale
    return this.#length++
  }

  /** A row as it is stored: the counterpart of `appendStored`. A copy. */
  stored(index: number): { bytes: Uint8Array; scale: number } {
    this.#checkIndex(index)
    const { kernels, at } = this.#place(index)
    const size = this.codec === 'int8' ? this.dim : this.dim * 4
    return {
      bytes: new Uint8Array(kernels.buffer, this.#layout.rows + at * this.#stride, size).slice(),
      scale: this.codec === 'int8' ? new Float32Array(kernels.buffer, this.#layout.scales)[at]! : 1,
    }
  }

  /** A row, decoded. */
  row(index: number): Float32Array {
    const { bytes, scale } = this.stored(index)
    if (this.codec === 'f32') return new Float32Array(bytes.buffer)
    return Float32Array.from(new Int8Array(bytes.buffer), (code) => code * scale)
  }

  /**
   * The inner product of the query with every row, `[length]`. In an int8 table the query is rounded to 16 bits.
   *
   * @param out reused when given, at least `length` long
   * @throws DIM_MISMATCH
   */
  scores(query: Float32Array, out: Float32Array = new Float32Array(this.#length)): Float32Array {
    this.#checkDim(query)
    const int16 = this.codec === 'int8' ? quantizeQuery(query, this.#stride) : undefined
    let done = 0
    for (const { kernels, rows } of this.#segments) {
      const { query: queryAt, scores, scales, rows: rowsAt } = this.#layout
      if (int16) new Int16Array(kernels.buffer, queryAt).set(int16.codes)
      else new Float32Array(kernels.buffer, queryAt).set(query)
      for (let first = 0; first < rows; first += BATCH) {
        const count = Math.min(BATCH, rows - first)
        const at = rowsAt + first * this.#stride
        if (int16) kernels.dotsInt8(queryAt, this.#stride, at, scales + first * 4, count, scores)
        else kernels.dotsF32(queryAt, this.dim, at, count, scores)
        out.set(new Float32Array(kernels.buffer, scores, count), done)
        done += count
      }
    }
    if (int16) for (let i = 0; i < done; i++) out[i]! *= int16.scale
    return out
  }

  #place(index: number): { kernels: Kernels; at: number; segment: Segment } {
    const number = Math.floor(index / this.#segmentRows)
    const at = index % this.#segmentRows
    const segment = (this.#segments[number] ??= { kernels: this.#create(), rows: 0 })
    // 64 bytes more: kernels may read (never use) a little beyond the last row.
    segment.kernels.reserve(this.#layout.rows + (at + 1) * this.#stride + 64)
    return { kernels: segment.kernels, at, segment }
  }

  #write(kernels: Kernels, at: number, row: Float32Array): void {
    const to = this.#layout.rows + at * this.#stride
    if (this.codec === 'f32') {
      new Float32Array(kernels.buffer, to).set(row)
      return
    }
    new Float32Array(kernels.buffer, this.#layout.row).set(row)
    kernels.quantizeInt8(this.#layout.row, 1, this.dim, to, this.#stride, this.#layout.scales + at * 4)
  }

  #checkDim(row: Float32Array): void {
    if (row.length === this.dim) return
    throw new SerotineError('DIM_MISMATCH', `The table's rows have dimension ${this.dim}, got ${row.length}.`)
  }

  #checkIndex(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.#length) return
    throw new SerotineError('INVALID_ARGUMENT', `Row ${index} does not exist; the table has ${this.#length}.`)
  }
}

/** i16 codes padded with zeros, and the scale. The kernel moves its sums to f32 every 8,192 terms, 2,048 per lane. */
function quantizeQuery(query: Float32Array, stride: number): { codes: Int16Array; scale: number } {
  const limit = int16Limit(2048)
  const largest = query.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
  const codes = new Int16Array(stride)
  if (largest > 0) query.forEach((x, k) => (codes[k] = Math.round((x * limit) / largest)))
  return { codes, scale: largest / limit }
}
