// Which words of a passage answered the question.
import { element } from './dom.js'

/**
 * @typedef {import('./api.js').Source} Source
 *
 * @typedef {object} Lit A word of a passage, or of the heading above it.
 * @property {boolean} inHeading
 * @property {number} start
 * @property {number} end
 * @property {number} similarity
 * @property {string} by the word of the question that found it
 *
 * @typedef {object} Asked A word of the question and what it found.
 * @property {string} word
 * @property {string} found
 * @property {number} similarity
 * @property {Lit[]} lit
 */

/** Matches below this share of the best are background: every token of a question finds some most similar token. */
const CLEAR = 0.7
const LEVELS = 4
const WORD = /[\p{L}\p{M}\p{N}_]/u
/** Scripts written without blanks have no word to widen to. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
const LONGEST_WORD = 60
/** What is lit has to be a word: neither "…" nor the "s" of "stage's". */
const LIT = /[\p{L}\p{N}]{2}|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

/**
 * All matches of whole words.
 *
 * @param {Source} source
 * @param {string} question
 */
function wordMatches({ text, heading = '', matches }, question) {
  return matches.map(({ queryStart, queryEnd, inHeading, start, end, similarity, isBackground }) => {
    const asked = wholeWord(question, queryStart, queryEnd)
    const whole = inHeading ? heading : text
    const word = wholeWord(whole, start, end)
    const lit = { ...word, inHeading, similarity, by: question.slice(asked.start, asked.end) }
    return { asked, found: whole.slice(word.start, word.end), isBackground, lit }
  })
}

/**
 * Words that answered the question clearly, in their order.
 *
 * @param {Source} source
 * @param {string} question
 * @returns {Lit[]}
 */
export function litWords(source, question) {
  const telling = wordMatches(source, question).filter(({ isBackground, found }) => !isBackground && LIT.test(found))
  const best = Math.max(0, ...telling.map(({ lit }) => lit.similarity))
  /** @type {Map<string, Lit>} */
  const words = new Map()
  for (const { lit } of telling) {
    const key = `${lit.inHeading} ${lit.start}`
    if (lit.similarity >= best * CLEAR && (words.get(key)?.similarity ?? 0) < lit.similarity) words.set(key, lit)
  }
  return [...words.values()].sort((a, b) => a.start - b.start)
}

/**
 * Each word of the question that says something, with the best of what it found.
 *
 * @param {Source} source
 * @param {string} question
 * @returns {Asked[]}
 */
export function askedWords(source, question) {
  const all = wordMatches(source, question).filter(({ lit }) => /[\p{L}\p{N}]/u.test(lit.by))
  const telling = all.filter(({ isBackground }) => !isBackground)
  /** @type {Map<number, Asked>} */
  const words = new Map()
  for (const { asked, found, lit } of telling.length > 0 ? telling : all) {
    const before = words.get(asked.start)
    const every = [...(before?.lit ?? []), lit]
    if (before && before.similarity >= lit.similarity) before.lit = every
    else words.set(asked.start, { word: lit.by, found, similarity: lit.similarity, lit: every })
  }
  return [...words].sort(([a], [b]) => a - b).map(([, asked]) => asked)
}

/**
 * The stretch of about `length` characters that holds most of what is lit, cut between words. A heading at the beginning is left out.
 *
 * @param {string} text
 * @param {readonly Lit[]} lit
 * @param {number} length
 */
export function bestStretch(text, lit, length) {
  const head = /^\s*#{1,6} .*\n+/.exec(text)?.[0].length ?? 0
  if (text.length - head <= length * 1.2) return { begin: head, end: text.length }
  let [begin, most] = [head, -1]
  for (const { start, inHeading } of lit) {
    if (inHeading || start < head) continue
    const from = Math.max(head, Math.min(start - Math.floor(length / 4), text.length - length))
    const inside = lit.filter((one) => !one.inHeading && one.start >= from && one.end <= from + length)
    const sum = inside.reduce((total, { similarity }) => total + similarity, 0)
    if (sum > most + 1e-9) [begin, most] = [from, sum]
  }
  return {
    begin: begin === head ? head : atBlank(text, begin),
    end: atBlank(text, Math.min(text.length, begin + length)),
  }
}

/**
 * A text with words lit, the most similar brightest.
 *
 * @param {string} text
 * @param {readonly Lit[]} lit those of this text
 * @param {object} [options]
 * @param {{ begin: number, end: number }} [options.stretch]
 * @param {boolean} [options.inOneLine] paragraphs become parts of a line
 * @returns {Node[]}
 */
export function litText(text, lit, { stretch = { begin: 0, end: text.length }, inOneLine = false } = {}) {
  const { begin, end } = stretch
  const best = Math.max(0, ...lit.map(({ similarity }) => similarity))
  const range = Math.max(best * (1 - CLEAR), 1e-6)
  /** @type {Node[]} */
  const nodes = []
  let position = begin
  /** @param {number} to */
  const plain = (to) => {
    if (to <= position) return
    const shown = text.slice(position, to).replace(/(^|\n)#{1,6} /g, '$1')
    // An excerpt does without marks of Markdown, too.
    const short = inOneLine ? shown.replace(/```\w*|\*\*|`/g, '').replace(/\s*\n\s*\n\s*/g, ' – ') : shown
    nodes.push(document.createTextNode(short))
    position = to
  }
  if (begin > 0 && !/^\s*#{1,6} .*\n+$/.test(text.slice(0, begin))) nodes.push(document.createTextNode('… '))
  for (const { start, end: stop, similarity, by } of lit) {
    if (start < position || stop > end) continue
    plain(start)
    const level = 1 + Math.round(((similarity - best * CLEAR) / range) * (LEVELS - 1))
    const title = `${by}: ${similarity.toFixed(2)}`
    nodes.push(element('mark', { 'data-level': Math.max(1, Math.min(LEVELS, level)), title }, text.slice(start, stop)))
    position = stop
  }
  plain(end)
  if (end < text.length) nodes.push(document.createTextNode(' …'))
  return nodes
}

/**
 * @param {string} text
 * @param {number} start
 * @param {number} end
 */
function wholeWord(text, start, end) {
  if (UNSPACED.test(text.slice(start, end))) return { start, end }
  const belongs = (/** @type {number} */ i) => WORD.test(text[i] ?? '') && !UNSPACED.test(text[i] ?? '')
  if (!belongs(start) && end - start === 1) return { start, end }
  let [from, to] = [start, end]
  while (from > 0 && belongs(from - 1) && start - from < LONGEST_WORD) from--
  while (to < text.length && belongs(to) && to - end < LONGEST_WORD) to++
  return { start: from, end: to }
}

/**
 * @param {string} text
 * @param {number} at
 */
function atBlank(text, at) {
  if (at === 0 || at >= text.length) return Math.min(at, text.length)
  for (let i = at; i > Math.max(0, at - 30); i--) if (/\s/.test(text[i] ?? '')) return i
  return /[\udc00-\udfff]/.test(text[at] ?? '') ? at - 1 : at
}
