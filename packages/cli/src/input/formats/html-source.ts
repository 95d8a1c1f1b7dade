import { Tokenizer } from 'parse5'
import type { Token } from 'parse5'

/** Text that a page shows, and the range of the HTML it is written in. */
export interface SourceText {
  readonly value: string
  readonly start: number
  readonly end: number
}

/** From offsets in the text a page shows to offsets in its HTML. */
export class SourceMap {
  // Three columns instead of objects: a long page has a million pieces.
  readonly #starts: number[] = []
  readonly #sources: SourceText[] = []
  readonly #offsets: number[] = []

  /** The text from `start` on is that of `source` from `offset` on. Told in order. */
  add(start: number, source: SourceText, offset: number): void {
    this.#starts.push(start)
    this.#sources.push(source)
    this.#offsets.push(offset)
  }

  /** The range of the HTML that holds the words of a range of the text. */
  place(html: string, start: number, end: number): { start: number; end: number } {
    const last = this.#lastBefore(end)
    if (last < 0) return { start: 0, end: html.length }
    let first = Math.max(0, this.#lastBefore(start + 1))
    // What was written between words, as marks of lists, comes from no place of its own.
    const inside = start - this.#starts[first]! + this.#offsets[first]!
    const isBetween = inside >= this.#sources[first]!.value.length
    if (isBetween && first < last) first++
    const from = isBetween ? this.#offsets[first]! : inside
    const to = end - this.#starts[last]! + this.#offsets[last]!
    return {
      start: sourceOffset(html, this.#sources[first]!, Math.max(0, from), 'start'),
      end: sourceOffset(html, this.#sources[last]!, to, 'end'),
    }
  }

  /** The last piece that starts before an offset; -1 for none. */
  #lastBefore(offset: number): number {
    let [low, high] = [-1, this.#starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#starts[middle]! < offset) low = middle
      else high = middle - 1
    }
    return low
  }
}

interface Piece {
  readonly value: number
  readonly length: number
  readonly start: number
  readonly end: number
}
const pieces = new WeakMap<SourceText, readonly Piece[]>()

function sourceOffset(html: string, source: SourceText, offset: number, side: 'start' | 'end'): number {
  if (source.end - source.start === source.value.length) return source.start + Math.min(offset, source.value.length)
  let known = pieces.get(source)
  if (!known) pieces.set(source, (known = tokenize(html, source)))
  const wanted = side === 'start' ? offset : offset - 1
  const piece = known[lastAtOrBefore(known, wanted)]
  if (!piece || wanted >= piece.value + piece.length) return side === 'start' ? source.start : source.end
  if (piece.length === piece.end - piece.start) return piece.start + offset - piece.value
  return side === 'start' ? piece.start : piece.end
}

function lastAtOrBefore(known: readonly Piece[], offset: number): number {
  let [low, high] = [-1, known.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (known[middle]!.value <= offset) low = middle
    else high = middle - 1
  }
  return low
}

/** The words and blanks of a text with character references, line ends of two characters or tags the parser ignored. */
function tokenize(html: string, source: SourceText): Piece[] {
  const found: Piece[] = []
  let value = 0
  const take = ({ chars, location }: Token.CharacterToken): void => {
    const [start, end] = [source.start + location!.startOffset, source.start + location!.endOffset]
    found.push({ value, length: chars.length, start, end })
    value += chars.length
  }
  const ignore = (): void => undefined
  const handler = { onCharacter: take, onWhitespaceCharacter: take, onNullCharacter: ignore }
  const others = { onComment: ignore, onDoctype: ignore, onStartTag: ignore, onEndTag: ignore, onEof: ignore }
  new Tokenizer({ sourceCodeLocationInfo: true }, { ...handler, ...others }).write(
    html.slice(source.start, source.end),
    true,
  )
  // A raw text of another kind (as CDATA): the whole of it is the place.
  return value === source.value.length ? found : []
}
