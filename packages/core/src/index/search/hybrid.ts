import type { TokenEmbeddings } from '../../embeddings.js'
import { topK } from '../../math/top-k.js'
import { exactScores } from '../../store/exact-scores.js'
import type { KeywordMatch } from '../../store/keywords.js'
import type { Store, StoreReader } from '../../store/store.js'
import { firstStageOrder, hitsOf } from './hits.js'
import type { Ranked, SearchResult } from './hits.js'
import type { CheckedSearch } from './options.js'
import { candidatesOf } from './search.js'

/** Of each side, where nothing was said. */
const CANDIDATES = 100

/** A hybrid search that has been checked. */
export type CheckedHybrid = CheckedSearch & { readonly hybrid: { readonly weight: number } }

/**
 * Late interaction and keywords together: the best by MaxSim and the best by BM25 are united, all of them get both scores, and what BM25 says of a
 * document is added to its MaxSim.
 */
export async function searchHybrid(
  store: Store,
  reader: StoreReader,
  text: string,
  query: TokenEmbeddings,
  search: CheckedHybrid,
  encode: number,
): Promise<SearchResult> {
  const { depth, filter, signal, hybrid, onDamaged } = search
  const count = Math.max(depth, search.candidates ?? CANDIDATES)
  const started = performance.now()
  const found = await candidatesOf(reader, query, search)
  const firstStage = performance.now() - started
  if (found.ids.length === 0) {
    const timings = { encode, firstStage, keywords: 0, fetch: 0, rerank: 0 }
    return { hits: [], firstStage: found.firstStage, candidates: 0, timings }
  }
  const asking = performance.now()
  const matches = await reader.keywords!({ text, count, filter, signal })
  let keywords = performance.now() - asking
  const ids = [...new Set([...found.ids, ...matches.map(({ id }) => id)])]
  const { scores, fetchMs, scoreMs } = await exactScores(reader, store.spec.codec, query, ids, signal, onDamaged)
  const askingAgain = performance.now()
  const united = await withOthers(reader, text, { ids, scores, count, matches }, search)
  keywords += performance.now() - askingAgain
  const ordering = performance.now()
  const hits = await hitsOf(reader, fused(united, hybrid.weight), query, search)
  const rerank = scoreMs + performance.now() - ordering
  const timings = { encode, firstStage, keywords, fetch: fetchMs, rerank }
  return { hits, firstStage: found.firstStage, candidates: ids.length, ...firstStageOrder(found), timings }
}

interface Scored {
  readonly id: string
  readonly maxSim: number
  readonly match: KeywordMatch
}

/** The best by words, and the best by MaxSim with what words say of them, where what is quoted lets them through. */
async function withOthers(
  reader: StoreReader,
  text: string,
  found: {
    readonly ids: readonly string[]
    readonly scores: Float64Array
    readonly count: number
    readonly matches: readonly KeywordMatch[]
  },
  { filter, signal }: CheckedSearch,
): Promise<Scored[]> {
  const { ids, scores, count, matches } = found
  const known = new Set(matches.map(({ id }) => id))
  const others = Array.from(topK(scores, count), (i) => ids[i]!).filter((id) => !known.has(id))
  const more = others.length === 0 ? [] : await reader.keywords!({ text, count: 0, also: others, filter, signal })
  const maxSim = new Map(ids.map((id, i) => [id, scores[i]!]))
  return [...matches, ...more].flatMap((match) => {
    const score = maxSim.get(match.id)!
    // Deleted between two questions to an engine without snapshots.
    return score === -Infinity ? [] : [{ id: match.id, maxSim: score, match }]
  })
}

/**
 * MaxSim of each, and weight × how many standard deviations its BM25 is above the mean, in standard deviations of MaxSim. The order is that of
 * `standardScoreFusion` with weights 1 and `weight`; what is added is comparable with MaxSim.
 */
function fused(all: readonly Scored[], weight: number): Ranked[] {
  const [meaning, words] = [spread(all.map(({ maxSim }) => maxSim)), spread(all.map(({ match }) => match.score))]
  // Where all have the same words, words say nothing.
  const factor = words.deviation > 0 ? (weight * meaning.deviation) / words.deviation : 0
  return all
    .map(({ id, maxSim, match }) => {
      const { score, words: held } = match
      return { id, score: maxSim + factor * (score - words.mean), maxSim, keywords: { score, words: held } }
    })
    .sort((a, b) => b.score - a.score || b.keywords.score - a.keywords.score || (a.id < b.id ? -1 : 1))
}

function spread(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return { mean, deviation: Math.sqrt(variance) }
}
