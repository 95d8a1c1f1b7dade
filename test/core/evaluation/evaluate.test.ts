import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { evaluateRetrieval, indexMethod, readBeir, shareOfTop } from '../../../packages/core/src/evaluation/index.js'
import type { RetrievalMethod } from '../../../packages/core/src/evaluation/index.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { wordEncoder } from './word-encoder.js'

const mini = fileURLToPath(new URL('../../fixtures/beir-mini', import.meta.url))

const ranking = (name: string, ids: string[], extra: Partial<RetrievalMethod> = {}): RetrievalMethod => ({
  name,
  search: () => ({ documents: ids.map((id, i) => ({ id, score: -i })) }),
  ...extra,
})

describe('evaluateRetrieval', () => {
  it('runs the queries that have a relevant document, through every method', async () => {
    const collection = await readBeir(mini)
    const asked: string[] = []
    const method = ranking('birds', ['owl', 'kiwi', 'penguin'])
    const { queries, methods } = await evaluateRetrieval({
      collection,
      model: wordEncoder(),
      methods: [{ ...method, search: (query, k) => (asked.push(query.text), method.search(query, k)) }],
      metrics: ['mrr@10', 'recall@100'],
    })
    expect(queries).toBe(4)
    expect(asked).toEqual(collection.queries.map(({ text }) => text))
    expect(methods[0]!.metrics['mrr@10']).toBeCloseTo((1 / 2 + 1) / 4)
    expect(methods[0]!.perQuery.get('q1')).toEqual({ 'mrr@10': 1 / 2, 'recall@100': 2 / 3 })
    expect(methods[0]!.searchMs).toHaveLength(4)
    expect(methods[0]!.cpuMs).toBeGreaterThan(0)
    expect(methods[0]!.exactTop10).toBeUndefined()
  })

  it('does not run queries without a relevant document', async () => {
    const collection = await readBeir(mini, { split: 'dev' })
    const { queries, methods } = await evaluateRetrieval({
      collection,
      model: wordEncoder(),
      methods: [ranking('a', ['tern'])],
    })
    expect(queries).toBe(1)
    expect([...methods[0]!.run.keys()]).toEqual(['q5'])
  })

  it('compares the methods with the exact one, wherever it stands in the list', async () => {
    const collection = await readBeir(mini)
    const methods = [ranking('two of four', ['a', 'x', 'c']), ranking('exact', ['a', 'b', 'c', 'd'], { exact: true })]
    const result = await evaluateRetrieval({ collection, model: wordEncoder(), methods })
    expect(result.methods.map(({ exactTop10 }) => exactTop10)).toEqual([0.5, 1])
    await expect(
      evaluateRetrieval({ collection, model: wordEncoder(), methods: [methods[1]!, methods[1]!] }),
    ).rejects.toThrow(/exact, exact/)
  })

  it('asks for one document more than it keeps when the one with the query id may have to be left out', async () => {
    const collection = { queries: [{ id: 'a', text: 'x' }], qrels: new Map([['a', new Map([['b', 1]])]]) }
    const depths: number[] = []
    const method: RetrievalMethod = {
      name: 's',
      search: (_, k) => (
        depths.push(k),
        { documents: ['a', 'c', 'b', 'd'].slice(0, k).map((id, i) => ({ id, score: -i })) }
      ),
    }
    const evaluate = (options: object) =>
      evaluateRetrieval({ collection, model: wordEncoder(), methods: [method], depth: 2, metrics: ['mrr'], ...options })
    const ignored = { ignoreIdenticalIds: true }
    expect((await evaluate(ignored)).methods[0]!.metrics.mrr).toBe(1 / 2)
    expect((await evaluate({})).methods[0]!.metrics.mrr).toBe(0)
    expect((await evaluate({ ...ignored, exclude: new Map([['a', new Set(['c'])]]) })).methods[0]!.metrics.mrr).toBe(1)
    await evaluate({ ...ignored, collection: { ...collection, documents: [{ id: 'b', text: '', metadata: {} }] } })
    expect(depths).toEqual([3, 2, 4, 2])
    // What the collection says holds, unless the caller says otherwise.
    const known = { ...collection, ignoreIdenticalIds: true }
    expect(await evaluate({ collection: known })).toMatchObject({
      ignoreIdenticalIds: true,
      methods: [{ metrics: { mrr: 0.5 } }],
    })
    expect(await evaluate({ collection: known, ignoreIdenticalIds: false })).toMatchObject({
      ignoreIdenticalIds: false,
      methods: [{ metrics: { mrr: 0 } }],
    })
  })

  it('keeps a relevant document that happens to have the query’s number', async () => {
    const collection = {
      queries: [{ id: '1', text: 'x' }],
      documents: [{ id: '1', text: 'x', metadata: {} }],
      qrels: new Map([['1', new Map([['1', 1]])]]),
    }
    const { methods } = await evaluateRetrieval({ collection, model: wordEncoder(), methods: [ranking('s', ['1'])] })
    expect(methods[0]!.metrics['ndcg@10']).toBe(1)
  })

  it('refuses collections of which every number would be zero', async () => {
    const queries = [{ id: '1', text: 'x' }]
    const documents = [{ id: 'a', text: 'x', metadata: {} }]
    const evaluate = (collection: object) =>
      evaluateRetrieval({ collection: collection as never, model: wordEncoder(), methods: [ranking('s', ['a'])] })
    const judged = (id: string, document: string, grade: number) => new Map([[id, new Map([[document, grade]])]])
    await expect(evaluate({ queries, documents, qrels: judged('1', 'a', 0) })).rejects.toThrow(/no grade is above 0/)
    await expect(evaluate({ queries, documents, qrels: judged('1', 'b', 1) })).rejects.toThrow(/"b" relevant, but/)
    await expect(evaluate({ queries, qrels: judged('2', 'a', 1) })).rejects.toThrow(/None of the 1 queries/)
    await expect(evaluate({ queries, qrels: new Map() })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('collects the parts a method reports and tells progress', async () => {
    const collection = await readBeir(mini)
    const done: number[] = []
    const { methods } = await evaluateRetrieval({
      collection,
      model: wordEncoder(),
      methods: [{ name: 's', search: () => ({ documents: [], ms: { fetch: 2 } }) }, ranking('t', ['a'])],
      onProgress: (progress) => done.push(progress.done / progress.total!),
    })
    expect(methods.map(({ partsMs }) => partsMs)).toEqual([{ fetch: [2, 2, 2, 2] }, {}])
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => i / 8))
  })

  it('stops when aborted', async () => {
    const collection = await readBeir(mini)
    const controller = new AbortController()
    const method: RetrievalMethod = { name: 's', search: () => (controller.abort(), { documents: [] }) }
    await expect(
      evaluateRetrieval({ collection, model: wordEncoder(), methods: [method], signal: controller.signal }),
    ).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('indexMethod', () => {
  it('searches an index exactly, by FDE with exact MaxSim, and by FDE alone', async () => {
    const collection = await readBeir(mini)
    const model = wordEncoder()
    const index = await MultiVectorIndex.open(undefined, { model, fde: { partitioning: 'hyperplanes' } })
    // Enough other texts that the FDEs are made (they need some thousand tokens to learn the means).
    const fillers = Array.from({ length: 600 }, (_, i) => ({
      id: `filler-${i}`,
      text: `vessel ${i} carries grain number ${i} over sea`,
    }))
    await index.upsert([...collection.documents, ...fillers])
    await index.prepare()
    const { methods } = await evaluateRetrieval({
      collection,
      model,
      methods: [
        indexMethod('exact', index, { firstStage: 'exact' }),
        indexMethod('reranked', index, { firstStage: 'fde', candidates: 50 }),
        indexMethod('alone', index, { firstStage: 'fde', rerank: false }),
      ],
      depth: 50,
    })
    const [exact, reranked, alone] = methods
    expect(exact!.metrics['ndcg@10']).toBeGreaterThan(0.7)
    expect(exact!.exactTop10).toBe(1)
    expect(reranked!.exactTop10).toBeLessThanOrEqual(1)
    expect(reranked!.exactTop10).toBe(alone!.exactTop10)
    expect(alone!.run.get('q1')).not.toEqual(reranked!.run.get('q1'))
    // Where both found a document, exact MaxSim gave it the same score.
    const scores = new Map(exact!.run.get('q1')!.map(({ id, score }) => [id, score]))
    const common = reranked!.run.get('q1')!.filter(({ id }) => scores.has(id))
    expect(common.length).toBeGreaterThan(5)
    for (const { id, score } of common) expect(score).toBe(scores.get(id))
    expect(Object.keys(reranked!.partsMs)).toEqual(['firstStage', 'fetch', 'rerank'])
    const few = indexMethod('few', index, { firstStage: 'fde', candidates: 5 })
    const { documents } = await few.search(
      { id: 'q1', text: '', embeddings: (await model.encodeQueries(['birds']))[0]! },
      50,
    )
    expect(documents).toHaveLength(5)
    await index.close()
  })

  it('searches by words, too, with the text of a query', async () => {
    const model = wordEncoder()
    const index = await MultiVectorIndex.open(undefined, { model })
    const texts = ['grain of ERR_77', 'grain of ERR_2041', 'vessel']
    await index.upsert(texts.map((text, i) => ({ id: `d${i}`, text })))
    const query = { id: 'q', text: 'ERR_2041', embeddings: (await model.encodeQueries(['ERR_2041']))[0]! }
    const plain = await indexMethod('plain', index).search(query, 3)
    const hybrid = await indexMethod('hybrid', index, { hybrid: true }).search(query, 3)
    const score = ({ documents }: typeof plain) => documents.find(({ id }) => id === 'd1')!.score
    expect(score(hybrid)).toBeGreaterThan(score(plain))
    expect(Object.keys(plain.ms!)).toEqual(['firstStage', 'fetch', 'rerank'])
    expect(Object.keys(hybrid.ms!)).toEqual(['encode', 'keywords', 'firstStage', 'fetch', 'rerank'])
    await index.close()
  })
})

it('shareOfTop looks at the top k of the first and all of the second', () => {
  const run = (ids: string[]) => new Map([['q', ids.map((id) => ({ id, score: 0 }))]])
  expect(shareOfTop(run(['a', 'b', 'c']), run(['x', 'b', 'y', 'a']), 2)).toBe(1)
  expect(shareOfTop(run(['a', 'b', 'c']), run(['x', 'b', 'y', 'a']), 3)).toBeCloseTo(2 / 3)
  expect(shareOfTop(run(['a']), new Map(), 3)).toBe(0)
})
