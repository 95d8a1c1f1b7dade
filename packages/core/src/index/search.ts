import type { TokenEmbeddings } from '../embeddings.js'
import type { EncodeOptions } from '../encoder.js'
import { SerotineError } from '../errors.js'
import { topK } from '../math/top-k.js'
import { checkInteger, checkOptions, describe } from '../options.js'
import { exactScores } from '../store/exact-scores.js'
import { checkFirstStage } from '../store/first-stage.js'
import { parseWhere } from '../store/filter.js'
import type { Filter, Where } from '../store/filter.js'
import type { Metadata } from '../store/metadata.js'
import type { FirstStage, FirstStageName, Store, StoreReader } from '../store/store.js'

/** What to look for and how. */
export interface SearchOptions {
  /** How many hits. If there are fewer documents, all are returned. Default 10. */
  k?: number
  /**
   * How many documents the first stage hands to exact MaxSim; never fewer than `k`. Default: as many as the index measured that it needs,
   * 30 to 1,000 (`stats().firstStages`), and one more for each `k` beyond 10; 100 before it has measured.
   */
  candidates?: number
  /** Which documents to consider. */
  where?: Where
  /** How candidates are found in this search. Default: as the index was opened with, `auto` if nothing was said. */
  firstStage?: FirstStage
  /**
   * Default true. False returns what the first stage alone finds, with its estimate of MaxSim as score: for measurements.
   */
  rerank?: boolean
  /**
   * Words count, too: candidates are also found by BM25, and what it says of a document is added to its MaxSim. `weight` says how much: a document one
   * standard deviation better by BM25 gains `weight` standard deviations of MaxSim. True: .25. What the query has between double quotes has to occur in a hit
   * as it is written. For queries that are texts. Default false.
   */
  hybrid?: boolean | { weight?: number }
  /** Put in front of the query, as in `encodeQueries`: models that follow instructions want one. */
  prompt?: string
  /** Key of the model's `prompts`. */
  promptName?: string
  signal?: AbortSignal
}

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
  /** As it was added; absent when the document came only as embeddings. */
  readonly text?: string
  /** A copy: changing it changes nothing else. */
  readonly metadata: Metadata
  /** 1 for the best. */
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
  readonly timings: SearchTimings
}

export interface CheckedSearch {
  readonly k: number
  readonly candidates: number | undefined
  readonly filter: Filter | undefined
  readonly firstStage: FirstStage | undefined
  readonly rerank: boolean
  /** Undefined: MaxSim alone. */
  readonly hybrid: { readonly weight: number } | undefined
  /** For a query that is a text. */
  readonly encoding: Pick<EncodeOptions, 'prompt' | 'promptName'>
  readonly signal: AbortSignal | undefined
  /** Told of documents that cannot be read: searches do without them, or without their texts. */
  readonly onDamaged?: OnDamaged
}

type OnDamaged = (id: string, error: unknown) => void

/** See docs/hybrid.md: where it was measured. */
const HYBRID_WEIGHT = 0.25

const OPTIONS = ['k', 'candidates', 'where', 'firstStage', 'rerank', 'hybrid', 'prompt', 'promptName', 'signal']

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
export function checkSearch(call: string, options: SearchOptions, store: Store): CheckedSearch {
  const { capabilities } = store
  checkOptions(call, options, OPTIONS, {
    topK: 'k',
    top_k: 'k',
    limit: 'k',
    topN: 'k',
    n: 'k',
    filter: 'where',
    numCandidates: 'candidates',
    stage: 'firstStage',
    keywords: 'hybrid',
    bm25: 'hybrid',
    alpha: 'hybrid',
    abortSignal: 'signal',
  })
  const { where, firstStage, rerank = true, prompt, promptName, signal } = options
  const k = checkInteger('k', options.k ?? 10, 1)
  if (firstStage !== undefined) checkFirstStage(firstStage, capabilities.firstStages)
  if (typeof rerank !== 'boolean') {
    throw new SerotineError('INVALID_ARGUMENT', `rerank must be true or false, got ${describe(rerank)}.`)
  }
  return {
    k,
    candidates:
      options.candidates === undefined ? undefined : Math.max(k, checkInteger('candidates', options.candidates, 1)),
    filter: where === undefined ? undefined : checkFilter(parseWhere(where), capabilities),
    firstStage,
    rerank,
    hybrid: checkHybrid(call, options.hybrid, rerank, store),
    encoding: { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) },
    signal,
  }
}

