import { blocksOf, int16Limit, packInt16 } from '../../packages/core/src/math/pack.js'
import { createKernels } from '../../packages/core/src/math/simd.js'
import { align16 } from '../../packages/core/src/math/workspace.js'
import type { Kernels } from '../../packages/core/src/math/kernels.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'

/** The tokens of a collection as the index stores them: int8 codes and one scale per token, document after document. */
export interface StoredTokens {
  readonly dim: number
  /** Tokens of each document. */
  readonly lengths: Int32Array
  /** `[tokens × dim]` */
  readonly codes: Int8Array
  /** `[tokens]`; a component is code × scale. */
  readonly scales: Float32Array
}

/** Query tokens scored at once. */
const MAX_LANES = 256
/** Tokens compared per kernel call: their codes stay in the cache. */
const CHUNK = 8192

/**
 * All tokens of a collection in kernel memory, so that nothing is copied for a search. One query at a time: `load`, then `maxSim`
 * of as many documents as wanted.
 */
export class TokenStore {
  readonly dim: number
  readonly documents: number
  readonly tokens: number
  /** First token of each document, and at the end the number of tokens. */
  readonly starts: Int32Array
  readonly #stored: StoredTokens
  readonly #kernels: Kernels = createKernels()
  readonly #at: { query: number; queryScales: number; scratch: number; dots: number; scales: number; codes: number }
  #lanes = 0

  constructor(stored: StoredTokens) {
    const { dim, lengths, codes, scales } = stored
    if (dim % 16 !== 0) throw new Error(`Kernels compare tokens of a multiple of 16 components, got ${dim}.`)
    this.#stored = stored
    this.dim = dim
    this.documents = lengths.length
    this.tokens = scales.length
    this.starts = new Int32Array(lengths.length + 1)
    for (let i = 0; i < lengths.length; i++) this.starts[i + 1] = this.starts[i]! + lengths[i]!
    const at = { query: 64, queryScales: 0, scratch: 0, dots: 0, scales: 0, codes: 0 }
    at.queryScales = at.query + MAX_LANES * dim * 2
    at.scratch = at.queryScales + MAX_LANES * 4
    at.dots = align16(at.scratch + MAX_LANES * 4 + dim * 4)
    at.scales = at.dots + CHUNK * 4
    at.codes = align16(at.scales + scales.length * 4)
    this.#at = at
    // Kernels may read (never use) a little beyond the last row.
    this.#kernels.reserve(at.codes + codes.length + 64)
    new Float32Array(this.#kernels.buffer, at.scales, scales.length).set(scales)
    new Int8Array(this.#kernels.buffer, at.codes, codes.length).set(codes)
  }

  /** Bytes of a document's tokens, mean. */
  get bytesPerDocument(): number {
    return (this.#stored.codes.byteLength + this.#stored.scales.byteLength) / this.documents
  }

  /** A document's vectors as far as int8 kept them. */
  embeddings(document: number): TokenEmbeddings {
    const length = this.starts[document + 1]! - this.starts[document]!
    return { data: this.rows(this.starts[document]!, length), length, dim: this.dim }
  }

  /** `count` tokens from position `first` of the collection, `[count × dim]`. */
  rows(first: number, count: number): Float32Array {
    const { codes, scales } = this.#stored
    const data = new Float32Array(count * this.dim)
    for (let token = 0, i = 0; token < count; token++) {
      const scale = scales[first + token]!
      for (let k = 0; k < this.dim; k++, i++) data[i] = codes[first * this.dim + i]! * scale
    }
    return data
  }

  /** `count` tokens evenly spread over the collection, `[count × dim]`; all of them when there are no more. */
  sample(count: number): { rows: Float32Array; length: number } {
    const length = Math.min(count, this.tokens)
    const rows = new Float32Array(length * this.dim)
    for (let i = 0; i < length; i++) {
      rows.set(this.rows(Math.floor(((i + 0.5) * this.tokens) / length), 1), i * this.dim)
    }
    return { rows, length }
  }

  /** Makes these tokens, at most 256, the query of `maxSim` and `largest`. */
  load({ data, length, dim }: TokenEmbeddings): void {
    if (length > MAX_LANES) throw new Error(`A query may have ${MAX_LANES} tokens, got ${length}.`)
    const packed = packInt16(data, length, dim)
    new Int16Array(this.#kernels.buffer, this.#at.query, packed.codes.length).set(packed.codes)
    new Float32Array(this.#kernels.buffer, this.#at.queryScales, packed.scales.length).set(packed.scales)
    this.#lanes = length
  }

  maxSim(document: number): number {
    const first = this.starts[document]!
    const tokens = this.starts[document + 1]! - first
    if (tokens === 0 || this.#lanes === 0) return 0
    const { query, queryScales, scratch, scales, codes } = this.#at
    const [rows, rowScales] = [codes + first * this.dim, scales + first * 4]
    return this.#kernels.maxSimInt8(
      query,
      queryScales,
      blocksOf(this.#lanes),
      this.dim,
      rows,
      rowScales,
      tokens,
      scratch,
    )
  }

  /** Exact MaxSim of every document. */
  scores(query: TokenEmbeddings): Float64Array {
    this.load(query)
    return Float64Array.from({ length: this.documents }, (_, document) => this.maxSim(document))
  }

  /** The largest product of each loaded token with a token of the document, into `out`. */
  largest(document: number, out: Float32Array): void {
    if (this.starts[document] === this.starts[document + 1]) {
      out.fill(0, 0, this.#lanes)
      return
    }
    this.maxSim(document)
    const best = new Float32Array(this.#kernels.buffer, this.#at.scratch, this.#lanes)
    const scales = new Float32Array(this.#kernels.buffer, this.#at.queryScales, this.#lanes)
    for (let i = 0; i < best.length; i++) out[i] = best[i]! * scales[i]!
  }

  /** Products of one vector with every token of the collection, into `out`. */
  products(vector: Float32Array, out: Float32Array): void {
    const limit = int16Limit(2048)
    const largest = vector.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    if (largest === 0) {
      out.fill(0)
      return
    }
    const { query, dots, scales, codes } = this.#at
    new Int16Array(this.#kernels.buffer, query, this.dim).set(
      vector.map((value) => Math.round((value * limit) / largest)),
    )
    this.#lanes = 0
    for (let first = 0; first < this.tokens; first += CHUNK) {
      const count = Math.min(CHUNK, this.tokens - first)
      this.#kernels.dotsInt8(query, this.dim, codes + first * this.dim, scales + first * 4, count, dots)
      out.set(new Float32Array(this.#kernels.buffer, dots, count), first)
    }
    for (let i = 0; i < this.tokens; i++) out[i]! *= largest / limit
  }
}
