import type { Aligned } from '../aligned-text.js'

/** A stretch of a normalised text, from `from` up to `to`, in UTF-16 units. */
export interface Piece {
  readonly part: Aligned
  readonly from: number
  readonly to: number
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
