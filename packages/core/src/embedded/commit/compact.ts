import { setImmediate as nextTurn } from 'node:timers/promises'
import { recordLength } from '../../keywords/term-lists.js'
import type { CodeBytes, DerivedManifest } from '../format/manifest.js'
import type { Segment } from '../format/segment.js'
import { isLost } from '../format/checked.js'
import type { Collection } from './collection.js'
import type { NewFile } from './derived-files.js'

export interface Compacted {
  /** The new list, in the old order of documents. */
  readonly segments: Segment[]
  readonly created: Segment[]
  readonly replaced: Segment[]
}

/** Documents copied before timers and sockets get their turn. */
const SLICE = 256

/**
 * Copies the living documents of every segment that holds deleted ones into new segments. Nothing is encoded again; the
 * old segments are left as they are.
 *
 * @param create makes an empty segment
 */
export async function compacted(
  collection: Collection,
  create: () => Segment,
  segmentBytes: number,
  signal?: AbortSignal,
): Promise<Compacted> {
  const living = collection.living()
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
          copyDocument(segment, i, target)
          if (i % SLICE === SLICE - 1) await nextTurn()
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

function copyDocument(from: Segment, index: number, to: Segment): void {
  const { id, metadata, hash, tokens, tokenBytes, tokenCrc, textCrc } = from.rows[index]!
  const record = new Uint8Array(tokenBytes)
  const hasVectors = isRead(() => from.readRecords(index, index + 1, record))
  let text: string | undefined = ''
  const hasText = isRead(() => (text = from.readText(index)))
  // What is damaged stays so, to be found and written anew.
  if (!hasVectors) record.fill(0)
  const damaged = { ...(!hasVectors && { tokenCrc }), ...(!hasText && { textCrc }) }
  to.append({ id, metadata, hash, tokens, record, text, damaged })
}

function isRead(read: () => void): boolean {
  try {
    read()
    return true
  } catch (error) {
    // What is copied takes the place of what is there: not where that may be whole.
    if (!isLost(error)) throw error
    return false
  }
}

/** Whether codes are of these documents: a build that does not know them may have compacted the index, and left them as they were. */
export function areCodesOf(collection: Collection, { rows, codeBytes }: DerivedManifest, codes: Uint8Array): boolean {
  if (rows > collection.total) return false
  let bytes = 0
  for (let ordinal = 0; ordinal < rows; ordinal++)
    bytes += lengthOf(codeBytes!, codes, bytes, collection.row(ordinal).tokens)
  return codes.length === bytes
}

/** Bytes of the codes of a document of so many tokens that begin at `at`; Infinity when there are none. */
function lengthOf(codeBytes: CodeBytes | 'counted', codes: Uint8Array, at: number, tokens: number): number {
  return codeBytes === 'counted' ? recordLength(codes, at) : codeBytes.perDocument + codeBytes.perToken * tokens
}

/**
 * Copies the codes of living documents, so that compaction codes nothing again.
 *
 * @param codes those of `derived`, already checked
 * @returns documents whose codes were copied: the first so many after compaction; and the parts, renumbered
 */
export async function copyCodes(
  collection: Collection,
  { rows, parts, codeBytes }: DerivedManifest,
  codes: Uint8Array,
  target: Pick<NewFile, 'append'>,
  signal?: AbortSignal,
): Promise<Pick<DerivedManifest, 'rows' | 'parts'>> {
  const living = collection.living()
  let [at, copied] = [0, 0]
  /** Where a run of codes to be copied begins. */
  let start: number | undefined
  /** New number of each ordinal that a part mentions. */
  const renumbered = new Map(parts.flatMap((part) => Object.values(part).map((ordinal: number) => [ordinal, 0])))
  for (let ordinal = 0; ordinal < rows; ordinal++) {
    if (renumbered.has(ordinal)) renumbered.set(ordinal, copied)
    if (living.has(ordinal)) {
      start ??= at
      copied++
    } else if (start !== undefined) {
      target.append(codes.subarray(start, at))
      start = undefined
    }
    at += lengthOf(codeBytes!, codes, at, collection.row(ordinal).tokens)
    if (ordinal % (SLICE * 16) === 0) await nextTurn()
    signal?.throwIfAborted()
  }
  if (start !== undefined) target.append(codes.subarray(start, at))
  const moved = (ordinal: number): number => (ordinal < rows ? renumbered.get(ordinal)! : copied)
  return {
    rows: copied,
    parts: parts.map(({ from, learned, trusted }) => {
      return { from: moved(from), learned: moved(learned), trusted: moved(trusted) }
    }),
  }
}
