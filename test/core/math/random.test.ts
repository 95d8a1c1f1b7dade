import { describe, expect, test } from 'vitest'
import { resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import type { FdeOptions } from '../../../packages/core/src/fde/config.js'
import { countSketch, projectionMatrix, simHashMatrix } from '../../../packages/core/src/fde/matrices.js'
import { binomial, fmix32, popcount32, stream, streamKeys } from '../../../packages/core/src/math/random.js'
import type { StreamTag } from '../../../packages/core/src/math/random.js'
import { readJson } from './golden-tensors.js'

interface Stream {
  seed: number
  tag: StreamTag
  rep: number
}
interface Sample {
  seed: number
  rep: number
  d: number
  k: number
  p: number
}
const golden = readJson<{
  fmix32: Record<string, number>
  keys: (Stream & { k1: number; k2: number })[]
  u32: (Stream & { first8: number[] })[]
  simhash: (Sample & { bit_major: number[] })[]
  sparse: (Sample & { column: number[]; sign: number[] })[]
  balanced: (Sample & { column: number[]; sign: number[] })[]
  dense: (Sample & { row_major: number[] })[]
  sketch: { seed: number; L: number; D: number; index: number[]; sign: number[] }[]
}>(new URL('../../golden/muvera/portable_rng.json', import.meta.url))

test('fmix32', () => {
  for (const [value, mixed] of Object.entries(golden.fmix32)) expect(fmix32(Number(value))).toBe(mixed)
})

test('keys and the first numbers of a stream', () => {
  for (const { seed, tag, rep, k1, k2 } of golden.keys) expect(streamKeys(seed, tag, rep)).toEqual([k1, k2])
  for (const { seed, tag, rep, first8 } of golden.u32)
    expect(first8.map((_, i) => stream(seed, tag, rep)(i))).toEqual(first8)
})

describe('matrices', () => {
  const config = (dim: number, options: FdeOptions) => resolveFdeConfig({ dim, finalDim: 0, ...options })

  test('hyperplanes', () => {
    for (const { seed, rep, d, k, bit_major: expected } of golden.simhash) {
      const matrix = simHashMatrix(config(d, { seed, repetitions: rep + 1, simHashBits: k }))
      const own = matrix.subarray(rep * d * k)
      expect(expected.map((_, i) => own[(i % d) * k + Math.floor(i / d)])).toEqual(expected)
    }
  })

  test.each(['sparse', 'balanced'] as const)('%s projection', (projection) => {
    for (const { seed, rep, d, p, column, sign } of golden[projection]) {
      const matrix = projectionMatrix(config(d, { seed, repetitions: rep + 1, projection, projectionDim: p }))
      const expected = new Float32Array(d * p)
      column.forEach((j, i) => (expected[i * p + j] = sign[i]!))
      expect(matrix.subarray(rep * d * p)).toEqual(expected)
    }
  })

  test('dense projection', () => {
    for (const { seed, rep, d, p, row_major: expected } of golden.dense) {
      // A config never projects to the full width, so the matrix is asked for directly.
      const matrix = projectionMatrix({
        ...config(d, { seed, repetitions: rep + 1 }),
        projection: 'dense',
        projectionDim: p,
      })
      expect([...matrix.subarray(rep * d * p)]).toEqual(expected)
    }
  })

  test('final sketch', () => {
    for (const { seed, L, D, index, sign } of golden.sketch) {
      const sketch = countSketch(config(L, { seed, repetitions: 1, simHashBits: 0, finalDim: D }))
      expect([...sketch.index]).toEqual(index)
      expect([...sketch.sign]).toEqual(sign)
    }
  })
})

test('binomial numbers have mean 0 and deviation 4', () => {
  const next = stream(1, 1, 0)
  const values = Array.from({ length: 20_000 }, (_, i) => binomial(next, i))
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)
  expect(Math.abs(mean)).toBeLessThan(0.1)
  expect(deviation).toBeCloseTo(4, 1)
  expect(popcount32(0xffffffff)).toBe(32)
})
