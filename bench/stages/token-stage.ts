import { topK } from '../../packages/core/src/math/top-k.js'
import type { BuildStats, Stage, StageQuery } from './stage.js'
import type { TokenStore } from './token-store.js'

/**
 * The k′ nearest tokens of every query token, found exactly, added up as XTR does (Lee et al., arXiv:2304.01982): a document gets
 * the largest product of each query token it holds a near token of, and where it holds none the smallest product that was near
 * enough. What a token index would find at best.
 */
export class TokenStage implements Stage {
  readonly name: string
  readonly group = 'baseline'
  readonly #store: TokenStore
  readonly #near: number
  readonly #documentOf: Int32Array

  constructor(store: TokenStore, near: number) {
    this.#store = store
    this.#near = near
    this.name = `token search, ${near.toLocaleString('en-US')} nearest`
    this.#documentOf = new Int32Array(store.tokens)
    for (let i = 0; i < store.documents; i++) this.#documentOf.fill(i, store.starts[i], store.starts[i + 1])
  }

  /** Reads the tokens that exact MaxSim reads: nothing is kept with them but which document a token belongs to. */
  async build(): Promise<BuildStats> {
    return { bytesPerDocument: this.#documentOf.byteLength / this.#store.documents, seconds: 0 }
  }

  rank({ embeddings }: StageQuery, count: number): Int32Array {
    const { data, length, dim } = embeddings
    const products = new Float32Array(this.#store.tokens)
    const scores = new Float32Array(this.#store.documents).fill(-Infinity)
    let floor = 0
    const best = new Float32Array(this.#store.documents)
    for (let token = 0; token < length; token++) {
      this.#store.products(data.subarray(token * dim, (token + 1) * dim), products)
      const near = topK(products, this.#near)
      if (near.length === 0) continue
      const least = products[near.at(-1)!]!
      best.fill(least)
      for (const i of near) {
        const document = this.#documentOf[i]!
        best[document] = Math.max(best[document]!, products[i]!)
        // Found by a token for the first time: what the tokens before would have given it at most.
        if (scores[document] === -Infinity) scores[document] = floor
      }
      for (let i = 0; i < scores.length; i++) scores[i]! += best[i]!
      floor += least
    }
    return topK(scores, count, (document) => scores[document] !== -Infinity)
  }
}
