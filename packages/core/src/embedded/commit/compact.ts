import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Collection } from './collection.js'
import { fdeRowBytes } from '../stages/fde/fde-rows.js'
import type { Segment } from '../format/segment.js'

export interface Compacted {
  /** The new list, in the old order of documents. */
  readonly segments: Segment[]
  readonly created: Segment[]
  readonly replaced: Segment[]
}

/**
 * Copies the living documents of every segment that holds deleted ones into new segments. Nothing is encoded again; the
 * old segments are left as they are.
 *
 * @param fdeDim numbers per FDE, 0 when there are none
 * @param create makes an empty segment
 */
export async function compacted(
  collection: Collection,
  fdeDim: number,
  create: () => Segment,
  segmentBytes: number,
  signal?: AbortSignal,
): Promise<Compacted> {
  const living = new Set(collection.ordinals())
  const result: Compacted = { segments: [], created: [], replaced: [] }
  /** The segment being filled; a kept one after it ends it, so that the order is preserved. */
  let target: Segment | undefined
  let first = 0
  try {
    for (const segment of collection.segments) {
      const dead = segment.rows.some((_, i) => !living.has(first + i))
      if (!dead) {
        result.segments.push(segment)
        target = undefined
      } else {
        result.replaced.push(segment)
        for (let i = 0; i < segment.rows.length; i++) {
          if (!living.has(first + i)) continue
          if (!target || target.tokenBytes >= segmentBytes) {
            target = create()
            result.created.push(target)
            result.segments.push(target)
          }
          copyDocument(segment, i, target, fdeDim)
          if (i % 256 === 255) await nextTurn()
          signal?.throwIfAborted()
        }
      }
      first += segment.rows.length
    }
  } catch (error) {
    for (const segment of result.created) segment.close()
    throw error
  }
  return result
}

function copyDocument(from: Segment, index: number, to: Segment, fdeDim: number): void {
  const { id, metadata, hash, tokens, tokenBytes } = from.rows[index]!
  const record = new Uint8Array(tokenBytes)
  from.readRecords(index, index + 1, record)
  to.append({ id, metadata, hash, tokens, record, text: from.readText(index) })
  if (index < from.fdeRows) to.appendFde(from.readFde(index, index + 1, fdeRowBytes(fdeDim)))
}
