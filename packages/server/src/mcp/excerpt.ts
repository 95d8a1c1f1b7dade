import type { Metadata, TextMatch } from '@serotine/core'
import { bestStretch, matchedWords } from '@serotine/core/highlight'

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
  const { start, end } = bestStretch(text, matchedWords(text, matches), most)
  return { text: text.slice(start, end).trimEnd(), start, isCut: true }
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
