import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions } from '../options.js'
import type { MultiVectorIndex } from '../index/multi-vector-index.js'
import type { SearchOptions } from '../index/search.js'
import type { Encoder, OnProgress } from '../encoder.js'
import type { TokenEmbeddings } from '../embeddings.js'
import type { BeirDataset } from './beir.js'
import { checkJudgments } from './judged.js'
import { IDENTICAL_IDS, evaluateRun } from './metrics.js'
import type { MetricsOptions } from './metrics.js'
import type { ScoredDocument } from './run.js'

/** A query as a stage gets it. */
export interface EvaluationQuery {
  readonly id: string
  readonly text: string
  readonly embeddings: TokenEmbeddings
}

/** Documents, best first, and optionally where the time went (milliseconds by name). */
export interface RetrievedDocuments {
  readonly documents: readonly ScoredDocument[]
  readonly ms?: Readonly<Record<string, number>>
  /** How they were found, where a stage may choose: an index with few documents scores all of them exactly, whatever is asked. */
  readonly foundBy?: string
}

/** One way of answering queries: an index with certain settings, BM25, an engine. */
export interface RetrievalStage {
  readonly name: string
  /** Exact MaxSim over the whole collection: what the other stages are compared with. At most one stage. */
  readonly exact?: boolean
  /** The best `k` documents. Results longer than `k` are cut. */
  search(query: EvaluationQuery, k: number): RetrievedDocuments | Promise<RetrievedDocuments>
}

export interface EvaluateRetrievalOptions {
  readonly dataset: Pick<BeirDataset, 'queries' | 'qrels'> &
    Partial<Pick<BeirDataset, 'documents' | 'exclude' | 'ignoreIdenticalIds'>>
  readonly model: Encoder
  readonly stages: readonly RetrievalStage[]
  /** Documents asked of every stage. Default 100. */
  readonly depth?: number
  /** Default nDCG@10, MRR@10, MAP@100, recall@100. */
  readonly metrics?: readonly string[]
  /**
   * Leave out documents whose id is the query's. BEIR's evaluation does unless told otherwise; but where queries and documents
   * are both numbered from 1, it takes away what may be the answer. Default: what the dataset says (true of ArguAna and Quora), else false.
   */
  readonly ignoreIdenticalIds?: boolean
  /** Documents to leave out, by query (BRIGHT). Default: those that the dataset names. */
  readonly exclude?: ReadonlyMap<string, ReadonlySet<string>>
  readonly signal?: AbortSignal
  /** `phase: 'evaluate'`; `done` and `total` count the queries of all stages. */
  readonly onProgress?: OnProgress
}

export interface StageEvaluation {
  readonly name: string
  readonly metrics: Record<string, number>
  readonly perQuery: Map<string, Record<string, number>>
  readonly run: Map<string, readonly ScoredDocument[]>
  /** Mean share of the exact stage's top 10 among this stage's `depth` documents. Undefined without an exact stage. */
  readonly exactTop10?: number
  /** Wall time of each query, milliseconds, encoding not included. */
  readonly searchMs: readonly number[]
  /** Processor time of this process a query, mean, milliseconds: a busy machine inflates it less than `searchMs`. */
  readonly cpuMs: number
  /** The parts a stage reported, one number per query that reported it. */
  readonly partsMs: Readonly<Record<string, readonly number[]>>
  /** Queries by what found their documents, where the stage said so: `{ exact: 300 }`. */
  readonly foundBy: Readonly<Record<string, number>>
}

export interface RetrievalEvaluation {
  /** Queries with a relevant document: the ones that were run. */
  readonly queries: number
  /** Encoding all queries in one call, milliseconds. */
  readonly encodeQueriesMs: number
  /** Whether documents with the query's id were left out. */
  readonly ignoreIdenticalIds: boolean
  readonly stages: readonly StageEvaluation[]
}

const OPTIONS = [
  'dataset',
  'model',
  'stages',
  'depth',
  'metrics',
  'ignoreIdenticalIds',
  'exclude',
  'signal',
  'onProgress',
] as const

/**
 * Answers every judged query by every stage, and says how good and how fast each was. Queries without any relevant document
 * are not run. Queries go one at a time, so times are latencies.
 *
 * @throws INVALID_ARGUMENT, also when no query has a relevant document or the dataset's documents hold none of them; whatever a
 *   stage throws
 */
