import type { Hit, Metadata, Value } from '../server/api.js'
import { count, element, shortened } from '../dom.js'
import { bestStretch } from '@serotine/core/highlight'
import type { MatchedWord, Stretch } from '@serotine/core/highlight'
import { litText } from './lit-text.js'

/** Shown of a text before it is asked for as a whole. */
const SHOWN = 480
/** What is only so much longer is shown whole. */
const LONGER = 1.3
const SHOWN_FIELDS = 8
const LONGEST_CHIP = 60
/** Where a passage stands: said in the line below its title. */
const PLACE = new Set(['source', 'line', 'lineEnd', 'charStart', 'charEnd', 'heading', 'title', 'page'])

export interface HitActions {
  readonly onFilter: (field: string, value: string | number | boolean) => void
  /** Opens or closes the heat map of a hit, in the element given. */
  readonly onHeatMap: (hit: Hit, into: HTMLElement) => void
}

/** A hit as it is drawn. */
export interface DrawnHit {
  readonly hit: Hit
  readonly item: HTMLLIElement
  readonly title: HTMLElement
  light(words: readonly MatchedWord[]): void
  toggleHeatMap(open?: boolean): void
  readonly isOpen: () => boolean
}

export function titleOf({ id, metadata }: Pick<Hit, 'id' | 'metadata'>): string {
  const named = [metadata['heading'], metadata['title']].find(
    (value) => typeof value === 'string' && value.trim() !== '',
  )
  return (named as string | undefined) ?? id
}

export function drawHit(hit: Hit, hasOrder: boolean, actions: HitActions): DrawnHit {
  const { rank, metadata, text = '' } = hit
  const titleId = `hit-${rank}`
  const title = element('h3', { id: titleId, class: 'title', tabindex: -1, dir: 'auto' }, shortened(titleOf(hit), 200))
  const body = element('p', { class: 'text', dir: 'auto' })
  const more = element('button', { type: 'button', class: 'link', hidden: true }, 'Show the whole text')
  const map = element('div', { class: 'map', id: `map-${rank}`, hidden: true })
  const mapButton = element(
    'button',
    { type: 'button', class: 'small', 'aria-expanded': 'false', 'aria-controls': map.id, 'aria-describedby': titleId },
    'Heat map',
  )
  let words: readonly MatchedWord[] = []
  const all: Stretch = { start: 0, end: text.length }
  let whole = false
  const draw = (): void => {
    const stretch = whole || text.length <= SHOWN * LONGER ? all : bestStretch(text, words, SHOWN)
    body.replaceChildren(...litText(text, words, stretch))
    // Lines of the source are kept where all of it is to be read.
    body.classList.toggle('whole', whole)
    more.hidden = stretch === all && !whole
    more.textContent = whole ? 'Show less' : `Show the whole text, ${count(text.length)} characters`
  }
  more.addEventListener('click', () => {
    whole = !whole
    draw()
  })
  draw()
  if (hit.text === undefined) body.replaceChildren(element('em', {}, 'The index has no text of it.'))
  const item = element(
    'li',
    { class: 'hit', 'aria-labelledby': titleId },
    element('div', { class: 'rank', 'aria-hidden': 'true' }, String(rank)),
    element(
      'article',
      { 'aria-labelledby': titleId },
      element('header', {}, title, hasOrder && move(hit), place(hit, actions)),
      body,
      element(
        'div',
        { class: 'below' },
        chips(metadata, actions),
        more,
        score(hit),
        hit.text !== undefined && mapButton,
      ),
      map,
    ),
  )
  const toggleHeatMap = (open = map.hidden): void => {
    if (hit.text === undefined) return
    map.hidden = !open
    mapButton.setAttribute('aria-expanded', String(open))
    if (open) actions.onHeatMap(hit, map)
    else map.replaceChildren()
  }
  mapButton.addEventListener('click', () => toggleHeatMap())
  return {
    hit,
    item,
    title,
    light(found) {
      words = found
      draw()
    },
    toggleHeatMap,
    isOpen: () => !map.hidden,
  }
}

