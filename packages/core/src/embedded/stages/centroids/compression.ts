import type { Collection } from '../../commit/collection.js'
import type { Compression } from '../../commit/compaction/compaction.js'
import type { Kept } from '../coded-kind.js'
import type { CentroidParts, CodebookFacts } from './centroid-parts.js'

/** How far documents must be ranked by what codes stand for as by their vectors, for these to go; see `measuredAgreement`. */
export const AGREEMENT = 0.97

/** Documents of one part whose vectors are there. */
export interface OpenPart {
  /** Position of the part. */
  readonly index: number
  readonly from: number
  readonly to: number
  readonly tokens: number
}

/** The documents of each part that are known to fit its codebook and are not compressed yet. */
export function openParts(collection: Collection, { derived: { parts } }: Kept): OpenPart[] {
  return parts.flatMap(({ from: first, trusted }, index) => {
    const from = Math.max(first, collection.compressed)
    const to = Math.min(trusted, parts[index + 1]?.from ?? Infinity)
    return to > from ? [{ index, from, to, tokens: collection.tokensOf(from, to) }] : []
  })
}

/**
 * The vectors that may go: of the first parts, as far as their codes rank as the vectors do, and as many parts as are large enough on average to be
 * worth a codebook each for good. On average, as a small one would hold up the large ones after it.
 *
 * @param codebooks that vectors were compressed by so far: more documents of the last one cost nothing but their codes
 * @param least share of the compressed tokens that is worth a compaction, and tokens that are worth the first
 */
export function compressionOf(
  collection: Collection,
  kept: Kept,
  codebooks: number,
  least: { readonly share: number; readonly tokens: number },
): Compression | undefined {
  const searcher = kept.searcher as CentroidParts
  const facts = kept.derived.facts.codebooks as unknown as readonly CodebookFacts[]
  const before = collection.tokensOf(0, collection.compressed)
  const enough = Math.max(least.tokens / 4, (before * least.share) / 4)
  let [to, taken, used] = [collection.compressed, 0, codebooks]
  let [end, sum] = [to, 0]
  for (const part of openParts(collection, kept)) {
    const isNew = part.index >= codebooks
    if (isNew && !((facts[part.index]?.agreement ?? 0) >= AGREEMENT)) break
    // What lies between is not trusted yet.
    if (part.from !== end) break
    end = part.to
    sum += part.tokens
    const added = Math.max(0, part.index + 1 - codebooks)
    if (sum < enough * added) continue
    ;[to, taken, used] = [end, sum, codebooks + added]
  }
  if (taken < Math.max(1, before * least.share) || before + taken < least.tokens) return undefined
  const learned = searcher.learned
  return {
    stage: 'centroids',
    to,
    codebooks: facts.slice(codebooks, used).map(({ cellBlocks, residuals, tokens, similarity }, i) => ({
      bytes: learned[codebooks + i]!,
      about: { cellBlocks, residuals: residuals!, tokens, similarity },
    })),
    learned: searcher.learnedAfter(used),
  }
}
