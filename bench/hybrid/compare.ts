import { evaluateRun } from '../../packages/core/src/evaluation/metrics.js'
import type { Qrels } from '../../packages/core/src/evaluation/run.js'
import type { EmbeddedStore } from '../../packages/core/src/embedded/embedded-store.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { InvertedIndex } from '../../packages/core/src/keywords/inverted-index.js'
import { parseKeywordQuery } from '../../packages/core/src/keywords/query.js'
import { termList } from '../../packages/core/src/keywords/term-lists.js'
import { standardScoreFusion } from '../../packages/core/src/scoring/fuse.js'
import type { Scored } from '../../packages/core/src/scoring/fuse.js'
import { exactScores } from '../../packages/core/src/store/exact-scores.js'
import { meanDifference } from '../stages/hybrid.js'

/** What both sides found: the best of each, all with both scores. */
export interface Pool {
  readonly maxSim: readonly Scored[]
  readonly keywords: readonly Scored[]
}

const CANDIDATES = 100
const TOP = 10

/** How much words count, by the name of the way. */
export const WAYS: Readonly<Record<string, (pool: Pool) => number>> = {
  'BM25 × 0.1': () => 0.1,
  'BM25 × 0.25': () => 0.25,
  'BM25 × 0.5': () => 0.5,
  'BM25 × 1': () => 1,
  '× half the overlap': ({ maxSim, keywords }) => overlap(maxSim, keywords) / 2,
  '× half the correlation': ({ maxSim, keywords }) => Math.max(0, correlation(maxSim, keywords)) / 2,
}

export interface JudgedQuery {
  readonly id: string
  readonly text: string
  readonly embeddings: TokenEmbeddings
}

export interface WayResult {
  readonly name: string
  readonly ndcg: number
  /** Against MaxSim alone. */
  readonly difference: { readonly mean: number; readonly error: number }
}

/**
 * nDCG@10 of MaxSim, of keywords, and of every way of fusing the pools of a search.
 *
 * @param searched rankings of the search itself
 * @param others keywords of another kind, fused at a quarter of the weight
 */
export async function compareWays(
  store: EmbeddedStore,
  queries: readonly JudgedQuery[],
  qrels: Qrels,
  searched: Readonly<Record<string, readonly (readonly Scored[])[]>>,
  others: Readonly<Record<string, OtherTerms>> = {},
): Promise<{ maxSim: number; ways: WayResult[] }> {
  const pools: Pool[] = []
  const kept: Keywords = ({ text }, count, also) => store.keywords!({ text, count, also })
  for (const query of queries) pools.push(await poolOf(store, query, kept))
  const judge = (rankings: readonly (readonly Scored[])[]): { mean: number; perQuery: number[] } => {
    const run = new Map(queries.map(({ id }, i) => [id, rankings[i]!.slice(0, TOP)]))
    // In Cranfield, ids of queries and documents are numbers that mean different things.
    const options = { metrics: ['ndcg@10'], withoutRelevant: 'skip', ignoreIdenticalIds: false } as const
    const { metrics, perQuery } = evaluateRun(qrels, run, options)
    return { mean: metrics['ndcg@10']!, perQuery: queries.map(({ id }) => perQuery.get(id)!['ndcg@10']!) }
  }
  const alone = judge(pools.map(({ maxSim }) => maxSim))
  const rankings: Record<string, readonly (readonly Scored[])[]> = {
    'BM25 alone': pools.map(({ keywords }) => keywords.filter(({ score }) => score > 0)),
  }
  for (const [name, weightOf] of Object.entries(WAYS))
    rankings[name] = pools.map((pool) =>
      standardScoreFusion([pool.maxSim, pool.keywords], { weights: [1, weightOf(pool)] }),
    )
  for (const [name, terms] of Object.entries(others)) {
    const keywords = keywordsOf(terms, queries)
    const fused: Scored[][] = []
    for (const query of queries) {
      const pool = await poolOf(store, query, keywords)
      fused.push(standardScoreFusion([pool.maxSim, pool.keywords], { weights: [1, 0.25] }))
    }
    rankings[name] = fused
  }
  const ways = Object.entries({ ...rankings, ...searched }).map(([name, each]) => {
    const judged = judge(each)
    return { name, ndcg: judged.mean, difference: meanDifference(judged.perQuery, alone.perQuery) }
  })
  return { maxSim: alone.mean, ways }
}

/** The best by words, and others whatever their score. */
type Keywords = (query: JudgedQuery, count: number, also: readonly string[]) => Promise<readonly Scored[]>

/** Something else that words are made of: its texts, of the documents by id and of the queries in their order. */
export interface OtherTerms {
  readonly documents: ReadonlyMap<string, string>
  readonly queries: readonly string[]
}

function keywordsOf({ documents, queries: texts }: OtherTerms, queries: readonly JudgedQuery[]): Keywords {
  const [ids, index] = [[...documents.keys()], new InvertedIndex()]
  const stem = (word: string): string => word
  for (const text of documents.values()) index.append(termList(text, stem), 1)
  const all = { has: () => true }
  const scope = { total: ids.length, living: all, size: ids.length, allowed: all }
  const ordinalOf = new Map(ids.map((id, i) => [id, i]))
  const textOf = new Map(queries.map((query, i) => [query, texts[i]!]))
  return async (query, count, also) => {
    const { words } = parseKeywordQuery(textOf.get(query)!, stem)
    const best = index.search(words, count, scope)
    const found = Array.from(best.ordinals, (ordinal, i) => ({ id: ids[ordinal]!, score: best.scores[i]! }))
    const given = index.contributions(
      words,
      also.map((id) => ordinalOf.get(id)!),
      scope,
    )
    return [...found, ...also.map((id, i) => ({ id, score: given[i]!.reduce((sum, part) => sum + part, 0) }))]
  }
}

async function poolOf(store: EmbeddedStore, query: JudgedQuery, keywords: Keywords): Promise<Pool> {
  const { embeddings } = query
  const { ids: found } = await store.candidates({ embeddings })
  const matches = await keywords(query, CANDIDATES, [])
  const ids = [...new Set([...found, ...matches.map(({ id }) => id)])]
  const { scores } = await exactScores(store, store.spec.codec, embeddings, ids)
  const all = sorted(ids.map((id, i) => ({ id, score: scores[i]! })))
  const united = new Set([...all.slice(0, CANDIDATES), ...matches].map(({ id }) => id))
  const words = await keywords(query, 0, [...united])
  return { maxSim: all.filter(({ id }) => united.has(id)), keywords: sorted(words) }
}

function sorted(list: readonly Scored[]): Scored[] {
  return [...list].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
}

/** Share of one top 10 that is in the other. */
function overlap(one: readonly Scored[], other: readonly Scored[]): number {
  const best = new Set(one.slice(0, TOP).map(({ id }) => id))
  return other.slice(0, TOP).filter(({ id }) => best.has(id)).length / TOP
}

/** Pearson's, of the two scores. */
function correlation(one: readonly Scored[], other: readonly Scored[]): number {
  const scoreOf = new Map(other.map(({ id, score }) => [id, score]))
  const [x, y] = [one.map(({ score }) => score), one.map(({ id }) => scoreOf.get(id) ?? 0)]
  const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length
  const [meanX, meanY] = [mean(x), mean(y)]
  const product = mean(x.map((value, i) => (value - meanX) * (y[i]! - meanY)))
  const deviations = Math.sqrt(
    mean(x.map((value) => (value - meanX) ** 2)) * mean(y.map((value) => (value - meanY) ** 2)),
  )
  return deviations > 0 ? product / deviations : 0
}
