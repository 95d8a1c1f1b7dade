import { STREAM, binomial, stream } from '../../packages/core/src/math/random.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { addProduct, cholesky, inverseOfLower, transpose } from './matrix.js'
import { storeRows } from './rows.js'
import type { VectorRows } from './rows.js'
import type { TokenStore } from './token-store.js'
import type { TextVectors } from './vector-stage.js'

/** Tokens of the collection that stand for query tokens. */
const SAMPLE = 16_384
/** Lanes of one pass over the collection: their codes stay in the cache. */
const LANES = 256
const SEED = 42
/** Standard deviation of the random offsets, where that of a·x is 1. */
const OFFSET = 0.5
/** Added to the diagonal of the normal equations, as a share of its mean. */
const RIDGE = 1e-3

/**
 * The largest product of each sampled token with any token of each document, `[documents × sample]`: what LEMUR learns to
 * predict. Made once for all sizes.
 */
export class LemurTargets {
  readonly sample: { readonly rows: Float32Array; readonly length: number }
  readonly values: Float32Array
  readonly #seconds: number
  #isCharged = false

  constructor(store: TokenStore) {
    const started = process.cpuUsage()
    const { dim } = store
    const { rows, length } = (this.sample = store.sample(SAMPLE))
    this.values = new Float32Array(store.documents * length)
    for (let first = 0; first < length; first += LANES) {
      const lanes = Math.min(LANES, length - first)
      store.load({ data: rows.subarray(first * dim, (first + lanes) * dim), length: lanes, dim })
      for (let document = 0; document < store.documents; document++) {
        const at = document * length + first
        store.largest(document, this.values.subarray(at, at + lanes))
      }
    }
    const { user, system } = process.cpuUsage(started)
    this.#seconds = (user + system) / 1e6
  }

  /** Processor time that a user of targets somebody else had made saved: nothing for the first, whose time they are part of. */
  savedSeconds(): number {
    const saved = this.#isCharged ? this.#seconds : 0
    this.#isCharged = true
    return saved
  }
}

/**
 * LEMUR (arXiv:2601.21853) without its training: a token x becomes random features ψ(x) = max(0, A(x − mean) + b), and a document
 * the vector w for which w · ψ(x) comes nearest to the largest product of x with any of its tokens, by least squares over a
 * sample of tokens. A query is the sum of its tokens' features, so that inner products approximate MaxSim.
 *
 * Ours: with L Lᵀ the normal equations, Lᵀ w is stored and L⁻¹ ψ compared with it, both turned by one random rotation. That
 * changes no inner product, but the numbers of a query have about equal weight then, so that rounding documents, even to signs,
 * costs less. And the mean of all documents is taken off each, which changes no ranking.
 */
export class LemurVectors implements TextVectors {
  readonly dim: number
  readonly fixedBytes: number
  savedSeconds = 0
  readonly #targets: () => LemurTargets
  readonly #tokenDim: number
  readonly #signs: Float32Array
  /** A and b, `[token dim + 1 × dim]`. */
  #map = new Float32Array(0)
  #mean = new Float32Array(0)
  /** L⁻¹, for queries. */
  #whitening: VectorRows | undefined

  /** @param dim a power of two */
  constructor(dim: number, tokenDim: number, targets: () => LemurTargets) {
    this.dim = dim
    this.#tokenDim = tokenDim
    this.#targets = targets
    const next = stream(SEED, STREAM.sketch, 0)
    this.#signs = Float32Array.from({ length: dim }, (_, i) => ((next(2 * i + 1) & 1) === 1 ? 1 : -1))
    // A document added later needs the sample (f16), everybody L⁻¹ (f32, a triangle); A comes from a seed.
    this.fixedBytes = SAMPLE * tokenDim * 2 + (dim * (dim + 1) * 4) / 2
  }

