/**
 * MaxSim as a number of 0 … 1, higher is better: (1 + s) ÷ 2, where s = MaxSim ÷ query tokens is the mean similarity, −1 … 1. The order is that of
 * MaxSim. It is not a probability: texts about something else have about .83 with the embedded model.
 */
export function relevanceOf(maxSim: number, queryTokens: number): number {
  const relevance = (1 + maxSim / queryTokens) / 2
  return Number.isFinite(relevance) ? Math.min(1, Math.max(0, relevance)) : 0
}

/** A document's place in an answer. */
export interface Ranking {
  /** Position in the list given. */
  readonly index: number
  readonly relevance: number
  readonly maxSim: number
}

/** The best first; equal ones keep the order given. */
export function rank(scores: ArrayLike<number>, queryTokens: number, topN = Infinity): Ranking[] {
  return Array.from(scores, (maxSim, index) => ({ index, maxSim, relevance: relevanceOf(maxSim, queryTokens) }))
    .sort((a, b) => b.maxSim - a.maxSim || a.index - b.index)
    .slice(0, topN)
}
