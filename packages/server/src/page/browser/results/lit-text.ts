import type { MatchedWord, Stretch } from '@serotine/core/highlight'
import { element } from '../dom.js'

/** Levels of light. */
const LEVELS = 4
/** `matchedWords` leaves out what is below this share of the best. */
const WEAKEST = 0.7

/** A text with its words lit, the strongest most. */
export function litText(text: string, words: readonly MatchedWord[], { start: begin, end }: Stretch): Node[] {
  const similarities = words.map(({ similarity }) => similarity)
  const best = Math.max(...similarities)
  const range = Math.max(best * (1 - WEAKEST), 1e-6)
  const nodes: Node[] = []
  let position = begin
  const plain = (to: number): void => {
    if (to > position) nodes.push(document.createTextNode(text.slice(position, to)))
    position = Math.max(position, to)
  }
  if (begin > 0) nodes.push(document.createTextNode('… '))
  for (const { start, end: stop, similarity } of words) {
    if (start < position || stop > end) continue
    plain(start)
    const level = 1 + Math.round(((similarity - best * WEAKEST) / range) * (LEVELS - 1))
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
