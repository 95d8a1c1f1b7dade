import type { Metadata, TextMatch } from '@serotine/core'

/** Characters before the first match of an excerpt. */
const LEAD = 60

/** A stretch of a text. */
export interface Excerpt {
  readonly text: string
  /** Where it begins in the text, in UTF-16 units. */
  readonly start: number
  readonly isCut: boolean
}

/**
 * The stretch of a text, of at most so many characters, where a query matches most. Without matches it is the beginning.
 *
 * @param matches what each query token matched, as `explain` says
 */
export function excerptOf(text: string, most: number, matches: readonly TextMatch[]): Excerpt {
  if (text.length <= most) return { text, start: 0, isCut: false }
  const found = matches.filter(({ start }) => start >= 0)
  let [best, bestSum] = [0, 0]
  for (const { start: first } of found) {
    const from = Math.max(0, Math.min(first - Math.min(LEAD, most / 4), text.length - most))
    const inside = found.filter(({ start, end }) => start >= from && end <= from + most)
    const sum = inside.reduce((total, { similarity }) => total + Math.max(0, similarity), 0)
    if (sum > bestSum) [best, bestSum] = [Math.floor(from), sum]
  }
  const start = best === 0 ? 0 : nextWord(text, best)
  return { text: text.slice(start, lastWord(text, start, start + most)).trimEnd(), start, isCut: true }
}

/** The beginning of a word at or soon after a position. */
function nextWord(text: string, position: number): number {
  const [gap] = /\s+/.exec(text.slice(position, position + LEAD)) ?? []
  const next = gap === undefined ? position : position + text.slice(position).indexOf(gap) + gap.length
  return isLowSurrogate(text, next) ? next + 1 : next
}

/** The end of a word at or soon before a position. */
function lastWord(text: string, start: number, position: number): number {
  if (position >= text.length) return text.length
  const gap = text.slice(start, position).search(/\s\S*$/)
  if (gap > 0 && start + gap > position - LEAD) return start + gap
  return isLowSurrogate(text, position) ? position - 1 : position
}

function isLowSurrogate(text: string, position: number): boolean {
  return /[\uDC00-\uDFFF]/.test(text.charAt(position))
}

/**
 * Where a stretch of a document stands: `path:line`. Undefined for documents that were not read from files. It is the passage's own line
 * where its text is not the file's, as in HTML.
 */
export function citationOf(
  { source, line, lineEnd }: Metadata,
  text: string,
  offset: number,
  sourceOf: (source: string) => string,
): string | undefined {
  if (typeof source !== 'string') return undefined
  const path = sourceOf(source)
  if (typeof line !== 'number') return path
  const linesBefore = (end: number): number => text.slice(0, end).split('\n').length - 1
  const isVerbatim = lineEnd === line + linesBefore(text.length)
  return `${path}:${isVerbatim ? line + linesBefore(offset) : line}`
}

/** What a document is headed, where it is known. */
export function titleOf({ heading, title }: Metadata): string | undefined {
  return typeof heading === 'string' ? heading : typeof title === 'string' ? title : undefined
}
