import { fdeLength, resolveFdeConfig } from '../../packages/core/src/fde/config.js'
import type { FdeOptions } from '../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../packages/core/src/fde/encode.js'
import { choosePreparation, estimateMeans } from '../../packages/core/src/fde/suitability.js'
import type { CollectionMeans } from '../../packages/core/src/fde/suitability.js'
import type { TokenEmbeddings } from '../../packages/core/src/types.js'
import type { TokenStore } from './token-store.js'
import type { TextVectors } from './vector-stage.js'

/** Documents that the means are taken of: more change the third digit of nothing. */
const MEANS_OF = 1000

/** Means of documents spread over the collection, and of the queries (for `prepare: 'center'`; no judgment is looked at). */
export function collectionMeans(store: TokenStore, queries: readonly TokenEmbeddings[]): CollectionMeans {
  const count = Math.min(MEANS_OF, store.documents)
  const documents = Array.from({ length: count }, (_, i) =>
    store.embeddings(Math.floor(((i + 0.5) * store.documents) / count)),
  ).filter(({ length }) => length > 0)
  return estimateMeans(documents, queries)
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
    const rows = new Float32Array(store.documents * this.dim)
    for (let i = 0; i < store.documents; i++) rows.set(this.#encoder.encodeDocument(store.embeddings(i)), i * this.dim)
    return rows
  }

  encodeQuery(query: TokenEmbeddings): Float32Array {
    return this.#encoder.encodeQuery(query)
  }
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
