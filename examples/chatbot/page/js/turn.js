// One question and its answer.
import { counted, element, icon, milliseconds, shortened } from './dom.js'
import { litText } from './highlight.js'
import { renderMarkdown } from './markdown.js'

/**
 * @typedef {import('./api.js').Source} Source
 * @typedef {import('./api.js').SearchSummary} SearchSummary
 * @typedef {import('./api.js').AnswerDetails} AnswerDetails
 */

/** @type {Readonly<Record<string, string>>} */
const STAGES = {
  exact: 'every passage scored by MaxSim',
  centroids: 'centroid codes, then MaxSim',
  muvera: 'MUVERA, then MaxSim',
}

export class TurnView {
  /** @type {HTMLLIElement} */
  item
  #answer = element('div', { class: 'answer', dir: 'auto' })
  #below = element('div', { class: 'below' })
  #rewritten = element('p', { class: 'rewritten quiet small', hidden: true })
  /** @type {import('./markdown.js').Block[]} */
  #blocks = []
  /** @type {Source[]} */
  #sources = []
  #text = ''
  #standalone
  #pending = false
  #onOpen

  /**
   * @param {string} question
   * @param {(source: Source, search: SearchSummary | undefined) => void} onOpen shows a passage
   */
  constructor(question, onOpen) {
    this.#standalone = question
    this.#onOpen = onOpen
    this.#answer.append(
      element('span', { class: 'thinking', 'aria-hidden': 'true' }, element('i'), element('i'), element('i')),
    )
    this.item = element(
      'li',
      { class: 'turn', 'data-state': 'working' },
      element('h2', { class: 'asked', dir: 'auto' }, question),
      this.#rewritten,
      this.#answer,
      this.#below,
    )
  }

  /** What has been said so far. */
  get text() {
    return this.#answer.textContent ?? ''
  }

  /** @param {string} question as it is searched for */
  rewritten(question) {
    this.#standalone = question
    this.#rewritten.hidden = false
    this.#rewritten.replaceChildren('Searched for ', element('q', {}, question))
  }

  /** @param {Source[]} sources */
  found(sources) {
    this.#sources = sources
  }

  /** @param {string} piece */
  add(piece) {
    this.#text += piece
    if (this.#pending) return
    this.#pending = true
    requestAnimationFrame(() => {
      this.#pending = false
      this.#draw()
    })
  }

  /**
   * @param {string} text
   * @param {AnswerDetails} details
   * @param {string} standalone
   */
  done(text, details, standalone) {
    if (standalone !== this.#standalone) this.rewritten(standalone)
    this.#text = text
    this.#sources = details.sources
    this.#search = details.search
    this.item.dataset['state'] = details.status
    this.#draw()
    this.#below.replaceChildren(...this.#endOf(details))
  }

  /** @type {SearchSummary | undefined} */
  #search

  /** @param {string} problem where the server could not say so itself */
  failed(problem) {
    this.item.dataset['state'] = 'failed'
    this.#draw()
    this.#below.replaceChildren(notice('failed', problem))
  }

  #draw() {
    const blocks = renderMarkdown(this.#text, (number) => this.#citation(number))
    // What has not changed stays as it is, and keeps the focus and what is selected.
    let same = 0
    while (same < blocks.length && blocks[same]?.source === this.#blocks[same]?.source) same++
    const kept = this.#blocks.slice(0, same)
    this.#blocks = [...kept, ...blocks.slice(same)]
    const known = new Set(kept.flatMap(({ nodes }) => nodes))
    const gone = Array.from(this.#answer.childNodes).filter((node) => !known.has(node))
    for (const node of gone) node.remove()
    for (const { nodes } of blocks.slice(same)) this.#answer.append(...nodes)
  }

  /** @param {number} number */
  #citation(number) {
    const source = this.#sources.find((one) => one.number === number)
    if (!source) return element('span', { class: 'unknown', title: 'There is no such passage.' }, `[${number}]`)
    const where = [source.name, source.heading].filter(Boolean).join(', ')
    const button = element(
      'button',
      {
        type: 'button',
        class: 'cite',
        title: shortened(where, 200),
        'aria-label': `Passage ${number}, ${shortened(where, 200)}`,
        onclick: () => this.#open(source),
        onmouseenter: () => this.#point(number, true),
        onmouseleave: () => this.#point(number, false),
        onfocus: () => this.#point(number, true),
        onblur: () => this.#point(number, false),
      },
      String(number),
    )
    return button
  }

  /**
   * @param {number} number
   * @param {boolean} isPointed
   */
  #point(number, isPointed) {
    this.#below.querySelector(`[data-number="${number}"]`)?.classList.toggle('pointed', isPointed)
  }

  /** @param {Source} source */
  #open(source) {
    this.#onOpen(source, this.#search)
  }

  /**
   * @param {AnswerDetails} details
   * @returns {Node[]}
   */
  #endOf({ status, cited, sources, search, problem }) {
    if (status === 'nothing') return search ? [nearest(search), ...this.#nearestCards(sources)] : []
    const shown = sources.filter(({ number }) => cited.includes(number))
    const others = sources.filter(({ number }) => !cited.includes(number))
    const nothingCited = status === 'answered' && shown.length === 0 && sources.length > 0
    return [
      status === 'stopped' && notice('stopped', 'Stopped.'),
      problem !== undefined && notice('failed', problem),
      nothingCited && notice('stopped', 'This answer cites nothing. Compare it with what was found:'),
      shown.length > 0 && this.#cards(shown, 'Cited passages'),
      others.length > 0 && nothingCited && this.#cards(others, 'Passages that were found'),
      others.length > 0 && !nothingCited && this.#folded(`${counted(others.length, 'more passage')} found`, others),
      search && status !== 'failed' && this.#summary(search, sources.length),
    ].filter((node) => node instanceof Node)
  }

  /**
   * @param {Source[]} sources
   * @param {string} label
   */
  #cards(sources, label) {
    return element('ul', { class: 'cards', 'aria-label': label }, ...sources.map((source) => this.#card(source)))
  }

  /** @param {Source} source */
  #card(source) {
    const { number, name, heading, text, highlight } = source
    const { lit, excerpt } = highlight
    const button = element(
      'button',
      { type: 'button', class: 'card', 'data-number': number, onclick: () => this.#open(source) },
      element(
        'span',
        { class: 'from' },
        element('span', { class: 'number' }, String(number)),
        element('span', { class: 'name' }, element('bdi', {}, shortened(name, 80))),
      ),
      heading !== undefined &&
        element('span', { class: 'heading' }, element('bdi', {}, ...litText(heading, lit.heading))),
      element(
        'span',
        { class: 'excerpt', dir: 'auto' },
        ...litText(text, lit.text, { stretch: excerpt, inOneLine: true }),
      ),
    )
    return element('li', {}, button)
  }

  /** @param {Source[]} sources */
  #nearestCards(sources) {
    return sources.length > 0 ? [this.#folded('Show what comes nearest', sources)] : []
  }

  /**
   * @param {string} label
   * @param {Source[]} sources
   */
  #folded(label, sources) {
    return element('details', { class: 'more' }, element('summary', {}, label), this.#cards(sources, label))
  }

  /**
   * @param {SearchSummary} search
   * @param {number} found
   */
  #summary({ firstStage, passages, milliseconds: parts }, found) {
    const spent = Object.values(parts).reduce((sum, value) => sum + value, 0)
    const how = STAGES[firstStage] ?? firstStage
    const copy = element('button', { type: 'button', class: 'link', onclick: () => this.#copy(copy) }, 'Copy answer')
    return element(
      'p',
      { class: 'summary quiet small' },
      element(
        'span',
        {},
        `${counted(found, 'passage')} of ${passages.toLocaleString('en-US')} in ${milliseconds(spent)} · ${how}`,
      ),
      copy,
    )
  }

  /** @param {HTMLElement} button */
  async #copy(button) {
    const sources = this.#sources.map(
      ({ number, name, heading }) => `[${number}] ${[name, heading].filter(Boolean).join(' › ')}`,
    )
    await navigator.clipboard?.writeText(`${this.#text}\n\n${sources.join('\n')}`).catch(() => {})
    button.textContent = 'Copied'
    setTimeout(() => (button.textContent = 'Copy answer'), 1_500)
  }
}

/**
 * @param {string} kind
 * @param {string} text
 */
function notice(kind, text) {
  const path = kind === 'failed' ? 'M10 6v5M10 14v.5M10 2l8.500 15h-17z' : 'M6 6h8v8H6z'
  return element('p', { class: `end ${kind}` }, icon(path), element('span', {}, text))
}

/** @param {SearchSummary} search */
function nearest({ best, threshold, passages }) {
  const alike = `The most similar of ${counted(passages, 'passage')} has ${best.toFixed(2)}; ${threshold.toFixed(2)} would count.`
  const why = best < threshold ? alike : 'Ask about something that is in them, in a few words more.'
  const text = passages === 0 ? 'Add files, or start the server with a folder: npm start -- ./my-documents' : why
  return element('p', { class: 'quiet small' }, text)
}
