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

// Nothing below U+0300 combines with what stands before it, so text can be cut in front of each such character.
const SEGMENT = /[\0-\u02ff]?[^\0-\u02ff]+|[\0-\u02ff]+?(?=[\0-\u02ff][^\0-\u02ff]|$)/g

/**
 * Unicode NFC or NFD with the alignment that Rust's `tokenizers` records: a composed character points at the first of its
 * source characters, so `e` + U+0301 gives one `é` with the span of the `e`; parts of a decomposed one share its span.
 *
 * Compositions newer than the crate's Unicode tables (a few archaic scripts) are made here if this Node knows them.
 *
 * @param base where `text` starts in the original
 */
export function canonical(form: 'NFC' | 'NFD', text: string, base: number): Aligned {
  const whole = text.normalize(form)
  if (whole === text) return { text, starts: undefined, ends: undefined, base }
  const starts: number[] = []
  const ends: number[] = []
  for (const { 0: segment, index } of text.matchAll(SEGMENT)) {
    const normal = segment.normalize(form)
    if (normal === segment) alignUnchanged(segment, base + index, starts, ends)
    else alignSegment(segment, normal, base + index, starts, ends)
  }
  return { text: whole, starts, ends, base }
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

/** `inner` was made from `outer.text` with base 0: its spans, seen through those of `outer`. */
export function seenThrough(inner: Aligned, outer: Aligned): Aligned {
  if (!inner.starts) return outer
  return {
    text: inner.text,
    starts: Array.from(inner.starts, (start) => alignedStart(outer, start)),
    ends: Array.from(inner.ends!, (end) => alignedEnd(outer, end)),
    base: outer.base,
  }
}

function alignUnchanged(segment: string, at: number, starts: number[], ends: number[]): void {
  for (const ch of segment) {
    pushSpan(starts, ends, ch.length, at, at + ch.length)
    at += ch.length
  }
}

/**
 * Replays how the crate counts: decomposing yields 0 for the first character and 1 for each inserted one; composing n
 * of them yields their sum less n − 1. A character with count 0 or less stands at the next source character and consumes
 * 1 − count of them; a positive one shares the span before it.
 */
function alignSegment(segment: string, normal: string, at: number, starts: number[], ends: number[]): void {
  const bounds = [at]
  const counts = new Map<string, number[]>()
  for (const ch of segment) {
    bounds.push(bounds.at(-1)! + ch.length)
    let count = 0
    for (const part of ch.normalize('NFD')) {
      const queue = counts.get(part)
      if (queue) queue.push(count)
      else counts.set(part, [count])
      count = 1
    }
  }
  // Canonical order is stable, so equal characters leave in the order in which they came.
  for (const queue of counts.values()) queue.reverse()
  let source = 0
  for (const ch of normal) {
    let count = 1
    for (const part of ch.normalize('NFD')) count += (counts.get(part)?.pop() ?? 0) - 1
    const i = Math.min(count > 0 ? Math.max(source - 1, 0) : source, bounds.length - 2)
    pushSpan(starts, ends, ch.length, bounds[i]!, bounds[i + 1]!)
    if (count <= 0) source += 1 - count
  }
}

/** One entry per UTF-16 unit. */
export function pushSpan(starts: number[], ends: number[], units: number, start: number, end: number): void {
  for (let i = 0; i < units; i++) {
    starts.push(start)
    ends.push(end)
  }
}
