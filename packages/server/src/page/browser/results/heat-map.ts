import type { Similarities, Token } from '../server/api.js'
import { counted, element } from '../dom.js'

/** A word of the query is asked for by the best of its similarities; what is not text comes last and is hidden first. */
interface Row {
  readonly label: string
  readonly isText: boolean
  readonly similarities: readonly number[]
  readonly best: number
}

/** The similarity of every token of a query to every token of a text: the text shaded for one token of the query, and all of it as a table. */
export function drawHeatMap(
  query: string,
  text: string,
  { query_tokens, document_tokens, similarities }: Similarities,
): HTMLElement {
  const rows = query_tokens.map((token, i): Row => {
    const row = similarities[i]!
    return { label: labelOf(query, token), isText: token.start >= 0, similarities: row, best: indexOfBest(row) }
  })
  if (document_tokens.length === 0 || rows.length === 0)
    return element('p', { class: 'quiet' }, 'There are no tokens to compare.')
  const shade = shader(similarities)
  const cut = text.length > lastCharacter(document_tokens) + 20
  const map = element('div', { class: 'heat' })
  map.append(shadedText(text, document_tokens, rows, shade))
  if (cut)
    map.append(
      element('p', { class: 'quiet' }, 'The text is longer than the model reads: what is not shaded did not count.'),
    )
  const others = rows.filter(({ isText }) => !isText).length
  const holder = element('div', {
    class: 'scroll',
    tabindex: 0,
    role: 'region',
    'aria-label': 'Similarity of each pair of tokens',
  })
  const drawTable = (all: boolean): void =>
    holder.replaceChildren(table(text, document_tokens, all ? rows : rows.filter(({ isText }) => isText), shade))
  drawTable(others === rows.length)
  map.append(holder)
  if (others > 0 && others < rows.length) {
    const box = element('input', { type: 'checkbox' })
    box.addEventListener('change', () => drawTable(box.checked))
    map.append(
      element(
        'label',
        { class: 'quiet' },
        box,
        ` Show ${counted(others, 'token')} of the query that are not text, too`,
      ),
    )
  }
  return map
}

/** Every token of the query is a choice; the text shows what is similar to it. */
function shadedText(
  text: string,
  tokens: readonly Token[],
  rows: readonly Row[],
  shade: (similarity: number) => number,
): HTMLElement {
  const pieces = tokens
    .map((token, j) => ({ ...token, j }))
    .filter(({ start, end }) => start >= 0 && end > start)
    .sort((a, b) => a.start - b.start)
  const body = element('p', { class: 'shaded', dir: 'auto' })
  const spans = new Map<number, HTMLElement>()
  let position = 0
  for (const { start, end, j } of pieces) {
    if (start < position) continue
    body.append(text.slice(position, start))
    const span = element('span', {}, text.slice(start, end))
    spans.set(j, span)
    body.append(span)
    position = end
  }
  body.append(text.slice(position, position + 2_000))
  const shown = rows.filter(({ isText }) => isText)
  const group = element('div', { class: 'tokens', role: 'group', 'aria-label': 'Tokens of the query' })
  const said = element('p', { class: 'quiet said', role: 'status' })
  const show = (choice: Row | undefined): void => {
    for (const [j, span] of spans) {
      const value = choice ? choice.similarities[j]! : Math.max(...shown.map(({ similarities }) => similarities[j]!))
      span.style.setProperty('--heat', shade(value).toFixed(3))
      span.title = value.toFixed(2)
      span.classList.toggle('best', choice?.best === j)
    }
    if (choice) {
      const { start, end, token } = tokens[choice.best]!
      const what = start >= 0 ? text.slice(start, end) : token
      said.replaceChildren(
        element('bdi', {}, choice.label),
        ' found ',
        element('strong', {}, element('bdi', {}, what)),
        `: similarity ${choice.similarities[choice.best]!.toFixed(2)}`,
      )
    } else said.textContent = 'Each token of the text by the token of the query that it is most similar to.'
  }
  const choices = [undefined, ...shown].map((choice) => {
    const button = element(
      'button',
      { type: 'button', class: 'token', 'aria-pressed': String(choice === undefined) },
      choice ? element('bdi', {}, choice.label) : 'all',
      choice && element('small', {}, ` ${choice.similarities[choice.best]!.toFixed(2)}`),
    )
    button.addEventListener('click', () => {
      for (const other of choices) other.setAttribute('aria-pressed', String(other === button))
      show(choice)
    })
    return button
  })
  group.append(...choices)
  // One stop for Tab; the arrows go from token to token.
  group.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    const at = choices.indexOf(document.activeElement as HTMLButtonElement)
    const next = choices[at + (getComputedStyle(group).direction === 'rtl' ? -step : step)]
    if (at === -1 || !next) return
    event.preventDefault()
    next.focus()
    next.click()
  })
  show(undefined)
  return element('div', {}, group, said, body)
}

function table(
  text: string,
  tokens: readonly Token[],
  rows: readonly Row[],
  shade: (similarity: number) => number,
): HTMLElement {
  const columns = tokens.map((token, j) => ({ label: labelOf(text, token), j }))
  const head = element(
    'tr',
    {},
    element('td', {}),
    ...columns.map(({ label }) => element('th', { scope: 'col' }, element('bdi', {}, label))),
  )
  const body = rows.map(({ label, similarities, best }) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, element('bdi', {}, label)),
      ...columns.map(({ j, label: other }) => {
        const value = similarities[j]!
        const cell = element(
          'td',
          { ...(j === best && { class: 'best' }), title: `${label} × ${other}: ${value.toFixed(2)}` },
          element('span', {}, value.toFixed(2)),
        )
        cell.style.setProperty('--heat', shade(value).toFixed(3))
        return cell
      }),
    ),
  )
  return element(
    'table',
    {},
    element(
      'caption',
      { class: 'hidden' },
      'Rows are tokens of the query, columns tokens of the text; the best of each row counts.',
    ),
    element('thead', {}, head),
    element('tbody', {}, ...body),
  )
}

/** 0 for what is least similar here, 1 for what is most: models differ in the range they use. */
function shader(similarities: readonly (readonly number[])[]): (similarity: number) => number {
  let [low, high] = [Infinity, -Infinity]
  for (const row of similarities) {
    for (const value of row) {
      if (value < low) low = value
      if (value > high) high = value
    }
  }
  const range = high - low || 1
  return (similarity) => ((similarity - low) / range) ** 3
}

function indexOfBest(row: readonly number[]): number {
  return row.reduce((best, value, i) => (value > row[best]! ? i : best), 0)
}

function labelOf(text: string, { token, start, end }: Token): string {
  const label = start >= 0 && end > start ? text.slice(start, end) : token
  return label.length > 24 ? `${label.slice(0, 23)}…` : label
}

function lastCharacter(tokens: readonly Token[]): number {
  return tokens.reduce((last, { end }) => Math.max(last, end), 0)
}
