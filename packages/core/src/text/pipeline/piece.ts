import { alignedEnd, alignedStart } from '../normalization.js'
import type { Aligned } from '../normalization.js'

/** A stretch of a normalised text, from `from` up to `to`, in UTF-16 units. */
export interface Piece {
  readonly part: Aligned
  readonly from: number
  readonly to: number
}

/**
 * A character of a new text and how it came about: 0 takes the place of the next source character, 1 is new and shares
 * the span before it, −n takes the place of one and swallows n more.
 */
export type Change = readonly [character: string, change: number]

/**
 * A text made from another, each character with the span Rust's `NormalizedString::transform` gives it.
 *
 * @param skipped source characters removed in front
 */
export function transform(source: Aligned, changes: readonly Change[], skipped = 0): Aligned {
  const { text } = source
  // As in Rust, nothing grows out of an empty text.
  if (text === '') return source
  const starts: number[] = []
  const ends: number[] = []
  let made = ''
  let at = 0
  let previous = 0
  const advance = (count: number): void => {
    for (; count > 0 && at < text.length; count--) {
      previous = at
      at += text.codePointAt(at)! > 0xffff ? 2 : 1
    }
  }
  advance(skipped)
  for (const [character, change] of changes) {
    // A damaged recipe may ask for more characters than there are: the last one stands for them.
    const own = change > 0 || at >= text.length ? previous : at
    const end = own + (text.codePointAt(own)! > 0xffff ? 2 : 1)
    const [from, to] =
      change > 0 && at === 0 ? [source.base, source.base] : [alignedStart(source, own), alignedEnd(source, end)]
    for (let i = 0; i < character.length; i++) {
      starts.push(from)
      ends.push(to)
    }
    made += character
    if (change <= 0) advance(1 - change)
  }
  return { text: made, starts, ends, base: source.base }
}

/** The stretch as a text of its own. */
export function cut({ part, from, to }: Piece): Aligned {
  const { text, starts, ends, base } = part
  if (from === 0 && to === text.length) return part
  const slice = (values: ArrayLike<number>) => Array.prototype.slice.call(values, from, to) as number[]
  return {
    text: text.slice(from, to),
    starts: starts && slice(starts),
    ends: ends && slice(ends),
    base: starts ? base : base + from,
  }
}

export function whole(part: Aligned): Piece {
  return { part, from: 0, to: part.text.length }
}

/** `prefix` in front, with the span of the first character. Nothing is put before nothing. */
export function prepend(part: Aligned, prefix: string): Aligned {
  if (part.text === '') return part
  return replaceSpans(part, [{ from: 0, to: 0, content: prefix }])
}

export interface Replacement {
  readonly from: number
  readonly to: number
  readonly content: string
}

/**
 * Stretches replaced, in ascending order. What is put in has the span of the last character that it replaces; at the
 * very start, where it replaces none, that of the first.
 */
export function replaceSpans(part: Aligned, replacements: readonly Replacement[]): Aligned {
  if (replacements.length === 0) return part
  const { text } = part
  const starts: number[] = []
  const ends: number[] = []
  let made = ''
  let done = 0
  const keep = (to: number): void => {
    made += text.slice(done, to)
    for (let i = done; i < to; i++) {
      const wide = part.starts === undefined && isLow(text, i)
      const next = part.starts === undefined && isHigh(text, i)
      starts.push(alignedStart(part, wide ? i - 1 : i))
      ends.push(alignedEnd(part, next ? i + 2 : i + 1))
    }
  }
  for (const { from, to, content } of replacements) {
    keep(from)
    const first = to === 0 ? 0 : to - (isLow(text, to - 1) ? 2 : 1)
    const start = alignedStart(part, first)
    const end = alignedEnd(part, to === 0 ? (isHigh(text, 0) ? 2 : 1) : to)
    for (let i = 0; i < content.length; i++) {
      starts.push(start)
      ends.push(end)
    }
    made += content
    done = to
  }
  keep(text.length)
  return { text: made, starts, ends, base: part.base }
}

function isHigh(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800
}

function isLow(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xdc00
}
