import { HeadingPath } from '../blocks.js'
import type { Block } from '../blocks.js'
import { SourceMap } from './html-source.js'
import type { SourceText } from './html-source.js'

/** Lays words out as text: collapses blanks, puts block elements on lines of their own, and notes blocks and headings. */
export class TextWriter {
  readonly sources = new SourceMap()
  readonly #blocks: Block[] = []
  readonly #path = new HeadingPath()
  readonly #parts: string[] = []
  #length = 0
  /** Line ends at the very end of what is written. */
  #lineEnds = 0
  /** Something was written since the last break between blocks. */
  #inLine = false
  #block: { start: number; end: number } | undefined
  #heading: { level: number; firstPart?: number } | undefined
  #rowStart = -1

  // What must come before the next word; nothing of it is written when no word comes.
  #breaks = 0
  #lineBreaks = 0
  #blank = false
  #tab = false
  #marker = ''

  /** A block begins or ends: the next word stands on a new line (1) or after a blank line (2). */
  breakLine(lines: 1 | 2): void {
    this.#breaks = Math.max(this.#breaks, lines)
  }

  /** `<br>` */
  lineBreak(): void {
    this.#lineBreaks++
  }

  /** The next word is not joined to the one before. */
  apart(): void {
    this.#blank = true
  }

  /** A list item begins: the marker comes before its first word. */
  beginItem(marker: string): void {
    if (!this.#heading) this.#marker = marker
  }

  /** An item without words has no marker: what follows is none of its words. */
  endItem(): void {
    if (!this.#heading) this.#marker = ''
  }

  /** @returns what `endRow` takes, as tables stand in tables */
  beginRow(): number {
    const outer = this.#rowStart
    this.#rowStart = this.#length
    return outer
  }

  endRow(outer: number): void {
    this.#rowStart = outer
    this.#tab = false
  }

  beginCell(): void {
    if (this.#length <= this.#rowStart) return
    ;[this.#breaks, this.#lineBreaks, this.#tab] = [0, 0, true]
  }

  /** @returns whether it is one of its own, not inside another */
  beginHeading(level: number): boolean {
    if (this.#heading) return false
    this.#heading = { level }
    this.#marker = `${'#'.repeat(level)} `
    return true
  }

  endHeading(): void {
    const { level, firstPart } = this.#heading!
    this.#heading = undefined
    this.#marker = ''
    if (firstPart === undefined) return
    this.#path.open(level, this.#parts.slice(firstPart).join('').trim())
    this.#endBlock(true)
  }

  /** Text in which blanks collapse to one. */
  write(source: SourceText): void {
    const { value } = source
    for (let i = 0; i < value.length;) {
      let start = i
      while (start < value.length && isBlank(value.charCodeAt(start))) start++
      if (start > i) this.#blank = true
      let end = start
      // As far as the text stays as it is: up to a blank that is not a single space between words.
      while (end < value.length) {
        const unit = value.charCodeAt(end)
        if (isBlank(unit) && (unit !== 0x20 || end + 1 === value.length || isBlank(value.charCodeAt(end + 1)))) break
        end++
      }
      if (end > start) this.#put(value.slice(start, end), source, start)
      i = end
    }
  }

  /** Text that is kept as it is. */
  writePreformatted(source: SourceText): void {
    // A heading stays on one line.
    if (this.#heading) this.write(source)
    else if (source.value !== '') this.#put(source.value, source, 0)
  }

  finish(): { text: string; blocks: Block[] } {
    this.#endBlock(false)
    return { text: this.#parts.join(''), blocks: this.#blocks }
  }

  #put(piece: string, source: SourceText, offset: number): void {
    this.#separate()
    if (this.#marker !== '' && piece.trim() !== '') {
      // The indentation of an inner list lays blocks out; it is in none of them.
      const start = this.#length + this.#marker.length - this.#marker.trimStart().length
      this.#append(this.#marker)
      this.#block ??= { start, end: start }
      this.#marker = ''
    }
    if (this.#heading) this.#heading.firstPart ??= this.#parts.length
    const start = this.#length
    this.#append(piece)
    this.#inLine = true
    this.sources.add(start, source, offset)
    const trailing = /\n+$/.exec(piece.slice(-2))?.[0].length ?? 0
    this.#lineEnds = trailing
    const first = start + piece.length - piece.trimStart().length
    if (first === this.#length) return
    const end = start + piece.trimEnd().length
    this.#block = { start: this.#block?.start ?? first, end }
  }

  /** Writes what has to stand between the last word and the next. */
  #separate(): void {
    const lines = Math.max(this.#breaks, Math.min(this.#lineBreaks, 2))
    if (this.#heading?.firstPart !== undefined) {
      if (lines > 0 || this.#blank || this.#tab) this.#append(' ')
    } else if (this.#tab) this.#append('\t')
    else if (this.#breaks > 0 || lines > 1) {
      this.#endBlock(false)
      if (this.#length > 0) this.#append('\n'.repeat(Math.max(0, lines - this.#lineEnds)))
      this.#inLine = false
    } else if (lines === 1) {
      if (this.#inLine) this.#append('\n')
    } else if (this.#blank && this.#inLine) this.#append(' ')
    ;[this.#breaks, this.#lineBreaks, this.#blank, this.#tab] = [0, 0, false, false]
  }

  #append(piece: string): void {
    if (piece === '') return
    this.#parts.push(piece)
    this.#length += piece.length
  }

  #endBlock(isHeading: boolean): void {
    const heading = this.#path.toString()
    if (this.#block) this.#blocks.push({ ...this.#block, isHeading, ...(heading && { heading }) })
    this.#block = undefined
  }
}

/** ASCII whitespace, which is all that collapses; a no-break space does not. */
function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x09 || unit === 0x0d || unit === 0x0c
}
