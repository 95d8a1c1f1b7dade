import type { TokenEmbeddings } from '../../embeddings.js'
import type { Where } from '../../store/filter.js'
import type { Metadata } from '../../store/metadata.js'
import type { Candidates, FirstStageName, StoreReader } from '../../store/store.js'
import type { CheckedSearch } from './options.js'

/** A document that was found. */
export interface SearchHit {
  readonly id: string
  /**
   * MaxSim: the sum over query tokens of the best dot product. Higher is better. In a hybrid search with what the words add or take, so that it can be
   * compared with others of the same search only.
   */
  readonly score: number
  /** MaxSim ÷ query tokens: −1 … 1 for normalised embeddings. */
  readonly meanSimilarity: number
  /** MaxSim alone, in a hybrid search. */
  readonly maxSim?: number
  /** In a hybrid search: BM25, and the words of the query that the document holds (small letters, stemmed), those that gave most first. */
  readonly keywords?: { readonly score: number; readonly words: readonly string[] }
  /** As it was added; absent when the document came only as embeddings, or when it was not asked for. */
  readonly text?: string
  /** A copy: changing it changes nothing else. */
  readonly metadata: Metadata
  /** 1 for the best of all, whatever the `offset`. */
  readonly rank: number
}

/** What a retriever needs from an index. `MultiVectorIndex` is one; so is anything with the same `search`. */
export interface SearchableIndex {
  search(
    query: string,
    options: {
      k: number
      candidates?: number
      where?: Where
      hybrid?: boolean | { weight?: number }
      signal?: AbortSignal
    },
  ): Promise<readonly SearchHit[]>
}

/** Milliseconds of each part of one search. */
export interface SearchTimings {
  readonly encode: number
  /** Filter and first stage. */
  readonly firstStage: number
  /** Finding and scoring documents by their words; 0 when the search is not hybrid. */
  readonly keywords: number
  /** Reading token vectors. */
  readonly fetch: number
  /** Exact MaxSim and ordering. */
  readonly rerank: number
}

/** Hits, and how they were found. */
export interface SearchResult {
  readonly hits: SearchHit[]
  /** What found the candidates; `none` when there was nothing to search. */
  readonly firstStage: FirstStageName | 'none'
  /** Documents scored exactly. */
  readonly candidates: number
  /** Ids of the candidates as the first stage ranks them, best first. Absent where it did not: all that pass were scored exactly. */
  readonly firstStageIds?: readonly string[]
  readonly timings: SearchTimings
}

/** The candidates that a first stage has an estimate of, in its order. */
export function firstStageOrder({ ids, scores }: Candidates): Pick<SearchResult, 'firstStageIds'> {
  if (!scores) return {}
  const estimated = scores.indexOf(-Infinity)
  return { firstStageIds: estimated === -1 ? ids : ids.slice(0, estimated) }
}

/** A document's place in the answer. */
export interface Ranked extends Pick<SearchHit, 'id' | 'score' | 'maxSim' | 'keywords'> {}

/** The page of a ranking that was asked for. @param ranked the best `depth` */
export async function hitsOf(
  reader: StoreReader,
  ranked: readonly Ranked[],
  query: TokenEmbeddings,
  { offset, depth, text: withText, onDamaged }: CheckedSearch,
): Promise<SearchHit[]> {
  const page = ranked.slice(offset, depth)
  const ids = page.map(({ id }) => id)
  const documents = await reader.get(ids, { ...(!withText && { text: false }), ...(onDamaged && { onDamaged }) })
  return page.flatMap(({ id, score, maxSim, keywords }, i) => {
    const document = documents[i]
    // Deleted between two questions to an engine without snapshots.
    if (!document) return []
    const { text, metadata } = document
    return {
      id,
      score,
      meanSimilarity: (maxSim ?? score) / query.length,
      ...(maxSim !== undefined && { maxSim }),
      ...(keywords && { keywords }),
      ...(text !== undefined && { text }),
      metadata,
      rank: offset + i + 1,
    }
  })
}
