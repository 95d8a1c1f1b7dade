// Answers are Markdown of whoever wrote them. It is parsed, and what it says becomes elements; nothing is ever read as HTML.
// oxlint-disable-next-line import/no-absolute-path -- an address of the server, which takes it from the package
import Parser from '/vendor/markdown-it.js'
import { element } from './dom.js'

/** @typedef {import('markdown-it').Token} Token */

// References would turn [1] into a link to wherever the text says.
const markdown = new Parser({ html: false, linkify: false }).disable(['reference', 'html_block', 'html_inline'])
// Keeps "\[1]" apart from "[1]".
markdown.core.ruler.disable('text_join')

const CITATION = /\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g

/** @type {Readonly<Record<string, keyof HTMLElementTagNameMap>>} */
const ELEMENTS = {
  paragraph: 'p',
  bullet_list: 'ul',
  ordered_list: 'ol',
  list_item: 'li',
  blockquote: 'blockquote',
  em: 'em',
  strong: 'strong',
  s: 's',
  table: 'table',
  thead: 'thead',
  tbody: 'tbody',
  tr: 'tr',
  th: 'th',
  td: 'td',
}

/**
 * @typedef {object} Block
 * @property {string} source what it was made from: a block that is the same need not be drawn again
 * @property {Node[]} nodes
 *
 * @param {string} text
 * @param {(number: number) => Node} cite draws a citation
 * @returns {Block[]}
 */
export function renderMarkdown(text, cite) {
  const lines = text.split('\n')
  /** @type {Block[]} */
  const blocks = []
  let group = /** @type {Token[]} */ ([])
  for (const token of markdown.parse(text, {})) {
    group.push(token)
    if (token.level > 0 || token.nesting === 1) continue
    const [first, end] = group[0]?.map ?? [0, lines.length]
    blocks.push({ source: lines.slice(first, end).join('\n'), nodes: draw(group, cite) })
    group = []
  }
  return blocks
}

/**
 * @param {readonly Token[]} tokens
 * @param {(number: number) => Node} cite
 * @returns {Node[]}
 */
function draw(tokens, cite) {
  const root = document.createDocumentFragment()
  /** @type {(DocumentFragment | HTMLElement)[]} */
  const open = [root]
  const add = (/** @type {(Node | string)[]} */ ...nodes) => open.at(-1)?.append(...nodes)
  for (const token of tokens) {
    const kind = token.type.replace(/_(open|close)$/, '')
    if (token.nesting === -1) open.pop()
    else if (token.type === 'inline') add(...draw(token.children ?? [], cite))
    else if (token.type === 'text') add(...citations(token.content, cite))
    else if (token.type === 'code_inline') add(element('code', {}, token.content))
    else if (token.type === 'fence' || token.type === 'code_block') {
      add(element('pre', { tabindex: 0 }, element('code', {}, token.content.trimEnd())))
    } else if (token.type === 'softbreak') add(' ')
    else if (token.type === 'hardbreak') add(element('br'))
    else if (token.type === 'hr') add(element('hr'))
    // Pictures would be fetched from wherever the text says.
    else if (token.type === 'image') add(token.content)
    else if (token.nesting === 1) {
      const made = opened(kind, token)
      add(made)
      open.push(made)
    } else add(token.content)
  }
  return [...root.childNodes]
}

/**
 * @param {string} kind
 * @param {Token} token
 * @returns {HTMLElement}
 */
function opened(kind, token) {
  if (kind === 'link') {
    const address = String(token.attrGet('href') ?? '')
    if (!/^https?:\/\//i.test(address)) return element('span')
    return element('a', { href: address, target: '_blank', rel: 'noopener noreferrer nofollow', title: address })
  }
  // Headings of an answer are none of the page.
  if (kind === 'heading') return element('p', { class: 'heading' })
  if (kind === 'ordered_list') return element('ol', { start: token.attrGet('start') ?? undefined })
  return element(ELEMENTS[kind] ?? 'span', { dir: kind === 'paragraph' ? 'auto' : undefined })
}

/**
 * @param {string} text
 * @param {(number: number) => Node} cite
 * @returns {(Node | string)[]}
 */
function citations(text, cite) {
  /** @type {(Node | string)[]} */
  const nodes = []
  let position = 0
  for (const match of text.matchAll(CITATION)) {
    nodes.push(text.slice(position, match.index), ...(match[1] ?? '').split(',').map((number) => cite(Number(number))))
    position = match.index + match[0].length
  }
  return [...nodes, text.slice(position)]
}
