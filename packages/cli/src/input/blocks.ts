/** A stretch of a text that reads as one: a paragraph, a heading, a block of code, a list item, a row. Blanks around it are left out. */
export interface Block {
  readonly start: number
  readonly end: number
  /** Headings above the block, outermost first, joined by " › ". */
  readonly heading?: string
  /** The block is itself a heading and opens a section. */
  readonly isHeading: boolean
  /** Of PDF: the page it stands on, from 1. A passage never goes over to the next page. */
  readonly page?: number
}

/** A file as its reader sees it. */
export interface ReadableText {
  readonly text: string
  readonly blocks: readonly Block[]
  readonly title?: string
  /** Where the text differs from the file: the file's text, and the range of it that a range of the text came from. */
  readonly source?: { readonly text: string; place(start: number, end: number): { start: number; end: number } }
}

/** Paragraphs of plain text: runs of lines that are not blank. */
export function textBlocks(text: string): Block[] {
  const blocks: Block[] = []
  let open: { start: number; end: number } | undefined
  for (const line of linesOf(text)) {
    if (line.start === line.end) {
      if (open) blocks.push({ ...open, isHeading: false })
      open = undefined
    } else open = { start: open?.start ?? line.start, end: line.end }
  }
  if (open) blocks.push({ ...open, isHeading: false })
  return blocks
}

/** The lines of a text, ended by LF, CRLF or CR, without the blanks around them; an empty range for a blank line. */
export function* linesOf(text: string, from = 0): Generator<{ start: number; end: number }> {
  const lineEnd = /\r\n?|\n/g
  lineEnd.lastIndex = from
  for (let position = from; position < text.length;) {
    const match = lineEnd.exec(text)
    const line = text.slice(position, match?.index ?? text.length)
    const start = position + line.length - line.trimStart().length
    yield { start, end: Math.max(start, position + line.trimEnd().length) }
    position = match ? lineEnd.lastIndex : text.length
  }
}

/** The path of headings that a document's headings, told in order, lead to. */
export class HeadingPath {
  readonly #titles: string[] = []

  open(level: number, title: string): void {
    this.#titles.length = Math.min(this.#titles.length, level - 1)
    while (this.#titles.length < level - 1) this.#titles.push('')
    this.#titles.push(title)
  }

  /** Joined by " › "; "" before the first heading. */
  toString(): string {
    return this.#titles.filter(Boolean).join(' › ')
  }
}
