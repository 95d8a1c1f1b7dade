import { evaluateRun } from '../../packages/core/src/evaluation/metrics.js'
import type { Qrels } from '../../packages/core/src/evaluation/run.js'
import { topK } from '../../packages/core/src/math/top-k.js'
import type { Scored } from '../../packages/core/src/scoring/fuse.js'
import { tokenStages } from './all-stages.js'
import type { EncodedCollection } from './encoded.js'
import { FUSIONS, hybridLists, meanDifference } from './hybrid.js'
import type { KeywordStage } from './keyword-stage.js'
import { timed } from './stage.js'
import type { Stage, StageQuery } from './stage.js'
import { collectionMeans } from './text-vectors.js'
import { TokenStore } from './token-store.js'

export interface ComparedCollection {
  /** Ids in the order of the encoded documents. */
  readonly documents: readonly string[]
  /** In the order of the encoded queries; each has a relevant document. */
  readonly queries: readonly { readonly id: string; readonly text: string }[]
  readonly qrels: Qrels
}

/** What a number of candidates keeps of exact MaxSim. */
export interface Kept {
  /** Share of the exact top 10 among the candidates, mean over queries. */
  readonly exactTop10: number
  /** nDCG@10 after exact MaxSim of the candidates. */
  readonly ndcg: number
}

export interface StageResult {
  readonly name: string
  readonly group: string
  readonly bytesPerDocument: number
  readonly fixedBytes?: number
  readonly buildSeconds: number
  /** Processor time of finding candidates, a query; encoding the query and exact MaxSim of the candidates come on top. */
  readonly cpuMs: number
  readonly candidates: Readonly<Record<string, Kept>>
}

export interface HybridResult {
  readonly name: string
  readonly ndcg: number
  /** Against MaxSim alone. */
  readonly difference: { readonly mean: number; readonly error: number }
}

export interface Comparison {
  readonly tokens: number
  /** |mean token| ÷ mean |token|. */
  readonly meanNorm: number
  readonly exact: { readonly ndcg: number; readonly cpuMs: number; readonly bytesPerDocument: number }
  /** Exact MaxSim of 100 documents in memory, processor time per query. */
  readonly rerank100Ms: number
  readonly stages: readonly StageResult[]
  readonly hybrid: readonly HybridResult[]
}

const TOP = 10
const HYBRID_CANDIDATES = 100
/** Queries run once unmeasured, so that what is measured is compiled code. */
const WARM_UP = 5

/**
 * Runs every stage over a collection, and exact MaxSim of the candidates. BEIR's removal of documents with the query's id is off:
 * in Cranfield, ids of queries and documents are numbers that mean different things.
 *
 * @param keywords BM25 over the same documents
 */
export async function compareStages(
  collection: ComparedCollection,
  encoded: EncodedCollection,
  keywords: KeywordStage,
  options: {
    readonly candidates: readonly number[]
    readonly only?: RegExp
    readonly onStage?: (result: StageResult) => void
  },
): Promise<Comparison> {
  const store = new TokenStore(encoded.documents)
  const queries = collection.queries.map(({ text }, i) => ({ text, embeddings: encoded.queries[i]! }))
  const judge = judgeOf(collection)
  const exact = await exactScores(store, queries)
  const everything = exact.scores.map((scores) => topK(scores, scores.length))
  const top = everything.map((ranking) => ranking.slice(0, TOP))
  const rankings = exact.scores.map((scores, i) => scoredOf(collection, everything[i]!, scores))
  const exactNdcg = judge(rankings)
  const results: StageResult[] = []
  const run = async (stage: Stage): Promise<void> => {
    if (options.only && !options.only.test(stage.name)) return
    const built = await stage.build()
    const { found, cpuMs } = await rankAll(stage, queries, Math.max(...options.candidates))
    const kept = options.candidates.map((count) => {
      const candidates = found.map((ranking) => new Set(ranking.slice(0, count)))
      const reranked = exact.scores.map((scores, i) =>
        scoredOf(
          collection,
          everything[i]!.filter((document) => candidates[i]!.has(document)),
          scores,
        ),
      )
      return [String(count), { exactTop10: shareOf(top, candidates), ndcg: judge(reranked).mean }] as const
    })
    const { seconds: buildSeconds, ...stats } = built
    const result = {
      name: stage.name,
      group: stage.group,
      ...stats,
      buildSeconds,
      cpuMs,
      candidates: Object.fromEntries(kept),
    }
    results.push(result)
    options.onStage?.(result)
  }
  for (const stage of tokenStages(store, encoded.queries)) await run(stage)
  await run(keywords)
  return {
    tokens: store.tokens,
    meanNorm: collectionMeans(store, []).meanNorm,
    exact: { ndcg: exactNdcg.mean, cpuMs: exact.cpuMs, bytesPerDocument: store.bytesPerDocument },
    rerank100Ms: await timeOfRerank(store, queries, everything),
    stages: results,
    hybrid: compareHybrid(keywords, queries, rankings, judge),
  }
}

