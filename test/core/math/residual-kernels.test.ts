import { describe, expect, test } from 'vitest'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import { RESIDUAL_SCRATCH } from '../../../packages/core/src/math/residual-kernels.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'
import * as fc from '../../support/fast-check.js'
import { place } from '../../support/kernel-memory.js'

// Both implementations, bit for bit, and against plain arithmetic.

const both = [new ScalarKernels(), createKernels()]
const seeds = fc.nat(1e9)
const dims = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(48, 128))

/** Numbers between −1 and 1 that a seed gives. */
function numbersOf(seed: number): () => number {
  let state = seed | 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  }
}

const unitRows = (count: number, dim: number, next: () => number): Float32Array => {
  const rows = Float32Array.from({ length: count * dim }, next)
  for (let row = 0; row < count; row++) {
    const own = rows.subarray(row * dim, (row + 1) * dim)
    const length = Math.hypot(...own)
    own.forEach((value, k) => (own[k] = value / length))
  }
  return rows
}

describe('residualSigns', () => {
  test('says on which side of its centroid a row lies, and the sums that follow from it', () => {
    fc.assert(
      fc.property(seeds, dims, fc.integer({ min: 1, max: 4 }), (seed, dim, count) => {
        const next = numbersOf(seed)
        const [rows, centroids] = [unitRows(count, dim, next), unitRows(5, dim, next)]
        const codes = Uint16Array.from({ length: count }, (_, i) => (seed + i) % 5)
        const bytes = (dim + 7) >> 3
        const results = both.map((kernels) => {
          const [row, centroid, code, free] = place(kernels, [rows, centroids, codes], 4096)
          kernels.residualSigns(row!, count, dim, centroid!, code!, free! + 1024, free!)
          return {
            signs: [...new Uint8Array(kernels.buffer, free! + 1024, count * bytes)],
            sums: [...new Float32Array(kernels.buffer, free!, count * 4)],
          }
        })
        expect(results[1]).toEqual(results[0])
        const { signs, sums } = results[0]!
        for (let i = 0; i < count; i++) {
          const wanted = [0, 0, 0, 0]
          const [dot, ofRow, ofCentroid, square] = sums.slice(i * 4, i * 4 + 4)
          for (let k = 0; k < dim; k++) {
            const [x, c] = [rows[i * dim + k]!, centroids[codes[i]! * dim + k]!]
            const sign = (signs[i * bytes + (k >> 3)]! >> (k & 7)) & 1 ? 1 : -1
            expect(sign * (x - dot! * c)).toBeGreaterThan(-1e-6)
            ;[x * c, sign * x, sign * c, c * c].forEach((value, at) => (wanted[at]! += value))
          }
          ;[dot, ofRow, ofCentroid, square].forEach((value, at) => expect(value).toBeCloseTo(wanted[at]!, 4))
        }
      }),
    )
  })
})

describe('signTable and residualScores', () => {
  test('score documents as their centroids, numbers and signs say', () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(64, 65, 130)), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(seeds, dims, lengths, fc.integer({ min: 1, max: 32 }), (seed, dim, tokens, queryTokens) => {
        const lanes = Math.ceil(queryTokens / 16) * 16
        const next = numbersOf(seed)
        const bytes = (dim + 7) >> 3
        const total = tokens.reduce((a, b) => a + b)
        const centroids = 7
        const [step, along, across] = [0.01, 1 / 255, 1e-5].map(Math.fround) as [number, number, number]
        const rows = Int16Array.from({ length: bytes * 8 * lanes }, () => next() * Math.floor(30_000 / (bytes * 8)))
        const isUsed = (i: number) => i % lanes < queryTokens
        const levels = Uint8Array.from({ length: centroids * lanes }, (_, i) => (isUsed(i) ? (next() + 1) * 127 : 0))
        const lows = Float32Array.from({ length: lanes }, (_, i) => (isUsed(i) ? next() : 0))
        const codes = Uint16Array.from({ length: total }, () => Math.abs(next()) * centroids)
        const starts = Int32Array.from([0, ...tokens.map((_, i) => tokens.slice(0, i + 1).reduce((a, b) => a + b))])
        // The last document first, so that rows are not their own numbers.
        const order = Int32Array.from(tokens, (_, i) => tokens.length - 1 - i)
        const residuals = Uint8Array.from({ length: total * (bytes + 2) }, () => (next() + 1) * 127)
        const results = both.map((kernels) => {
          const arrays = [rows, levels, lows, codes, starts, order, residuals]
          const [row, level, low, code, start, which, residual, free] = place(kernels, arrays, 1 << 20)
          const [out, signs] = [free! + RESIDUAL_SCRATCH, free! + RESIDUAL_SCRATCH + 64]
          kernels.signTable(row!, bytes, lanes, signs)
          kernels.residualScores(
            level!,
            lanes,
            queryTokens,
            step,
            low!,
            signs,
            bytes,
            along,
            across,
            code!,
            start!,
            which!,
            order.length,
            residual!,
            free!,
            out,
          )
          return [...new Float32Array(kernels.buffer, out, order.length)]
        })
        expect(results[1]).toEqual(results[0])
        let at = 0
        order.forEach((document, i) => {
          const best = Array.from({ length: lanes }, () => -Infinity)
          const own = Array.from(codes.subarray(starts[document], starts[document + 1]))
          const most = best.map((_, lane) => Math.max(...own.map((code) => levels[code * lanes + lane]!)))
          const isNear = (code: number, lane: number) =>
            most
              .slice(lane & ~15, Math.min(queryTokens, (lane & ~15) + 16))
              .some((level, k) => levels[code * lanes + (lane & ~15) + k]! >= level - 16)
          for (let token = starts[document]!; token < starts[document + 1]!; token++, at += bytes + 2) {
            for (let lane = 0; lane < lanes; lane++) {
              if (!isNear(codes[token]!, lane)) continue
              let signed = 0
              for (let k = 0; k < bytes * 8; k++) {
                signed += ((residuals[at + (k >> 3)]! >> (k & 7)) & 1 ? 1 : -1) * rows[k * lanes + lane]!
              }
              const similarity = levels[codes[token]! * lanes + lane]! * step + lows[lane]!
              const estimate =
                similarity * residuals[at + bytes]! * along + signed * residuals[at + bytes + 1]! * across
              best[lane] = Math.max(best[lane]!, estimate)
            }
          }
          const wanted = best.reduce((a, b) => a + b)
          expect(Math.abs(results[0]![i]! - wanted)).toBeLessThan(1e-4 * lanes)
        })
      }),
    )
  })
})
