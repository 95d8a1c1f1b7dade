import type { SearchAnswer } from '../server/api.js'
import { count, element, shortened, svg } from '../dom.js'
import { moveOf, titleOf } from './hits.js'

/** Pixels of a row, in the lists (as in page.css) and between them. */
const ROW = 26
const WIDTH = 48
const SHOWN = 20

/** The order of the first stage beside that of MaxSim, with a line for each hit from where it was to where it is. */
export function drawOrder(
  { hits, first_stage: stage, first_stage_ids: before, candidates }: SearchAnswer,
  onChoose: (rank: number) => void,
): Node[] {
  if (!before) {
    const all = candidates > 0 ? `All ${count(candidates)} documents were` : 'Every document is'
    return [
      element(
        'p',
        { class: 'quiet' },
        `${all} scored by MaxSim itself, so that there is no other order to compare with.`,
      ),
    ]
  }
  const shown = hits.slice(0, SHOWN)
  const titles = new Map(shown.map((hit) => [hit.id, titleOf(hit)]))
  const left = before.slice(0, Math.max(shown.length, 1))
  // Hits from further down stand below, in their order there.
  const deeper = shown
    .filter(({ first_stage_rank: rank }) => rank !== undefined && rank > left.length)
    .sort((a, b) => a.first_stage_rank! - b.first_stage_rank!)
  const rows = [
    ...left.map((id, i) => ({ id, rank: i + 1 })),
    ...deeper.map(({ id, first_stage_rank: rank }) => ({ id, rank: rank! })),
  ]
  const rowOf = new Map(rows.map(({ id }, row) => [id, row]))
  const lines = shown.flatMap((hit, row) => {
    const from = rowOf.get(hit.id)
    if (from === undefined) return []
    const [y1, y2] = [(from + 0.5) * ROW, (row + 0.5) * ROW]
    const path = `M0 ${y1} C${WIDTH / 2} ${y1} ${WIDTH / 2} ${y2} ${WIDTH} ${y2}`
    return [svg('path', { d: path, class: `line ${moveOf(hit).kind}` })]
  })
  const height = Math.max(rows.length, shown.length) * ROW
  const firstStage = element(
    'ol',
    { class: 'before', 'aria-label': `Order of the first stage, ${stage}` },
    ...rows.map(({ id, rank }) =>
      element(
        'li',
        { ...(!titles.has(id) && { class: 'gone', title: `${shortened(id, 200)}: not among the hits` }) },
        element('span', { class: 'label' }, element('bdi', {}, shortened(titles.get(id) ?? id, 60))),
        element('b', {}, count(rank)),
      ),
    ),
  )
  const maxSim = element(
    'ol',
    { class: 'after', 'aria-label': 'Order of MaxSim' },
    ...shown.map((hit) => {
      const { kind, long } = moveOf(hit)
      return element(
        'li',
        {},
        element(
          'button',
          { type: 'button', class: 'link', title: long, on: { click: () => onChoose(hit.rank) } },
          element('b', {}, count(hit.rank)),
          element('span', { class: `label ${kind}` }, element('bdi', {}, shortened(titleOf(hit), 60))),
          element('span', { class: 'hidden' }, ` ${long}`),
        ),
      )
    }),
  )
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, 'aria-hidden': 'true' },
    ...lines,
  )
  return [
    element(
      'p',
      { class: 'quiet heads', 'aria-hidden': 'true' },
      element('span', {}, stage),
      element('span', {}, 'MaxSim'),
    ),
    element('div', { class: 'slopes' }, firstStage, picture, maxSim),
  ]
}
