import { candidatesWanted } from '@serotine/core/store'
import type { CandidateQuery, Candidates, Filter } from '@serotine/core/store'
import { MOST_RESULTS } from '../documents.js'
import type { Documents } from '../documents.js'
import { compileFilter } from '../filters/compile.js'
import type { FdeVersion, FdeVersions } from '../fde.js'
import { idOf } from '../rows.js'
import type { FoundObject } from '../protocol/search.js'
import { passesBy, passing } from './passing.js'

/** Documents worth scoring: by their encodings where there are some, else all that pass. */
export async function candidates(documents: Documents, fdes: FdeVersions, query: CandidateQuery): Promise<Candidates> {
  const { embeddings, filter, firstStage = 'auto', signal } = query
  signal?.throwIfAborted()
  const { over } = compileFilter(filter)
  if (over === false) return { firstStage: 'none', ids: [] }
  const versions = firstStage === 'exact' || embeddings.length === 0 ? [] : await fdes.toSearch({ signal })
  if (versions.length === 0) {
    const ids = await searchable(documents, filter, signal)
    return { firstStage: ids.length > 0 ? 'exact' : 'none', ids }
  }
  const count = candidatesWanted(query, await fdes.suitability(false, { signal }))
  const nearest = await nearestOf(documents, versions, query, count)
  const ids = nearest.slice(0, count).map(({ id }) => id)
  const scores = nearest.slice(0, count).map(({ score }) => score)
  if (ids.length < count) {
    // All there are, or an index that does not reach them all.
    const known = new Set(ids)
    const others = (await searchable(documents, filter, signal, count)).filter((id) => !known.has(id))
    for (const id of others.slice(0, count - ids.length)) {
      ids.push(id)
      scores.push(-Infinity)
    }
  }
  return ids.length === 0 ? { firstStage: 'none', ids } : { firstStage: 'fde', ids, scores: Float32Array.from(scores) }
}

interface Nearest {
  readonly id: string
  /** Estimate of MaxSim. */
  readonly score: number
}

/** The nearest that pass, of all versions. Where the server's filter lets through too many, more are asked for. */
async function nearestOf(
  documents: Documents,
  versions: readonly FdeVersion[],
  { embeddings, filter, signal }: CandidateQuery,
  count: number,
): Promise<Nearest[]> {
  const { over, isExact } = compileFilter(filter)
  const passes = filter === undefined || isExact ? () => true : passesBy(filter)
  const found = await Promise.all(
    versions.map(async ({ encoder, slot }) => {
      const near = { name: slot, data: encoder.encodeQuery(embeddings) }
      for (let limit = isExact ? count : 4 * count; ; limit *= 4) {
        const asked = Math.min(limit, MOST_RESULTS)
        const request = {
          properties: ['key', 'metadata'],
          limit: asked,
          near,
          ...(typeof over !== 'boolean' && { filter: over }),
        }
        const objects = await documents.search(isExact ? { ...request, properties: ['key'] } : request, { signal })
        const kept = objects.filter(passes)
        const isAll = objects.length < asked || asked === MOST_RESULTS
        if (kept.length >= count || isAll) return kept.map((object) => scored(object, encoder.config.repetitions))
      }
    }),
  )
  if (found.length === 1) return found[0]!
  const best = new Map<string, number>()
  for (const { id, score } of found.flat()) best.set(id, Math.max(score, best.get(id) ?? -Infinity))
  return [...best].map(([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score)
}

/** The distance is the negative dot product. */
function scored(object: FoundObject, repetitions: number): Nearest {
  return { id: idOf(object), score: -object.distance! / repetitions }
}

/** Documents with tokens that pass; with `most`, no more than that if there are more. */
export async function searchable(
  documents: Documents,
  filter: Filter | undefined,
  signal: AbortSignal | undefined,
  most = Infinity,
): Promise<string[]> {
  const ids: string[] = []
  for await (const found of passing(documents, filter, { properties: ['key', 'metadata', 'tokens'], signal })) {
    ids.push(...found.filter(({ properties }) => (properties.tokens as number) > 0).map(idOf))
    if (ids.length > 2 * most) break
  }
  return ids
}
