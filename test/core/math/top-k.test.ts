import * as fc from '../../support/fast-check.js'
import { expect, test } from 'vitest'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'
import { largest, topK } from '../../../packages/core/src/math/top-k.js'

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

test('a kernel chooses the same, whatever lies in its memory', () => {
  const kernels = [new ScalarKernels(), createKernels()]
  const numbers = fc.oneof(
    fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 60 }),
    fc.array(fc.float({ noNaN: true }), { maxLength: 60 }),
    fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 30, maxLength: 90 }),
  )
  fc.assert(
    fc.property(numbers, fc.integer({ min: 0, max: 70 }), fc.constantFrom(0, 16, 4096), (list, k, at) => {
      const scores = Float32Array.from(list)
      for (const each of kernels) expect([...largest(each, at, scores, k)]).toEqual([...topK(scores, k)])
    }),
  )
})

test('a kernel leaves out most of many scores', () => {
  const scores = Float32Array.from(fc.sample(fc.float({ min: -5, max: 5, noNaN: true }), 6000))
  for (const kernels of [new ScalarKernels(), createKernels()]) {
    kernels.reserve(200_000)
    new Float32Array(kernels.buffer, 0, scores.length).set(scores)
    const found = kernels.reaching(0, scores.length, 100, 32_768, 65_536)
    expect(found).toBeGreaterThanOrEqual(100)
    expect(found).toBeLessThan(300)
    expect([...new Int32Array(kernels.buffer, 65_536, found)]).toEqual(expect.arrayContaining([...topK(scores, 100)]))
    expect(largest(kernels, 0, scores, 100)).toEqual(topK(scores, 100))
  }
})
