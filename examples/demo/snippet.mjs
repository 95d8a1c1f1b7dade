// Which part of a document to show, and which of its words answered the query.

// Words too common to be worth marking when they answer themselves.
const FUNCTION_WORDS = new Set(
  (
    'a an and are as at be been but by can could do does for from had has have how if in into is it its may not of on or ' +
    'such than that the their there these they this to was were what when which who will with'
  ).split(' '),
)

/**
 * The spans of a document that answered words of the query.
 *
 * @param matches what `model.explain(query, text)` returned: for every query token its best document token
 */
export function matchedSpans(matches, query, text) {
  const carriesMeaning = (word) => /[\p{L}\p{N}]/u.test(word) && !FUNCTION_WORDS.has(word.toLowerCase())
  return matches.filter(
    ({ queryStart, queryEnd, start, end, similarity }) =>
      queryStart >= 0 &&
      start >= 0 &&
      similarity >= 0.5 &&
      carriesMeaning(query.slice(queryStart, queryEnd)) &&
      carriesMeaning(text.slice(start, end)),
  )
}

/** The stretch of about `length` characters, from the start of a sentence, whose matches add up to most. */
export function bestPassage(text, spans, length) {
  const starts = [0, ...[...text.matchAll(/[.!?:;]\s+(?=\S)/g)].map((match) => match.index + match[0].length)]
  let best = { start: 0, weight: -1 }
  for (const start of starts) {
    const inside = spans.filter((span) => span.start >= start && span.end <= start + length)
    const weight = inside.reduce((sum, { similarity }) => sum + similarity, 0)
    if (weight > best.weight + 1e-9) best = { start, weight }
  }
  const passage = text.slice(best.start)
  return {
    text: passage,
    cut: best.start > 0,
    spans: spans
      .filter((span) => span.start >= best.start)
      .map((span) => ({ ...span, start: span.start - best.start, end: span.end - best.start })),
  }
}
