import type { FdeOptions } from './config.js'
import { withLearnedPartitions } from './learn.js'
import { MIN_SAMPLE_TOKENS } from './suitability.js'

/** Partitions are not learned before there are this many tokens; until then every document is scored, in a millisecond. */
const TOKENS_FOR_PARTITIONS = 8000
/**
 * Learned again when the collection has this many times the tokens it had: what came since may be of another kind. One that grows document
 * by document then makes every FDE twice, all in all.
 */
const GROWTH = 2
/** Where what came since is of another kind, at this growth already: growing topic by topic, at worst, every FDE is then made three times. */
const GROWTH_OF_OTHERS = 1.5
/** FDEs are learned from documents with about so many tokens together, from all over a collection. */
export const LEARNING_TOKENS = 50_000

/** What was known when the encoder that serves was learned. */
export interface KnownWhenLearned {
  /** Tokens of the collection. */
  readonly tokens: number
  /** `partitionFit` of its own documents; null: there is nothing to fit, as with hyperplanes. */
  readonly similarity: number | null
}

/**
 * Whether a collection's FDEs are to be learned, or learned again: always, never, or only where what came since is of another kind, which is when it
 * is not true of `stillFits`. All stores ask this.
 *
 * @param tokens of the collection now
 * @param options that its FDEs are made with
 * @param known undefined: there are none yet
 */
export function learningDue(
  tokens: number,
  options: FdeOptions & { dim: number },
  known: KnownWhenLearned | undefined,
): 'always' | 'never' | 'unless it fits' {
  if (!known) {
    const { partitioning } = withLearnedPartitions(options)
    return tokens >= (partitioning === 'centroids' ? TOKENS_FOR_PARTITIONS : MIN_SAMPLE_TOKENS) ? 'always' : 'never'
  }
  if (tokens >= known.tokens * GROWTH) return 'always'
  return known.similarity !== null && tokens >= known.tokens * GROWTH_OF_OTHERS ? 'unless it fits' : 'never'
}
