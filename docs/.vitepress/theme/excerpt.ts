import { bestStretch } from '../../../packages/core/src/highlight/best-stretch.js'
import type { MatchedWord } from '../../../packages/core/src/highlight/matched-words.js'

export interface Piece {
  readonly text: string
  /** 0: not lit. */
  readonly similarity: number
  /** For the eye; more than 60 % of the colour would hide the letters. */
  readonly strength: string
}

const MOST_CHARACTERS = 240
/** Below it, tokens have little in common. */
const WEAK = 0.5

/** The part of a text that answers most, cut into what is lit and what is not. */
export function excerpt(text: string, words: readonly MatchedWord[]): Piece[] {
  const { start: from, end: to } = bestStretch(text, words, MOST_CHARACTERS)
  const plain = (piece: string): Piece => ({ text: piece, similarity: 0, strength: '' })
  const pieces: Piece[] = from > 0 ? [plain('… ')] : []
  let at = from
  for (const { start, end, similarity } of words) {
    if (start < at || end > to || similarity < WEAK) continue
    const strength = `${Math.round(((similarity - WEAK) / (1 - WEAK)) * 60)}%`
    pieces.push(plain(text.slice(at, start)), { text: text.slice(start, end), similarity, strength })
    at = end
  }
  return [...pieces, plain(text.slice(at, to) + (to < text.trimEnd().length ? ' …' : ''))]
}
