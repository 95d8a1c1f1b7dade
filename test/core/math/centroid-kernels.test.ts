import * as fc from '../../support/fast-check.js'
import { describe, expect, test } from 'vitest'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import { packInt16 } from '../../../packages/core/src/math/pack.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'

// Both implementations, bit for bit, and against plain arithmetic.

const both = [new ScalarKernels(), createKernels()]

/** Places arrays at 16-byte steps after byte 64; returns their offsets and one behind them. */
function place(kernels: (typeof both)[number], arrays: readonly ArrayBufferView[], more: number): number[] {
  const offsets: number[] = []
  let at = 64
  for (const array of arrays) {
    offsets.push(at)
    at = (at + array.byteLength + 79) & ~15
  }
  kernels.reserve(at + more)
  new Uint8Array(kernels.buffer).fill(0xff)
  arrays.forEach((array, i) => {
    new Uint8Array(kernels.buffer, offsets[i]!).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  })
  return [...offsets, at]
}

const unit = fc.float({ min: -1, max: 1, noNaN: true })
const rows = (count: number, dim: number) =>
  fc.array(unit, { minLength: count * dim, maxLength: count * dim }).map((values) => Float32Array.from(values))
const codes = (count: number) =>
  fc
    .array(fc.integer({ min: -127, max: 127 }), { minLength: count, maxLength: count })
    .map((values) => Int8Array.from(values))
const dims = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(48, 128))

describe('similaritiesInt8', () => {
  test('is the scaled dot product of every token with every centroid', () => {
    const shape = fc.record({
      tokens: fc.integer({ min: 1, max: 5 }),
      blocks: fc.integer({ min: 1, max: 3 }),
      dim: dims,
    })
    const cases = shape.chain((s) =>
      fc.record({ s: fc.constant(s), t: codes(s.tokens * s.dim), c: rows(s.blocks * 16, s.dim) }),
    )
    fc.assert(
      fc.property(cases, ({ s: { tokens, blocks, dim }, t, c }) => {
        const scales = Float32Array.from({ length: tokens }, (_, i) => 0.01 * (i + 1))
        const packed = packInt16(c, blocks * 16, dim)
        const results = both.map((kernels) => {
          const [at, scaleAt, packedAt, laneAt, free] = place(kernels, [t, scales, packed.codes, packed.scales], 8192)
          kernels.similaritiesInt8(at!, scaleAt!, tokens, dim, packedAt!, laneAt!, blocks, free!, free! + 2048)
          return new Float32Array(kernels.buffer, free! + 2048, tokens * blocks * 16).slice()
        })
        expect(results[1]).toEqual(results[0])
        for (let i = 0; i < tokens; i++) {
          for (let lane = 0; lane < blocks * 16; lane++) {
            let wanted = 0
            for (let k = 0; k < dim; k++) wanted += t[i * dim + k]! * scales[i]! * c[lane * dim + k]!
            expect(Math.abs(results[0]![i * blocks * 16 + lane]! - wanted)).toBeLessThan(2e-4 * dim)
          }
        }
      }),
    )
  })
})

