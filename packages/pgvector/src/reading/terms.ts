import { createHash } from 'node:crypto'
import { wordsOf } from '@serotine/core/store'
import type { Stemmer } from '@serotine/core/store'
import { toDatabase } from '../escaping.js'

/** A lexeme of PostgreSQL takes 2,046 bytes; what is longer is known by its hash. */
const LONGEST = 500
/** Occurrences of a word beyond these are not counted. */
const MOST = 255
/** Bytes of a `tsvector` at most, 1 MB, with room for what it adds to each word. */
const LARGEST = 900_000

/** What BM25 has to know of a text. */
export interface Terms {
  /** Words it has. */
  readonly length: number
  /** How often each term occurs, as the database writes it. */
  readonly counts: ReadonlyMap<string, number>
}

export function termsOf(text: string | undefined, stem: Stemmer): Terms {
  const counts = new Map<string, number>()
  let length = 0
  for (const { term, isExtra } of wordsOf(text ?? '', stem)) {
    const lexeme = lexemeOf(term)
    counts.set(lexeme, (counts.get(lexeme) ?? 0) + 1)
    if (!isExtra) length++
  }
  let bytes = 0
  for (const [term, count] of counts) {
    bytes += Buffer.byteLength(term) + 2 * Math.min(MOST, count) + 8
    if (bytes > LARGEST) counts.delete(term)
  }
  return { length, counts }
}

export function lexemeOf(term: string): string {
  const written = toDatabase(term)
  return Buffer.byteLength(written) <= LONGEST ? written : `#${createHash('sha256').update(written).digest('hex')}`
}

/**
 * Terms as a `tsvector`: as many positions as a term has occurrences, in the weight that says about how many: D once, C twice, B three or four times, A more often.
 */
export function tsvectorText({ counts }: Terms): string {
  return Array.from(counts, ([term, count]) => `${quotedLexeme(term)}:${positions(Math.min(MOST, count))}`).join(' ')
}

/** A lexeme as `tsvector` and `tsquery` read it. */
export function quotedLexeme(lexeme: string): string {
  return `'${lexeme.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

const WEIGHTS: readonly [number, string][] = [
  [1, ''],
  [2, 'C'],
  [4, 'B'],
  [Infinity, 'A'],
]

function positions(count: number): string {
  const weight = WEIGHTS.find(([most]) => count <= most)![1]
  return Array.from({ length: count }, (_, i) => `${i + 1}${weight}`).join(',')
}

/** About how often a term occurs that has this weight. */
export const OCCURRENCES: Readonly<Record<string, number>> = { A: 7, B: 3.4, C: 2, D: 1 }
