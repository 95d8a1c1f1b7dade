import type { Manifest } from '../../format/manifest.js'
import type { Segment } from '../../format/segment.js'
import type { Collection } from '../collection.js'

/** Bytes of vectors that a segment may hold: these, or this share of all. */
const SEGMENT_BYTES = 2 ** 26
const SEGMENT_SHARE = 1 / 32

/** What a segment holds. */
interface Filled {
  readonly segment: Segment
  /** Bytes of vectors of documents that live. */
  readonly tokenBytes: number
  /** Bytes of vectors and texts of documents that live, and of deleted ones. */
  readonly living: number
  readonly dead: number
}

/** A segment is small below this share of what one may hold: it is put together with small ones beside it. */
const SMALL = 0.5

/**
 * A new segment is begun when the vectors of the last one reach this: so much is rewritten, and takes up room twice, in a step of a compaction.
 * Searches pay nothing for many segments, processes three open files for each. The documents of one commit are not cut.
 */
export function segmentBytesFor({ segments }: Pick<Manifest, 'segments'>): number {
  const all = segments.reduce((sum, { tokenBytes }) => sum + tokenBytes, 0)
  return Math.max(SEGMENT_BYTES, Math.ceil(all * SEGMENT_SHARE))
}

/**
 * Which segments are to be written anew, in which order: those of which most is dead first. Each step takes some that follow each other, and
 * what lives in them fits one segment, unless there is one of them only.
 *
 * @param share of its bytes that has to be dead, and any if that is 0, for a segment to be written anew
 * @param to segments that have vectors of documents before this ordinal are left alone: they are about to be compressed
 */
export function planSteps(
  collection: Collection,
  {
    segmentBytes,
    share,
    to = 0,
  }: { readonly segmentBytes: number; readonly share: number; readonly to?: number | undefined },
): Segment[][] {
  const steps: { members: Filled[]; gain: number }[] = []
  let members: Filled[] = []
  const end = (): void => {
    const [living, dead] = [sum(members, 'living'), sum(members, 'dead')]
    const isDue = members.some((each) => isWorth(each, share))
    if (isDue || members.length > 1) steps.push({ members, gain: dead / Math.max(1, living + dead) })
    members = []
  }
  for (const [i, filled] of fill(collection).entries()) {
    const { segment, tokenBytes } = filled
    const isLeft = segment.rows.length === 0 || (!segment.codebook && collection.stored.startOf(i) < to)
    if (isLeft || !(isWorth(filled, share) || tokenBytes < segmentBytes * SMALL)) {
      end()
      continue
    }
    const isOther = members.length > 0 && members[0]!.segment.codebook !== segment.codebook
    if (isOther || sum(members, 'tokenBytes') + tokenBytes > segmentBytes) end()
    members.push(filled)
  }
  end()
  return steps.sort((a, b) => b.gain - a.gain).map((step) => step.members.map(({ segment }) => segment))
}

function isWorth({ living, dead }: Filled, share: number): boolean {
  return dead > 0 && dead >= share * (living + dead)
}

function fill(collection: Collection): Filled[] {
  const living = collection.living()
  let ordinal = 0
  return collection.segments.map((segment) => {
    const filled = { segment, tokenBytes: 0, living: 0, dead: 0 }
    for (const { tokenBytes, textBytes } of segment.rows) {
      const isLiving = living.has(ordinal++)
      filled[isLiving ? 'living' : 'dead'] += tokenBytes + textBytes
      if (isLiving) filled.tokenBytes += tokenBytes
    }
    return filled
  })
}

function sum(members: readonly Filled[], name: 'tokenBytes' | 'living' | 'dead'): number {
  return members.reduce((all, each) => all + each[name], 0)
}
