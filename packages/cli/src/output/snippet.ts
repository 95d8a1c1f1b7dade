import type { MatchedWord, Stretch } from '@serotine/core/highlight'

/** A piece of a text for display: blanks run together, matched words marked. */
export interface SnippetPart {
  readonly text: string
  readonly matched: boolean
}

/** A stretch of a text, blanks run together, `…` where it is cut. */
export function snippet(text: string, words: readonly MatchedWord[], { start, end }: Stretch): SnippetPart[] {
  const parts: SnippetPart[] = []
  const push = (piece: string, matched: boolean): void => {
    if (piece !== '') parts.push({ text: piece.replace(/\s+/g, ' '), matched })
  }
  if (text.slice(0, start).trim() !== '') push('… ', false)
  let position = start
  for (const word of words) {
    if (word.start < position || word.end > end) continue
    push(text.slice(position, word.start), false)
    push(text.slice(word.start, word.end), true)
    position = word.end
  }
  push(text.slice(position, end).trimEnd(), false)
  if (end < text.trimEnd().length) push(' …', false)
  return parts
}
