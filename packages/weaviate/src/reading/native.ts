import { candidatesWanted } from '@serotine/core/store'
import type { CandidateQuery, Candidates, NativeHit } from '@serotine/core/store'
import { MOST_RESULTS } from '../documents.js'
import type { Documents } from '../documents.js'
import { compileFilter } from '../filters/compile.js'
import { idOf } from '../rows.js'
import { TOKEN_VECTORS } from '../schema.js'
import { searchable } from './candidates.js'
import { passesBy } from './passing.js'

/**
 * The best `k` by Weaviate's own MaxSim. How many documents it scores exactly is not to be said: without a filter some hundred (`ef`, which follows the
 * limit), with one twice the limit. So the limit is half of what `candidates` says, and the answer is cut.
 */
export async function nativeSearch(
  documents: Documents,
  query: CandidateQuery & { readonly k: number },
): Promise<NativeHit[]> {
  const { embeddings, k, filter, signal } = query
  signal?.throwIfAborted()
  const { over, isExact } = compileFilter(filter)
  if (over === false || embeddings.length === 0) return []
  const passes = filter === undefined || isExact ? () => true : passesBy(filter)
  const near = { name: TOKEN_VECTORS, data: embeddings.data, dim: embeddings.dim }
  const count = candidatesWanted({ count: query.count }, null)
  const least = Math.max(k, Math.ceil(count / 2))
  for (let limit = isExact ? least : 4 * least; ; limit *= 4) {
    const asked = Math.min(limit, MOST_RESULTS)
    const properties = isExact ? ['key'] : ['key', 'metadata']
    const request = { properties, limit: asked, near, ...(typeof over !== 'boolean' && { filter: over }) }
    const objects = await documents.search(request, { signal })
    const kept = objects.filter(passes)
    if (kept.length < k && objects.length === asked && asked < MOST_RESULTS) continue
    // The distance is the negative MaxSim.
    const hits = kept.map((object) => ({ id: idOf(object), score: -object.distance! }))
    return hits.sort((a, b) => b.score - a.score).slice(0, k)
  }
}

/** Candidates of a collection that Weaviate ranks itself. */
export async function nativeCandidates(documents: Documents, query: CandidateQuery): Promise<Candidates> {
  const { filter, firstStage = 'auto', signal } = query
  signal?.throwIfAborted()
  if (firstStage === 'exact') {
    const ids = await searchable(documents, filter, signal)
    return { firstStage: ids.length > 0 ? 'exact' : 'none', ids }
  }
  const wanted = candidatesWanted(query, null)
  const hits = await nativeSearch(documents, { ...query, k: wanted, count: wanted })
  const known = new Set(hits.map(({ id }) => id))
  const others = hits.length < wanted ? await searchable(documents, filter, signal, wanted) : []
  const rest = others.filter((id) => !known.has(id)).slice(0, wanted - hits.length)
  const ids = [...hits.map(({ id }) => id), ...rest]
  const scores = [...hits.map(({ score }) => score), ...rest.map(() => -Infinity)]
  return ids.length === 0
    ? { firstStage: 'none', ids }
    : { firstStage: 'native', ids, scores: Float32Array.from(scores) }
}
