// Which words of a passage answered which words of a question.
import { bestStretch, matchedWords } from '@serotine/core/highlight'

/**
 * @typedef {object} LitWord
 * @property {number} start in the passage, or in its heading
 * @property {number} end
 * @property {number} similarity
 *
 * @typedef {{ heading: LitWord[], text: LitWord[] }} Lit words in their order
 *
 * @typedef {object} AskedWord A word of the question, and what it found.
 * @property {string} word
 * @property {string} found the most similar word
 * @property {number} similarity
 * @property {Lit} lit
 *
 * @typedef {object} Highlight
 * @property {Lit} lit
 * @property {AskedWord[]} asked
 * @property {{ start: number, end: number }} excerpt of the passage: where most of what is lit stands
 *
 * @typedef {import('@serotine/core/highlight').PlacedMatch} PlacedMatch
 */

/** A token this close to the best one is lit as well: of three "roost" MaxSim counts only one. */
const NEARLY = 0.92
/** Characters that are shown of a passage under an answer. */
const EXCERPT = 190
/** What is lit has to be a word: neither "…" nor the "s" of "stage's". */
const WORD = /[\p{L}\p{N}]{2}|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

/**
 * @param {string} question
 * @param {string} content the heading and the passage, as they were indexed
 * @param {number} headLength characters of the heading and what parts it from the passage
 * @param {import('@serotine/core').TokenSimilarities} compared
 * @param {(word: string) => boolean} isBackground
 * @returns {Highlight}
 */
export function highlight(question, content, headLength, compared, isBackground) {
  /** @type {Map<string, PlacedMatch[]>} by the word of the question */
  const byWord = new Map()
  for (const match of closest(compared)) {
    const [word, found] = [wordAt(question, match.queryStart, match.queryEnd), wordAt(content, match.start, match.end)]
    if (WORD.test(word) && !isBackground(word) && !isBackground(found))
      byWord.set(word, [...(byWord.get(word) ?? []), match])
  }
  const litBy = (/** @type {PlacedMatch[]} */ matches) =>
    matchedWords(content, matches).filter(({ start, end }) => WORD.test(content.slice(start, end)))
  const lit = parted(litBy([...byWord.values()].flat()), headLength)
  return {
    lit,
    asked: [...byWord].flatMap(([word, matches]) => found(word, litBy(matches))),
    excerpt: excerptOf(content.slice(headLength), lit.text),
  }

  /**
   * @param {string} word
   * @param {LitWord[]} words
   * @returns {AskedWord[]}
   */
  function found(word, words) {
    const [best] = [...words].sort((a, b) => b.similarity - a.similarity)
    if (!best) return []
    return [
      { word, found: content.slice(best.start, best.end), similarity: best.similarity, lit: parted(words, headLength) },
    ]
  }
}

/**
 * For each token of a question that is text, not [CLS] and the like, those of the passage that are most similar.
 *
 * @param {import('@serotine/core').TokenSimilarities} compared
 * @returns {Generator<PlacedMatch>}
 */
function* closest({ queryTokens, documentTokens, similarities }) {
  const isText = (/** @type {import('@serotine/core').TextToken} */ { start, end }) => start >= 0 && end > start
  for (const [i, asked] of queryTokens.entries()) {
    if (!isText(asked)) continue
    const row = similarities.subarray(i * documentTokens.length, (i + 1) * documentTokens.length)
    const best = row.reduce((most, similarity) => Math.max(most, similarity), -1)
    for (const [j, { start, end }] of documentTokens.entries()) {
      const similarity = row[j] ?? -1
      if (start < 0 || end <= start || similarity < best * NEARLY) continue
      yield { queryStart: asked.start, queryEnd: asked.end, start, end, similarity }
    }
  }
}

/**
 * Those of the heading and those of the passage.
 *
 * @param {LitWord[]} words
 * @param {number} headLength
 * @returns {Lit}
 */
function parted(words, headLength) {
  const rounded = words.map((word) => ({ ...word, similarity: Math.round(word.similarity * 1000) / 1000 }))
  const inText = rounded.filter(({ start }) => start >= headLength)
  return {
    heading: rounded.filter(({ start }) => start < headLength),
    text: inText.map(({ start, end, similarity }) => ({
      start: start - headLength,
      end: end - headLength,
      similarity,
    })),
  }
}

/**
 * A heading at the beginning is left out: it stands above.
 *
 * @param {string} text
 * @param {LitWord[]} lit
 */
function excerptOf(text, lit) {
  const head = /^\s*#{1,6} .*\n+/.exec(text)?.[0].length ?? 0
  const below = lit.flatMap(({ start, end, similarity }) =>
    start < head ? [] : [{ start: start - head, end: end - head, similarity }],
  )
  const { start, end } = bestStretch(text.slice(head), below, EXCERPT)
  return { start: start + head, end: end + head }
}

/**
 * The word that a token is a piece of.
 *
 * @param {string} text
 * @param {number} start
 * @param {number} end
 */
function wordAt(text, start, end) {
  const [before = ''] = /[\p{L}\p{M}\p{N}_]*$/u.exec(text.slice(Math.max(0, start - 40), start)) ?? []
  const [after = ''] = /^[\p{L}\p{M}\p{N}_]*/u.exec(text.slice(end, end + 40)) ?? []
  return before + text.slice(start, end) + after
}
