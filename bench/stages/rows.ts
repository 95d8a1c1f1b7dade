import { FdeRows, encodeFdeRow } from '../../packages/core/src/embedded/stages/fde/fde-rows.js'
import { createKernels } from '../../packages/core/src/math/simd.js'
import { align16 } from '../../packages/core/src/math/workspace.js'
import type { Kernels } from '../../packages/core/src/math/kernels.js'

/** How one vector per document is kept. */
export type Storage = 'f32' | 'int8' | '1 bit'

/** Stored vectors and the inner product of a query with each of them. */
export interface VectorRows {
  readonly bytesPerRow: number
  innerProducts(query: Float32Array): Float32Array
}

/** @param rows `[count × dim]` */
export function storeRows(storage: Storage, rows: Float32Array, dim: number): VectorRows {
  if (storage === 'f32') return new FloatRows(rows, dim)
  return storage === 'int8' ? new ByteRows(rows, dim) : new BitRows(rows, dim)
}

class FloatRows implements VectorRows {
  readonly bytesPerRow: number
  readonly #kernels: Kernels = createKernels()
  readonly #dim: number
  readonly #count: number
  readonly #at: { rows: number; out: number }

  constructor(rows: Float32Array, dim: number) {
    this.#dim = dim
    this.#count = rows.length / dim
    this.bytesPerRow = dim * 4
    const at = align16(64 + dim * 4)
    this.#at = { rows: at, out: align16(at + rows.byteLength) }
    this.#kernels.reserve(this.#at.out + this.#count * 4 + 64)
    new Float32Array(this.#kernels.buffer, at, rows.length).set(rows)
  }

  innerProducts(query: Float32Array): Float32Array {
    new Float32Array(this.#kernels.buffer, 64, this.#dim).set(query)
    this.#kernels.dotsF32(64, this.#dim, this.#at.rows, this.#count, this.#at.out)
    return new Float32Array(this.#kernels.buffer, this.#at.out, this.#count).slice()
  }
}

/** int8 codes and one scale per row, as the index keeps FDEs. */
class ByteRows implements VectorRows {
  readonly bytesPerRow: number
  readonly #rows: FdeRows

  constructor(rows: Float32Array, dim: number) {
    this.bytesPerRow = dim + 4
    this.#rows = new FdeRows(dim)
    for (let at = 0; at < rows.length; at += dim) this.#rows.append(encodeFdeRow(rows.slice(at, at + dim)))
  }

  innerProducts(query: Float32Array): Float32Array {
    return this.#rows.innerProducts(query)
  }
}

/**
 * The sign of every number and, a row, their mean magnitude. The query keeps int8. Eight signs at a time are looked up in a table
 * of what they add, made for each query.
 */
export class BitRows implements VectorRows {
  readonly bytesPerRow: number
  readonly #signs: Uint8Array
  readonly #scales: Float32Array
  readonly #stride: number

  constructor(rows: Float32Array, dim: number) {
    const count = rows.length / dim
    this.#stride = Math.ceil(dim / 8)
    this.bytesPerRow = this.#stride + 4
    this.#signs = new Uint8Array(count * this.#stride)
    this.#scales = new Float32Array(count)
    for (let row = 0; row < count; row++) {
      let sum = 0
      for (let k = 0; k < dim; k++) {
        const value = rows[row * dim + k]!
        sum += Math.abs(value)
        if (value > 0) this.#signs[row * this.#stride + (k >> 3)]! |= 1 << (k & 7)
      }
      this.#scales[row] = sum / dim
    }
  }

  innerProducts(query: Float32Array): Float32Array {
    const { table, scale } = this.#table(query)
    const [signs, stride] = [this.#signs, this.#stride]
    return this.#scales.map((magnitude, row) => {
      let sum = 0
      const first = row * stride
      for (let i = 0; i < stride; i++) sum += table[(i << 8) + signs[first + i]!]!
      return sum * magnitude * scale
    })
  }

  /** For every eight numbers of the query: the sum ±q that each of the 256 patterns of signs stands for. */
  #table(query: Float32Array): { table: Int16Array; scale: number } {
    const largest = query.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    const table = new Int16Array(this.#stride * 256)
    if (largest === 0) return { table, scale: 0 }
    for (let i = 0; i < this.#stride; i++) {
      const codes = Array.from({ length: 8 }, (_, j) => Math.round(((query[i * 8 + j] ?? 0) * 127) / largest))
      const base = i << 8
      table[base] = -codes.reduce((sum, code) => sum + code, 0)
      for (let pattern = 1; pattern < 256; pattern++) {
        // The pattern without its highest bit is known; that bit turns −code into +code.
        const bit = 31 - Math.clz32(pattern)
        table[base + pattern] = table[base + pattern - (1 << bit)]! + 2 * codes[bit]!
      }
    }
    return { table, scale: largest / 127 }
  }
}
