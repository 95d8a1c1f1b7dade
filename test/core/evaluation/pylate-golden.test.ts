// The evaluators' recorded numbers, from texts to metrics: encode, score as PyLate scores, evaluate.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'
import {
  distillationDivergence,
  pylateRetrievalMetrics,
  tripletAccuracy,
} from '../../../packages/core/src/evaluation/index.js'
import { maxSim } from '../../../packages/core/src/scoring/maxsim.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'

interface Golden {
  ir: {
    queries: Record<string, string>
    corpus: Record<string, string>
    relevant: Record<string, string[]>
    ks: { ndcg: number[]; map: number[]; mrr: number[] }
    metrics: Record<string, number>
    primary_metric: string
  }
  triplet: { anchors: string[]; positives: string[]; negatives: string[]; metrics: { accuracy: number } }
  distillation: {
    queries: string[]
    documents: string[][]
    scores: number[][]
    metrics: { kl_divergence: number }
    metrics_without_normalisation: { kl_divergence: number }
  }
}

/** PyLate pads documents with zero vectors: in a shorter one no query token contributes less than 0. Serotine does not. */
function paddedMaxSim(query: TokenEmbeddings, document: TokenEmbeddings, longest: number): number {
  const padded = new Float32Array(longest * document.dim)
  padded.set(document.data)
  return maxSim(query, { data: padded, length: longest, dim: document.dim })
}

describe.each(['bert-tiny', 'modernbert-tiny'])('%s', (name) => {
  const folder = fileURLToPath(new URL(`../../golden/pylate/${name}`, import.meta.url))
  const { ir, triplet, distillation } = (
    JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as { evaluation: Golden }
  ).evaluation
  let model: ColBERT
  beforeAll(async () => {
    model = await ColBERT.load(`${folder}/model`)
  })
  afterAll(() => model.close())

  it('information retrieval', async () => {
    const [queries, documents] = [Object.entries(ir.queries), Object.entries(ir.corpus)]
    const queryEmbeddings = await model.encodeQueries(queries.map(([, text]) => text))
    const documentEmbeddings = await model.encodeDocuments(documents.map(([, text]) => text))
    const longest = Math.max(...documentEmbeddings.map(({ length }) => length))
    const score = (i: number, j: number) => paddedMaxSim(queryEmbeddings[i]!, documentEmbeddings[j]!, longest)
    const run = new Map(
      queries.map(([query], i) => [
        query,
        documents.map(([id], j) => ({ id, score: score(i, j) })).sort((a, b) => b.score - a.score),
      ]),
    )
    const qrels = new Map(Object.entries(ir.relevant).map(([query, ids]) => [query, new Map(ids.map((id) => [id, 1]))]))
    const metrics = pylateRetrievalMetrics(qrels, run, {
      name: 'tiny',
      ndcgAt: ir.ks.ndcg,
      mapAt: ir.ks.map,
      mrrAt: ir.ks.mrr,
    })
    expect(Object.keys(metrics).toSorted()).toEqual(Object.keys(ir.metrics).toSorted())
    for (const [key, value] of Object.entries(ir.metrics)) expect.soft(metrics[key], key).toBeCloseTo(value, 6)
    expect(metrics).toHaveProperty([ir.primary_metric])
  })

  it('triplets', async () => {
    const anchors = await model.encodeQueries(triplet.anchors)
    const scores = async (texts: string[]) =>
      (await model.encodeDocuments(texts)).map((document, i) => maxSim(anchors[i]!, document))
    expect(tripletAccuracy(await scores(triplet.positives), await scores(triplet.negatives))).toBe(
      triplet.metrics.accuracy,
    )
  })

  it('distillation', async () => {
    const queries = await model.encodeQueries(distillation.queries)
    const documents = await Promise.all(distillation.documents.map((texts) => model.encodeDocuments(texts)))
    const longest = Math.max(...documents.flat().map(({ length }) => length))
    const scores = documents.map((list, i) => list.map((document) => paddedMaxSim(queries[i]!, document, longest)))
    expect(distillationDivergence(scores, distillation.scores)).toBeCloseTo(distillation.metrics.kl_divergence, 5)
    expect(distillationDivergence(scores, distillation.scores, { normalizeScores: false })).toBeCloseTo(
      distillation.metrics_without_normalisation.kl_divergence,
      4,
    )
  })
})
