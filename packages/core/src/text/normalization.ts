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
