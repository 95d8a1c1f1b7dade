import { fdeLength, resolveFdeConfig } from '../../packages/core/src/fde/config.js'
import type { FdeOptions } from '../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../packages/core/src/fde/encode.js'
import { learnFde } from '../../packages/core/src/fde/learn.js'
import { choosePreparation, estimateMeans } from '../../packages/core/src/fde/suitability.js'
import type { CollectionMeans } from '../../packages/core/src/fde/suitability.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import type { TokenStore } from './token-store.js'
import type { TextVectors } from './vector-stage.js'

/** Documents that means are taken of and partitions learned from. */
const SAMPLE_DOCUMENTS = 1000

/** Documents spread over the collection, for means and partitions. */
function sampleDocuments(store: TokenStore): TokenEmbeddings[] {
  const count = Math.min(SAMPLE_DOCUMENTS, store.documents)
  const spread = Array.from({ length: count }, (_, i) =>
    store.embeddings(Math.floor(((i + 0.5) * store.documents) / count)),
  )
  return spread.filter(({ length }) => length > 0)
}

/** Mean tokens of documents, and of the queries (for `prepare: 'center'`; no judgment is looked at). */
export function collectionMeans(store: TokenStore, queries: readonly TokenEmbeddings[]): CollectionMeans {
  return estimateMeans(sampleDocuments(store), queries)
}

/** MUVERA's encodings, as core makes them. */
export class FdeVectors implements TextVectors {
  readonly dim: number
  readonly #encoder: FdeEncoder

  constructor(dim: number, options: FdeOptions, means: CollectionMeans) {
    const config = resolveFdeConfig({ ...options, dim }, choosePreparation(means))
    this.dim = fdeLength(config)
    this.#encoder = new FdeEncoder(config, {}, means)
  }

  encodeDocuments(store: TokenStore): Float32Array {
    return encodeAll(store, this.#encoder)
  }

  encodeQuery(query: TokenEmbeddings): Float32Array {
    return this.#encoder.encodeQuery(query)
  }
}

/** MUVERA's encodings with partitions learned from the collection, as core fits them. */
export class LearnedFdeVectors implements TextVectors {
  readonly dim: number
  readonly #options: FdeOptions & { dim: number }
  #encoder: FdeEncoder | undefined

  constructor(dim: number, options: FdeOptions) {
    this.#options = { ...options, dim }
    this.dim = fdeLength(resolveFdeConfig(this.#options))
  }

  async encodeDocuments(store: TokenStore): Promise<Float32Array> {
    const { config, means } = await learnFde(sampleDocuments(store), this.#options)
    this.#encoder = new FdeEncoder(config, {}, means)
    if (this.#encoder.outputDim !== this.dim)
      throw new Error(`Expected ${this.dim} numbers, got ${this.#encoder.outputDim}.`)
    return encodeAll(store, this.#encoder)
  }

  encodeQuery(query: TokenEmbeddings): Float32Array {
    return this.#encoder!.encodeQuery(query)
  }
}

function encodeAll(store: TokenStore, encoder: FdeEncoder): Float32Array {
  const rows = new Float32Array(store.documents * encoder.outputDim)
  for (let i = 0; i < store.documents; i++) rows.set(encoder.encodeDocument(store.embeddings(i)), i * encoder.outputDim)
  return rows
}

/** The mean of the tokens at unit length: what a single-vector model would keep of the same vectors. */
export class MeanVectors implements TextVectors {
  readonly dim: number

  constructor(dim: number) {
    this.dim = dim
  }

  encodeDocuments(store: TokenStore): Float32Array {
    const rows = new Float32Array(store.documents * this.dim)
    for (let i = 0; i < store.documents; i++) rows.set(this.encodeQuery(store.embeddings(i)), i * this.dim)
    return rows
  }

  encodeQuery({ data, dim }: TokenEmbeddings): Float32Array {
    const sum = new Float32Array(dim)
    for (let i = 0; i < data.length; i++) sum[i % dim]! += data[i]!
    const norm = Math.sqrt(sum.reduce((total, x) => total + x * x, 0))
    return norm > 0 ? sum.map((x) => x / norm) : sum
  }
}
