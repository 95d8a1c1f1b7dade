import { int16Limit } from '../../packages/core/src/math/pack.js'
import { createKernels } from '../../packages/core/src/math/simd.js'
import { align16 } from '../../packages/core/src/math/workspace.js'
import { topK } from '../../packages/core/src/math/top-k.js'
import type { Kernels } from '../../packages/core/src/math/kernels.js'
import { timed } from './stage.js'
import type { BuildStats, Stage, StageQuery } from './stage.js'
import type { TokenStore } from './token-store.js'

/** Tokens that k-means looks at, a centroid. */
const SAMPLE_PER_CENTROID = 16
const ROUNDS = 4

/**
 * Every token is replaced by the nearest of K centroids, and every document scored by MaxSim over them: the second stage of PLAID
 * (Santhanam et al., arXiv:2205.09707), but of all documents and without an inverted list. A document keeps the centroids it has
 * tokens of, once each, as u16.
 */
export class CentroidStage implements Stage {
  readonly name: string
  readonly group = 'centroid scan'
  readonly #store: TokenStore
  readonly #wanted: number
  #centroids: Centroids | undefined
  #codes = new Uint16Array(0)
  #starts = new Int32Array(0)

  /** Collections of few tokens get fewer centroids: one for four tokens. */
  constructor(store: TokenStore, centroids: number) {
    this.#store = store
    this.#wanted = Math.min(centroids, Math.max(1, store.tokens >> 2))
    this.name = `centroid scan, K=${centroids}`
  }

