import { topK } from '../../packages/core/src/math/top-k.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { storeRows } from './rows.js'
import type { Storage, VectorRows } from './rows.js'
import { timed } from './stage.js'
import type { BuildStats, Stage, StageQuery } from './stage.js'
import type { TokenStore } from './token-store.js'

/** Makes one vector of the tokens of a text, such that inner products rank like MaxSim as well as they can. */
export interface TextVectors {
  readonly dim: number
  readonly fixedBytes?: number
  /** Processor time of what `encodeDocuments` needed and found made by others. */
  readonly savedSeconds?: number
  /** Vectors of all documents, `[documents × dim]`. Comes before `encodeQuery`. */
  encodeDocuments(store: TokenStore): Float32Array | Promise<Float32Array>
  encodeQuery(query: TokenEmbeddings): Float32Array
}

/** Vectors that several stages store in different ways: made once, and each stage is charged for making them. */
export class SharedVectors {
  readonly vectors: TextVectors
  readonly #store: TokenStore
  #made: Promise<{ result: Float32Array; seconds: number }> | undefined

  constructor(vectors: TextVectors, store: TokenStore) {
    this.vectors = vectors
    this.#store = store
  }

  get(): Promise<{ result: Float32Array; seconds: number }> {
    return (this.#made ??= timed(() => this.vectors.encodeDocuments(this.#store)))
  }
}

/** One vector per document, all compared with the query's. */
export class VectorStage implements Stage {
  readonly name: string
  readonly group: string
  readonly #shared: SharedVectors
  readonly #storage: Storage
  #rows: VectorRows | undefined

  constructor(name: string, group: string, shared: SharedVectors, storage: Storage) {
    this.name = name
    this.group = group
    this.#shared = shared
    this.#storage = storage
  }

  async build(): Promise<BuildStats> {
    const made = await this.#shared.get()
    const { vectors } = this.#shared
    const stored = await timed(() => storeRows(this.#storage, made.result, vectors.dim))
    this.#rows = stored.result
    return {
      bytesPerDocument: stored.result.bytesPerRow,
      ...(vectors.fixedBytes !== undefined && { fixedBytes: vectors.fixedBytes }),
      seconds: made.seconds + (vectors.savedSeconds ?? 0) + stored.seconds,
    }
  }

  rank(query: StageQuery, count: number): Int32Array {
    return topK(this.#rows!.innerProducts(this.#shared.vectors.encodeQuery(query.embeddings)), count)
  }
}
