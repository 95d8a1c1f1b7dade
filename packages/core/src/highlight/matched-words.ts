/** Where a query token found its best document token: a `TextMatch` of `explain`, or as much of one. Offsets count UTF-16 units; −1: not text. */
export interface PlacedMatch {
  readonly start: number
  readonly end: number
  readonly queryStart: number
  readonly queryEnd: number
  readonly similarity: number
}

/** A word of a text that answered a query. */
export interface MatchedWord {
  readonly start: number
  readonly end: number
  /** Of the best pair of tokens in it. */
  readonly similarity: number
}

/** Matches below this share of the best one are background: every query token finds *some* most similar token. */
export const CLEAR_MATCH = 0.7

/**
 * The words of a text that answered a query, in their order: each query token's best token, widened to the whole word, unless it is far less similar
 * (less than 0.7 of it) than the best pair is, or one of the two words is common.
 *
 * @param text the document's text
 * @param matches what `explain` says of the query and this text
 * @param query the query's text, whose common words are left out
 * @param common words in small letters that say little, as `commonWords` finds them. Where nothing else matched, these are what did
 */
export function matchedWords(
  text: string,
  matches: readonly PlacedMatch[],
  query = '',
  common: ReadonlySet<string> = new Set(),
): MatchedWord[] {
  // Prefixes, [MASK] and [SEP] have no place in either text.
  const placed = matches.filter((match) => match.start >= 0 && match.queryStart >= 0 && match.end > match.start)
  const isCommon = (whole: string, from: number, to: number): boolean => {
    const { start, end } = wholeWord(whole, from, to)
    return common.has(whole.slice(start, end).toLowerCase())
  }
  const telling = placed.filter(
    ({ start, end, queryStart, queryEnd }) => !isCommon(text, start, end) && !isCommon(query, queryStart, queryEnd),
  )
  const real = telling.length > 0 ? telling : placed
  const best = Math.max(0, ...real.map(({ similarity }) => similarity))
  const words = new Map<number, MatchedWord>()
  for (const { start, end, similarity } of real) {
    if (similarity < best * CLEAR_MATCH) continue
    const word = wholeWord(text, start, end)
    const before = words.get(word.start)
    if (!before || before.similarity < similarity)
      words.set(word.start, { ...word, end: Math.max(word.end, before?.end ?? 0), similarity })
  }
  return [...words.values()].sort((a, b) => a.start - b.start)
}

const WORD_CHARACTER = /[\p{L}\p{M}\p{N}_]/u
/** Scripts written without blanks have no word to widen to. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
/** A "word" without an end is none. */
const LONGEST_WORD = 60

function wholeWord(text: string, start: number, end: number): { start: number; end: number } {
  if (UNSPACED.test(text.slice(start, end))) return { start, end }
  const belongs = (i: number): boolean => WORD_CHARACTER.test(text[i] ?? '') && !UNSPACED.test(text[i]!)
  if (!belongs(start) && end - start === 1) return { start, end }
  let [from, to] = [start, end]
  while (from > 0 && belongs(from - 1) && start - from < LONGEST_WORD) from--
  while (to < text.length && belongs(to) && to - end < LONGEST_WORD) to++
  return { start: from, end: to }
}
