import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { evaluateRetrieval, readBeir, shareOfTop } from '../../../packages/core/src/evaluation/index.js'
import type { RetrievalStage } from '../../../packages/core/src/evaluation/index.js'
import { wordEncoder } from './word-encoder.js'

const mini = fileURLToPath(new URL('../../fixtures/beir-mini', import.meta.url))

const ranking = (name: string, ids: string[], extra: Partial<RetrievalStage> = {}): RetrievalStage => ({
  name,
  search: () => ({ documents: ids.map((id, i) => ({ id, score: -i })) }),
  ...extra,
})

describe('evaluateRetrieval', () => {
  it('runs the queries that have a relevant document, through every stage', async () => {
    const dataset = await readBeir(mini)
    const asked: string[] = []
    const stage = ranking('birds', ['owl', 'kiwi', 'penguin'])
    const { queries, stages } = await evaluateRetrieval({
      dataset,
      model: wordEncoder(),
      stages: [{ ...stage, search: (query, k) => (asked.push(query.text), stage.search(query, k)) }],
      metrics: ['mrr@10', 'recall@100'],
    })
    expect(queries).toBe(4)
    expect(asked).toEqual(dataset.queries.map(({ text }) => text))
    expect(stages[0]!.metrics['mrr@10']).toBeCloseTo((1 / 2 + 1) / 4)
    expect(stages[0]!.perQuery.get('q1')).toEqual({ 'mrr@10': 1 / 2, 'recall@100': 2 / 3 })
    expect(stages[0]!.searchMs).toHaveLength(4)
    expect(stages[0]!.exactTop10).toBeUndefined()
  })

  it('does not run queries without a relevant document', async () => {
    const dataset = await readBeir(mini, { split: 'dev' })
    const { queries, stages } = await evaluateRetrieval({ dataset, model: wordEncoder(), stages: [ranking('a', ['tern'])] })
    expect(queries).toBe(1)
    expect([...stages[0]!.run.keys()]).toEqual(['q5'])
  })

  it('compares the stages with the exact one, wherever it stands in the list', async () => {
    const dataset = await readBeir(mini)
    const stages = [ranking('two of four', ['a', 'x', 'c']), ranking('exact', ['a', 'b', 'c', 'd'], { exact: true })]
    const result = await evaluateRetrieval({ dataset, model: wordEncoder(), stages })
    expect(result.stages.map(({ exactTop10 }) => exactTop10)).toEqual([0.5, 1])
    await expect(evaluateRetrieval({ dataset, model: wordEncoder(), stages: [stages[1]!, stages[1]!] })).rejects.toThrow(/exact, exact/)
  })

  it('asks for one document more than it keeps, since the one with the query id is left out', async () => {
    const dataset = { queries: [{ id: 'a', text: 'x' }], qrels: new Map([['a', new Map([['b', 1]])]]) }
    const depths: number[] = []
    const stage: RetrievalStage = {
      name: 's',
      search: (_, k) => (depths.push(k), { documents: ['a', 'c', 'b', 'd'].slice(0, k).map((id, i) => ({ id, score: -i })) }),
    }
    const evaluate = (options: object) =>
      evaluateRetrieval({ dataset, model: wordEncoder(), stages: [stage], depth: 2, metrics: ['mrr'], ...options })
    expect((await evaluate({})).stages[0]!.metrics.mrr).toBe(1 / 2)
    expect((await evaluate({ excludeSameId: false })).stages[0]!.metrics.mrr).toBe(0)
    expect((await evaluate({ exclude: new Map([['a', new Set(['c'])]]) })).stages[0]!.metrics.mrr).toBe(1)
    expect(depths).toEqual([3, 2, 4])
  })

  it('collects the parts a stage reports and tells progress', async () => {
    const dataset = await readBeir(mini)
    const done: number[] = []
    const { stages } = await evaluateRetrieval({
      dataset,
      model: wordEncoder(),
      stages: [{ name: 's', search: () => ({ documents: [], ms: { fetch: 2 } }) }, ranking('t', ['a'])],
      onProgress: (progress) => done.push(progress.done / progress.total!),
    })
    expect(stages.map(({ partsMs }) => partsMs)).toEqual([{ fetch: [2, 2, 2, 2] }, {}])
    expect(done).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => i / 8))
  })

  it('stops when aborted', async () => {
    const dataset = await readBeir(mini)
    const controller = new AbortController()
    const stage: RetrievalStage = { name: 's', search: () => (controller.abort(), { documents: [] }) }
    await expect(
      evaluateRetrieval({ dataset, model: wordEncoder(), stages: [stage], signal: controller.signal }),
    ).rejects.toMatchObject({ name: 'AbortError' })
  })
})

it('shareOfTop looks at the top k of the first and all of the second', () => {
  const run = (ids: string[]) => new Map([['q', ids.map((id) => ({ id, score: 0 }))]])
  expect(shareOfTop(run(['a', 'b', 'c']), run(['x', 'b', 'y', 'a']), 2)).toBe(1)
  expect(shareOfTop(run(['a', 'b', 'c']), run(['x', 'b', 'y', 'a']), 3)).toBeCloseTo(2 / 3)
  expect(shareOfTop(run(['a']), new Map(), 3)).toBe(0)
})
