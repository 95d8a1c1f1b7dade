import { checkInteger, checkOptions, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import { topK } from '../math/top-k.js'
import type { EncodeOptions } from '../encoder.js'
import type { Metadata } from '../store/metadata.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { Bitset } from '../embedded/commit/bitset.js'
import type { Collection } from '../embedded/commit/collection.js'
import { metadataOf } from '../embedded/format/document-table.js'
import type { IndexStore } from '../embedded/commit/index-files.js'
import { exactScores } from './rerank.js'
import type { FirstStages } from '../embedded/stages/upkeep.js'
import { compileWhere } from '../store/filter-predicate.js'
import type { Where } from '../store/filter.js'

/** How candidates are found. `exact` scores every document and needs no candidates. */
export type StageName = 'exact' | 'centroids' | 'fde' | 'hnsw'
/** What can be asked for: a stage, `muvera` = FDEs by `fde` or `hnsw`, depending on their number, or `auto`. */
export type StageChoice = StageName | 'muvera' | 'auto'

export interface SearchOptions {
  /** How many hits. If there are fewer documents, all are returned. Default 10. */
  k?: number
  /** How many documents the first stage hands to exact MaxSim; never fewer than `k`. Default 100. */
  candidates?: number
  /** Which documents to consider. */
  where?: Where
  /** How candidates are found in this search. Default: as the index was opened with, `auto` if nothing was said. */
  stage?: StageChoice
  /**
   * Default true. False returns what the first stage alone finds, with its estimate of MaxSim as score: for measurements.
   */
  rerank?: boolean
  /** Put in front of the query, as in `encodeQueries`: models that follow instructions want one. */
  prompt?: string
  /** Key of the model's `prompts`. */
  promptName?: string
  signal?: AbortSignal
}

export interface SearchHit {
  readonly id: string
  /** MaxSim: the sum over query tokens of the best dot product. Higher is better. */
  readonly score: number
  /** `score` ÷ query tokens: −1 … 1 for normalised embeddings. */
  readonly meanSimilarity: number
  /** As it was added; absent when the document came only as embeddings. */
  readonly text?: string
  /** A copy: changing it changes nothing else. */
  readonly metadata: Metadata
  /** 1 for the best. */
  readonly rank: number
}

/** Milliseconds of each part of one search. */
export interface SearchTimings {
  readonly encode: number
  /** Filter and first stage. */
  readonly firstStage: number
  /** Reading token vectors. */
  readonly fetch: number
  /** Exact MaxSim and ordering. */
  readonly rerank: number
}

export interface SearchResult {
  readonly hits: SearchHit[]
  /** What found the candidates; `none` when there was nothing to search. */
  readonly stage: StageName | 'none'
  /** Documents scored exactly. */
  readonly candidates: number
  readonly timings: SearchTimings
}

export interface CheckedSearch {
  readonly k: number
  readonly candidates: number
  readonly where: ReturnType<typeof compileWhere> | undefined
  readonly stage: StageChoice | undefined
  readonly rerank: boolean
  /** For a query that is a text. */
  readonly encoding: Pick<EncodeOptions, 'prompt' | 'promptName'>
  readonly signal: AbortSignal | undefined
}

/**
 * Up to this many tokens among the documents to consider, all are scored exactly: about 30 ms on one core (12 ms for each 100,000
 * int8 tokens of 128 numbers and 32 query tokens, `bench/first-stages.mjs`). A first stage would take 3 ms and miss a document now and then.
 */
export const EXACT_TOKENS = 250_000

const STAGES: readonly StageChoice[] = ['auto', 'exact', 'centroids', 'muvera', 'fde', 'hnsw']

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
export function checkSearch(call: string, options: SearchOptions): CheckedSearch {
  checkOptions(call, options, ['k', 'candidates', 'where', 'stage', 'rerank', 'prompt', 'promptName', 'signal'], {
    topK: 'k',
    top_k: 'k',
    limit: 'k',
    topN: 'k',
    n: 'k',
    filter: 'where',
    numCandidates: 'candidates',
    firstStage: 'stage',
    abortSignal: 'signal',
  })
  const { where, stage, rerank = true, prompt, promptName, signal } = options
  const k = checkInteger('k', options.k ?? 10, 1)
  if (stage !== undefined) checkStage('stage', stage)
  if (typeof rerank !== 'boolean') {
    throw new SerotineError('INVALID_ARGUMENT', `rerank must be true or false, got ${describe(rerank)}.`)
  }
  return {
    k,
    candidates: Math.max(k, checkInteger('candidates', options.candidates ?? 100, 1)),
    where: where === undefined ? undefined : compileWhere(where),
    stage,
    rerank,
    encoding: { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) },
    signal,
  }
}

