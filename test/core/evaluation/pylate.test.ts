import { describe, expect, it } from 'vitest'
import {
  distillationDivergence,
  pylateRetrievalMetrics,
  tripletAccuracy,
} from '../../../packages/core/src/evaluation/index.js'

describe('pylateRetrievalMetrics', () => {
  const qrels = new Map([
    [
      'q1',
      new Map([
        ['a', 3],
        ['b', 1],
      ]),
    ],
    ['q2', new Map([['a', 0]])],
  ])
  const run = new Map([
    [
      'q1',
      [
        { id: 'x', score: 3 },
        { id: 'a', score: 2 },
        { id: 'b', score: 1 },
      ],
    ],
  ])

  it('is binary, leaves out queries without a relevant document and names keys as PyLate', () => {
    const metrics = pylateRetrievalMetrics(qrels, run, { name: 'mini', mapAt: [1, 2, 100] })
    expect(metrics).toMatchObject({
      'mini_MaxSim_accuracy@1': 0,
      'mini_MaxSim_accuracy@3': 1,
      'mini_MaxSim_precision@10': 0.2,
      'mini_MaxSim_recall@3': 1,
      'mini_MaxSim_mrr@10': 0.5,
    })
    expect(metrics['mini_MaxSim_ndcg@10']).toBeCloseTo((1 / Math.log2(3) + 1 / 2) / (1 + 1 / Math.log2(3)), 12)
  })

  it('divides MAP@k by min(k, relevant)', () => {
    const metrics = pylateRetrievalMetrics(qrels, run, { mapAt: [1, 2, 100] })
    expect(metrics['MaxSim_map@1']).toBe(0)
    expect(metrics['MaxSim_map@2']).toBeCloseTo(1 / 2 / 2, 12)
    expect(metrics['MaxSim_map@100']).toBeCloseTo((1 / 2 + 2 / 3) / 2, 12)
  })
})

it('tripletAccuracy counts strictly higher positives', () => {
  expect(tripletAccuracy([1, 2, 3, 4], [0, 2, 1, 5])).toBe(0.5)
  expect(() => tripletAccuracy([1], [1, 2])).toThrow(/1 positive scores do not pair with 2 negative/)
})

describe('distillationDivergence', () => {
  it('is 0 for equal distributions and KL otherwise', () => {
    expect(distillationDivergence([[0, 1]], [[5, 6]], { normalizeScores: false })).toBeCloseTo(0, 12)
    const [p, q] = [Math.exp(1) / (1 + Math.exp(1)), 0.5]
    const expected = p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / q)
    expect(distillationDivergence([[2, 2]], [[1, 0]], { normalizeScores: false })).toBeCloseTo(expected, 12)
  })

  it('normalises the student per query by default', () => {
    expect(distillationDivergence([[30, 20, 10]], [[1, 0.5, 0]])).toBeCloseTo(0, 8)
    expect(() => distillationDivergence([[1, 2]], [[1, 2, 3]])).toThrow(/query 0/)
  })
})

it('distillationDivergence takes 200,000 scores a query', () => {
  const scores = Float64Array.from({ length: 200_000 }, (_, i) => i / 200_000)
  expect(distillationDivergence([scores], [scores], { normalizeScores: false })).toBe(0)
})
