import type { TokenEmbeddings } from '../../embeddings.js'
import { topK } from '../../math/top-k.js'
import { exactScores } from '../../store/exact-scores.js'
import type { Candidates, FirstStage, Store, StoreReader } from '../../store/store.js'
import { firstStageOrder, hitsOf } from './hits.js'
import type { SearchResult } from './hits.js'
import type { CheckedSearch } from './options.js'

/** Candidates, exact MaxSim of them, hits: by the store where it does so itself, else here. @param encode milliseconds it took */
export async function searchEmbeddings(
  store: Store,
  reader: StoreReader,
  query: TokenEmbeddings,
  search: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  const native = store.capabilities.nativeSearch && search.rerank && isNative(search.firstStage)
  return native ? searchNatively(reader, query, search, encode) : searchHere(store, reader, query, search, encode)
}

/**
 * As many candidates as were asked for, at least `depth`. Where nothing was said, their number is the same for every page that it is enough for, so that
 * these are pages of one ranking.
 */
export async function candidatesOf(
  reader: StoreReader,
  embeddings: TokenEmbeddings,
  { k, depth, candidates: count, filter, firstStage, signal }: CheckedSearch,
): Promise<Candidates> {
  const query = { embeddings, filter, firstStage, signal }
  const found = await reader.candidates({ ...query, k, count })
  // Without scores, they are all there are.
  if (count !== undefined || found.ids.length >= depth || !found.scores) return found
  return reader.candidates({ ...query, k: depth, count: depth })
}

function isNative(firstStage: FirstStage | undefined): boolean {
  return firstStage === undefined || firstStage === 'auto' || firstStage === 'native'
}

async function searchHere(
  store: Store,
  reader: StoreReader,
  query: TokenEmbeddings,
  search: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  const { depth, filter, firstStage: asked, rerank, signal, onDamaged } = search
  const started = performance.now()
  const estimated = { embeddings: query, count: depth, k: depth, filter, firstStage: asked, rerank, signal }
  const found = await (rerank ? candidatesOf(reader, query, search) : reader.candidates(estimated))
  const { ids, firstStage, scores: estimates } = found
  signal?.throwIfAborted()
  const timings = { encode, firstStage: performance.now() - started, keywords: 0, fetch: 0, rerank: 0 }
  if (ids.length === 0) return { hits: [], firstStage, candidates: 0, timings }
  if (estimates && !rerank) {
    const best = ids.map((id, i) => ({ id, score: estimates[i]! }))
    return {
      hits: await hitsOf(reader, best, query, search),
      firstStage,
      candidates: 0,
      ...firstStageOrder(found),
      timings,
    }
  }
  const { scores, fetchMs, scoreMs } = await exactScores(reader, store.spec.codec, query, ids, signal, onDamaged)
  const ordering = performance.now()
  const hits = await hitsOf(reader, best(ids, scores, depth), query, search)
  return {
    hits,
    firstStage,
    candidates: ids.length,
    ...firstStageOrder(found),
    timings: { ...timings, fetch: fetchMs, rerank: scoreMs + performance.now() - ordering },
  }
}

async function searchNatively(
  reader: StoreReader,
  query: TokenEmbeddings,
  search: CheckedSearch,
  encode: number,
): Promise<SearchResult> {
  const { depth, candidates, filter, signal } = search
  // The same number for all pages that it is enough for.
  const count = candidates ?? Math.max(depth, 100)
  const started = performance.now()
  const found = query.length === 0 ? [] : await reader.search!({ embeddings: query, k: depth, count, filter, signal })
  const timings = { encode, firstStage: performance.now() - started, keywords: 0, fetch: 0, rerank: 0 }
  const firstStage = found.length === 0 ? 'none' : 'native'
  return { hits: await hitsOf(reader, found, query, search), firstStage, candidates: 0, timings }
}

/** The k best, ties by id: the order does not depend on the order of insertion. */
function best(ids: readonly string[], scores: Float64Array, k: number): { id: string; score: number }[] {
  const last = topK(scores, k).at(-1)!
  const good: { id: string; score: number }[] = []
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! >= scores[last]! && scores[i] !== -Infinity) good.push({ id: ids[i]!, score: scores[i]! })
  }
  return good.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, k)
}
