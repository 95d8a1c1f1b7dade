// A passage with the words that matched, how it was scored, and how long the search took.
import { element, icon, milliseconds, part, shortened } from './dom.js'
import { litText } from './highlight.js'

/**
 * @typedef {import('./api.js').Source} Source
 * @typedef {import('./api.js').SearchSummary} SearchSummary
 */

/** @type {Readonly<Record<string, string>>} */
const PARTS = {
  encode: 'question encoded',
  firstStage: 'first stage',
  keywords: 'words',
  fetch: 'vectors read',
  rerank: 'MaxSim',
}
/** Wide enough for a passage beside the conversation. */
const beside = matchMedia('(min-width: 68rem)')

const dialog = /** @type {HTMLDialogElement} */ (part('passage'))

// The browser gives the focus back to what had it.
dialog.addEventListener('close', () => document.body.classList.remove('reading'))
// A click beside it, where it lies over the page.
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close()
})
beside.addEventListener('change', () => {
  if (!dialog.open) return
  dialog.close()
})

/**
 * @param {Source} source
 * @param {SearchSummary | undefined} search
 */
export function openPassage(source, search) {
  const text = element('p', { class: 'text', dir: 'auto', tabindex: 0 })
  const heading = element('bdi', {})
  /** @param {import('../../chat/lit-words.mjs').Lit} lit */
  const light = (lit) => {
    heading.replaceChildren(...litText(source.heading ?? '', lit.heading))
    text.replaceChildren(...litText(source.text, lit.text))
    text.querySelector('mark')?.scrollIntoView({ block: 'nearest' })
  }
  dialog.replaceChildren(
    element(
      'div',
      { class: 'inside' },
      head(source, heading),
      words(source, light),
      text,
      scores(source, search),
      search ? timings(search) : false,
    ),
  )
  light(source.highlight.lit)
  document.body.classList.add('reading')
  if (!dialog.open) {
    if (beside.matches) dialog.show()
    else dialog.showModal()
  }
  dialog.scrollTop = 0
  part('passage-title').focus()
}

/** @returns {boolean} whether one was open */
export function closePassage() {
  const wasOpen = dialog.open
  dialog.close()
  return wasOpen
}

/**
 * @param {Source} source
 * @param {HTMLElement} heading
 */
function head({ number, name, page, line, lineEnd }, heading) {
  const where =
    page !== undefined
      ? `page ${page}`
      : line === undefined
        ? ''
        : line === lineEnd
          ? `line ${line}`
          : `lines ${line}–${lineEnd}`
  return element(
    'header',
    {},
    element(
      'h2',
      { id: 'passage-title', tabindex: -1 },
      element('span', { class: 'number' }, String(number)),
      element('bdi', {}, shortened(name, 120)),
    ),
    element(
      'button',
      { type: 'button', class: 'icon', 'aria-label': 'Close the passage', onclick: () => dialog.close() },
      icon('M5 5l10 10M15 5L5 15'),
    ),
    element('p', { class: 'quiet' }, heading, where !== '' && element('span', {}, where)),
  )
}

/**
 * @param {Source} source
 * @param {SearchSummary | undefined} search
 */
function scores({ meanSimilarity, maxSim, firstStageRank, number, words: found }, search) {
  const list = element(
    'dl',
    { class: 'scores' },
    element('div', {}, element('dt', {}, 'Similarity'), element('dd', {}, meanSimilarity.toFixed(3))),
    element('div', {}, element('dt', {}, 'MaxSim'), element('dd', {}, maxSim.toFixed(2))),
    element(
      'div',
      {},
      element('dt', {}, 'Rank'),
      element('dd', {}, firstStageRank === undefined ? String(number) : `${firstStageRank} → ${number}`),
    ),
  )
  const meter = element('div', { class: 'meter', 'aria-hidden': 'true' }, element('span', { class: 'filled' }))
  meter.style.setProperty('--share', share(meanSimilarity))
  if (search) {
    const tick = element('span', { class: 'tick', title: `From ${search.threshold} on it counts.` })
    tick.style.setProperty('--at', share(search.threshold))
    meter.append(tick)
  }
  const kept = found.filter((word) => word.length > 1).slice(0, 12)
  return element(
    'section',
    { 'aria-label': 'Scores' },
    list,
    meter,
    kept.length > 0 &&
      element('p', { class: 'quiet small' }, 'Same words: ', element('bdi', {}, shortened(kept.join(', '), 160))),
  )
}

/**
 * Of the range in which scores lie: a model puts next to nothing below a half.
 *
 * @param {number} similarity
 */
function share(similarity) {
  return `${Math.max(0, Math.min(1, (similarity - 0.5) / 0.5)) * 100}%`
}

/**
 * Each word of the question, and what it found: pressing one lights that alone.
 *
 * @param {Source} source
 * @param {(lit: import('../../chat/lit-words.mjs').Lit) => void} light
 */
function words({ highlight }, light) {
  const { asked } = highlight
  if (asked.length === 0) return false
  const said = element('p', { class: 'quiet small', role: 'status' }, 'Press one to see what it found.')
  const buttons = asked.map(({ word, found, similarity, lit }) => {
    const button = element(
      'button',
      { type: 'button', class: 'word', 'aria-pressed': 'false' },
      element('bdi', {}, shortened(word, 40)),
      element('small', {}, similarity.toFixed(2)),
    )
    button.addEventListener('click', () => {
      const isOn = button.getAttribute('aria-pressed') !== 'true'
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === button && isOn))
      light(isOn ? lit : highlight.lit)
      const what = element('strong', {}, element('bdi', {}, shortened(found, 60)))
      said.replaceChildren(...(isOn ? [element('bdi', {}, word), ' found ', what] : ['All words are lit.']))
    })
    return button
  })
  return element(
    'section',
    { class: 'words' },
    element('h3', {}, 'Words of the question'),
    element('div', { class: 'row', role: 'group', 'aria-label': 'Words of the question' }, ...buttons),
    said,
  )
}

/** @param {SearchSummary} search */
function timings({ firstStage, candidates, milliseconds: parts }) {
  const known = Object.entries(PARTS).flatMap(([key, label]) => {
    const value = parts[key]
    return value === undefined || value === 0 ? [] : [{ key, label, value }]
  })
  const total = known.reduce((sum, { value }) => sum + value, 0)
  const bar = element('div', { class: 'times', 'aria-hidden': 'true' })
  for (const { key, value } of known) {
    const span = element('span', { 'data-part': key })
    span.style.flexGrow = String(value / total)
    bar.append(span)
  }
  const how =
    firstStage === 'exact'
      ? `MaxSim of all ${candidates.toLocaleString('en-US')} passages`
      : `${firstStage} → MaxSim of ${candidates.toLocaleString('en-US')} candidates`
  return element(
    'section',
    { class: 'timings' },
    element('h3', {}, `Found in ${milliseconds(total)}`),
    element('p', { class: 'quiet small' }, how),
    bar,
    element(
      'ul',
      { class: 'legend' },
      ...known.map(({ key, label, value }) =>
        element(
          'li',
          {},
          element('span', { class: 'dot', 'data-part': key, 'aria-hidden': 'true' }),
          `${label} `,
          element('b', {}, milliseconds(value)),
        ),
      ),
    ),
  )
}
