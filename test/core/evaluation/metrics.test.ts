import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { evaluateRun } from '../../../packages/core/src/evaluation/index.js'
import type { Qrels, Run } from '../../../packages/core/src/evaluation/index.js'
import { compareBytes } from '../../../packages/core/src/evaluation/run.js'

type Grades = Record<string, Record<string, number>>

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../golden/${path}`, import.meta.url), 'utf8'))
const toQrels = (grades: Grades): Qrels =>
  new Map(Object.entries(grades).map(([query, docs]) => [query, new Map(Object.entries(docs))]))
const toRun = (scores: Grades): Run =>
  new Map(
    Object.entries(scores).map(([query, docs]) => [query, Object.entries(docs).map(([id, score]) => ({ id, score }))]),
  )

describe('ranx (as PyLate calls it)', () => {
  interface Case {
    qrels: Grades
    queries: string[]
    scores: { id: string; score: number }[][]
    metrics: Record<string, number>
    default_metrics: Record<string, number>
  }
  const { cases } = read('pylate/functions/ranx.json') as { cases: Record<string, Case> }

  it.each(Object.entries(cases))('%s', (_, { qrels, queries, scores, metrics, default_metrics }) => {
    const run = new Map(queries.map((query, i) => [query, scores[i]!]))
    const recorded = { ...metrics, ...default_metrics }
    // ranx says hit_rate where PyLate's evaluator and we say accuracy.
    const names = Object.fromEntries(Object.keys(recorded).map((name) => [name, name.replace('hit_rate', 'accuracy')]))
    const ours = evaluateRun(toQrels(qrels), run, { metrics: [...new Set(Object.values(names))] }).metrics
    expect(Object.keys(recorded).length).toBeGreaterThanOrEqual(20)
    for (const [name, value] of Object.entries(recorded)) expect.soft(ours[names[name]!], name).toBeCloseTo(value, 9)
  })
})

describe('trec_eval', () => {
  interface Case {
    qrels: Grades
    run: Grades
    perQuery: Record<string, Record<string, number>>
  }
  const { cases } = read('evaluation/trec-eval.json') as { cases: Record<string, Case> }
  const ours = (name: string) =>
    ({ map: 'map', ndcg: 'ndcg', recip_rank: 'mrr', Rprec: 'r-precision' })[name] ??
    name
      .replace('_cut_', '@')
      .replace('P_', 'precision@')
      .replace('recall_', 'recall@')
      .replace('success_', 'accuracy@')

  it.each(Object.entries(cases))('%s: every query', (_, { qrels, run, perQuery }) => {
    const names = Object.keys(Object.values(perQuery)[0]!)
    expect(names.length).toBeGreaterThan(10)
    const result = evaluateRun(toQrels(qrels), toRun(run), { metrics: names.map(ours) })
    for (const [query, recorded] of Object.entries(perQuery)) {
      for (const name of names)
        expect.soft(result.perQuery.get(query)![ours(name)], `${query} ${name}`).toBeCloseTo(recorded[name]!, 9)
    }
  })

  it('the order a run happens to be in does not matter', () => {
    const { qrels, run } = cases.ties!
    const reversed = new Map([...toRun(run)].map(([query, documents]) => [query, documents.toReversed()]))
    expect(evaluateRun(toQrels(qrels), reversed).metrics).toEqual(evaluateRun(toQrels(qrels), toRun(run)).metrics)
  })
})

describe('evaluateRun', () => {
  const qrels: Qrels = new Map([
    [
      'q1',
      new Map([
        ['a', 1],
        ['b', 1],
      ]),
    ],
    ['q2', new Map([['c', 0]])],
  ])
  const run: Run = new Map([
    [
      'q1',
      [
        { id: 'q1', score: 3 },
        { id: 'x', score: 2 },
        { id: 'a', score: 1 },
      ],
    ],
    ['q2', [{ id: 'c', score: 1 }]],
    ['q9', [{ id: 'a', score: 1 }]],
  ])
  const mrr = (options: object) => evaluateRun(qrels, run, { metrics: ['mrr'], ...options }).metrics.mrr

  it('leaves out the document with the query id, and documents named, only when asked', () => {
    expect(mrr({})).toBeCloseTo(1 / 3 / 2)
    expect(mrr({ ignoreIdenticalIds: true })).toBeCloseTo(1 / 2 / 2)
    expect(mrr({ exclude: new Map([['q1', new Set(['x', 'q1'])]]) })).toBeCloseTo(1 / 2)
  })

  it('an excluded document is not expected in the ideal ranking either', () => {
    const { metrics } = evaluateRun(qrels, run, {
      metrics: ['recall@10'],
      exclude: new Map([['q1', new Set(['b'])]]),
      withoutRelevant: 'skip',
    })
    expect(metrics['recall@10']).toBe(1)
  })

  it('counts a query without relevant documents as 0 or not at all', () => {
    expect(mrr({ withoutRelevant: 'skip' })).toBeCloseTo(1 / 3)
    expect(evaluateRun(qrels, run, { withoutRelevant: 'skip' }).perQuery.has('q2')).toBe(false)
  })

  it('names judged queries without results and unjudged queries', () => {
    const result = evaluateRun(
      qrels,
      new Map([
        ['q2', []],
        ['q9', []],
      ]),
    )
    expect(result).toMatchObject({ missing: ['q1'], unjudged: ['q9'] })
    expect(Object.values(result.metrics)).toEqual([0, 0, 0, 0])
  })

  it('is an error where there is nothing to average, not a table of zeros', () => {
    expect(() => evaluateRun(qrels, new Map([['q9', []]]))).toThrow(/None of the 1 queries.*"q9".*"q1"/)
    expect(() => evaluateRun(qrels, new Map())).toThrow(/holds no query/)
    expect(() => evaluateRun(new Map([['q2', new Map([['c', 0]])]]), run, { withoutRelevant: 'skip' })).toThrow(
      /nothing to average/,
    )
  })

  it('takes the list as the ranking when asked', () => {
    const tied: Run = new Map([
      [
        'q1',
        [
          { id: 'a', score: 1 },
          { id: 'x', score: 1 },
        ],
      ],
    ])
    expect(evaluateRun(qrels, tied, { metrics: ['mrr'], withoutRelevant: 'skip' }).metrics.mrr).toBe(0.5)
    expect(evaluateRun(qrels, tied, { metrics: ['mrr'], withoutRelevant: 'skip', ties: 'as-given' }).metrics.mrr).toBe(
      1,
    )
  })

  it('raises the bar for yes-or-no relevance, not for nDCG', () => {
    const graded: Qrels = new Map([
      [
        'q',
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
      ],
    ])
    const one: Run = new Map([
      [
        'q',
        [
          { id: 'a', score: 2 },
          { id: 'b', score: 1 },
        ],
      ],
    ])
    const { metrics } = evaluateRun(graded, one, { metrics: ['mrr', 'ndcg', 'recall@1'], relevantFrom: 2 })
    expect(metrics).toEqual({
      mrr: 0.5,
      ndcg: expect.closeTo((1 + 2 / Math.log2(3)) / (2 + 1 / Math.log2(3)), 9),
      'recall@1': 0,
    })
  })

  it('rejects what it cannot score, by name', () => {
    expect(() => evaluateRun(qrels, run, { metrics: ['ndgc@10'] })).toThrow(/No metric "ndgc@10".*ndcg/)
    expect(() => evaluateRun(qrels, run, { metrics: ['ndcg@0'] })).toThrow(/cutoff of "ndcg@0".*at least 1/)
    expect(() => evaluateRun(qrels, run, { metrics: ['ndcg@'] })).toThrow(/cutoff/)
    expect(() => evaluateRun(qrels, run, { metrics: ['toString'] })).toThrow(/No metric/)
    expect(() => evaluateRun(qrels, new Map([['q1', [{ id: 'a', score: Number.NaN }]]]))).toThrow(
      /query "q1".*document "a".*NaN/,
    )
    expect(() =>
      evaluateRun(
        qrels,
        new Map([
          [
            'q1',
            [
              { id: 'a', score: 1 },
              { id: 'a', score: 2 },
            ],
          ],
        ]),
      ),
    ).toThrow(/"a" twice/)
    expect(() => evaluateRun(qrels, run, { exlude: new Map() } as object)).toThrow(/"exclude"/)
    expect(() => evaluateRun(qrels, run, { excludeSameId: true } as object)).toThrow(/"ignoreIdenticalIds"/)
  })
})

it('compareBytes orders as UTF-8 does', () => {
  const ids = ['', 'a', 'ab', 'b', 'é', '文', '\uffff', '\u{10000}', '\u{1f600}', '\ue000', '\ud7ff']
  const sorted = (order: (a: string, b: string) => number) => ids.toSorted(order)
  expect(sorted(compareBytes)).toEqual(sorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
})
