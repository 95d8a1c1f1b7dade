import { setImmediate as nextTurn } from 'node:timers/promises'
import { evenly } from '../../math/evenly.js'
import type { TokenCodec } from '../../store/records.js'
import type { Collection } from '../commit/collection.js'

/** Documents read before timers and sockets get their turn. */
const SLICE = 64

/** At most `count` of the ordinals, evenly spread over them; the same every time. */
export function spread(ordinals: ArrayLike<number>, count: number): Int32Array {
  return evenly(ordinals.length, count).map((place) => ordinals[place]!)
}

/** Ordinals from one up to another. */
interface Range {
  readonly from: number
  readonly to: number
}

export function searchableIn(collection: Collection, { from, to }: Range): number[] {
  return [...collection.searchable()].filter((ordinal) => ordinal >= from && ordinal < to)
}

/**
 * Tokens from all over a collection, as stored: `[tokens × dim]`.
 *
 * @param most documents that are read, and tokens that are taken of them, evenly; of the documents with ordinals `from` to `to`,
 * `without` those
 */
export async function sampleTokens(
  collection: Collection,
  codec: TokenCodec,
  dim: number,
  most: Range & { readonly documents: number; readonly tokens: number; readonly without?: ReadonlySet<number> },
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const within = searchableIn(collection, most).filter((ordinal) => !most.without?.has(ordinal))
  const chosen = spread(within, most.documents)
  const held = chosen.reduce((sum, ordinal) => sum + collection.row(ordinal).tokens, 0)
  const wanted = Math.min(held, most.tokens)
  const rows = new Float32Array(wanted * dim)
  let [seen, taken] = [0, 0]
  for (const [i, ordinal] of chosen.entries()) {
    const { data, length } = collection.readEmbeddings(ordinal, codec, dim)
    for (let token = 0; token < length; token++, seen++) {
      if (Math.floor(((seen + 1) * wanted) / held) === taken) continue
      rows.set(data.subarray(token * dim, (token + 1) * dim), taken++ * dim)
    }
    if (i % SLICE === SLICE - 1) await nextTurn()
    signal?.throwIfAborted()
  }
  return rows
}