describe('nearestInt8', () => {
  test('finds the nearest centroid of the nearest cells', () => {
    const shape = fc.record({
      cells: fc.integer({ min: 1, max: 20 }),
      probes: fc.integer({ min: 1, max: 4 }),
      dim: dims,
    })
    const cases = shape.chain((s) =>
      fc.record({
        s: fc.constant(s),
        sizes: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: s.cells, maxLength: s.cells }),
        t: codes(3 * s.dim),
        coarse: rows(s.cells, s.dim),
        fine: rows(s.cells * 32, s.dim),
      }),
    )
    fc.assert(
      fc.property(cases, ({ s: { cells, probes: asked, dim }, sizes, t, coarse, fine }) => {
        const probes = Math.min(asked, cells)
        const cellBlocks = Int32Array.from([0, ...sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b))])
        const count = cellBlocks.at(-1)! * 16
        const [cell, centroid] = [packInt16(coarse, cells, dim), packInt16(fine.subarray(0, count * dim), count, dim)]
        const results = both.map((kernels) => {
          const arrays = [t, cell.codes, cell.scales, centroid.codes, centroid.scales, cellBlocks]
          const [at, a, b, c, d, e, free] = place(kernels, arrays, 8192)
          kernels.nearestInt8(at!, 3, dim, a!, b!, cells, c!, d!, e!, probes, free!, free! + 4096)
          return [...new Uint16Array(kernels.buffer, free! + 4096, 3)]
        })
        expect(results[1]).toEqual(results[0])
        const dot = (token: number, from: Float32Array, row: number) => {
          let sum = 0
          for (let k = 0; k < dim; k++) sum += t[token * dim + k]! * from[row * dim + k]!
          return sum
        }
        results[0]!.forEach((code, token) => {
          // Rounding decides between equals: only what is clearly nearer counts.
          const order =
            coarse.length === 0
              ? []
              : Array.from({ length: cells }, (_, i) => dot(token, coarse, i)).sort((x, y) => y - x)
          const tolerance = 0.05 * dim
          const cellOfCode = sizes.findIndex((_, i) => code < cellBlocks[i + 1]! * 16)
          expect(dot(token, coarse, cellOfCode)).toBeGreaterThanOrEqual(order[probes - 1]! - tolerance)
          for (let other = cellBlocks[cellOfCode]! * 16; other < cellBlocks[cellOfCode + 1]! * 16; other++) {
            expect(dot(token, fine, code)).toBeGreaterThanOrEqual(dot(token, fine, other) - tolerance)
          }
        })
      }),
    )
  })
})

describe('scoreTable and scanCodes', () => {
  test('levels give similarities back within half a step; a scan sums the highest level of each query token', () => {
    const shape = fc.record({
      tokens: fc.integer({ min: 1, max: 50 }),
      centroids: fc.constantFrom(16, 48),
      documents: fc.integer({ min: 1, max: 4 }),
    })
    const cases = shape.chain((s) =>
      fc.record({
        s: fc.constant(s),
        similarities: rows(s.tokens, s.centroids),
        lengths: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: s.documents, maxLength: s.documents }),
        codes: fc.array(fc.nat(s.centroids - 1), { minLength: 20, maxLength: 20 }),
      }),
    )
    fc.assert(
      fc.property(cases, ({ s: { tokens, centroids, documents }, similarities, lengths, codes: all }) => {
        const lanes = Math.ceil(tokens / 16) * 16
        const starts = Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b))])
        const results = both.map((kernels) => {
          const [at, codesAt, startsAt, free] = place(kernels, [similarities, Uint16Array.from(all), starts], 65536)
          const step = kernels.scoreTable(at!, tokens, centroids, lanes, free!, free! + 1024)
          kernels.scanCodes(free! + 1024, lanes, codesAt!, startsAt!, documents, free! + 1024 + centroids * lanes)
          return {
            step,
            lows: [...new Float32Array(kernels.buffer, free!, tokens)],
            levels: [...new Uint8Array(kernels.buffer, free! + 1024, centroids * lanes)],
            sums: [...new Int32Array(kernels.buffer, free! + 1024 + centroids * lanes, documents)],
          }
        })
        expect(results[1]).toEqual(results[0])
        const { step, lows, levels, sums } = results[0]!
        for (let token = 0; token < tokens; token++) {
          for (let centroid = 0; centroid < centroids; centroid++) {
            const back = lows[token]! + levels[centroid * lanes + token]! * step
            expect(Math.abs(back - similarities[token * centroids + centroid]!)).toBeLessThanOrEqual(step / 2 + 1e-6)
          }
        }
        lengths.forEach((length, document) => {
          let sum = 0
          for (let token = 0; token < tokens; token++) {
            let most = 0
            for (let i = 0; i < length; i++) most = Math.max(most, levels[all[starts[document]! + i]! * lanes + token]!)
            sum += most
          }
          expect(sums[document]).toBe(sum)
        })
      }),
    )
  })
})