/** @throws INVALID_ARGUMENT */
export function checkStage(name: string, stage: unknown): StageChoice {
  if (STAGES.includes(stage as StageChoice)) return stage as StageChoice
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be one of ${STAGES.join(', ')}; got ${describe(stage)}.`)
}

/** Whether a stage looks through FDEs, so that an index without them cannot serve it. */
export function needsFdes(stage: StageChoice): boolean {
  return stage === 'muvera' || stage === 'fde' || stage === 'hnsw'
}

/** First stage, exact MaxSim of its candidates, hits. */
export async function searchCollection(
  store: IndexStore,
  stages: FirstStages,
  collection: Collection,
  query: TokenEmbeddings,
  search: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  const started = performance.now()
  const allowed = allowedDocuments(collection, search)
  if (allowed.count === 0 || query.length === 0) {
    const timings = { encode, firstStage: performance.now() - started, fetch: 0, rerank: 0 }
    return { hits: [], stage: 'none', candidates: 0, timings }
  }
  const stage = await stages.choose(collection, search, allowed)
  search.signal?.throwIfAborted()
  const found = stage?.search(query, search.rerank ? search.candidates : search.k, allowed.documents)
  const firstStage = performance.now() - started
  if (stage && found && !search.rerank) {
    const hits = Array.from(found.ordinals, (ordinal, i) => hitOf(collection, ordinal, found.scores[i]!, query, i))
    return { hits, stage: stage.name, candidates: 0, timings: { encode, firstStage, fetch: 0, rerank: 0 } }
  }
  const ordinals = found ? found.ordinals.sort() : Int32Array.from(allowed.documents)
  const { scores, fetchMs, scoreMs } = await exactScores(
    collection,
    store.manifest.codec,
    query,
    ordinals,
    search.signal,
  )
  const ordering = performance.now()
  const order = best(collection, ordinals, scores, search.k)
  const hits = order.map((i, position) => hitOf(collection, ordinals[i]!, scores[i]!, query, position))
  const timings = { encode, firstStage, fetch: fetchMs, rerank: scoreMs + performance.now() - ordering }
  return { hits, stage: stage?.name ?? 'exact', candidates: ordinals.length, timings }
}

/** The documents a search may return. */
export interface Allowed {
  readonly documents: Bitset
  readonly count: number
  readonly tokens: number
}

function allowedDocuments(collection: Collection, { where, signal }: CheckedSearch): Allowed {
  const documents = collection.searchable()
  if (!where) return { documents, count: collection.searchableCount, tokens: collection.tokens }
  const passing = new Bitset(collection.total)
  let [count, tokens] = [0, 0]
  for (const ordinal of documents) {
    const row = collection.row(ordinal)
    if (!where({ id: row.id, metadata: collection.metadata(ordinal) })) continue
    passing.add(ordinal)
    count++
    tokens += row.tokens
  }
  signal?.throwIfAborted()
  return { documents: passing, count, tokens }
}

/** Positions of the k best, ties by id: the order does not depend on the order of insertion. */
function best(collection: Collection, ordinals: Int32Array, scores: Float64Array, k: number): number[] {
  const last = topK(scores, k).at(-1)!
  const good: number[] = []
  for (let i = 0; i < scores.length; i++) if (scores[i]! >= scores[last]!) good.push(i)
  const id = (i: number) => collection.row(ordinals[i]!).id
  return good.sort((a, b) => scores[b]! - scores[a]! || (id(a) < id(b) ? -1 : 1)).slice(0, k)
}

function hitOf(
  collection: Collection,
  ordinal: number,
  score: number,
  query: TokenEmbeddings,
  position: number,
): SearchHit {
  const row = collection.row(ordinal)
  const text = collection.readText(ordinal)
  return {
    id: row.id,
    score,
    meanSimilarity: score / query.length,
    ...(text !== undefined && { text }),
    metadata: metadataOf(row),
    rank: position + 1,
  }
}
