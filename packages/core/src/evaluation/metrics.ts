import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions, describe } from '../options.js'
import { rankedIds } from './run.js'
import type { Qrels, Run, ScoredDocument, TieRule } from './run.js'

export interface MetricsOptions {
  /** Metric names, see {@link evaluateRun}. Default nDCG@10, MRR@10, MAP@100, recall@100. */
  metrics?: readonly string[]
  /** Default `trec_eval`. */
  ties?: TieRule
  /** Leave out a document whose id equals the query's, as BEIR does (ArguAna, Quora). Default false, as trec_eval. */
  ignoreIdenticalIds?: boolean
  /** Documents to leave out, by query (BRIGHT's excluded ids). */
  exclude?: ReadonlyMap<string, ReadonlySet<string>>
  /** Lowest grade that counts as relevant where relevance is yes or no; nDCG uses the grades. Default 1. */
  relevantFrom?: number
  /** A judged query without any relevant document counts as 0 (trec_eval, ranx, BEIR; default) or is left out (PyLate). */
  withoutRelevant?: 'zero' | 'skip'
}

export interface MetricsResult {
  /** Means over the queries counted, by the names asked for. */
  metrics: Record<string, number>
  perQuery: Map<string, Record<string, number>>
  /** Judged queries absent from the run. They count as 0 (trec_eval's `-c`, ranx's `make_comparable`). */
  missing: string[]
  /** Queries of the run without judgments. They are ignored. */
  unjudged: string[]
}

/** One query's ranking against its judgments: all a metric needs. */
interface Ranking {
  /** Gain of the document at each rank: its grade, 0 when negative or unjudged. */
  readonly gains: readonly number[]
  /** Whether the document at each rank is relevant. */
  readonly relevant: readonly boolean[]
  /** Positive grades of all judged documents, descending: the ideal ranking. */
  readonly ideal: readonly number[]
  readonly relevantCount: number
}

const linear = (grade: number): number => grade
const exponential = (grade: number): number => 2 ** grade - 1

/** `k` is Infinity when the name has no cutoff. */
const METRICS: Readonly<Record<string, (ranking: Ranking, k: number) => number>> = {
  ndcg: (r, k) => ratio(dcg(r.gains, k, linear), dcg(r.ideal, k, linear)),
  ndcg_burges: (r, k) => ratio(dcg(r.gains, k, exponential), dcg(r.ideal, k, exponential)),
  mrr: (r, k) => {
    const first = r.relevant.indexOf(true)
    return first >= 0 && first < k ? 1 / (first + 1) : 0
  },
  map: (r, k) => ratio(precisionSum(r, k), r.relevantCount),
  recall: (r, k) => ratio(hits(r, k), r.relevantCount),
  precision: (r, k) => ratio(hits(r, k), Number.isFinite(k) ? k : r.relevant.length),
  f1: (r, k) => {
    const [precision, recall] = [METRICS.precision!(r, k), METRICS.recall!(r, k)]
    return ratio(2 * precision * recall, precision + recall)
  },
  accuracy: (r, k) => (hits(r, k) > 0 ? 1 : 0),
  hits,
  'r-precision': (r) => ratio(hits(r, r.relevantCount), r.relevantCount),
}

const OPTIONS = ['metrics', 'ties', 'ignoreIdenticalIds', 'exclude', 'relevantFrom', 'withoutRelevant'] as const

/** What others call it. */
export const IDENTICAL_IDS = {
  ignore_identical_ids: 'ignoreIdenticalIds',
  excludeSameId: 'ignoreIdenticalIds',
} as const

/**
 * Scores a run against judgments.
 *
 * Names are `metric` or `metric@k`: `ndcg` (linear gains, log2(rank + 1); `ndcg_burges`: 2^grade − 1), `mrr`, `map` (divided by
 * all relevant documents, also with a cutoff, as trec_eval's `map_cut` and ranx), `recall`, `precision` (divided by k), `f1`,
 * `accuracy` (1 when any of the k is relevant; trec_eval's `success`, ranx's `hit_rate`), `hits` (number of relevant documents
 * among the k, as ranx) and `r-precision`.
 *
 * The values equal trec_eval 9 and ranx 0.3. Means are over all judged queries.
 *
 * @throws INVALID_ARGUMENT for an unknown metric, and when there is nothing to average: a run whose queries are all without
 *   judgments, or no relevant document with `withoutRelevant: 'skip'`; NOT_FINITE for a score that is not a number; DUPLICATE_ID
 */
