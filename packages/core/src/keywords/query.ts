import { hashOf } from './term-lists.js'
import { folded, isUnspaced, wordsOf } from './words.js'
import type { Stemmer } from './words.js'

/** A word of a query. */
export interface QueryWord {
  readonly term: string
  readonly hash: number
  /** How often the query has it. */
  readonly count: number
}

/** A query as keywords see it. */
export interface KeywordQueryParts {
  readonly words: readonly QueryWord[]
  /** What stood between quotes, and has to occur. */
  readonly phrases: readonly Phrase[]
}

/** Something that has to occur as it is written, but for accents, capital letters and the kind of white space. */
export interface Phrase {
  readonly written: string
  /** Terms that every document has that holds it. */
  readonly hashes: readonly number[]
}

const QUOTED = /"([^"]+)"|“([^”]+)”/g
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u

/** Words, and quoted parts that hold a letter or a digit. */
export function parseKeywordQuery(text: string, stem: Stemmer): KeywordQueryParts {
  const counts = new Map<string, number>()
  for (const { term } of wordsOf(text, stem)) counts.set(term, (counts.get(term) ?? 0) + 1)
  const phrases = Array.from(text.matchAll(QUOTED), ([, straight, curly]) => (straight ?? curly)!.trim())
  return {
    words: Array.from(counts, ([term, count]) => ({ term, hash: hashOf(term), count })),
    phrases: phrases
      .filter((written) => LETTER_OR_DIGIT.test(written))
      .map((written) => {
        // Identifiers as a whole may be a part of a longer one in the document.
        const words = [...wordsOf(written, stem)].filter(({ isExtra }) => !isExtra)
        return { written, hashes: words.map(({ term }) => hashOf(term)) }
      }),
  }
}

/** Whether all phrases occur in a text, none of them inside of a word. */
export function holdsAll(text: string, phrases: readonly Phrase[]): boolean {
  const within = spaced(text)
  return phrases.every(({ written }) => holds(within, spaced(written)))
}

function holds(text: string, phrase: string): boolean {
  const [first, last] = [phrase.at(0)!, phrase.at(-1)!]
  for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1)) {
    const [before, after] = [text[at - 1] ?? '', text[at + phrase.length] ?? '']
    if (!joins(before, first) && !joins(last, after)) return true
  }
  return false
}

/** Whether two neighbouring characters are of one word. */
function joins(left: string, right: string): boolean {
  return [left, right].every((character) => LETTER_OR_DIGIT.test(character) && !isUnspaced(character))
}

function spaced(text: string): string {
  return folded(text).replace(/\s+/g, ' ')
}
