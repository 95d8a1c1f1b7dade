import type { Scored } from '../../packages/core/src/scoring/fuse.js'
import { timed } from './stage.js'
import type { BuildStats, Stage, StageQuery } from './stage.js'

export interface KeywordIndex {
  /** The best `k`, best first, only documents that share a word with the query. */
  search(text: string, k: number): Scored[]
}

/** BM25, which needs no vectors. */
export class KeywordStage implements Stage {
  readonly name = 'BM25'
  readonly group = 'baseline'
  readonly #make: () => KeywordIndex
  readonly #ordinals: Map<string, number>
  readonly #postings: number
  #index: KeywordIndex | undefined

  /**
   * @param ids of the documents, in order
   * @param postings pairs of a word and a document that holds it, in all: eight bytes each
   */
  constructor(make: () => KeywordIndex, ids: readonly string[], postings: number) {
    this.#make = make
    this.#ordinals = new Map(ids.map((id, i) => [id, i]))
    this.#postings = postings
  }

  async build(): Promise<BuildStats> {
    const { result, seconds } = await timed(this.#make)
    this.#index = result
    return { bytesPerDocument: (this.#postings * 8) / this.#ordinals.size, seconds }
  }

  search(text: string, count: number): Scored[] {
    return (this.#index ??= this.#make()).search(text, count)
  }

  rank({ text }: StageQuery, count: number): number[] {
    return this.search(text, count).map(({ id }) => this.#ordinals.get(id)!)
  }
}
