import { int16Limit } from '../../../math/pack.js'
import { createKernels } from '../../../math/simd.js'
import type { Kernels } from '../../../math/kernels.js'
import { align16, workspace } from '../../../math/workspace.js'

/** Rows scored per kernel call. */
const BLOCK_ROWS = 1024
/** Bytes of blocks per memory: far from the 4 GiB WebAssembly allows. */
const MEMORY_BYTES = 2 ** 30

const owner = {}

/** Bytes of one stored FDE: int8 codes, padded so that kernels can read them in whole vectors, and the float32 scale. */
export function fdeRowBytes(length: number): number {
  return align16(length) + 4
}

/** Rounds an FDE to int8: 4× smaller, at no loss of recall (.858 before and after, at 2,560 numbers). */
export function encodeFdeRow(fde: Float32Array): Uint8Array {
  const stride = align16(fde.length)
  const source = align16(fdeRowBytes(fde.length))
  workspace.claim(owner, source + fde.byteLength + 64)
  const { kernels } = workspace
  new Uint8Array(kernels.buffer, 0, source).fill(0)
  new Float32Array(kernels.buffer, source, fde.length).set(fde)
  kernels.quantizeInt8(source, 1, fde.length, 0, stride, stride)
  return new Uint8Array(kernels.buffer, 0, stride + 4).slice()
}

/**
 * All FDE rows of an index, in the order of their documents, for inner products with a query. They live in kernel memory
 * for good, so that a search copies nothing.
 *
 * A memory holds `[query i16]`, then blocks of `[1024 rows][1024 scales][1024 results]`.
 */
export class FdeRows {
  /** Numbers per FDE. */
  readonly dim: number
  readonly #stride: number
  readonly #blockBytes: number
  readonly #blocksPerMemory: number
  readonly #memories: Kernels[] = []
  #length = 0

  constructor(dim: number) {
    this.dim = dim
    this.#stride = align16(dim)
    this.#blockBytes = BLOCK_ROWS * (this.#stride + 8)
    this.#blocksPerMemory = Math.max(1, Math.floor(MEMORY_BYTES / this.#blockBytes))
  }

  get length(): number {
    return this.#length
  }

  /** Bytes of memory it holds. */
  get memory(): number {
    return this.#memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
  }

  /** Adds rows made by `encodeFdeRow`, one after the other. */
  append(rows: Uint8Array): void {
    const rowBytes = this.#stride + 4
    for (let at = 0; at < rows.length;) {
      const row = this.#length % BLOCK_ROWS
      const { kernels, block } = this.#place(this.#length)
      const memory = new Uint8Array(kernels.buffer)
      const count = Math.min(BLOCK_ROWS - row, (rows.length - at) / rowBytes)
      for (let i = row; i < row + count; i++, at += rowBytes) {
        memory.set(rows.subarray(at, at + this.#stride), block + i * this.#stride)
        memory.set(rows.subarray(at + this.#stride, at + rowBytes), block + BLOCK_ROWS * this.#stride + i * 4)
      }
      this.#length += count
    }
  }

  /** One row, as precisely as int8 kept it. */
  row(index: number): Float32Array {
    const { kernels, block } = this.#place(index)
    const row = index % BLOCK_ROWS
    const codes = new Int8Array(kernels.buffer, block + row * this.#stride, this.dim)
    const scale = new Float32Array(kernels.buffer, block + BLOCK_ROWS * this.#stride + row * 4, 1)[0]!
    const fde = new Float32Array(this.dim)
    for (let i = 0; i < fde.length; i++) fde[i] = codes[i]! * scale
    return fde
  }

  /**
   * Inner product of a query's FDE with every row, `[length]`; the query is rounded to 14 bits.
   *
   * @param from rows before it may be left at 0
   */
  innerProducts(query: Float32Array, from = 0): Float32Array {
    const out = new Float32Array(this.#length)
    const unit = this.#ask(query)
    if (unit === 0) return out
    for (let start = from - (from % BLOCK_ROWS); start < this.#length; start += BLOCK_ROWS) {
      this.#score(start, Math.min(BLOCK_ROWS, this.#length - start), out, start)
    }
    for (let i = 0; i < out.length; i++) out[i]! *= unit
    return out
  }

  /** As `innerProducts`, with some rows only: `[rows.length]`. */
  innerProductsWith(query: Float32Array, rows: Int32Array): Float32Array {
    const out = new Float32Array(rows.length)
    const unit = this.#ask(query)
    if (unit === 0) return out
    for (let i = 0; i < rows.length; i++) {
      this.#score(rows[i]!, 1, out, i)
      out[i]! *= unit
    }
    return out
  }

  /** Puts a query where rows are scored. @returns what a product is to be multiplied by; 0: all are 0 */
  #ask(query: Float32Array): number {
    const codes = new Int16Array(this.#stride)
    const largest = query.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    if (largest === 0) return 0
    // The kernel adds at most 2,048 products in one 32-bit lane.
    const limit = int16Limit(2048)
    for (let i = 0; i < query.length; i++) codes[i] = Math.round((query[i]! * limit) / largest)
    for (const { buffer } of this.#memories) new Int16Array(buffer, 64, this.#stride).set(codes)
    return largest / limit
  }

  /** Scores rows of one block. */
  #score(first: number, count: number, out: Float32Array, at: number): void {
    const { kernels, block } = this.#place(first)
    const row = first % BLOCK_ROWS
    const scales = block + BLOCK_ROWS * this.#stride
    const results = scales + BLOCK_ROWS * 4
    kernels.dotsInt8(64, this.#stride, block + row * this.#stride, scales + row * 4, count, results)
    out.set(new Float32Array(kernels.buffer, results, count), at)
  }

  /** The block a row is in, made when it is the first of one. */
  #place(index: number): { kernels: Kernels; block: number } {
    const number = Math.floor(index / BLOCK_ROWS)
    const memory = Math.floor(number / this.#blocksPerMemory)
    const kernels = (this.#memories[memory] ??= createKernels())
    const block = align16(64 + this.#stride * 2) + (number % this.#blocksPerMemory) * this.#blockBytes
    // 64 bytes more: kernels may read (never use) a little beyond the last row.
    kernels.reserve(block + this.#blockBytes + 64)
    return { kernels, block }
  }
}
