// Texts with the words lit that answered a question.
import { element } from './dom.js'

/** @typedef {import('../../chat/lit-words.mjs').LitWord} LitWord */

const LEVELS = 4
/** What is less similar than this share of the best is not lit, so that it is the dimmest. */
const DIMMEST = 0.7

/**
 * @param {string} text
 * @param {readonly LitWord[]} lit the most similar brightest
 * @param {object} [options]
 * @param {{ start: number, end: number }} [options.stretch]
 * @param {boolean} [options.inOneLine] without marks of Markdown; paragraphs become parts of a line
 * @returns {Node[]}
 */
export function litText(text, lit, { stretch = { start: 0, end: text.length }, inOneLine = false } = {}) {
  const best = Math.max(0, ...lit.map(({ similarity }) => similarity))
  const range = Math.max(best * (1 - DIMMEST), 1e-6)
  /** @type {Node[]} */
  const nodes = []
  let position = stretch.start
  /** @param {number} to */
  const plain = (to) => {
    if (to <= position) return
    const shown = text.slice(position, to).replace(/(^|\n)#{1,6} /g, '$1')
    const short = inOneLine ? shown.replace(/```\w*|\*\*|`/g, '').replace(/\s*\n\s*\n\s*/g, ' – ') : shown
    nodes.push(document.createTextNode(short))
    position = to
  }
  if (!/^\s*(#{1,6} .*\n+)?$/.test(text.slice(0, stretch.start))) nodes.push(document.createTextNode('… '))
  for (const { start, end, similarity } of lit) {
    if (start < position || end > stretch.end) continue
    plain(start)
    const level = 1 + Math.round(((similarity - best * DIMMEST) / range) * (LEVELS - 1))
    const title = `similarity ${similarity.toFixed(2)}`
    nodes.push(element('mark', { 'data-level': Math.max(1, Math.min(LEVELS, level)), title }, text.slice(start, end)))
    position = end
  }
  plain(stretch.end)
  if (text.slice(stretch.end).trim() !== '') nodes.push(document.createTextNode(' …'))
  return nodes
}
