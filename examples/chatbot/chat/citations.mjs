// Citations in answers: [1], [2, 3].

const CITATION = /(?<!\\)\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()/g

/**
 * The sources that an answer cites, in the order in which it does. Numbers that no source has are left out.
 *
 * @param {string} answer
 * @param {number} sources how many there are
 * @returns {number[]}
 */
export function citedIn(answer, sources) {
  const numbers = [...answer.matchAll(CITATION)].flatMap(([, list]) => String(list).split(',').map(Number))
  return [...new Set(numbers)].filter((number) => number >= 1 && number <= sources)
}

/**
 * Text as Markdown that reads the same: what looks like a citation or a link in a document is not one of ours. Code between backticks
 * stays code.
 *
 * @param {string} text
 */
export function escapeMarkdown(text) {
  return text.replace(/(`+)(?!`).+?(?<!`)\1(?!`)|[\\`*_[\]<>#~|]/g, (match) =>
    match.length > 1 ? match : `\\${match}`,
  )
}