type Judge = (rankings: readonly (readonly Scored[])[]) => { mean: number; perQuery: number[] }

function judgeOf({ queries, qrels }: ComparedCollection): Judge {
  return (rankings) => {
    const run = new Map(queries.map(({ id }, i) => [id, rankings[i]!.slice(0, 100)]))
    const { metrics, perQuery } = evaluateRun(qrels, run, {
      metrics: ['ndcg@10'],
      withoutRelevant: 'skip',
      ignoreIdenticalIds: false,
    })
    return { mean: metrics['ndcg@10']!, perQuery: queries.map(({ id }) => perQuery.get(id)!['ndcg@10']!) }
  }
}

async function exactScores(
  store: TokenStore,
  queries: readonly StageQuery[],
): Promise<{ scores: Float64Array[]; cpuMs: number }> {
  const { result, seconds } = await timed(() => queries.map(({ embeddings }) => store.scores(embeddings)))
  return { scores: result, cpuMs: (seconds * 1000) / queries.length }
}

async function rankAll(
  stage: Stage,
  queries: readonly StageQuery[],
  count: number,
): Promise<{ found: number[][]; cpuMs: number }> {
  for (const query of queries.slice(0, WARM_UP)) stage.rank(query, count)
  const { result, seconds } = await timed(() => queries.map((query) => stage.rank(query, count)))
  return { found: result.map((ranking) => Array.from(ranking)), cpuMs: (seconds * 1000) / queries.length }
}

async function timeOfRerank(
  store: TokenStore,
  queries: readonly StageQuery[],
  everything: readonly Int32Array[],
): Promise<number> {
  const { seconds } = await timed(() => {
    for (const [i, { embeddings }] of queries.entries()) {
      store.load(embeddings)
      for (const document of everything[i]!.subarray(0, 100)) store.maxSim(document)
    }
  })
  return (seconds * 1000) / queries.length
}

function scoredOf({ documents }: ComparedCollection, ranking: Int32Array, scores: Float64Array): Scored[] {
  return Array.from(ranking, (document) => ({ id: documents[document]!, score: scores[document]! }))
}

function shareOf(top: readonly Int32Array[], candidates: readonly ReadonlySet<number>[]): number {
  const shares = top.map((best, i) => best.filter((document) => candidates[i]!.has(document)).length / best.length)
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}

function compareHybrid(
  keywords: KeywordStage,
  queries: readonly StageQuery[],
  rankings: readonly (readonly Scored[])[],
  judge: Judge,
): HybridResult[] {
  const byKeywords = queries.map(({ text }) => keywords.search(text, HYBRID_CANDIDATES))
  const alone = judge(rankings)
  const lists = rankings.map((ranking, i) => hybridLists(byKeywords[i]!, ranking, HYBRID_CANDIDATES))
  const ways: [string, Scored[][]][] = [
    ['BM25 alone', byKeywords],
    ...Object.entries(FUSIONS).map(([name, fuse]) => [name, lists.map((pair) => fuse(pair))] as [string, Scored[][]]),
  ]
  return ways.map(([name, runs]) => {
    const { mean, perQuery } = judge(runs)
    return { name, ndcg: mean, difference: meanDifference(perQuery, alone.perQuery) }
  })
}
