import { trainCodebook } from '../../packages/core/src/centroids/train.js'
import { CentroidScan } from '../../packages/core/src/embedded/stages/centroids/centroid-scan.js'
import { topK } from '../../packages/core/src/math/top-k.js'
import { timed } from './stage.js'
import type { BuildStats, Stage, StageQuery } from './stage.js'
import type { TokenStore } from './token-store.js'

/** Tokens that the codebook is learned from, a centroid. */
const TOKENS_EACH = 16
/** Documents coded at a time. */
const GROUP = 64

/** Core's centroid scan with a codebook of a given size. */
export class CentroidStage implements Stage {
  readonly name: string
  readonly group = 'centroid scan'
  readonly #store: TokenStore
  readonly #centroids: number
  #scan: CentroidScan | undefined

  /** @param centroids wanted; small collections get fewer, see `trainCodebook` */
  constructor(store: TokenStore, centroids: number) {
    this.#store = store
    this.#centroids = centroids
    this.name = `centroid scan, K=${centroids}`
  }

  async build(): Promise<BuildStats> {
    const { result, seconds } = await timed(() => this.#build())
    this.#scan = result
    const { data } = result.codebook
    return {
      bytesPerDocument: (this.#store.tokens * 2) / this.#store.documents + 4,
      fixedBytes: data.cells.byteLength + data.centroids.byteLength,
      seconds,
    }
  }

  async #build(): Promise<CentroidScan> {
    const { dim, documents, starts } = this.#store
    const sample = this.#store.sample(this.#centroids * TOKENS_EACH)
    const scan = new CentroidScan(await trainCodebook(sample.rows, dim, { centroids: this.#centroids }), null)
    for (let from = 0; from < documents; from += GROUP) {
      const to = Math.min(documents, from + GROUP)
      const length = starts[to]! - starts[from]!
      const codes = scan.codebook.encode({ data: this.#store.rows(starts[from]!, length), length, dim })
      scan.append(
        new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength),
        Array.from({ length: to - from }, (_, i) => starts[from + i + 1]! - starts[from + i]!),
      )
    }
    return scan
  }

  rank({ embeddings }: StageQuery, count: number): Int32Array {
    const scores = new Float32Array(this.#scan!.rows)
    this.#scan!.score(embeddings, scores)
    return topK(scores, count)
  }
}
