import type { TextMatch } from '@serotine/core'

export interface Span {
  readonly start: number
  readonly end: number
  readonly weight: number
}

/** A piece of a text for display: blanks run together, matched words marked. */
export interface SnippetPart {
  readonly text: string
  readonly matched: boolean
}

/** Matches below this share of the best one are background: every query token finds *some* most similar token. */
const CLEAR_MATCH = 0.7

/**
 * The words of a text that answered the query: each real query token's best token, widened to the whole word, unless it
 * is far less similar than the best pair is, or one of the two words is background.
 *
 * @param isCommon says which words are background
 */
export function matchedWords(
  text: string,
  matches: readonly TextMatch[],
  query = '',
  isCommon: (word: string) => boolean = () => false,
): Span[] {
  // Prefixes, [MASK] and [SEP] have no place in either text.
  const placed = matches.filter((match) => match.start >= 0 && match.queryStart >= 0 && match.end > match.start)
  const wordOf = (whole: string, start: number, end: number): string => {
    const word = wholeWord(whole, start, end)
    return whole.slice(word.start, word.end)
  }
  const telling = placed.filter(
    ({ start, end, queryStart, queryEnd }) =>
      !isCommon(wordOf(text, start, end)) && !isCommon(wordOf(query, queryStart, queryEnd)),
  )
  // Of a query of common words alone, these are what matched.
  const real = telling.length > 0 ? telling : placed
  const best = Math.max(0, ...real.map((match) => match.similarity))
  const words = new Map<number, Span>()
  for (const { start, end, similarity } of real) {
    if (similarity < best * CLEAR_MATCH) continue
    const word = wholeWord(text, start, end)
    const before = words.get(word.start)
    if (!before || before.weight < similarity)
      words.set(word.start, { ...word, end: Math.max(word.end, before?.end ?? 0), weight: similarity })
  }
  return [...words.values()].sort((a, b) => a.start - b.start)
}

const WORD_CHARACTER = /[\p{L}\p{M}\p{N}_]/u
/** Scripts written without blanks have no word to widen to. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

function wholeWord(text: string, start: number, end: number): { start: number; end: number } {
  if (UNSPACED.test(text.slice(start, end))) return { start, end }
  const belongs = (i: number): boolean => WORD_CHARACTER.test(text[i] ?? '') && !UNSPACED.test(text[i]!)
  if (!belongs(start) && end - start === 1) return { start, end }
  while (start > 0 && belongs(start - 1)) start--
  while (end < text.length && belongs(end)) end++
  return { start, end }
}

/** A stretch of a text, blanks run together, `…` where it is cut. */
export function snippet(text: string, spans: readonly Span[], { begin, end }: Stretch): SnippetPart[] {
  const parts: SnippetPart[] = []
  const push = (piece: string, matched: boolean): void => {
    if (piece !== '') parts.push({ text: piece.replace(/\s+/g, ' '), matched })
  }
  if (text.slice(0, begin).trim() !== '') push('… ', false)
  let position = begin
  for (const span of spans) {
    if (span.start < position || span.end > end) continue
    push(text.slice(position, span.start), false)
    push(text.slice(span.start, span.end), true)
    position = span.end
  }
  push(text.slice(position, end).trimEnd(), false)
  if (end < text.trimEnd().length) push(' …', false)
  return parts
}

export interface Stretch {
  readonly begin: number
  readonly end: number
}

/** The stretch of about `length` characters with the most matched words, from word to word. */
export function bestStretch(text: string, spans: readonly Span[], length: number): Stretch {
  const last = text.trimEnd().length
  if (last <= length) return { begin: text.length - text.trimStart().length, end: last }
  let best = 0
  let bestWeight = -1
  for (const first of spans) {
    // A little of what comes before makes a match readable.
    const begin = Math.max(0, Math.min(first.start - Math.floor(length / 5), last - length))
    const inside = spans.filter((span) => span.start >= begin && span.end <= begin + length)
    const weight = inside.reduce((sum, span) => sum + span.weight, 0)
    if (weight > bestWeight + 1e-9) [best, bestWeight] = [begin, weight]
  }
  return { begin: wordStart(text, best), end: wordEnd(text, Math.min(last, best + length)) }
}

/** The start of the next word, unless that is far. */
function wordStart(text: string, at: number): number {
  if (at === 0) return text.length - text.trimStart().length
  for (let i = at; i < Math.min(text.length, at + 20); i++)
    if (/\s/.test(text[i - 1]!) && !/\s/.test(text[i]!)) return i
  return isTrailingSurrogate(text, at) ? at + 1 : at
}

function wordEnd(text: string, at: number): number {
  if (at >= text.length || /\s/.test(text[at]!)) return at
  for (let i = at; i > Math.max(0, at - 20); i--) if (/\s/.test(text[i - 1]!)) return i - 1
  return isTrailingSurrogate(text, at) ? at - 1 : at
}

function isTrailingSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xdc00 && unit <= 0xdfff
}