  build(): BuildStats {
    const { seconds } = timed(() => this.#build())
    const bytesPerDocument = (this.#codes.byteLength + this.#starts.byteLength) / this.#store.documents
    return { bytesPerDocument, fixedBytes: this.#wanted * this.#store.dim * 4, seconds }
  }

  #build(): void {
    const { dim, documents } = this.#store
    const sample = this.#store.sample(this.#wanted * SAMPLE_PER_CENTROID)
    const centroids = (this.#centroids = new Centroids(kMeans(sample.rows, sample.length, dim, this.#wanted), dim))
    const codes: number[] = []
    this.#starts = new Int32Array(documents + 1)
    for (let document = 0; document < documents; document++) {
      const { data, length } = this.#store.embeddings(document)
      const own = new Set<number>()
      for (let i = 0; i < length; i++) own.add(centroids.nearest(data.subarray(i * dim, (i + 1) * dim)))
      codes.push(...own)
      this.#starts[document + 1] = codes.length
    }
    this.#codes = Uint16Array.from(codes)
  }

  rank({ embeddings }: StageQuery, count: number): Int32Array {
    const { data, length, dim } = embeddings
    const total = this.#centroids!.count
    const table = new Float32Array(total * length)
    for (let token = 0; token < length; token++) {
      const products = this.#centroids!.products(data.subarray(token * dim, (token + 1) * dim))
      for (let c = 0; c < total; c++) table[c * length + token] = products[c]!
    }
    const [codes, starts] = [this.#codes, this.#starts]
    const scores = new Float32Array(this.#store.documents)
    const best = new Float32Array(length)
    for (let document = 0; document < scores.length; document++) {
      const end = starts[document + 1]!
      if (starts[document] === end) {
        scores[document] = -Infinity
        continue
      }
      best.fill(-Infinity)
      for (let i = starts[document]!; i < end; i++) {
        const row = codes[i]! * length
        for (let token = 0; token < length; token++) {
          const value = table[row + token]!
          if (value > best[token]!) best[token] = value
        }
      }
      let sum = 0
      for (let token = 0; token < length; token++) sum += best[token]!
      scores[document] = sum
    }
    return topK(scores, count)
  }
}

/** Vectors in kernel memory twice: as int8 to find the nearest fast, as f32 for products that count. */
class Centroids {
  readonly count: number
  readonly #dim: number
  readonly #stride: number
  readonly #kernels: Kernels = createKernels()
  readonly #at: { query: number; out: number; scales: number; codes: number; rows: number }
  readonly #halfSquares: Float32Array

  /** @param rows `[count × dim]` */
  constructor(rows: Float32Array, dim: number) {
    const count = (this.count = rows.length / dim)
    this.#dim = dim
    const stride = (this.#stride = align16(dim))
    const at = { query: 64, out: align16(64 + stride * 4), scales: 0, codes: 0, rows: 0 }
    at.scales = align16(at.out + count * 4)
    at.codes = align16(at.scales + count * 4)
    at.rows = align16(at.codes + count * stride)
    this.#at = at
    this.#kernels.reserve(at.rows + rows.byteLength + 64)
    new Float32Array(this.#kernels.buffer, at.rows, rows.length).set(rows)
    this.#kernels.quantizeInt8(at.rows, count, dim, at.codes, stride, at.scales)
    this.#halfSquares = Float32Array.from({ length: count }, (_, i) => squareOf(rows.subarray(i * dim, (i + 1) * dim)) / 2)
  }

  /** The centroid at the least distance from a token. */
  nearest(token: Float32Array): number {
    const limit = int16Limit(2048)
    const { query, out, scales, codes } = this.#at
    const { buffer } = this.#kernels
    let largest = 0
    for (let k = 0; k < token.length; k++) largest = Math.max(largest, Math.abs(token[k]!))
    if (largest === 0) return 0
    const packed = new Int16Array(buffer, query, this.#stride)
    const factor = limit / largest
    for (let k = 0; k < token.length; k++) packed[k] = Math.round(token[k]! * factor)
    this.#kernels.dotsInt8(query, this.#stride, codes, scales, this.count, out)
    const products = new Float32Array(buffer, out, this.count)
    const halfSquares = this.#halfSquares
    let [nearest, highest] = [0, -Infinity]
    for (let i = 0; i < products.length; i++) {
      // |x − c|² is least where x·c − |c|²/2 is highest.
      const value = products[i]! - halfSquares[i]! * factor
      if (value > highest) [nearest, highest] = [i, value]
    }
    return nearest
  }

  /** Inner product of a token with each centroid; valid until the next call. */
  products(token: Float32Array): Float32Array {
    const { query, out, rows } = this.#at
    new Float32Array(this.#kernels.buffer, query, this.#dim).set(token)
    this.#kernels.dotsF32(query, this.#dim, rows, this.count, out)
    return new Float32Array(this.#kernels.buffer, out, this.count)
  }
}

/**
 * Lloyd's k-means, a few rounds from centroids spread over the sample. A centroid that loses all its tokens stays where it was.
 *
 * @param rows `[length × dim]`
 * @returns `[count × dim]`
 */
export function kMeans(rows: Float32Array, length: number, dim: number, count: number): Float32Array {
  const centroids = new Float32Array(count * dim)
  for (let c = 0; c < count; c++) {
    const row = Math.floor(((c + 0.5) * length) / count)
    centroids.set(rows.subarray(row * dim, (row + 1) * dim), c * dim)
  }
  for (let round = 0; round < ROUNDS; round++) {
    const current = new Centroids(centroids, dim)
    const sums = new Float64Array(count * dim)
    const sizes = new Int32Array(count)
    for (let i = 0; i < length; i++) {
      const token = rows.subarray(i * dim, (i + 1) * dim)
      const c = current.nearest(token)
      sizes[c]!++
      for (let k = 0; k < dim; k++) sums[c * dim + k]! += token[k]!
    }
    for (let c = 0; c < count; c++) {
      for (let k = 0; sizes[c]! > 0 && k < dim; k++) centroids[c * dim + k] = sums[c * dim + k]! / sizes[c]!
    }
  }
  return centroids
}

function squareOf(vector: Float32Array): number {
  return vector.reduce((sum, x) => sum + x * x, 0)
}
