import { checkOptions } from '../options.js'
import type { MultiVectorIndex } from '../index/multi-vector-index.js'
import type { SearchOptions } from '../index/search/options.js'
import type { TokenEmbeddings } from '../embeddings.js'
import type { ScoredDocument } from './run.js'

/** A query as a method gets it. */
export interface EvaluationQuery {
  readonly id: string
  readonly text: string
  readonly embeddings: TokenEmbeddings
}

/** Documents, best first, and optionally where the time went (milliseconds by name). */
export interface RetrievedDocuments {
  readonly documents: readonly ScoredDocument[]
  readonly ms?: Readonly<Record<string, number>>
  /** How they were found, where a method may choose: an index with few documents scores all of them exactly, whatever is asked. */
  readonly foundBy?: string
}

/** One way of answering queries: an index with certain settings, BM25, an engine. */
export interface RetrievalMethod {
  readonly name: string
  /** Exact MaxSim over the whole collection: what the other methods are compared with. At most one method. */
  readonly exact?: boolean
  /** The best `k` documents. Results longer than `k` are cut. */
  search(query: EvaluationQuery, k: number): RetrievedDocuments | Promise<RetrievedDocuments>
}

const OPTIONS = ['candidates', 'where', 'firstStage', 'rerank', 'hybrid', 'prompt', 'promptName'] as const

/**
 * A method that searches an index, reporting the parts of its time: `firstStage`, `fetch` (reading token vectors) and `rerank`.
 *
 * @param options of `search`: `{ firstStage: 'exact' }` makes it the exact method, `{ firstStage: 'muvera', candidates: 100 }` MUVERA and
 *   exact MaxSim of 100, `{ firstStage: 'muvera', rerank: false }` MUVERA alone, `{}` what the index does when nothing is said.
 *   An index too small for a first stage, or not prepared, answers by exact MaxSim; `foundBy` of the results says so. `{ hybrid: true }`
 *   counts words, too; it searches with the text, so that the index has to have a model, and encoding is a part of its time (`encode`)
 */
export function indexMethod(
  name: string,
  index: MultiVectorIndex,
  options: Omit<SearchOptions, 'k' | 'offset' | 'text' | 'signal'> = {},
): RetrievalMethod {
  checkOptions('indexMethod', options, OPTIONS, {
    keywords: 'hybrid',
    bm25: 'hybrid',
    stage: 'firstStage',
    filter: 'where',
    numCandidates: 'candidates',
  })
  return {
    name,
    exact: options.firstStage === 'exact',
    async search({ text, embeddings }, k) {
      // `search` never looks at fewer candidates than it is asked for hits; here the number of candidates is what is measured.
      const hitsAsked = Math.min(k, options.candidates ?? k)
      const query = options.hybrid ? text : embeddings
      const result = await index.searchDetailed(query, { ...options, k: hitsAsked })
      const { encode, firstStage, keywords, fetch, rerank } = result.timings
      const ms = { ...(options.hybrid && { encode, keywords }), firstStage, fetch, rerank }
      return { documents: result.hits, ms, foundBy: result.firstStage }
    },
  }
}
