import { expect, test } from 'vitest'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'
import * as fc from '../../support/fast-check.js'

// Both implementations, bit for bit, and against plain arithmetic.

const both = [new ScalarKernels(), createKernels()]

test('decompressInt8 gives back what centroids and residuals keep of tokens, as near as int8 is', () => {
  const dims = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(48, 128))
  fc.assert(
    fc.property(fc.nat(1e9), dims, fc.integer({ min: 0, max: 4 }), (seed, dim, count) => {
      let state = seed | 1
      const next = () => (state = (Math.imul(state, 1664525) + 1013904223) | 0) / 2 ** 31
      const centroids = Float32Array.from({ length: 3 * dim }, next)
      const codes = Uint16Array.from({ length: count }, (_, i) => (seed + i) % 3)
      const bytes = (dim + 7) >> 3
      const residuals = Uint8Array.from({ length: count * (bytes + 2) }, () => Math.abs(next()) * 256)
      const [along, across] = [Math.abs(next()) / 100, Math.abs(next()) / 1000]
      const [codesAt, residualsAt, scratch, out, scales] = [2048, 2080, 3072, 4096, 8192]
      const results = both.map((kernels) => {
        kernels.reserve(65536)
        new Float32Array(kernels.buffer, 0, centroids.length).set(centroids)
        new Uint16Array(kernels.buffer, codesAt, count).set(codes)
        new Uint8Array(kernels.buffer, residualsAt, residuals.length).set(residuals)
        const whole = new Int8Array(kernels.buffer, out, count * dim + 4).fill(7)
        kernels.decompressInt8(0, dim, codesAt, count, residualsAt, along, across, scratch, out, scales)
        return { whole: [...whole], steps: [...new Float32Array(kernels.buffer, scales, count)] }
      })
      expect(results[1]).toEqual(results[0])
      const { whole, steps } = results[0]!
      expect(whole.splice(count * dim)).toEqual([7, 7, 7, 7])
      whole.forEach((value, at) => {
        const [token, k] = [Math.floor(at / dim), at % dim]
        const own = residuals.subarray(token * (bytes + 2))
        const sign = (own[k >> 3]! >> (k & 7)) & 1 ? 1 : -1
        const wanted = own[bytes]! * along * centroids[codes[token]! * dim + k]! + sign * own[bytes + 1]! * across
        expect(Math.abs(value * steps[token]! - wanted)).toBeLessThan(steps[token]! * 0.501 + 1e-5)
      })
    }),
  )
})
