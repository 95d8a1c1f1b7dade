import * as fc from '../../support/fast-check.js'
import { expect, test } from 'vitest'
import { topK } from '../../../packages/core/src/math/top-k.js'

test('equals a stable sort, whatever the ties', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 60 }),
      fc.integer({ min: 0, max: 70 }),
      fc.integer({ min: 1, max: 4 }),
      (list, k, every) => {
        const scores = Float32Array.from(list)
        const sorted = list.map((_, i) => i).sort((a, b) => list[b]! - list[a]! || a - b)
        expect([...topK(scores, k)]).toEqual(sorted.slice(0, k))
        expect([...topK(scores, k, (i) => i % every === 0)]).toEqual(sorted.filter((i) => i % every === 0).slice(0, k))
      },
    ),
  )
})

test('negative infinity can be kept, and nothing is invented', () => {
  expect([...topK(Float64Array.of(-Infinity, 1, -Infinity), 3)]).toEqual([1, 0, 2])
  expect(topK(new Float32Array(0), 5)).toEqual(new Int32Array(0))
  expect(topK(Float32Array.of(1), 0)).toEqual(new Int32Array(0))
  expect(topK(Float32Array.of(1), 3, () => false)).toEqual(new Int32Array(0))
})

test('of many scores too: what a histogram leaves out is never among the best', () => {
  const random = fc.sample(fc.float({ min: -5, max: 5, noNaN: true }), 6000)
  const some = Float32Array.from(random)
  const lists = [
    some,
    some.map((value) => Math.round(value)),
    some.map((value, i) => (i % 7 === 0 ? -Infinity : value)),
    some.map((value, i) => (i % 100 === 0 ? Infinity : value)),
    some.map((_, i) => (i === 4000 ? 1 : 0)),
    new Float32Array(6000).fill(3),
    some.map((value) => value * 1e-44),
    some.map((value) => value * 1e37),
  ]
  for (const scores of lists) {
    const sorted = [...scores.keys()].sort((a, b) => (scores[b] === scores[a] ? a - b : scores[b]! - scores[a]!))
    for (const k of [1, 10, 1000, 5999, 7000]) {
      expect([...topK(scores, k)]).toEqual(sorted.slice(0, k))
      const kept = sorted.filter((i) => i % 3 > 0)
      expect([...topK(scores, k, (i) => i % 3 > 0)]).toEqual(kept.slice(0, k))
    }
  }
})
