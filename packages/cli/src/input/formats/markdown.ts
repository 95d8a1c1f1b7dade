import MarkdownIt from 'markdown-it'
import type { Env, Token } from 'markdown-it'
import { HeadingPath, linesOf } from '../blocks.js'
import type { Block, ReadableText } from '../blocks.js'
import { frontMatter } from './front-matter.js'

/** Deeper lists and quotes are read as plain paragraphs. Keeps every line's work bounded. */
const MAX_NESTING = 40
/** A longer heading is shown as it is written. */
const MAX_HEADING = 2000

const markdown = new MarkdownIt({ html: true, maxNesting: MAX_NESTING })
const NEEDED = new Set(['heading_open', 'fence', 'code_block', 'html_block'])

/** Keeps what passages need to know and drops the rest: a token for each line of a long list would fill the memory. */
markdown.block.State = class extends markdown.block.State {
  override push(type: string, tag: string, nesting: -1 | 0 | 1): Token {
    const isTitle = type === 'inline' && this.tokens.at(-1)?.type === 'heading_open'
    const token = super.push(type, tag, nesting)
    if (!isTitle && !NEEDED.has(type)) this.tokens.pop()
    return token
  }
}

export function readMarkdown(text: string): ReadableText {
  const { end, title: given } = frontMatter(text)
  const blocks = blocksFrom(text, end)
  const title = given ?? firstTopHeading(blocks)
  return { text, blocks, ...(title && { title }) }
}

/** Paragraphs, headings, and whole blocks of code and HTML. Front matter is left out. */
export function markdownBlocks(text: string): Block[] {
  return blocksFrom(text, frontMatter(text).end)
}

function firstTopHeading(blocks: readonly Block[]): string | undefined {
  const heading = blocks.find((candidate) => candidate.isHeading)?.heading
  return heading?.includes(' › ') ? undefined : heading
}

/** Lines `first` to `end` belong together: a heading, or code and HTML that blank lines do not split. */
interface Stretch {
  readonly first: number
  readonly end: number
  readonly heading?: { readonly level: number; readonly title: string }
}

function blocksFrom(text: string, from: number): Block[] {
  const path = new HeadingPath()
  const blocks: Block[] = []
  let open: { start: number; end: number } | undefined
  const close = (isHeading: boolean): void => {
    const heading = path.toString()
    if (open) blocks.push({ ...open, isHeading, ...(heading && { heading }) })
    open = undefined
  }
  const begin = text[from] === '\ufeff' ? from + 1 : from
  const stretches = stretchesOf(text.slice(begin))
  let next = 0
  let number = 0
  for (const line of linesOf(text, begin)) {
    while (next < stretches.length && stretches[next]!.end <= number) next++
    const stretch = stretches[next]
    const inside = stretch !== undefined && stretch.first <= number
    if (stretch?.first === number) close(false)
    if (line.end > line.start) open = { start: open?.start ?? line.start, end: line.end }
    else if (!inside) close(false)
    if (stretch?.end === number + 1) {
      if (stretch.heading) path.open(stretch.heading.level, stretch.heading.title)
      close(stretch.heading !== undefined)
    }
    number++
  }
  close(false)
  return blocks
}

function stretchesOf(source: string): Stretch[] {
  const env: Env = {}
  const tokens: Token[] = []
  // Offsets are not asked of the parser, only lines, so that its line ends and replacements may be its own.
  markdown.block.parse(source.replace(/\r\n?/g, '\n').replaceAll('\0', '\ufffd'), markdown, env, tokens)
  const stretches: Stretch[] = []
  for (const [i, { type, map, level, tag }] of tokens.entries()) {
    if (!map || type === 'inline') continue
    const [first, end] = map
    if (type !== 'heading_open') stretches.push({ first, end })
    // A heading in a quotation or list opens no section of the document.
    else if (level === 0)
      stretches.push({ first, end, heading: { level: Number(tag.slice(1)), title: titleText(tokens[i + 1]!, env) } })
  }
  return stretches
}

/** A heading's words as they are shown: no marks of emphasis, no addresses of links. */
function titleText({ content }: Token, env: Env): string {
  const shown = content.length > MAX_HEADING ? content : shownText(markdown.parseInline(content, env))
  return shown.replace(/\s+/g, ' ').trim()
}

function shownText(tokens: readonly Token[]): string {
  return tokens
    .map(({ type, content, children }) => {
      if (children) return shownText(children)
      if (type === 'softbreak' || type === 'hardbreak') return ' '
      return type === 'html_inline' ? '' : content
    })
    .join('')
}
