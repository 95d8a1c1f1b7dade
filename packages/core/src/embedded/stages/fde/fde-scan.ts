import type { FdeEncoder } from '../../../fde/encode.js'
import { topK } from '../../../math/top-k.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import type { Bitset } from '../../commit/bitset.js'
import type { FdeRows } from './fde-rows.js'
import type { Candidates, FirstStage } from '../stage.js'

/** Exact scan: the inner product of the query's FDE with every document's. Nothing to build, nothing to tune. */
export class FdeScan implements FirstStage {
  readonly name = 'fde'
  readonly #encoder: FdeEncoder
  readonly #rows: FdeRows

  constructor(encoder: FdeEncoder, rows: FdeRows) {
    this.#encoder = encoder
    this.#rows = rows
  }

  search(query: TokenEmbeddings, count: number, allowed: Bitset): Candidates {
    const products = this.#rows.innerProducts(this.#encoder.encodeQuery(query))
    const ordinals = topK(products, count, (ordinal) => allowed.has(ordinal))
    const { repetitions } = this.#encoder.config
    return { ordinals, scores: Float32Array.from(ordinals, (ordinal) => products[ordinal]! / repetitions) }
  }
}
