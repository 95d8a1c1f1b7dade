import type { MatchedWord } from './matched-words.js'

/** A part of a text, in UTF-16 units. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

/** At most so many characters stand before the first matched word: a little of what comes before makes it readable. */
const LEAD = 60
/** So far a cut may move to fall between two words. */
const NEAR = 20

/**
 * The stretch of a text, of at most `length` characters, that holds the most of what matched, from word to word. A text that is no longer comes back
 * whole, without blanks around it; so does the beginning of one in which nothing matched.
 *
 * @param words as `matchedWords` finds them
 */
export function bestStretch(text: string, words: readonly MatchedWord[], length: number): Stretch {
  const last = text.trimEnd().length
  const first = text.length - text.trimStart().length
  if (last <= length) return { start: Math.min(first, last), end: last }
  const lead = Math.min(LEAD, Math.floor(length / 5))
  let [best, most] = [0, 0]
  for (const { start } of words) {
    const from = Math.max(0, Math.min(start - lead, last - length))
    const inside = words.filter((word) => word.start >= from && word.end <= from + length)
    const sum = inside.reduce((total, { similarity }) => total + Math.max(0, similarity), 0)
    if (sum > most + 1e-9) [best, most] = [from, sum]
  }
  return { start: best === 0 ? first : wordStart(text, best), end: wordEnd(text, Math.min(last, best + length)) }
}

/** The start of the next word, unless that is far. */
function wordStart(text: string, at: number): number {
  for (let i = at; i < Math.min(text.length, at + NEAR); i++)
    if (/\s/.test(text[i - 1]!) && !/\s/.test(text[i]!)) return i
  return isTrailingSurrogate(text, at) ? at + 1 : at
}

function wordEnd(text: string, at: number): number {
  if (at >= text.length || /\s/.test(text[at]!)) return at
  for (let i = at; i > Math.max(0, at - NEAR); i--) if (/\s/.test(text[i - 1]!)) return i - 1
  return isTrailingSurrogate(text, at) ? at - 1 : at
}

function isTrailingSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff
}
