import { SerotineError } from '../errors.js'
import { describe } from '../options.js'

/** One retrieved document of a run. */
export interface ScoredDocument {
  readonly id: string
  /** Higher is better. */
  readonly score: number
}

/** Judgments: query id → document id → grade (0 or below: judged not relevant). */
export type Qrels = ReadonlyMap<string, ReadonlyMap<string, number>>

/** Results: query id → retrieved documents, best first. */
export type Run = ReadonlyMap<string, readonly ScoredDocument[]>

/**
 * How documents of equal score are ordered.
 *
 * - `trec_eval`: the list is sorted again, by score (as a 32-bit float) descending, then by document id descending in byte
 *   order, so the numbers do not depend on the order an engine happened to return.
 * - `as-given`: the order of the list is the ranking; scores are not looked at.
 */
export type TieRule = 'trec_eval' | 'as-given'

/** Ids of a run's documents in ranked order. @throws NOT_FINITE, DUPLICATE_ID */
export function rankedIds(queryId: string, documents: readonly ScoredDocument[], ties: TieRule): string[] {
  const seen = new Set<string>()
  for (const { id, score } of documents) {
    if (seen.has(id))
      throw new SerotineError(
        'DUPLICATE_ID',
        `The run of query ${describe(queryId)} holds document ${describe(id)} twice.`,
      )
    seen.add(id)
    if (ties === 'trec_eval' && !Number.isFinite(score)) {
      throw new SerotineError(
        'NOT_FINITE',
        `In the run of query ${describe(queryId)}, document ${describe(id)} has the score ${describe(score)}.`,
      )
    }
  }
  if (ties === 'as-given') return [...seen]
  return documents
    .map(({ id, score }) => ({ id, score: Math.fround(score) }))
    .toSorted((a, b) => b.score - a.score || compareBytes(b.id, a.id))
    .map(({ id }) => id)
}

/** Orders two strings as their UTF-8 bytes do (JavaScript's `<` compares UTF-16 units, which differ above U+FFFF). */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    let [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x === y) continue
    // Surrogates stand for code points above all those of the basic plane.
    if (x >= 0xd800 && y >= 0xd800) [x, y] = [aboveSurrogates(x), aboveSurrogates(y)]
    return x - y
  }
  return a.length - b.length
}

function aboveSurrogates(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}
