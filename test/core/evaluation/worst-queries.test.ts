import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { evaluateRetrieval, readBeir, worstQueries } from '../../../packages/core/src/evaluation/index.js'
import type { TestCollection, RetrievalEvaluation } from '../../../packages/core/src/evaluation/index.js'
import { wordEncoder } from './word-encoder.js'

const mini = fileURLToPath(new URL('../../fixtures/beir-mini', import.meta.url))

/** q2 is answered well, q3 late, q1 and q4 never. */
const ANSWERS: Record<string, string[]> = {
  q1: ['espresso', 'filter'],
  q2: ['owl', 'swift'],
  q3: ['swift', 'tern', 'espresso'],
  q4: [],
}

let collection: TestCollection
let evaluation: RetrievalEvaluation

beforeAll(async () => {
  collection = await readBeir(mini)
  evaluation = await evaluateRetrieval({
    collection,
    model: wordEncoder(),
    metrics: ['mrr@10', 'recall@1'],
    methods: [
      {
        name: 'mixed',
        search: ({ id }) => ({ documents: ANSWERS[id]!.map((document, i) => ({ id: document, score: -i })) }),
      },
      { name: 'owl', search: () => ({ documents: [{ id: 'owl', score: 1 }] }) },
    ],
  })
})

describe('worstQueries', () => {
  it('puts the worst first and says what was returned instead', () => {
    const worst = worstQueries(collection, evaluation)
    expect(worst.map(({ id }) => id)).toEqual(['q1', 'q4', 'q3', 'q2'])
    expect(worst[0]).toMatchObject({ text: 'birds that cannot fly', relevant: 3, values: { mixed: 0, owl: 0 } })
    expect(worst[0]).not.toHaveProperty('firstRelevantRank')
    expect(worst[0]!.top).toEqual([
      { id: 'espresso', title: 'Espresso', grade: 0 },
      { id: 'filter', title: 'Filter coffee', grade: 0 },
    ])
    expect(worst[2]).toMatchObject({ firstRelevantRank: 3, values: { mixed: 0.3333, owl: 0 } })
    expect(worst[2]!.top.at(-1)!.grade).toBeGreaterThan(0)
    expect(worst[3]).toMatchObject({ firstRelevantRank: 1, values: { mixed: 1, owl: 1 } })
  })

  it('looks at the method and metric asked for, and no further than the limit', () => {
    const worst = worstQueries(collection, evaluation, { method: 'owl', metric: 'recall@1', limit: 2, top: 1 })
    expect(worst.map(({ id }) => id)).toEqual(['q1', 'q3'])
    expect(worst[0]!.top).toEqual([{ id: 'owl', title: 'Owl', grade: 0 }])
  })

  it('names what was evaluated when asked for something else', () => {
    expect(() => worstQueries(collection, evaluation, { method: 'eagle' })).toThrow(/"eagle".*mixed, owl/)
    expect(() => worstQueries(collection, evaluation, { metric: 'ndcg@10' })).toThrow(/"ndcg@10".*mrr@10, recall@1/)
  })
})
