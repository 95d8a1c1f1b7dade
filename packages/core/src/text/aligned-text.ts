/** Text after a normaliser, and where each of its UTF-16 units came from. */
export interface Aligned {
  readonly text: string
  /** Span in the original of each unit; both undefined when the text is the original, shifted by `base`. */
  readonly starts: ArrayLike<number> | undefined
  readonly ends: ArrayLike<number> | undefined
  readonly base: number
}

/** Start in the original of the unit at `i`. */
export function alignedStart(aligned: Aligned, i: number): number {
  return aligned.starts ? aligned.starts[i]! : aligned.base + i
}

/** End in the original of the text before unit `i` (i > 0). */
export function alignedEnd(aligned: Aligned, i: number): number {
  return aligned.ends ? aligned.ends[i - 1]! : aligned.base + i
}

/** Replaces each code point; the result keeps the span. */
export function mapCharacters({ text, starts, ends, base }: Aligned, replace: (codePoint: number) => string): Aligned {
  const newStarts: number[] = []
  const newEnds: number[] = []
  let mapped = ''
  for (let i = 0; i < text.length;) {
    const c = text.codePointAt(i)!
    const next = i + (c > 0xffff ? 2 : 1)
    const replacement = replace(c)
    pushSpan(
      newStarts,
      newEnds,
      replacement.length,
      starts ? starts[i]! : base + i,
      ends ? ends[next - 1]! : base + next,
    )
    mapped += replacement
    i = next
  }
  return { text: mapped, starts: newStarts, ends: newEnds, base }
}

/** One entry per UTF-16 unit. */
export function pushSpan(starts: number[], ends: number[], units: number, start: number, end: number): void {
  for (let i = 0; i < units; i++) {
    starts.push(start)
    ends.push(end)
  }
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
    pushSpan(starts, ends, character.length, from, to)
    made += character
    if (change <= 0) advance(1 - change)
  }
  return { text: made, starts, ends, base: source.base }
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
    pushSpan(starts, ends, content.length, start, end)
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
