import { setImmediate as nextTurn } from 'node:timers/promises'
import { recordLength } from '../../keywords/term-lists.js'
import { isLost } from '../format/checked.js'
import type { CodebookFile } from '../format/codebook-file.js'
import type { CodeBytes, DerivedManifest } from '../format/manifest.js'
import type { Segment } from '../format/segment.js'
import type { Collection } from './collection.js'
import type { NewFile } from './derived-files.js'

export interface Compacted {
  /** The new list, in the old order of documents. */
  readonly segments: Segment[]
  readonly created: Segment[]
  readonly replaced: Segment[]
}

/** What to compress: documents from the first that is not to one that stays, each by the codebook of its part. */
export interface ToCompress {
  readonly to: number
  codebookOf(ordinal: number): CodebookFile
  /** The codes of a document that is not compressed yet. */
  codesOf(ordinal: number): Uint8Array
}

/** Documents copied before timers and sockets get their turn. */
const SLICE = 256

/**
 * Copies the living documents of every segment that holds deleted ones, or vectors that are to be compressed, into new segments. Nothing is
 * encoded again; the old segments are left as they are.
 *
 * @param create makes an empty segment; the caller closes it, also when this fails
 */
export async function compacted(
  collection: Collection,
  create: (codebook: CodebookFile | undefined) => Segment,
  segmentBytes: number,
  toCompress?: ToCompress,
  signal?: AbortSignal,
): Promise<Compacted> {
  const living = collection.living()
  const result: Compacted = { segments: [], created: [], replaced: [] }
  /** Codebook of each document. */
  const codebookOf = (segment: Segment, ordinal: number): CodebookFile | undefined => {
    if (segment.codebook || !toCompress || ordinal >= toCompress.to) return segment.codebook
    return toCompress.codebookOf(ordinal)
  }
  /** The segment being filled; a kept one after it ends it, so that the order is preserved. */
  let target: Segment | undefined
  let first = 0
  for (const segment of collection.segments) {
    const start = first
    const isLeft = (_: unknown, i: number): boolean =>
      living.has(start + i) && codebookOf(segment, start + i) === segment.codebook
    if (segment.rows.every(isLeft)) {
      result.segments.push(segment)
      target = undefined
    } else {
      result.replaced.push(segment)
      for (let i = 0; i < segment.rows.length; i++) {
        if (!living.has(first + i)) continue
        const codebook = codebookOf(segment, first + i)
        if (!target || target.codebook !== codebook || target.tokenBytes >= segmentBytes) {
          target = create(codebook)
          result.created.push(target)
          result.segments.push(target)
        }
        const isCompressed = codebook !== segment.codebook
        copyDocument(segment, i, target, isCompressed ? toCompress!.codesOf(first + i) : undefined)
        if (i % SLICE === SLICE - 1) await nextTurn()
        signal?.throwIfAborted()
      }
    }
    first += segment.rows.length
  }
  return result
}

/** @param codes what is kept of its vectors from now on; undefined: what was */
function copyDocument(from: Segment, index: number, to: Segment, codes: Uint8Array | undefined): void {
  const { id, metadata, hash, tokens, tokenBytes, tokenCrc, textCrc } = from.rows[index]!
  const stored = new Uint8Array(tokenBytes)
  const hasVectors = isRead(() => from.readStored(index, index + 1, stored))
  let text: string | undefined = ''
  const hasText = isRead(() => (text = from.readText(index)))
  // What is damaged stays so, to be found and written anew: its codes may have been made of nothing.
  const record = hasVectors ? (codes ?? stored) : new Uint8Array((codes ?? stored).length)
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
export function areCodesOf(
  collection: Collection,
  { rows, codesFrom = 0, codeBytes }: DerivedManifest,
  codes: Uint8Array,
): boolean {
  if (rows > collection.total) return false
  let bytes = 0
  for (let ordinal = codesFrom; ordinal < rows; ordinal++)
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
 * @param codes those of `derived`, already checked; undefined: they are damaged, and upkeep codes everything anew
 * @param from documents before this one have their codes as records from now on
 * @returns documents whose codes there are: the first so many after compaction; and the parts, renumbered
 */
export async function copyCodes(
  collection: Collection,
  { rows, codesFrom = 0, parts, codeBytes }: DerivedManifest,
  codes: Uint8Array | undefined,
  target: Pick<NewFile, 'append'>,
  from = codesFrom,
  signal?: AbortSignal,
): Promise<Pick<DerivedManifest, 'rows' | 'codesFrom' | 'parts'>> {
  const living = collection.living()
  let [at, left] = [0, 0]
  /** Where a run of codes to be copied begins. */
  let start: number | undefined
  /** New number of each ordinal that matters. */
  const renumbered = new Map([from, ...parts.flatMap((part) => Object.values(part))].map((ordinal) => [ordinal, 0]))
  const end = codes ? rows : from
  for (let ordinal = 0; ordinal < end; ordinal++) {
    if (renumbered.has(ordinal)) renumbered.set(ordinal, left)
    if (living.has(ordinal)) {
      if (ordinal >= from) start ??= at
      left++
    } else if (start !== undefined) {
      target.append(codes!.subarray(start, at))
      start = undefined
    }
    if (codes && ordinal >= codesFrom) at += lengthOf(codeBytes!, codes, at, collection.row(ordinal).tokens)
    if (ordinal % (SLICE * 16) === 0) await nextTurn()
    signal?.throwIfAborted()
  }
  if (start !== undefined) target.append(codes!.subarray(start, at))
  const moved = (ordinal: number): number => (ordinal < end ? renumbered.get(ordinal)! : left)
  return {
    rows: left,
    ...(from > 0 && { codesFrom: moved(from) }),
    parts: codes
      ? parts.map((part) => ({ from: moved(part.from), learned: moved(part.learned), trusted: moved(part.trusted) }))
      : [],
  }
}