export function evaluateRun(qrels: Qrels, run: Run, options: MetricsOptions = {}): MetricsResult {
  checkOptions('evaluateRun', options, OPTIONS, IDENTICAL_IDS)
  const { metrics = ['ndcg@10', 'mrr@10', 'map@100', 'recall@100'], withoutRelevant = 'zero' } = options
  const measures = metrics.map((name) => ({ name, measure: parseMetric(name) }))
  const ids = [...run.keys()]
  if (!ids.some((id) => qrels.has(id))) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      ids.length === 0
        ? 'The run holds no query.'
        : `None of the ${ids.length} queries of the run is judged: it holds ${describe(ids[0])}, the judgments ` +
            `${describe(qrels.keys().next().value)}.`,
    )
  }
  const totals = new Float64Array(measures.length)
  const perQuery = new Map<string, Record<string, number>>()
  const missing: string[] = []
  for (const [queryId, judgments] of qrels) {
    const documents = run.get(queryId)
    if (documents === undefined) missing.push(queryId)
    const ranking = rank(queryId, documents ?? [], judgments, options)
    if (withoutRelevant === 'skip' && ranking.relevantCount === 0) continue
    const values = measures.map(({ measure }) => measure(ranking))
    values.forEach((value, i) => (totals[i]! += value))
    perQuery.set(queryId, Object.fromEntries(measures.map(({ name }, i) => [name, values[i]!])))
  }
  if (perQuery.size === 0) {
    const left = options.ignoreIdenticalIds ? ' once those with the query’s id are left out' : ''
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `No judged query has a relevant document${left}: there is nothing to average.`,
    )
  }
  const means = measures.map(({ name }, i) => [name, ratio(totals[i]!, perQuery.size)] as const)
  return {
    metrics: Object.fromEntries(means),
    perQuery,
    missing,
    unjudged: ids.filter((id) => !qrels.has(id)),
  }
}

/** @throws INVALID_ARGUMENT */
function parseMetric(name: string): (ranking: Ranking) => number {
  const [metric = '', cutoff, ...rest] = String(name).split('@')
  const compute = Object.hasOwn(METRICS, metric) ? METRICS[metric] : undefined
  if (compute === undefined || rest.length > 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `No metric ${describe(name)}. Metrics: ${Object.keys(METRICS).join(', ')}, each optionally with @k.`,
    )
  }
  const k =
    cutoff === undefined ? Infinity : checkInteger(`The cutoff of ${describe(name)}`, Number(cutoff || Number.NaN), 1)
  return (ranking) => compute(ranking, k)
}

function rank(
  queryId: string,
  documents: readonly ScoredDocument[],
  judgments: ReadonlyMap<string, number>,
  options: MetricsOptions,
): Ranking {
  const { ties = 'trec_eval', ignoreIdenticalIds = false, exclude, relevantFrom = 1 } = options
  const excluded = exclude?.get(queryId)
  const isKept = (id: string): boolean => !(ignoreIdenticalIds && id === queryId) && !excluded?.has(id)
  const grades = rankedIds(queryId, documents, ties)
    .filter(isKept)
    .map((id) => judgments.get(id) ?? Number.NEGATIVE_INFINITY)
  const judged = [...judgments].filter(([id]) => isKept(id)).map(([, grade]) => grade)
  return {
    gains: grades.map((grade) => Math.max(0, grade)),
    relevant: grades.map((grade) => grade >= relevantFrom),
    ideal: judged.filter((grade) => grade > 0).toSorted((a, b) => b - a),
    relevantCount: judged.filter((grade) => grade >= relevantFrom).length,
  }
}

function dcg(grades: readonly number[], k: number, gain: (grade: number) => number): number {
  let sum = 0
  for (let i = 0; i < grades.length && i < k; i++) sum += gain(grades[i]!) / Math.log2(i + 2)
  return sum
}

function hits({ relevant }: Ranking, k: number): number {
  let count = 0
  for (let i = 0; i < relevant.length && i < k; i++) if (relevant[i]) count++
  return count
}

/** Sum of the precision at the rank of every relevant document among the first k. */
export function precisionSum({ relevant }: { readonly relevant: readonly boolean[] }, k: number): number {
  let [found, sum] = [0, 0]
  for (let i = 0; i < relevant.length && i < k; i++) if (relevant[i]) sum += ++found / (i + 1)
  return sum
}

/** A share whose whole may be empty; then 0, as trec_eval. */
function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0
}
