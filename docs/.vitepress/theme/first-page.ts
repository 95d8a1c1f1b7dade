export interface Piece {
  readonly text: string
  /** Which of the words it is; −1: none. */
  readonly match: number
}

/** A text cut at words of it. */
export function pieces(text: string, words: readonly string[]): Piece[] {
  const found = words
    .map((word, match) => ({ start: text.indexOf(word), word, match }))
    .sort((a, b) => a.start - b.start)
  const cut: Piece[] = []
  let end = 0
  for (const { start, word, match } of found) {
    cut.push({ text: text.slice(end, start), match: -1 }, { text: word, match })
    end = start + word.length
  }
  return [...cut, { text: text.slice(end), match: -1 }]
}
