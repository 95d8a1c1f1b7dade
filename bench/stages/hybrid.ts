import { reciprocalRankFusion, relativeScoreFusion, standardScoreFusion } from '../../packages/core/src/scoring/fuse.js'
import type { Scored } from '../../packages/core/src/scoring/fuse.js'

/** Ways of joining a BM25 ranking (first) with a MaxSim ranking (second). */
export const FUSIONS: Readonly<Record<string, (lists: readonly (readonly Scored[])[]) => Scored[]>> = {
  'z-score sum': (lists) => standardScoreFusion(lists),
  'z-score sum, BM25 × 0.5': (lists) => standardScoreFusion(lists, { weights: [0.5, 1] }),
  'z-score sum, BM25 × 0.25': (lists) => standardScoreFusion(lists, { weights: [0.25, 1] }),
  'min-max sum': (lists) => relativeScoreFusion(lists),
  'reciprocal ranks': (lists) => reciprocalRankFusion(lists),
}

/**
 * What a hybrid search would fuse: BM25's best, and the union of both sides' best scored by exact MaxSim, which costs no more
 * than reranking the keyword candidates.
 *
 * @param keywords BM25's best, best first
 * @param maxSim all documents, best first
 */
export function hybridLists(
  keywords: readonly Scored[],
  maxSim: readonly Scored[],
  candidates: number,
): [Scored[], Scored[]] {
  const best = keywords.slice(0, candidates)
  const union = new Set([...best, ...maxSim.slice(0, candidates)].map(({ id }) => id))
  return [best, maxSim.filter(({ id }) => union.has(id))]
}

/** Mean difference and its standard error, over queries: what is within two errors of zero is not a difference. */
export function meanDifference(of: readonly number[], against: readonly number[]): { mean: number; error: number } {
  const differences = of.map((value, i) => value - against[i]!)
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length
  const variance =
    differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, differences.length - 1)
  return { mean, error: Math.sqrt(variance / differences.length) }
}
