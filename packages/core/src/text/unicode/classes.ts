import { DROPPED, LETTER, MARK, NUMBER, PUNCTUATION } from './class-tables.js'

/** Bits of `classOf`. */
export const IS_DROPPED = 1
export const IS_MARK = 2
export const IS_PUNCTUATION = 4
export const IS_LETTER = 8
export const IS_NUMBER = 16
export const IS_SPACE = 32

/** Unicode White_Space, which is `char::is_whitespace` in Rust and `\s` in its regular expressions, for a character class. */
export const WHITE_SPACE = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

/** What Python's `str.strip()` removes: White_Space and U+001C–001F, but not U+FEFF as `String.trim()` does. */
const PYTHON_SPACE = `\\x1c-\\x1f${WHITE_SPACE}`
const LEADING = new RegExp(`^[${PYTHON_SPACE}]+`)
const IS_PYTHON_SPACE = new RegExp(`[${PYTHON_SPACE}]`)

let classes: Uint8Array | undefined

/** One byte of `IS_…` bits per code point, as Rust's `tokenizers` sees it whatever Unicode version this Node has. */
export function unicodeClasses(): Uint8Array {
  if (classes) return classes
  const table = new Uint8Array(0x110000)
  mark(table, DROPPED, IS_DROPPED)
  mark(table, MARK, IS_MARK)
  mark(table, PUNCTUATION, IS_PUNCTUATION)
  mark(table, LETTER, IS_LETTER)
  mark(table, NUMBER, IS_NUMBER)
  const space = new RegExp(`[${WHITE_SPACE}]`)
  for (let c = 0; c <= 0x3000; c++) if (space.test(String.fromCharCode(c))) table[c]! |= IS_SPACE
  return (classes = table)
}

function mark(table: Uint8Array, ranges: string, bit: number): void {
  let at = 0
  for (const range of ranges.split(' ')) {
    const [gap, extent = '0'] = range.split('.')
    const first = at + parseInt(gap!, 36)
    at = first + parseInt(extent, 36)
    for (let c = first; c <= at; c++) table[c]! |= bit
  }
}

/** The bounds of `text` without the white space that Python's `str.strip()` removes. */
export function stripBounds(text: string): [start: number, end: number] {
  const start = LEADING.exec(text)?.[0].length ?? 0
  let end = text.length
  // From the back by hand: a regular expression anchored at the end would be quadratic on runs of blanks.
  while (end > start && IS_PYTHON_SPACE.test(text[end - 1]!)) end--
  return [start, end]
}

/**
 * Lone surrogates become U+FFFD, as when a JavaScript string is written as UTF-8; the length stays. (Python refuses such
 * strings altogether.)
 */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(LONE_SURROGATES, '\ufffd') : text
}

// With the u flag, \p{Cs} matches surrogates that are not part of a pair.
const LONE_SURROGATE = /\p{Cs}/u
const LONE_SURROGATES = /\p{Cs}/gu

/** Ideographs in the blocks that BERT surrounds with blanks. Rust's list has a gap at U+2B820–2B91F; so has this. */
export function isChinese(c: number): boolean {
  return (
    (c >= 0x4e00 && c <= 0x9fff) ||
    (c >= 0x3400 && c <= 0x4dbf) ||
    (c >= 0x20000 && c <= 0x2a6df) ||
    (c >= 0x2a700 && c <= 0x2b73f) ||
    (c >= 0x2b740 && c <= 0x2b81f) ||
    (c >= 0x2b920 && c <= 0x2ceaf) ||
    (c >= 0xf900 && c <= 0xfaff) ||
    (c >= 0x2f800 && c <= 0x2fa1f)
  )
}
