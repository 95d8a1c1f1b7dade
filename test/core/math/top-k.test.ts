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
