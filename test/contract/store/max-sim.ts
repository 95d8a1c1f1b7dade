import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import type { TokenCodec } from '../../../packages/core/src/store/records.js'
import type { StoreReader } from '../../../packages/core/src/store/store.js'
import { exactScores } from '../../../packages/core/src/store/exact-scores.js'

/** MaxSim by the plainest means, to compare with. */
export function plainMaxSim(query: TokenEmbeddings, document: TokenEmbeddings): number {
  if (document.length === 0) return 0
  return rowsOf(query).reduce((sum, q) => sum + Math.max(...rowsOf(document).map((d) => product(q, d))), 0)
}

/**
 * How far a score from stored tokens may be from `plainMaxSim`. A component in f16 is off by at most 1/2048 of itself, in int8 by half a
 * step of 1/127 of the largest in its token; products with the query add that up. 1e-3 more for arithmetic in f32, and for the
 * 16 bits of a query that meets int8.
 */
export function scoreTolerance(codec: TokenCodec, query: TokenEmbeddings, document: TokenEmbeddings): number {
  if (codec === 'f32') return 1e-3
  const largest = Math.max(0, ...Array.from(document.data, Math.abs))
  const worst = codec === 'f16' ? largest / 2048 : largest / 254
  const sum = query.data.reduce((total, x) => total + Math.abs(x), 0)
  return 1e-3 + sum * worst
}

/** Ids of the best, best first. */
export function bestIds(scores: ReadonlyMap<string, number>, count: number): string[] {
  return [...scores]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([id]) => id)
}

/** Exact scores of stored documents, as a search computes them. */
export async function storedScores(
  reader: Pick<StoreReader, 'readTokens'>,
  codec: TokenCodec,
  query: TokenEmbeddings,
  ids: readonly string[],
): Promise<Map<string, number>> {
  const { scores } = await exactScores(reader, codec, query, ids)
  return new Map(ids.map((id, i) => [id, scores[i]!]))
}

function rowsOf({ data, length, dim }: TokenEmbeddings): Float32Array[] {
  return Array.from({ length }, (_, i) => data.subarray(i * dim, (i + 1) * dim))
}

function product(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0)
}
