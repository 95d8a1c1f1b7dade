import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'
import type { Piece } from './piece.js'

/** A stretch of a text and whether the delimiter matches it; stretches follow each other without gaps. */
export type Match = readonly [from: number, to: number, matches: boolean]

const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
export type SplitBehavior = (typeof BEHAVIORS)[number]

/** @throws MODEL_UNSUPPORTED for an unknown behaviour */
export function splitBehavior(value: unknown, where: string): SplitBehavior {
  const known = BEHAVIORS.find((name) => name === value)
  if (known) return known
  throw new SerotineError(
    'MODEL_UNSUPPORTED',
    `tokenizer.json: ${where} has behavior ${describe(value)}. Supported: ${BEHAVIORS.join(', ')}.`,
  )
}

/** Cuts a piece where a delimiter matches, as Rust's `NormalizedString::split`. Empty pieces are left out. */
export function split(piece: Piece, matches: readonly Match[], behavior: SplitBehavior): Piece[] {
  const pieces: Piece[] = []
  for (const [from, to] of merge(matches, behavior))
    if (from < to) pieces.push({ part: piece.part, from: piece.from + from, to: piece.from + to })
  return pieces
}

/** What a delimiter of single characters matches; `test` is given code points. */
export function matchCharacters(text: string, test: (codePoint: number) => boolean): Match[] {
  const matches: Match[] = []
  let done = 0
  for (let i = 0; i < text.length;) {
    const c = text.codePointAt(i)!
    const next = i + (c > 0xffff ? 2 : 1)
    if (test(c)) {
      if (done < i) matches.push([done, i, false])
      matches.push([i, next, true])
      done = next
    }
    i = next
  }
  if (done < text.length) matches.push([done, text.length, false])
  return matches
}

function merge(matches: readonly Match[], behavior: SplitBehavior): readonly (readonly [from: number, to: number])[] {
  if (behavior === 'Isolated') return matches.map(([from, to]) => [from, to] as const)
  if (behavior === 'Removed')
    return matches.filter(([, , matched]) => !matched).map(([from, to]) => [from, to] as const)
  const backwards = behavior === 'MergedWithNext'
  const merged: [number, number][] = []
  let previous = false
  for (const [from, to, matched] of backwards ? [...matches].reverse() : matches) {
    const joins = behavior === 'Contiguous' ? matched === previous : matched && !previous
    const last = merged.at(-1)
    if (!joins || !last) merged.push([from, to])
    else if (backwards) last[0] = from
    else last[1] = to
    previous = matched
  }
  return backwards ? merged.reverse() : merged
}
