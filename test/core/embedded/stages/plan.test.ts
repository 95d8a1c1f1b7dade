import { describe, expect, test } from 'vitest'
import { EXACT_TOKENS, plan } from '../../../../packages/core/src/embedded/stages/plan.js'
import type { Question } from '../../../../packages/core/src/embedded/stages/plan.js'

/** A collection that has everything, and a search over all of it. */
const everything: Question = {
  asked: 'auto',
  rerank: true,
  candidates: 100,
  allowed: { count: 10_000, tokens: 1_000_000 },
  total: 10_000,
  rows: { centroids: 10_000, fde: 10_000, hnsw: 10_000 },
  isLarge: false,
}
const allowed = (count: number, tokens = count * 100) => ({ allowed: { count, tokens } })

describe.each<[what: string, change: Partial<Question>, auto: string, muvera: string]>([
  ['everything, in a small collection', {}, 'centroids', 'fde'],
  ['everything, in a large collection', { isLarge: true }, 'centroids', 'hnsw'],
  ['as many tokens as are scored at once', allowed(10_000, EXACT_TOKENS), 'exact', 'fde'],
  ['a token more', allowed(10_000, EXACT_TOKENS + 1), 'centroids', 'fde'],
  ['as many documents as candidates', allowed(100, 1_000_000), 'exact', 'exact'],
  ['a document more', allowed(101, 1_000_000), 'centroids', 'fde'],
  ['as many tokens as are scored at once, unranked', { ...allowed(10_000, 10), rerank: false }, 'centroids', 'fde'],
  ['as few documents as candidates, unranked', { ...allowed(7), rerank: false }, 'centroids', 'fde'],
  ['a fifth of a large collection', { isLarge: true, ...allowed(2000, 1_000_000) }, 'centroids', 'hnsw'],
  ['less than a fifth of it', { isLarge: true, ...allowed(1999, 1_000_000) }, 'centroids', 'fde'],
  ['without codes', { rows: { fde: 10_000 } }, 'fde', 'fde'],
  ['without FDEs', { rows: { centroids: 10_000 } }, 'centroids', 'exact'],
  ['with nothing', { rows: {} }, 'exact', 'exact'],
  ['with a document that has no code', { rows: { centroids: 9999, fde: 10_000 } }, 'fde', 'fde'],
  ['with a document that has no FDE', { rows: { centroids: 9999, fde: 9999, hnsw: 9999 } }, 'exact', 'exact'],
  ['with codes of more documents than there were', { rows: { centroids: 10_001, fde: 10_001 } }, 'centroids', 'fde'],
  ['500 documents not in the graph', { isLarge: true, rows: { fde: 10_000, hnsw: 9500 } }, 'fde', 'hnsw'],
  ['501 documents not in the graph', { isLarge: true, rows: { fde: 10_000, hnsw: 9499 } }, 'fde', 'fde'],
  ['a graph but no FDEs', { isLarge: true, rows: { hnsw: 10_000 } }, 'exact', 'exact'],
  [
    '500 documents and none in the graph',
    { isLarge: true, total: 500, ...allowed(500, 1e6), rows: { fde: 500 } },
    'fde',
    'fde',
  ],
  ['nothing at all', { total: 0, ...allowed(0, 0), rows: {} }, 'exact', 'exact'],
  [
    'nothing at all, unranked',
    { total: 0, ...allowed(0, 0), rows: { centroids: 0, fde: 0 }, rerank: false },
    'exact',
    'exact',
  ],
])('%s', (_, change, auto, muvera) => {
  test(`is served by ${auto}, or ${muvera} for muvera`, () => {
    expect(plan({ ...everything, ...change })).toBe(auto)
    expect(plan({ ...everything, ...change, asked: 'muvera' })).toBe(muvera)
  })
})

describe('a stage that was named', () => {
  const asks = (asked: string, change: Partial<Question> = {}) => plan({ ...everything, ...change, asked })

  test('serves whatever the size', () => {
    for (const name of ['exact', 'centroids', 'fde', 'hnsw']) {
      for (const change of [{}, { isLarge: true }, allowed(5000, 1), { rerank: false }])
        expect(asks(name, change)).toBe(name)
    }
    for (const name of ['centroids', 'fde']) expect(asks(name, allowed(3))).toBe(name)
  })

  test('that covers not everything gives way to exact scores', () => {
    expect(asks('centroids', { rows: { fde: 10_000 } })).toBe('exact')
    expect(asks('centroids', { rows: { centroids: 9999, fde: 10_000 } })).toBe('exact')
    expect(asks('fde', { rows: { centroids: 10_000, fde: 1 } })).toBe('exact')
    expect(asks('fde', { rows: { centroids: 10_000 } })).toBe('exact')
  })

  test('graph gives way to the scan of FDEs where there is none yet, or for a filter that passes few', () => {
    expect(asks('hnsw', { rows: { fde: 10_000 } })).toBe('fde')
    expect(asks('hnsw', { rows: { fde: 10_000, hnsw: 0 } })).toBe('fde')
    expect(asks('hnsw', { rows: { fde: 10_000, hnsw: 1 } })).toBe('hnsw')
    expect(asks('hnsw', allowed(2000))).toBe('hnsw')
    expect(asks('hnsw', allowed(1999))).toBe('fde')
    expect(asks('hnsw', { rows: { hnsw: 10_000 } })).toBe('exact')
    expect(asks('hnsw', { rows: { fde: 9999, hnsw: 10_000 } })).toBe('exact')
  })

  test('may be one that plan has never heard of', () => {
    expect(asks('newest', { rows: { newest: 10_000 } })).toBe('newest')
    expect(asks('newest', { rows: { newest: 9999 } })).toBe('exact')
    expect(asks('newest')).toBe('exact')
  })
})

test('asking changes nothing', () => {
  const frozen = Object.freeze({ ...everything, rows: Object.freeze({ ...everything.rows }), isLarge: true })
  for (const asked of ['auto', 'muvera', 'hnsw', 'fde', 'centroids', 'exact']) {
    expect(plan({ ...frozen, asked })).toBe(plan({ ...frozen, asked }))
  }
})
