import { fmix32 } from '../math/random.js'
import { wordsIn, writtenIn } from './words.js'
import type { Stemmer } from './words.js'

/** Raised whenever the same text would give another list: lists of another version are made again. */
export const TERM_LIST_VERSION = 1

/** Bytes before the terms: length of the record, words of the document. */
const HEADER = 8
/** Occurrences are counted up to here: BM25 gives further ones next to nothing. */
const MOST = 255

/**
 * A number for a term: FNV-1a over its UTF-16 code units, then MurmurHash3's finaliser. Among a million different terms about a hundred pairs share
 * one; then a document counts as if it had the other word.
 */
export function hashOf(term: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < term.length; i++) {
    const unit = term.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 255), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  return fmix32(hash)
}

/**
 * What BM25 has to know of a text: its number of words, and how often each of its terms occurs. Numbers are u32 in the processor's order, as in all
 * files of an index: length of the record in bytes, words, the terms' hashes in ascending order; then a byte for each count, filled up to a multiple of 4.
 */
export function termList(text: string, stem: Stemmer): Uint8Array {
  const all: number[] = []
  let words = 0
  for (const written of writtenIn(text)) {
    for (const { hash, isExtra } of hashedWords(written, stem)) {
      all.push(hash)
      if (!isExtra) words++
    }
  }
  // Equal ones lie together then.
  const sorted = Uint32Array.from(all).sort()
  let terms = 0
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) terms++
  const numbers = new Uint32Array(2 + terms + Math.ceil(terms / 4))
  numbers[0] = numbers.byteLength
  numbers[1] = words
  const counts = new Uint8Array(numbers.buffer, HEADER + 4 * terms)
  for (let i = 0, term = -1; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) numbers[2 + ++term] = sorted[i]!
    if (counts[term]! < MOST) counts[term]!++
  }
  return new Uint8Array(numbers.buffer)
}

interface HashedWord {
  readonly hash: number
  readonly isExtra: boolean
}

/** What comes again and again is analysed once. */
const known = new WeakMap<Stemmer, Map<string, readonly HashedWord[]>>()
const KNOWN_AT_MOST = 50_000
/** What is longer comes once. */
const LONGEST_KNOWN = 40

function hashedWords(written: string, stem: Stemmer): readonly HashedWord[] {
  let ofStemmer = known.get(stem)
  if (!ofStemmer) known.set(stem, (ofStemmer = new Map()))
  const before = ofStemmer.get(written)
  if (before) return before
  const words = wordsIn(written, stem).map(({ term, isExtra }) => ({ hash: hashOf(term), isExtra }))
  if (written.length > LONGEST_KNOWN) return words
  if (ofStemmer.size >= KNOWN_AT_MOST) ofStemmer.clear()
  ofStemmer.set(written, words)
  return words
}

/** Of a document without text. */
export function emptyTermList(): Uint8Array {
  return new Uint8Array(Uint32Array.of(HEADER, 0).buffer)
}

/** Some records, one after the other, read without copying. */
export interface TermLists {
  /** Words of each document. */
  readonly words: Uint32Array
  /** Where each document's terms begin in `hashes` and `counts`; one more at the end. */
  readonly starts: Uint32Array
  readonly hashes: Uint32Array
  readonly counts: Uint8Array
}

/** The first `documents` records of these bytes. They are checked when they are read: they are what `termList` made. */
export function readTermLists(bytes: Uint8Array, documents: number): TermLists {
  // Aligned, whatever they were a part of.
  const whole = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  const numbers = new Uint32Array(whole.buffer, whole.byteOffset, whole.length >>> 2)
  const words = new Uint32Array(documents)
  const starts = new Uint32Array(documents + 1)
  for (let at = 0, i = 0; i < documents; i++) {
    words[i] = numbers[at + 1]!
    starts[i + 1] = starts[i]! + termsIn(numbers[at]!)
    at += numbers[at]! >>> 2
  }
  const terms = starts[documents]!
  const [hashes, counts] = [new Uint32Array(terms), new Uint8Array(terms)]
  for (let at = 0, i = 0; i < documents; i++) {
    const [from, to] = [starts[i]!, starts[i + 1]!]
    hashes.set(numbers.subarray(at + 2, at + 2 + to - from), from)
    const first = (at + 2 + to - from) * 4
    counts.set(whole.subarray(first, first + to - from), from)
    at += numbers[at]! >>> 2
  }
  return { words, starts, hashes, counts }
}

/** Terms of a record of so many bytes: each takes 4 and one more, the latter in fours. */
function termsIn(recordBytes: number): number {
  return Math.floor((((recordBytes - HEADER) >>> 2) * 4) / 5)
}

/** Bytes of the record at `at`; Infinity when there is none. */
export function recordLength(bytes: Uint8Array, at: number): number {
  if (at + HEADER > bytes.length) return Infinity
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true)
  return length >= HEADER ? length : Infinity
}