function checkHybrid(
  call: string,
  hybrid: unknown,
  rerank: boolean,
  { name, capabilities }: Store,
): { weight: number } | undefined {
  if (hybrid === undefined || hybrid === false) return undefined
  if (hybrid !== true && (typeof hybrid !== 'object' || hybrid === null)) {
    throw new SerotineError('INVALID_ARGUMENT', `hybrid must be true, false or { weight }, got ${describe(hybrid)}.`)
  }
  if (hybrid !== true) checkOptions(`The hybrid of ${call}`, hybrid, ['weight'], { alpha: 'weight', factor: 'weight' })
  const { weight = HYBRID_WEIGHT } = hybrid === true ? {} : (hybrid as { weight?: unknown })
  if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The weight of hybrid must be a number of at least 0, got ${describe(weight)}.`,
    )
  }
  if (!rerank) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'hybrid adds to exact MaxSim, which rerank: false leaves out. Leave out one of them.',
    )
  }
  if (!capabilities.keywords) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The index ${name} keeps no words for a hybrid search. Open it once to write with { keywords: true } and run prepare(), or leave out hybrid.`,
    )
  }
  return { weight }
}

/** @throws INVALID_ARGUMENT when the store cannot filter so */
export function checkFilter(filter: Filter, capabilities: Store['capabilities']): Filter {
  const check = (part: Filter): void => {
    if (part.kind === 'and' || part.kind === 'or') part.parts.forEach(check)
    else if (part.kind === 'not') check(part.part)
    else if (part.kind === 'function' && !capabilities.filterFunctions) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        "This store filters where its documents are and cannot call a function. Write the filter as fields, like { lang: 'en' }.",
      )
    } else if (part.kind === 'field' && !capabilities.filterOperators.includes(part.operator)) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `This store cannot filter by ${part.operator} (${part.field}). It knows ${capabilities.filterOperators.join(', ')}.`,
      )
    }
  }
  check(filter)
  return filter
}

/** Candidates, exact MaxSim of them, hits: by the store where it does so itself, else here. */
export async function searchStore(
  store: Store,
  query: TokenEmbeddings,
  search: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  return store.reading((reader) => {
    const native = store.capabilities.nativeSearch && search.rerank && isNative(search.firstStage)
    return native ? searchNatively(reader, query, search, encode) : searchHere(store, reader, query, search, encode)
  })
}

function isNative(firstStage: FirstStage | undefined): boolean {
  return firstStage === undefined || firstStage === 'auto' || firstStage === 'native'
}

async function searchHere(
  store: Store,
  reader: StoreReader,
  query: TokenEmbeddings,
  search: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  const { k, candidates, filter, firstStage: asked, rerank, signal, onDamaged } = search
  const started = performance.now()
  const count = rerank ? candidates : k
  const found = await reader.candidates({ embeddings: query, count, k, filter, firstStage: asked, rerank, signal })
  const { ids, firstStage, scores: estimates } = found
  signal?.throwIfAborted()
  const timings = { encode, firstStage: performance.now() - started, keywords: 0, fetch: 0, rerank: 0 }
  if (ids.length === 0) return { hits: [], firstStage, candidates: 0, timings }
  if (estimates && !rerank) {
    const best = ids.map((id, i) => ({ id, score: estimates[i]! }))
    return { hits: await hitsOf(reader, best, query, onDamaged), firstStage, candidates: 0, timings }
  }
  const { scores, fetchMs, scoreMs } = await exactScores(reader, store.spec.codec, query, ids, signal, onDamaged)
  const ordering = performance.now()
  const hits = await hitsOf(reader, best(ids, scores, k), query, onDamaged)
  return {
    hits,
    firstStage,
    candidates: ids.length,
    timings: { ...timings, fetch: fetchMs, rerank: scoreMs + performance.now() - ordering },
  }
}

async function searchNatively(
  reader: StoreReader,
  query: TokenEmbeddings,
  { k, candidates, filter, signal, onDamaged }: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  const started = performance.now()
  const found =
    query.length === 0
      ? []
      : await reader.search!({ embeddings: query, k, count: candidates ?? Math.max(k, 100), filter, signal })
  const timings = { encode, firstStage: performance.now() - started, keywords: 0, fetch: 0, rerank: 0 }
  const firstStage = found.length === 0 ? 'none' : 'native'
  return { hits: await hitsOf(reader, found.slice(0, k), query, onDamaged), firstStage, candidates: 0, timings }
}

/** The k best, ties by id: the order does not depend on the order of insertion. */
function best(ids: readonly string[], scores: Float64Array, k: number): { id: string; score: number }[] {
  const last = topK(scores, k).at(-1)!
  const good: { id: string; score: number }[] = []
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! >= scores[last]! && scores[i] !== -Infinity) good.push({ id: ids[i]!, score: scores[i]! })
  }
  return good.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, k)
}

/** A document's place in the answer. */
export interface Ranked extends Pick<SearchHit, 'id' | 'score' | 'maxSim' | 'keywords'> {}

export async function hitsOf(
  reader: StoreReader,
  ranked: readonly Ranked[],
  query: TokenEmbeddings,
  onDamaged: OnDamaged | undefined,
): Promise<SearchHit[]> {
  const ids = ranked.map(({ id }) => id)
  const documents = await reader.get(ids, onDamaged && { onDamaged })
  return ranked.flatMap(({ id, score, maxSim, keywords }, i) => {
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
      rank: i + 1,
    }
  })
}
