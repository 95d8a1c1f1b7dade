import { compile } from 'html-to-text'
import type { FormatCallback } from 'html-to-text'

/** What a reader sees of a page, headings written as Markdown, and where each part of it is in the HTML. */
export interface HtmlText {
  readonly text: string
  readonly title?: string
  /** The range of the HTML that the range of the text came from. */
  place(start: number, end: number): { start: number; end: number }
}

const heading: FormatCallback = (element, walk, builder) => {
  builder.openBlock({ leadingLineBreaks: 2 })
  builder.addLiteral('#'.repeat(Number((element.name as string)[1])) + ' ')
  walk(element.children, builder)
  builder.closeBlock({ trailingLineBreaks: 2 })
}

const convert = compile({
  wordwrap: false,
  formatters: { heading },
  selectors: [
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, format: 'heading' })),
    { selector: 'a', options: { ignoreHref: true } },
    ...['img', 'nav', 'script', 'style', 'template', 'svg', 'head'].map((selector) => ({ selector, format: 'skip' })),
    { selector: 'ul', options: { itemPrefix: '- ' } },
    { selector: 'table', format: 'dataTable', options: { uppercaseHeaderCells: false } },
  ],
})
const decodeEntity = compile({ wordwrap: false, preserveNewlines: true, whitespaceCharacters: '' })

/** Tags, comments and what browsers do not show: blanked out before words are looked up in the source. */
const INVISIBLE =
  /<!--[\s\S]*?(?:-->|$)|<(script|style|template|svg|head|nav)\b[\s\S]*?(?:<\/\1\s*>|$)|<(?:[a-zA-Z/!?](?:"[^"]*"|'[^']*'|[^'">])*)(?:>|$)/g

export function readHtml(html: string): HtmlText {
  const text = convert(html)
  const rawTitle = /<title\b[^>]*>([\s\S]*?)<\/title\s*>/i.exec(html)?.[1]
  const title = rawTitle && decodeEntity(rawTitle).replace(/\s+/g, ' ').trim()
  let place: HtmlText['place'] | undefined
  return {
    text,
    ...(title && { title }),
    place: (start, end) => (place ??= alignWords(text, html))(start, end),
  }
}

interface Word {
  readonly value: string
  readonly start: number
  readonly end: number
}

/**
 * Finds the words of the converted text in the source, in order. The two word lists are the same but for bullets, entities
 * and hidden elements, so a short look-ahead is enough to fall into step again.
 */
function alignWords(text: string, html: string): HtmlText['place'] {
  const visible = html.replace(INVISIBLE, (hidden) => ' '.repeat(hidden.length))
  const source = [...words(visible)].map((word) =>
    word.value.includes('&') ? { ...word, value: decodeEntity(word.value) } : word,
  )
  const target = [...words(text)]
  const found: (Word | undefined)[] = []
  const lookAhead = 40
  let at = 0
  for (const word of target) {
    const limit = Math.min(source.length, at + lookAhead)
    let match = at
    while (match < limit && source[match]!.value !== word.value) match++
    found.push(match < limit ? source[match] : undefined)
    if (match < limit) at = match + 1
  }
  return (start, end) => {
    let first = firstEndingAfter(target, start)
    while (first < target.length && !found[first]) first++
    let last = first
    for (let i = first; i < target.length && target[i]!.start < end; i++) if (found[i]) last = i
    const [from, to] = [found[first], found[last]]
    return from && to ? { start: from.start, end: to.end } : { start: 0, end: html.length }
  }
}

/** Binary search: passages of a long page ask thousands of times. */
function firstEndingAfter(words: readonly Word[], offset: number): number {
  let [low, high] = [0, words.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (words[middle]!.end > offset) high = middle
    else low = middle + 1
  }
  return low
}

function* words(text: string): Generator<Word> {
  for (const match of text.matchAll(/\S+/g))
    yield { value: match[0], start: match.index, end: match.index + match[0].length }
}
