import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'

/** One entry of a ranking. */
export interface Scored<Id extends string | number = string> {
  id: Id
  /** Higher is better. */
  score: number
}

/** How ranked lists are merged. */
export interface FusionOptions {
  /** One weight per list, not negative. Default 1 each. */
  weights?: readonly number[]
}

/**
 * Reciprocal rank fusion: Σ weight / (k + rank), ranks from 1 (Cormack, Clarke and Büttcher, SIGIR 2009). Looks at positions
 * only, so lists whose scores mean different things (BM25 and MaxSim) can be mixed without tuning.
 *
 * @param lists each best first; entries that a list lacks add nothing
 * @param options.k damps the advantage of the first ranks. Default 60, as in the paper
 * @returns every id once, best first; equal scores in order of first appearance
 * @throws DUPLICATE_ID when a list names an id twice; INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function reciprocalRankFusion<Id extends string | number>(
  lists: readonly (readonly { id: Id }[])[],
  options: FusionOptions & { k?: number } = {},
): Scored<Id>[] {
  checkOptions('reciprocalRankFusion', options, ['k', 'weights'], { rrfK: 'k', rank_constant: 'k' })
  const { k = 60 } = options
  if (!Number.isFinite(k) || k < 0)
    throw new SerotineError('INVALID_ARGUMENT', `k must be a number of at least 0, got ${describe(k)}.`)
  return fuse(
    lists,
    options.weights,
    (list) => list.map((_, i) => 1 / (k + i + 1)),
    () => 0,
  )
}

/**
 * Relative score fusion: each list's scores are stretched to 0…1 (lowest to highest) and added, weighted (the default hybrid
 * fusion of Weaviate; CombSUM of Fox and Shaw, TREC-2, with min-max normalisation). Keeps how far apart scores are, which rank
 * fusion throws away. A list of equal scores gives 1 to all.
 *
 * @param lists any order; entries that a list lacks add 0
 * @returns every id once, best first; equal scores in order of first appearance
 * @throws DUPLICATE_ID, INVALID_ARGUMENT, NOT_FINITE, UNKNOWN_OPTION
 */
export function relativeScoreFusion<Id extends string | number>(
  lists: readonly (readonly Scored<Id>[])[],
  options: FusionOptions = {},
): Scored<Id>[] {
  checkOptions('relativeScoreFusion', options, ['weights'], { alpha: 'weights' })
  const stretched = (list: readonly Scored<Id>[]): number[] => {
    const scores = finiteScores(list)
    const lowest = scores.reduce((a, b) => Math.min(a, b), Infinity)
    const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity)
    return scores.map((score) => (highest > lowest ? (score - lowest) / (highest - lowest) : 1))
  }
  return fuse(lists, options.weights, stretched, () => 0)
}

/**
 * Sum of standard scores: each list's scores become (score − mean) / standard deviation before they are added, weighted. Less
 * bent by one outlier than relative score fusion. An entry that a list lacks counts as that list's lowest; a list of equal
 * scores says nothing.
 *
 * @param lists any order
 * @returns every id once, best first; equal scores in order of first appearance
 * @throws DUPLICATE_ID, INVALID_ARGUMENT, NOT_FINITE, UNKNOWN_OPTION
 */
export function standardScoreFusion<Id extends string | number>(
  lists: readonly (readonly Scored<Id>[])[],
  options: FusionOptions = {},
): Scored<Id>[] {
  checkOptions('standardScoreFusion', options, ['weights'])
  const standardised = (list: readonly Scored<Id>[]): number[] => {
    const scores = finiteScores(list)
    const mean = scores.reduce((a, b) => a + b, 0) / scores.length
    const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length)
    return scores.map((score) => (deviation > 0 ? (score - mean) / deviation : 0))
  }
  return fuse(lists, options.weights, standardised, (parts) => parts.reduce((a, b) => Math.min(a, b), 0))
}

/** Adds what each list gives an id; `absent` is what it gives those it lacks. */
function fuse<Id extends string | number, Entry extends { id: Id }>(
  lists: readonly (readonly Entry[])[],
  weights: readonly number[] | undefined,
  partsOf: (list: readonly Entry[]) => number[],
  absent: (parts: readonly number[]) => number,
): Scored<Id>[] {
  checkWeights(weights, lists.length)
  const totals = new Map<Id, number>()
  lists.forEach((list) => list.forEach(({ id }) => totals.set(id, 0)))
  lists.forEach((list, i) => {
    const parts = partsOf(list)
    const given = new Map<Id, number>()
    list.forEach(({ id }, rank) => {
      if (given.has(id))
        throw new SerotineError(
          'DUPLICATE_ID',
          `List ${i} names ${describe(id)} twice. A ranking must hold each id once.`,
        )
      given.set(id, parts[rank]!)
    })
    const missing = absent(parts)
    const weight = weights?.[i] ?? 1
    for (const [id, total] of totals) totals.set(id, total + weight * (given.get(id) ?? missing))
  })
  return Array.from(totals, ([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score)
}

function finiteScores(list: readonly Scored<string | number>[]): number[] {
  return list.map(({ id, score }) => {
    if (Number.isFinite(score)) return score
    throw new SerotineError(
      'NOT_FINITE',
      `The score of ${describe(id)} is ${describe(score)}; it must be a finite number.`,
    )
  })
}

function checkWeights(weights: readonly number[] | undefined, lists: number): void {
  if (weights === undefined) return
  if (weights.length !== lists || !weights.every((weight) => Number.isFinite(weight) && weight >= 0)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `weights must hold one non-negative number per list (${lists}), got ${JSON.stringify(weights)}.`,
    )
  }
}
