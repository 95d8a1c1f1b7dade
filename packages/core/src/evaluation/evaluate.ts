import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions } from '../options.js'
import type { Encoder, OnProgress } from '../encoder.js'
import { checkJudgments } from './collections/judgments.js'
import type { TestCollection } from './collections/test-collection.js'
import { IDENTICAL_IDS, evaluateRun } from './metrics.js'
import type { MetricsOptions } from './metrics.js'
import type { EvaluationQuery, RetrievalMethod } from './retrieval-method.js'
import type { ScoredDocument } from './run.js'

export interface EvaluateRetrievalOptions {
  readonly collection: Pick<TestCollection, 'queries' | 'qrels'> &
    Partial<Pick<TestCollection, 'documents' | 'exclude' | 'ignoreIdenticalIds'>>
  readonly model: Encoder
  readonly methods: readonly RetrievalMethod[]
  /** Documents asked of every method. Default 100. */
  readonly depth?: number
  /** Default nDCG@10, MRR@10, MAP@100, recall@100. */
  readonly metrics?: readonly string[]
  /**
   * Leave out documents whose id is the query's. BEIR's evaluation does unless told otherwise; but where queries and documents
   * are both numbered from 1, it takes away what may be the answer. Default: what the collection says (true of ArguAna and Quora), else false.
   */
  readonly ignoreIdenticalIds?: boolean
  /** Documents to leave out, by query (BRIGHT). Default: those that the collection names. */
  readonly exclude?: ReadonlyMap<string, ReadonlySet<string>>
  readonly signal?: AbortSignal
  /** `phase: 'evaluate'`; `done` and `total` count the queries of all methods. */
  readonly onProgress?: OnProgress
}

export interface MethodEvaluation {
  readonly name: string
  readonly metrics: Record<string, number>
  readonly perQuery: Map<string, Record<string, number>>
  readonly run: Map<string, readonly ScoredDocument[]>
  /** Mean share of the exact method's top 10 among this method's `depth` documents. Undefined without an exact method. */
  readonly exactTop10?: number
  /** Wall time of each query, milliseconds, encoding not included. */
  readonly searchMs: readonly number[]
  /** Processor time of this process a query, mean, milliseconds: a busy machine inflates it less than `searchMs`. */
  readonly cpuMs: number
  /** The parts a method reported, one number per query that reported it. */
  readonly partsMs: Readonly<Record<string, readonly number[]>>
  /** Queries by what found their documents, where the method said so: `{ exact: 300 }`. */
  readonly foundBy: Readonly<Record<string, number>>
}

export interface RetrievalEvaluation {
  /** Queries with a relevant document: the ones that were run. */
  readonly queries: number
  /** Encoding all queries in one call, milliseconds. */
  readonly encodeQueriesMs: number
  /** Whether documents with the query's id were left out. */
  readonly ignoreIdenticalIds: boolean
  readonly methods: readonly MethodEvaluation[]
}

const OPTIONS = [
  'collection',
  'model',
  'methods',
  'depth',
  'metrics',
  'ignoreIdenticalIds',
  'exclude',
  'signal',
  'onProgress',
] as const

const HINTS = { ...IDENTICAL_IDS, dataset: 'collection', stages: 'methods' } as const

/**
 * Answers every judged query by every method, and says how good and how fast each was. Queries without any relevant document
 * are not run. Queries go one at a time, so times are latencies.
 *
 * @throws INVALID_ARGUMENT, also when no query has a relevant document or the collection's documents hold none of them; whatever
 *   a method throws
 */
export async function evaluateRetrieval(options: EvaluateRetrievalOptions): Promise<RetrievalEvaluation> {
  checkOptions('evaluateRetrieval', options, OPTIONS, HINTS)
  const { collection, model, methods, exclude = collection.exclude, signal, onProgress } = options
  const { ignoreIdenticalIds = collection.ignoreIdenticalIds ?? false } = options
  const depth = checkInteger('depth', options.depth ?? 100, 1)
  const exactMethods = methods.filter(({ exact }) => exact)
  if (exactMethods.length > 1) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `At most one method can be the exact one, got ${exactMethods.map(({ name }) => name).join(', ')}.`,
    )
  }
  const documentIds = collection.documents && new Set(collection.documents.map(({ id }) => id))
  checkJudgments('The judgments of the collection', collection.qrels, documentIds, 'INVALID_ARGUMENT')
  const judged = collection.queries.filter(({ id }) =>
    [...(collection.qrels.get(id)?.values() ?? [])].some((grade) => grade > 0),
  )
  if (judged.length === 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `None of the ${collection.queries.length} queries of the collection has a relevant document in its judgments.`,
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
  const total = queries.length * methods.length
  const results: MethodEvaluation[] = []
  for (const [position, method] of methods.entries()) {
    const answers = await answer(method, queries, { depth, excluded, signal }, (done) =>
      onProgress?.({ phase: 'evaluate', done: position * queries.length + done, total }),
    )
    const { metrics, perQuery } = evaluateRun(collection.qrels, answers.run, metricsOptions)
    results.push({ name: method.name, metrics, perQuery, ...answers })
  }
  const exactRun = results[methods.findIndex(({ exact }) => exact)]?.run
  return {
    queries: queries.length,
    encodeQueriesMs,
    ignoreIdenticalIds,
    methods: exactRun
      ? results.map((result) => ({ ...result, exactTop10: shareOfTop(exactRun, result.run, 10) }))
      : results,
  }
}

async function answer(
  method: RetrievalMethod,
  queries: readonly EvaluationQuery[],
  limits: { depth: number; excluded: (queryId: string) => ReadonlySet<string>; signal: AbortSignal | undefined },
  onQuery: (done: number) => void,
): Promise<Pick<MethodEvaluation, 'run' | 'searchMs' | 'cpuMs' | 'partsMs' | 'foundBy'>> {
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
    const { documents, ms, foundBy: by } = await method.search(query, limits.depth + excluded.size)
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
