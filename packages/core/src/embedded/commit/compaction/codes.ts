import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../../errors.js'
import { recordLength } from '../../../keywords/term-lists.js'
import type { CodeBytes, DerivedManifest } from '../../format/manifest.js'
import type { Bitset } from '../bitset.js'
import type { Collection } from '../collection.js'
import type { NewFile } from '../derived-files.js'

/** Documents whose codes are copied before timers and sockets get their turn. */
const SLICE = 4096

/** What of codes is copied. */
export interface CopiedCodes {
  /** Documents that keep their ordinals' order; the others are left out. */
  readonly left: Bitset
  /** Documents before this one have their codes as records from now on. Default: as it was. */
  readonly from?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** @throws INDEX_CORRUPT when codes are of other documents: a build that does not know them may have compacted the index, and left them as they were */
export function checkCodes(collection: Collection, derived: DerivedManifest, codes: Uint8Array): Uint8Array {
  const { rows, codesFrom = 0, codeBytes } = derived
  let bytes = 0
  for (let ordinal = codesFrom; ordinal < rows && rows <= collection.total; ordinal++)
    bytes += lengthOf(codeBytes!, codes, bytes, collection.row(ordinal).tokens)
  if (rows <= collection.total && codes.length === bytes) return codes
  throw ofOtherDocuments(derived)
}

/** Bytes that codes of a fixed length have to take up, to be of these documents; undefined: there are fewer documents. */
export function codesLength(
  collection: Collection,
  { rows, codesFrom = 0, codeBytes }: DerivedManifest,
): number | undefined {
  if (rows > collection.total) return undefined
  const { perDocument, perToken } = codeBytes as CodeBytes
  return perDocument * Math.max(0, rows - codesFrom) + perToken * collection.tokensOf(codesFrom, rows)
}

export function ofOtherDocuments({ files }: DerivedManifest): SerotineError {
  const message = `The codes in ${files.codes!.file} do not belong to the documents in the index.`
  return new SerotineError('INDEX_CORRUPT', message)
}

/** Bytes of the codes of a document of so many tokens that begin at `at`; Infinity when there are none. */
function lengthOf(codeBytes: CodeBytes | 'counted', codes: Uint8Array, at: number, tokens: number): number {
  return codeBytes === 'counted' ? recordLength(codes, at) : codeBytes.perDocument + codeBytes.perToken * tokens
}

/**
 * Copies the codes of the documents that are left, so that compaction codes nothing again.
 *
 * @param codes those of `derived`, already checked; undefined: they are damaged, and upkeep codes everything anew
 * @returns documents whose codes there are: the first so many after compaction; and the parts, renumbered
 */
export async function copyCodes(
  collection: Collection,
  { rows, codesFrom = 0, parts, codeBytes }: DerivedManifest,
  codes: Uint8Array | undefined,
  target: Pick<NewFile, 'append'>,
  { left: isLeft, from = codesFrom, signal }: CopiedCodes,
): Promise<Pick<DerivedManifest, 'rows' | 'codesFrom' | 'parts'>> {
  let [at, left] = [0, 0]
  /** Where a run of codes to be copied begins. */
  let start: number | undefined
  /** New number of each ordinal that matters. */
  const renumbered = new Map([from, ...parts.flatMap((part) => Object.values(part))].map((ordinal) => [ordinal, 0]))
  const end = codes ? rows : from
  for (let ordinal = 0; ordinal < end; ordinal++) {
    if (renumbered.has(ordinal)) renumbered.set(ordinal, left)
    if (isLeft.has(ordinal)) {
      if (ordinal >= from) start ??= at
      left++
    } else if (start !== undefined) {
      target.append(codes!.subarray(start, at))
      start = undefined
    }
    if (codes && ordinal >= codesFrom) at += lengthOf(codeBytes!, codes, at, collection.row(ordinal).tokens)
    if (ordinal % SLICE === 0) await nextTurn()
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