  encodeDocuments(store: TokenStore): Float32Array {
    const targets = this.#targets()
    const { sample, values } = targets
    this.savedSeconds = targets.savedSeconds()
    const { dim } = this
    const [length, documents] = [sample.length, store.documents]
    this.#draw(sample.rows, length)
    const features = this.#features(sample.rows, length)
    const inverse = this.#inverse(features, length)
    this.#whitening = storeRows('f32', inverse, dim)
    const right = new Float32Array(documents * dim)
    addProduct(values, { row: length, column: 1 }, features, { m: documents, k: length, n: dim }, right)
    const out = new Float32Array(documents * dim)
    const shape = { m: documents, k: dim, n: dim }
    addProduct(right, { row: dim, column: 1 }, transpose(inverse, dim), shape, out)
    const mean = new Float64Array(dim)
    for (let i = 0; i < out.length; i++) mean[i % dim]! += out[i]! / documents
    for (let i = 0; i < out.length; i++) out[i]! -= mean[i % dim]!
    for (let at = 0; at < out.length; at += dim) rotate(out.subarray(at, at + dim), this.#signs)
    return out
  }

  encodeQuery({ data, length }: TokenEmbeddings): Float32Array {
    const features = this.#features(data, length)
    const sum = new Float32Array(this.dim)
    for (let i = 0; i < features.length; i++) sum[i % this.dim]! += features[i]!
    const whitened = this.#whitening!.innerProducts(sum)
    rotate(whitened, this.#signs)
    return whitened
  }

  /** L⁻¹ of ΨᵀΨ + ridge = L Lᵀ. */
  #inverse(features: Float32Array, length: number): Float32Array {
    const { dim } = this
    const gram = new Float32Array(dim * dim)
    addProduct(features, { row: 1, column: dim }, features, { m: dim, k: length, n: dim }, gram)
    const lower = Float64Array.from(gram)
    let trace = 0
    for (let i = 0; i < dim; i++) trace += lower[i * dim + i]!
    for (let i = 0; i < dim; i++) lower[i * dim + i]! += (RIDGE * trace) / dim
    cholesky(lower, dim)
    return inverseOfLower(lower, dim)
  }

  /** Draws A and b; A is scaled so that the features of the sample have a standard deviation of about 1 before the offset. */
  #draw(rows: Float32Array, length: number): void {
    const width = this.#tokenDim
    this.#mean = new Float32Array(width)
    for (let i = 0; i < rows.length; i++) this.#mean[i % width]! += rows[i]! / length
    let square = 0
    for (let i = 0; i < rows.length; i++) square += (rows[i]! - this.#mean[i % width]!) ** 2 / length
    const next = stream(SEED, STREAM.simHash, 0)
    // binomial has a standard deviation of 4.
    this.#map = Float32Array.from({ length: (width + 1) * this.dim }, (_, i) => {
      const scale = i < width * this.dim ? 1 / Math.sqrt(square) : OFFSET
      return (binomial(next, i) / 4) * scale
    })
  }

  #features(rows: Float32Array, length: number): Float32Array {
    const width = this.#tokenDim
    const extended = new Float32Array(length * (width + 1))
    for (let i = 0; i < length; i++) {
      for (let k = 0; k < width; k++) extended[i * (width + 1) + k] = rows[i * width + k]! - this.#mean[k]!
      extended[i * (width + 1) + width] = 1
    }
    const out = new Float32Array(length * this.dim)
    addProduct(extended, { row: width + 1, column: 1 }, this.#map, { m: length, k: width + 1, n: this.dim }, out)
    for (let i = 0; i < out.length; i++) out[i] = Math.max(0, out[i]!)
    return out
  }
}

/**
 * Random signs, then the Walsh–Hadamard transform, in place: an orthogonal map that spreads a vector over all its components, so
 * that a sign says about as much of each.
 *
 * @param vector of a length that is a power of two
 */
export function rotate(vector: Float32Array, signs: Float32Array): void {
  const length = vector.length
  const scale = 1 / Math.sqrt(length)
  for (let i = 0; i < length; i++) vector[i]! *= signs[i]! * scale
  for (let half = 1; half < length; half *= 2) {
    for (let first = 0; first < length; first += 2 * half) {
      for (let i = first; i < first + half; i++) {
        const [a, b] = [vector[i]!, vector[i + half]!]
        vector[i] = a + b
        vector[i + half] = a - b
      }
    }
  }
}
