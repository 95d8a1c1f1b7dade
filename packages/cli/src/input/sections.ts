/** A paragraph (or fenced code block, or heading line) of a text, as a range of it. */
export interface Block {
  readonly start: number
  readonly end: number
  /** Headings above the block, outermost first, joined by " › ". */
  readonly heading?: string
  /** The block is itself a heading and opens a section. */
  readonly isHeading: boolean
}

const ATX_HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#*)?[ \t]*$/
const SETEXT_UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/
const FENCE = /^ {0,3}(`{3,}|~{3,})/

/** Paragraphs of plain text: runs of lines that are not blank. */
export function textBlocks(text: string): Block[] {
  return collectBlocks(text, false)
}

/** Blocks of Markdown. Headings (both spellings) open sections; blank lines inside fenced code do not split it. */
export function markdownBlocks(text: string): Block[] {
  return collectBlocks(text, true)
}

/** The YAML block Markdown files may begin with: where it ends, and the `title` it gives. */
export function frontMatter(text: string): { end: number; title?: string } {
  const match = /^\ufeff?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)
  if (!match) return { end: 0 }
  const title = /^title:[ \t]*(.+?)[ \t]*$/m.exec(match[1]!)?.[1]?.replace(/^(["'])(.*)\1$/, '$2')
  return { end: match[0].length, ...(title && { title }) }
}

function collectBlocks(text: string, markdown: boolean): Block[] {
  const blocks: Block[] = []
  const headings: string[] = []
  let open: { start: number; end: number; lines: number } | undefined
  let fence: string | undefined
  let position = markdown ? frontMatter(text).end : 0

  const push = (start: number, end: number, isHeading: boolean): void => {
    const heading = headings.filter(Boolean).join(' › ')
    blocks.push({ start, end, isHeading, ...(heading && { heading }) })
  }
  const close = (): void => {
    if (open) push(open.start, open.end, false)
    open = undefined
  }
  const openSection = (level: number, title: string): void => {
    headings.length = Math.min(headings.length, level - 1)
    while (headings.length < level - 1) headings.push('')
    headings.push(title.trim())
  }

  while (position < text.length) {
    const newline = text.indexOf('\n', position)
    const next = newline === -1 ? text.length : newline + 1
    const line = text.slice(position, newline === -1 ? text.length : newline).replace(/\r$/, '')
    const trimmed = line.trim()
    const start = position + (trimmed === '' ? 0 : line.length - line.trimStart().length)
    const end = start + trimmed.length

    const fenceMark = markdown ? FENCE.exec(line)?.[1] : undefined
    const atx = markdown && !fence ? ATX_HEADING.exec(line) : undefined
    const underline = markdown && !fence && open?.lines === 1 ? SETEXT_UNDERLINE.exec(line)?.[1] : undefined
    if (fence) {
      // An unclosed fence runs to the end of the text, as in Markdown.
      if (open) open.end = trimmed === '' ? open.end : end
      if (fenceMark?.startsWith(fence) && trimmed === fenceMark) {
        fence = undefined
        close()
      }
    } else if (atx) {
      close()
      openSection(atx[1]!.length, atx[2] ?? '')
      push(start, end, true)
    } else if (underline && open) {
      openSection(underline.startsWith('=') ? 1 : 2, text.slice(open.start, open.end))
      push(open.start, end, true)
      open = undefined
    } else if (trimmed === '') {
      close()
    } else {
      if (fenceMark) {
        close()
        fence = fenceMark
      }
      open = open ? { start: open.start, end, lines: open.lines + 1 } : { start, end, lines: 1 }
    }
    position = next
  }
  close()
  return blocks
}
