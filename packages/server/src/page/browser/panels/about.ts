import type { FirstStage, IndexDescription } from '../server/api.js'
import { legend, stacked } from '../bars.js'
import { bytes, count, counted, element } from '../dom.js'

/** What an index holds and how it is searched. */
export function drawAbout(index: IndexDescription): Node[] {
  const { documents, deleted, tokens, model, dim, codec, writable, first_stage: stage, first_stages: stages } = index
  const perDocument = documents > 0 ? ` · ${count(Math.round(tokens / documents))} each` : ''
  const rows: (readonly [string, string])[] = [
    ['Documents', count(documents) + (deleted > 0 ? ` · ${count(deleted)} deleted` : '')],
    ['Tokens', count(tokens) + perDocument],
    ['Size', bytes(index.bytes)],
    ['Model', model ?? 'not known'],
    ['Vectors', `${dim === null ? 'none yet' : `${dim} numbers`}, ${codec}`],
    ['First stage', stage === 'exact' ? 'none: everything is scored exactly' : stage],
    ...Object.entries(stages).map(([name, kept]) => [`· ${name}`, ofStage(kept)] as const),
    ['Changes', writable ? 'allowed' : 'none: the server only reads'],
  ]
  return [
    element('dl', {}, ...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
    parts(index),
  ]
}

function ofStage({ bytes: size, documents, suitability }: FirstStage): string {
  const measured = suitability
    ? `finds ${(suitability.recall * 100).toFixed(1)} % of the exact top 10 among ${count(suitability.candidates)}`
    : 'not measured'
  return `${measured}; ${counted(documents, 'document')}, ${bytes(size)}`
}

/** What the bytes are, as a bar. */
function parts({ bytes: total, bytes_by: by }: IndexDescription): HTMLElement {
  const sizes = Object.entries(by)
    .filter(([, size]) => size > 0)
    .sort(([, a], [, b]) => b - a)
  if (total === 0 || sizes.length === 0) return element('div')
  return element('div', { class: 'parts' }, ...stacked(sizes, total), legend(sizes, bytes))
}