export async function evaluateRetrieval(options: EvaluateRetrievalOptions): Promise<RetrievalEvaluation> {
  checkOptions('evaluateRetrieval', options, OPTIONS, IDENTICAL_IDS)
  const { dataset, model, stages, exclude = dataset.exclude, signal, onProgress } = options
  const { ignoreIdenticalIds = dataset.ignoreIdenticalIds ?? false } = options
  const depth = checkInteger('depth', options.depth ?? 100, 1)
  const exactStages = stages.filter(({ exact }) => exact)
  if (exactStages.length > 1) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `At most one stage can be the exact one, got ${exactStages.map(({ name }) => name).join(', ')}.`,
    )
  }
  const documentIds = dataset.documents && new Set(dataset.documents.map(({ id }) => id))
  checkJudgments('The judgments of the dataset', dataset.qrels, documentIds, 'INVALID_ARGUMENT')
  const judged = dataset.queries.filter(({ id }) =>
    [...(dataset.qrels.get(id)?.values() ?? [])].some((grade) => grade > 0),
  )
  if (judged.length === 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `None of the ${dataset.queries.length} queries of the dataset has a relevant document in its judgments.`,
    )
  }
  const started = performance.now()
  const embeddings = await model.encodeQueries(
    judged.map(({ text }) => text),
    signal ? { signal } : {},
  )
  const encodeQueriesMs = performance.now() - started
  const queries = judged.map((query, i) => ({ ...query, embeddings: embeddings[i]! }))
  const excluded = (id: string): ReadonlySet<string> => {
    const ids = new Set(exclude?.get(id))
    return ignoreIdenticalIds && (documentIds?.has(id) ?? true) ? ids.add(id) : ids
  }
  const metricsOptions: MetricsOptions = {
    withoutRelevant: 'skip',
    ignoreIdenticalIds,
    ...(options.metrics && { metrics: options.metrics }),
    ...(exclude && { exclude }),
  }
  const total = queries.length * stages.length
  const results: StageEvaluation[] = []
  for (const [position, stage] of stages.entries()) {
    const answers = await answer(stage, queries, { depth, excluded, signal }, (done) =>
      onProgress?.({ phase: 'evaluate', done: position * queries.length + done, total }),
    )
    const { metrics, perQuery } = evaluateRun(dataset.qrels, answers.run, metricsOptions)
    results.push({ name: stage.name, metrics, perQuery, ...answers })
  }
  const exactRun = results[stages.findIndex(({ exact }) => exact)]?.run
  return {
    queries: queries.length,
    encodeQueriesMs,
    ignoreIdenticalIds,
    stages: exactRun
      ? results.map((result) => ({ ...result, exactTop10: shareOfTop(exactRun, result.run, 10) }))
      : results,
  }
}

async function answer(
  stage: RetrievalStage,
  queries: readonly EvaluationQuery[],
  limits: { depth: number; excluded: (queryId: string) => ReadonlySet<string>; signal: AbortSignal | undefined },
  onQuery: (done: number) => void,
): Promise<Pick<StageEvaluation, 'run' | 'searchMs' | 'cpuMs' | 'partsMs' | 'foundBy'>> {
  const run = new Map<string, readonly ScoredDocument[]>()
  const searchMs: number[] = []
  const partsMs: Record<string, number[]> = {}
  const foundBy: Record<string, number> = {}
  const cpuBefore = process.cpuUsage()
  for (const query of queries) {
    limits.signal?.throwIfAborted()
    const excluded = limits.excluded(query.id)
    const started = performance.now()
    // As many more as may have to be left out, so that leaving them out does not shorten the list.
    const { documents, ms, foundBy: by } = await stage.search(query, limits.depth + excluded.size)
    searchMs.push(performance.now() - started)
    for (const [part, time] of Object.entries(ms ?? {})) (partsMs[part] ??= []).push(time)
    if (by !== undefined) foundBy[by] = (foundBy[by] ?? 0) + 1
    const kept = documents.filter(({ id }) => !excluded.has(id))
    run.set(
      query.id,
      kept.slice(0, limits.depth).map(({ id, score }) => ({ id, score })),
    )
    onQuery(run.size)
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  return { run, searchMs, cpuMs: (user + system) / 1000 / Math.max(1, queries.length), partsMs, foundBy }
}

/**
 * A stage that searches an index, reporting the parts of its time: `firstStage`, `fetch` (reading token vectors) and `rerank`.
 *
 * @param options of `search`: `{ stage: 'exact' }` makes it the exact stage, `{ stage: 'fde', candidates: 100 }` MUVERA and exact
 *   MaxSim of 100, `{ stage: 'fde', rerank: false }` MUVERA alone, `{}` what the index does when nothing is said. An index too
 *   small for a first stage answers by exact MaxSim; `foundBy` of the results says so
 */
export function indexStage(
  name: string,
  index: MultiVectorIndex,
  options: Omit<SearchOptions, 'k' | 'signal'> = {},
): RetrievalStage {
  checkOptions('indexStage', options, ['candidates', 'where', 'firstStage', 'rerank', 'prompt', 'promptName'], {
    stage: 'firstStage',
    filter: 'where',
    numCandidates: 'candidates',
  })
  return {
    name,
    exact: options.firstStage === 'exact',
    async search({ embeddings }, k) {
      // `search` never looks at fewer candidates than it is asked for hits; here the number of candidates is what is measured.
      const hitsAsked = Math.min(k, options.candidates ?? k)
      const {
        hits,
        timings,
        firstStage: foundBy,
      } = await index.searchDetailed(embeddings, { ...options, k: hitsAsked })
      const { firstStage, fetch, rerank } = timings
      return { documents: hits, ms: { firstStage, fetch, rerank }, foundBy }
    },
  }
}

/**
 * Mean over queries of the share of the `k` best documents of one run that another run holds anywhere: for candidates of a first
 * stage, how much of the exact answer a rerank can still find.
 */
export function shareOfTop(
  exact: ReadonlyMap<string, readonly ScoredDocument[]>,
  run: ReadonlyMap<string, readonly ScoredDocument[]>,
  k: number,
): number {
  let sum = 0
  let counted = 0
  for (const [query, documents] of exact) {
    const top = documents.slice(0, k)
    if (top.length === 0) continue
    const found = new Set(run.get(query)?.map(({ id }) => id))
    sum += top.filter(({ id }) => found.has(id)).length / top.length
    counted++
  }
  return counted > 0 ? sum / counted : 0
}