/** How far MaxSim moved a hit in the order of the first stage. */
export function moveOf({ rank, first_stage_rank: before }: Hit): { kind: string; short: string; long: string } {
  if (before === undefined) {
    return { kind: 'new', short: 'new', long: 'The first stage gave it no rank.' }
  }
  const by = before - rank
  if (by === 0) return { kind: 'same', short: '=', long: `Rank ${rank} by the first stage, too.` }
  return {
    kind: by > 0 ? 'up' : 'down',
    short: `${by > 0 ? '↑' : '↓'} ${count(Math.abs(by))}`,
    long: `From rank ${count(before)} by the first stage to rank ${count(rank)} by MaxSim.`,
  }
}

function move(hit: Hit): HTMLElement {
  const { kind, short, long } = moveOf(hit)
  return element(
    'span',
    { class: `move ${kind}`, title: long },
    element('span', { 'aria-hidden': 'true' }, short),
    element('span', { class: 'hidden' }, long),
  )
}

function place({ id, metadata }: Hit, { onFilter }: HitActions): HTMLElement {
  const { source, line, lineEnd, page } = metadata
  if (typeof source !== 'string') return element('div', { class: 'place', dir: 'auto' }, shortened(id, 200))
  const lines =
    typeof page === 'number'
      ? `page ${page}`
      : typeof line === 'number'
        ? typeof lineEnd === 'number' && lineEnd !== line
          ? `lines ${line}–${lineEnd}`
          : `line ${line}`
        : ''
  const only = element(
    'button',
    {
      type: 'button',
      class: 'link',
      title: 'Only what is in this source',
      on: { click: () => onFilter('source', source) },
    },
    element('bdi', {}, shortened(source, 200)),
  )
  return element('div', { class: 'place' }, only, lines !== '' && ` · ${lines}`)
}

function chips(metadata: Metadata, { onFilter }: HitActions): HTMLElement {
  const list = element('ul', { class: 'chips', 'aria-label': 'Metadata' })
  const fields = [...flat(metadata, '')].filter(([name]) => !PLACE.has(name))
  for (const [name, value] of fields.slice(0, SHOWN_FIELDS)) {
    const text = shortened(String(value), LONGEST_CHIP)
    list.append(
      element(
        'li',
        {},
        element(
          'button',
          {
            type: 'button',
            class: 'chip',
            title: `Only where ${shortened(name, 100)} is ${shortened(String(value), 300)}`,
            on: { click: () => onFilter(name, value) },
          },
          element('span', { class: 'field' }, element('bdi', {}, shortened(name, LONGEST_CHIP))),
          ' ',
          element('bdi', {}, text),
        ),
      ),
    )
  }
  if (fields.length > SHOWN_FIELDS)
    list.append(element('li', { class: 'quiet' }, `and ${fields.length - SHOWN_FIELDS} more`))
  list.hidden = fields.length === 0
  return list
}

/** Fields with one value, those inside objects by their dotted names. */
function* flat(metadata: Metadata, path: string): Generator<[string, string | number | boolean]> {
  for (const [key, value] of Object.entries(metadata)) {
    if (value === null) continue
    if (Array.isArray(value)) {
      for (const one of value.slice(0, 5)) if (isPlain(one)) yield [path + key, one]
    } else if (typeof value === 'object') yield* flat(value, `${path}${key}.`)
    else yield [path + key, value]
  }
}

function isPlain(value: Value): value is string | number | boolean {
  return value !== null && typeof value !== 'object'
}

function score({ score: total, mean_similarity: mean, max_sim: maxSim, keywords }: Hit): HTMLElement {
  const parts = [
    `MaxSim ${(maxSim ?? total).toFixed(2)}`,
    `mean ${mean.toFixed(3)}`,
    ...(keywords && keywords.words.length > 0 ? [`words: ${shortened(keywords.words.join(', '), 80)}`] : []),
  ]
  return element('span', { class: 'score' }, parts.join(' · '))
}
