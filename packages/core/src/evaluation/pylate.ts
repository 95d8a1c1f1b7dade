import { SerotineError } from '../errors.js'
import { checkOptions } from '../options.js'
import { evaluateRun, precisionSum } from './metrics.js'
import { rankedIds } from './run.js'
import type { Qrels, Run } from './run.js'

/**
 * The numbers of PyLate's evaluators (pylate 1.6, `pylate/evaluation`), computed from scores, so that a table made in Python
 * and one made here can be compared.
 */

export interface PylateRetrievalOptions {
  /** Put before every key, followed by `_`. Default none. */
  name?: string
  /** Default [1, 3, 5, 10]. */
  accuracyAt?: readonly number[]
  /** Default [1, 3, 5, 10]. */
  precisionRecallAt?: readonly number[]
  /** Default [10]. */
  mrrAt?: readonly number[]
  /** Default [10]. */
  ndcgAt?: readonly number[]
  /** Default [100]. */
  mapAt?: readonly number[]
}

/**
 * `PyLateInformationRetrievalEvaluator`: keys such as `MaxSim_ndcg@10`, binary relevance.
 *
 * Two conventions differ from {@link evaluateRun}: queries without a relevant document are left out, and MAP@k is divided by
 * min(k, relevant documents).
 *
 * @throws UNKNOWN_OPTION
 */
export function pylateRetrievalMetrics(
  qrels: Qrels,
  run: Run,
  options: PylateRetrievalOptions = {},
): Record<string, number> {
  checkOptions(
    'pylateRetrievalMetrics',
    options,
    ['name', 'accuracyAt', 'precisionRecallAt', 'mrrAt', 'ndcgAt', 'mapAt'],
    {
      accuracy_at_k: 'accuracyAt',
      precision_recall_at_k: 'precisionRecallAt',
      mrr_at_k: 'mrrAt',
      ndcg_at_k: 'ndcgAt',
      map_at_k: 'mapAt',
    },
  )
  const {
    name = '',
    accuracyAt = [1, 3, 5, 10],
    precisionRecallAt = [1, 3, 5, 10],
    mrrAt = [10],
    ndcgAt = [10],
    mapAt = [100],
  } = options
  const binary = new Map([...qrels].map(([query, judgments]) => [query, binarize(judgments)]))
  const names = [
    ...accuracyAt.map((k) => `accuracy@${k}`),
    ...precisionRecallAt.map((k) => `precision@${k}`),
    ...precisionRecallAt.map((k) => `recall@${k}`),
    ...ndcgAt.map((k) => `ndcg@${k}`),
    ...mrrAt.map((k) => `mrr@${k}`),
  ]
  const { metrics, perQuery } = evaluateRun(binary, run, { metrics: names, withoutRelevant: 'skip' })
  for (const k of mapAt) {
    let sum = 0
    for (const query of perQuery.keys()) {
      const judgments = binary.get(query)!
      const relevantCount = [...judgments.values()].filter((grade) => grade === 1).length
      const relevant = rankedIds(query, run.get(query) ?? [], 'trec_eval').map((id) => judgments.get(id) === 1)
      sum += precisionSum({ relevant }, k) / Math.min(k, relevantCount)
    }
    metrics[`map@${k}`] = perQuery.size > 0 ? sum / perQuery.size : 0
  }
  const prefix = name === '' ? 'MaxSim' : `${name}_MaxSim`
  return Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${prefix}_${key}`, value]))
}

/** `ColBERTTripletEvaluator`: the share of triplets whose positive scores strictly higher than its negative. */
export function tripletAccuracy(positiveScores: ArrayLike<number>, negativeScores: ArrayLike<number>): number {
  checkSameLength('positive', positiveScores.length, 'negative', negativeScores.length)
  let correct = 0
  for (let i = 0; i < positiveScores.length; i++) if (positiveScores[i]! > negativeScores[i]!) correct++
  return positiveScores.length > 0 ? correct / positiveScores.length : 0
}

/**
 * `ColBERTDistillationEvaluator`: mean over queries of KL(teacher ‖ student) between the softmaxes of their scores, in nats.
 *
 * @param options.normalizeScores min–max normalise the student's scores of each query first. Default true, as PyLate. The teacher's
 *   scores are taken as they are.
 */
export function distillationDivergence(
  studentScores: readonly ArrayLike<number>[],
  teacherScores: readonly ArrayLike<number>[],
  options: { normalizeScores?: boolean } = {},
): number {
  checkOptions('distillationDivergence', options, ['normalizeScores'], { normalize_scores: 'normalizeScores' })
  const { normalizeScores = true } = options
  checkSameLength('student', studentScores.length, 'teacher', teacherScores.length)
  let sum = 0
  for (const [query, teacher] of teacherScores.entries()) {
    const student = Array.from(studentScores[query]!)
    checkSameLength(`student (query ${query})`, student.length, 'teacher', teacher.length)
    const [p, q] = [logSoftmax(Array.from(teacher)), logSoftmax(normalizeScores ? minMax(student) : student)]
    for (const [i, logP] of p.entries()) sum += Math.exp(logP) * (logP - q[i]!)
  }
  return teacherScores.length > 0 ? sum / teacherScores.length : 0
}

function binarize(judgments: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...judgments].map(([id, grade]) => [id, grade > 0 ? 1 : 0]))
}

function minMax(scores: readonly number[]): number[] {
  const [low, high] = [lowest(scores), highest(scores)]
  return scores.map((score) => (score - low) / (high - low + 1e-8))
}

function logSoftmax(scores: readonly number[]): number[] {
  const high = highest(scores)
  const logSum = high + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - high), 0))
  return scores.map((score) => score - logSum)
}

// Not Math.max(...): a call takes only some 100,000 arguments.
function highest(scores: readonly number[]): number {
  return scores.reduce((a, b) => Math.max(a, b), -Infinity)
}

function lowest(scores: readonly number[]): number {
  return scores.reduce((a, b) => Math.min(a, b), Infinity)
}

function checkSameLength(a: string, aLength: number, b: string, bLength: number): void {
  if (aLength === bLength) return
  throw new SerotineError('INVALID_ARGUMENT', `${aLength} ${a} scores do not pair with ${bLength} ${b} scores.`)
}
