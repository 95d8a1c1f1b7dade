import type { EncodingBuilder } from '../encoding.js'
import { IS_SPACE, unicodeClasses } from '../unicode/classes.js'

/** The byte-level character of a blank. */
const BLANK_BYTE = 'Ġ'

/** Rust's `process_offsets`: blanks at the ends of a token leave its span, but for one that was put before the text. */
export function trimSpans(
  text: string,
  out: EncodingBuilder,
  first: number,
  addPrefixSpace: boolean,
  added: ReadonlySet<number>,
  tokenOf: (id: number) => string,
): void {
  const classes = unicodeClasses()
  const isBlank = (character: string) =>
    character === BLANK_BYTE || (classes[character.codePointAt(0)!]! & IS_SPACE) !== 0
  const forwards = (at: number) => at + (text.codePointAt(at)! > 0xffff ? 2 : 1)
  const backwards = (at: number) => at - ((text.charCodeAt(at - 1) & 0xfc00) === 0xdc00 ? 2 : 1)
  out.mapSpans(first, (id, start, end, index) => {
    // An added token is what was found of it, blanks that it takes with it included.
    const characters = [...(added.has(id) ? text.slice(start, end) : tokenOf(id))]
    let leading = 0
    while (leading < characters.length && isBlank(characters[leading]!)) leading++
    let trailing = 0
    while (trailing < characters.length && isBlank(characters.at(-1 - trailing)!)) trailing++
    if ((index === 0 || start === 0) && addPrefixSpace && leading === 1) leading = 0
    let [from, to] = [start, end]
    for (; leading > 0 && from < to; leading--) from = forwards(from)
    // As in Rust, a span that is too near the start of the text for all its blanks keeps them.
    if (trailing > 0 && characterCount(text, to) >= trailing)
      for (; trailing > 0 && to > from; trailing--) to = backwards(to)
    return [from, to]
  })
}

function characterCount(text: string, to: number): number {
  let count = 0
  for (let i = 0; i < to; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) count++
  return count
}
