import type { Match } from '../server/api.js'
import { element } from '../dom.js'

/** A word that answered the query. */
export interface Span {
  readonly start: number
  readonly end: number
  readonly similarity: number
}

/** Matches below this share of the best one are background: every query token finds some most similar token. */
const CLEAR_MATCH = 0.7
/** Levels of light. */
const LEVELS = 4

/**
 * Whole words of a text that answered the query clearly. Where the query has words that are not common in the index, common ones do not
 * count.
 */
export function matchedWords(
  text: string,
  query: string,
  matches: readonly Match[],
  common: ReadonlySet<string>,
): Span[] {
  // Prefixes, [MASK] and [SEP] have no place in either text.
  const placed = matches.filter((match) => match.start >= 0 && match.query_start >= 0 && match.end > match.start)
  const isCommon = (whole: string, start: number, end: number): boolean => {
    const word = wholeWord(whole, start, end)
    return common.has(whole.slice(word.start, word.end).toLowerCase())
  }
  const telling = placed.filter(
    ({ start, end, query_start, query_end }) => !isCommon(text, start, end) && !isCommon(query, query_start, query_end),
  )
  const real = telling.length > 0 ? telling : placed
  const best = Math.max(0, ...real.map(({ similarity }) => similarity))
  const words = new Map<number, Span>()
  for (const { start, end, similarity } of real) {
    if (similarity < best * CLEAR_MATCH) continue
    const word = wholeWord(text, start, end)
    const before = words.get(word.start)
    if (!before || before.similarity < similarity) words.set(word.start, { ...word, similarity })
  }
  return [...words.values()].sort((a, b) => a.start - b.start)
}

const WORD = /[\p{L}\p{M}\p{N}_]/u
/** Scripts written without blanks have no word to widen to. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
/** A "word" without an end is none. */
const LONGEST_WORD = 60

function wholeWord(text: string, start: number, end: number): { start: number; end: number } {
  if (UNSPACED.test(text.slice(start, end))) return { start, end }
  const belongs = (i: number): boolean => WORD.test(text[i] ?? '') && !UNSPACED.test(text[i]!)
  if (!belongs(start) && end - start === 1) return { start, end }
  let [from, to] = [start, end]
  while (from > 0 && belongs(from - 1) && start - from < LONGEST_WORD) from--
  while (to < text.length && belongs(to) && to - end < LONGEST_WORD) to++
  return { start: from, end: to }
}

/** The stretch of about `length` characters that holds the most of what matched, cut at blanks. */
export function bestStretch(text: string, spans: readonly Span[], length: number): { begin: number; end: number } {
  if (text.length <= length * 1.3) return { begin: 0, end: text.length }
  let [begin, most] = [0, -1]
  for (const { start } of spans) {
    const from = Math.max(0, Math.min(start - Math.floor(length / 5), text.length - length))
    const inside = spans.filter((span) => span.start >= from && span.end <= from + length)
    const sum = inside.reduce((total, { similarity }) => total + similarity, 0)
    if (sum > most + 1e-9) [begin, most] = [from, sum]
  }
  return { begin: atBlank(text, begin), end: atBlank(text, Math.min(text.length, begin + length)) }
}

function atBlank(text: string, at: number): number {
  if (at === 0 || at >= text.length) return Math.min(at, text.length)
  for (let i = at; i > Math.max(0, at - 30); i--) if (/\s/.test(text[i]!)) return i
  return /[\udc00-\udfff]/.test(text[at]!) ? at - 1 : at
}

/** A text with its words lit, the strongest most. */
export function litText(text: string, spans: readonly Span[], begin: number, end: number): Node[] {
  const similarities = spans.map(({ similarity }) => similarity)
  const best = Math.max(...similarities)
  const range = Math.max(best * (1 - CLEAR_MATCH), 1e-6)
  const nodes: Node[] = []
  let position = begin
  const plain = (to: number): void => {
    if (to > position) nodes.push(document.createTextNode(text.slice(position, to)))
    position = Math.max(position, to)
  }
  if (begin > 0) nodes.push(document.createTextNode('… '))
  for (const { start, end: stop, similarity } of spans) {
    if (start < position || stop > end) continue
    plain(start)
    const level = 1 + Math.round(((similarity - best * CLEAR_MATCH) / range) * (LEVELS - 1))
    nodes.push(
      element(
        'mark',
        { 'data-level': Math.max(1, Math.min(LEVELS, level)), title: `similarity ${similarity.toFixed(2)}` },
        text.slice(start, stop),
      ),
    )
    position = stop
  }
  plain(end)
  if (end < text.length) nodes.push(document.createTextNode(' …'))
  return nodes
}
