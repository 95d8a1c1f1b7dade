import * as fc from '../../support/fast-check.js'
import { place } from '../../support/kernel-memory.js'
import { describe, expect, test } from 'vitest'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import type { Kernels } from '../../../packages/core/src/math/kernels.js'
import { blocksOf, int16Limit, packInt16, packLanes } from '../../../packages/core/src/math/pack.js'
import { createKernels, hasSimd } from '../../../packages/core/src/math/simd.js'

// Every kernel, both implementations, over odd sizes: against each other bit for bit, and against plain float64 arithmetic.

const scalar = new ScalarKernels()
const simd = createKernels()
const both = [scalar, simd]

const f32 = (kernels: Kernels, at: number, count: number) => new Float32Array(kernels.buffer, at, count).slice()

/** For arrays too long for a readable difference. */
const sameBits = (a: ArrayBufferView, b: ArrayBufferView) =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))

const number = fc.oneof(
  { weight: 8, arbitrary: fc.float({ min: -1, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 1, -1, 1e-20, 3.5e-7, 100) },
)
const matrix = (rows: number, dim: number) =>
  fc.array(number, { minLength: rows * dim, maxLength: rows * dim }).map((values) => Float32Array.from(values))

const shape = fc.record({
  queryTokens: fc.integer({ min: 1, max: 37 }),
  tokens: fc.integer({ min: 1, max: 9 }),
  dim: fc.oneof(fc.integer({ min: 1, max: 35 }), fc.constantFrom(48, 64, 96, 100, 128)),
})

test('this engine has SIMD, so the comparisons below compare two implementations', () => {
  expect(hasSimd()).toBe(true)
  expect(simd.simd).toBe(true)
  expect(createKernels({ simd: false }).simd).toBe(false)
})

function naiveMaxSim(query: Float32Array, document: Float32Array, dim: number): number {
  let sum = 0
  for (let q = 0; q < query.length; q += dim) {
    let best = -Infinity
    for (let d = 0; d < document.length; d += dim) {
      let dot = 0
      for (let k = 0; k < dim; k++) dot += query[q + k]! * document[d + k]!
      best = Math.max(best, dot)
    }
    sum += best
  }
  return sum
}

describe('MaxSim', () => {
  const sample = shape.chain((s) =>
    fc.record({ s: fc.constant(s), query: matrix(s.queryTokens, s.dim), document: matrix(s.tokens, s.dim) }),
  )

  test('f32', () => {
    fc.assert(
      fc.property(sample, ({ s, query, document }) => {
        const packed = packLanes(query, s.queryTokens, s.dim)
        const blocks = blocksOf(s.queryTokens)
        const scores = both.map((kernels) => {
          const [q, d, best] = place(kernels, [packed, document], blocks * 64) as [number, number, number]
          return kernels.maxSimF32(q, blocks, s.dim, d, s.tokens, best)
        })
        expect(scores[1]).toBe(scores[0])
        const naive = naiveMaxSim(query, document, s.dim)
        expect(Math.abs(scores[0]! - naive)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(naive)))
      }),
    )
  })

  test('int8 with a scale per token', () => {
    fc.assert(
      fc.property(
        sample,
        fc.float({ min: Math.fround(0.001), max: 3, noNaN: true }),
        ({ s, query, document }, factor) => {
          const codes = Int8Array.from(document, (x) => Math.max(-127, Math.min(127, Math.round(x * 127))))
          const scales = Float32Array.from({ length: s.tokens }, (_, i) => (factor * (i + 1)) / 127)
          const packed = packInt16(query, s.queryTokens, s.dim)
          const blocks = blocksOf(s.queryTokens)
          const scores = both.map((kernels) => {
            const [q, qs, c, cs, scratch] = place(
              kernels,
              [packed.codes, packed.scales, codes, scales],
              blocks * 64 + s.dim * 4 + 64,
            ) as number[]
            return kernels.maxSimInt8(q!, qs!, blocks, s.dim, c!, cs!, s.tokens, scratch!)
          })
          expect(scores[1]).toBe(scores[0])
          const decoded = Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / s.dim)]!)
          const naive = naiveMaxSim(query, decoded, s.dim)
          // The query is rounded to 1/8191 of its largest component.
          const largest = Math.max(...query.map(Math.abs)) / 8191
          const bound =
            s.queryTokens * s.dim * largest * Math.max(...decoded.map(Math.abs)) + 1e-5 * Math.abs(naive) + 1e-6
          expect(Math.abs(scores[0]! - naive)).toBeLessThanOrEqual(bound)
        },
      ),
    )
  })

  test('int8 sums never leave 32 bits, whatever the dimension', () => {
    for (const dim of [128, 2064, 2065, 10_240]) {
      const query = new Float32Array(dim).fill(1)
      const codes = new Int8Array(dim).fill(127)
      const packed = packInt16(query, 1, dim)
      for (const kernels of both) {
        const [q, qs, c, cs, scratch] = place(
          kernels,
          [packed.codes, packed.scales, codes, Float32Array.of(1)],
          64 + dim * 4 + 64,
        ) as number[]
        expect(kernels.maxSimInt8(q!, qs!, 1, dim, c!, cs!, 1, scratch!) / (dim * 127)).toBeCloseTo(1, 5)
      }
    }
    expect(int16Limit(10_240) * 127 * 10_240).toBeLessThan(2 ** 31)
  })
})

describe('codecs', () => {
  test('every half is read exactly and survives the way there and back', () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((h) => (h & 0x7c00) !== 0x7c00)
    const singles = both.map((kernels) => {
      const [h, out] = place(kernels, [halves], halves.length * 4) as [number, number]
      kernels.f16ToF32(h, halves.length, out)
      return f32(kernels, out, halves.length)
    })
    expect(sameBits(singles[1]!, singles[0]!)).toBe(true)
    const naive = Float32Array.from(halves, (h) => {
      const exponent = (h >> 10) & 31
      const magnitude = exponent ? (1 + (h & 1023) / 1024) * 2 ** (exponent - 15) : ((h & 1023) / 1024) * 2 ** -14
      return h & 0x8000 ? -magnitude : magnitude
    })
    expect(sameBits(singles[0]!, naive)).toBe(true)
    for (const kernels of both) {
      const [values, out] = place(kernels, [naive], halves.length * 2) as [number, number]
      kernels.f32ToF16(values, naive.length, out)
      expect(sameBits(new Uint16Array(kernels.buffer, out, halves.length), halves)).toBe(true)
    }
  })

  test('singles become the nearest half, ties to even, too large ones the largest', () => {
    const value = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ min: -2, max: 2, noNaN: true }),
      fc.float({ min: Math.fround(-1e-4), max: Math.fround(1e-4), noNaN: true }),
    )
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 23 }), (list) => {
        const values = Float32Array.from(list)
        const [a, b] = both.map((kernels) => {
          const [from, out] = place(kernels, [values], values.length * 2 + 16) as [number, number]
          kernels.f32ToF16(from, values.length, out)
          const halves = new Uint16Array(kernels.buffer, out, values.length).slice()
          expect(new Uint16Array(kernels.buffer, out + values.length * 2, 1)[0]).toBe(0xffff) // nothing written beyond
          const back = (out + values.length * 2 + 31) & ~15
          kernels.reserve(back + values.length * 4)
          kernels.f16ToF32(out, values.length, back)
          return { halves, back: f32(kernels, back, values.length) }
        })
        expect(b).toEqual(a)
        values.forEach((x, i) => {
          const step = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(Math.abs(x) || 1)) - 10))
          const nearest = Math.max(-65504, Math.min(65504, x))
          expect(Math.abs(a!.back[i]! - nearest)).toBeLessThanOrEqual(Math.abs(x) > 65504 ? 0 : step / 2)
        })
      }),
      { numRuns: 300 },
    )
  })

  test('int8: error at most half a step, the largest component exact, zero rows zero', () => {
    const sample = fc
      .record({
        count: fc.integer({ min: 1, max: 6 }),
        dim: fc.integer({ min: 1, max: 35 }),
        gap: fc.integer({ min: 0, max: 9 }),
      })
      .chain((s) => fc.record({ s: fc.constant(s), rows: matrix(s.count, s.dim) }))
    fc.assert(
      fc.property(sample, ({ s, rows }) => {
        const stride = s.dim + s.gap
        const [a, b] = both.map((kernels) => {
          const [from, out] = place(kernels, [rows], s.count * (stride + 4 + s.dim * 4) + 64) as [number, number]
          const scales = (out + s.count * stride + 15) & ~15
          const back = (scales + s.count * 4 + 15) & ~15
          kernels.quantizeInt8(from, s.count, s.dim, out, stride, scales)
          kernels.dequantizeInt8(out, stride, scales, s.count, s.dim, back)
          const codes = new Int8Array(kernels.buffer, out, s.count * stride).slice()
          return { codes, scales: f32(kernels, scales, s.count), back: f32(kernels, back, rows.length) }
        })
        expect(b).toEqual(a)
        for (let i = 0; i < s.count; i++) {
          const row = rows.subarray(i * s.dim, (i + 1) * s.dim)
          const largest = Math.max(...row.map(Math.abs))
          expect(a!.scales[i]).toBe(largest < 1e-30 ? 0 : Math.fround(largest / 127))
          row.forEach((x, k) =>
            expect(Math.abs(a!.back[i * s.dim + k]! - x)).toBeLessThanOrEqual((largest / 254) * 1.0001 + 1e-30),
          )
          for (let k = s.dim; k < stride; k++) expect(a!.codes[i * stride + k]).toBe(-1) // the gap is left alone
        }
      }),
    )
  })
})

describe('inner products', () => {
  const sample = fc
    .record({
      count: fc.integer({ min: 1, max: 11 }),
      dim: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(2560)),
    })
    .chain((s) => fc.record({ s: fc.constant(s), seed: fc.integer({ min: 1, max: 1e6 }) }))
  const random = (seed: number) => () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1

  test('f32', () => {
    fc.assert(
      fc.property(sample, ({ s, seed }) => {
        const next = random(seed)
        const query = Float32Array.from({ length: s.dim }, next)
        const rows = Float32Array.from({ length: s.dim * s.count }, next)
        for (const kernels of both) {
          const [q, r, out] = place(kernels, [query, rows], s.count * 4) as [number, number, number]
          kernels.dotsF32(q, s.dim, r, s.count, out)
          f32(kernels, out, s.count).forEach((dot, i) => {
            const exact = query.reduce((sum, x, k) => sum + x * rows[i * s.dim + k]!, 0)
            expect(Math.abs(dot - exact)).toBeLessThanOrEqual(1e-6 * Math.sqrt(s.dim) + 1e-5 * Math.abs(exact))
          })
        }
      }),
    )
  })

  test('int8 rows', () => {
    fc.assert(
      fc.property(sample, ({ s, seed }) => {
        const next = random(seed)
        const stride = (s.dim + 15) & ~15
        const query = Int16Array.from({ length: stride }, (_, k) => (k < s.dim ? Math.round(next() * 8191) : 0))
        const rows = Int8Array.from({ length: stride * s.count }, (_, i) =>
          i % stride < s.dim ? Math.round(next() * 127) : 0,
        )
        const scales = Float32Array.from({ length: s.count }, () => next() + 1.01)
        for (const kernels of both) {
          const [q, r, sc, out] = place(kernels, [query, rows, scales], s.count * 4 + 16) as number[]
          kernels.dotsInt8(q!, stride, r!, sc!, s.count, out!)
          f32(kernels, out!, s.count).forEach((dot, i) => {
            const exact = query.reduce((sum, x, k) => sum + x * rows[i * stride + k]!, 0) * scales[i]!
            expect(Math.abs(dot - exact)).toBeLessThanOrEqual(8 + 1e-6 * Math.abs(exact))
          })
          expect(new Uint8Array(kernels.buffer, out! + s.count * 4, 1)[0]).toBe(0xff)
        }
      }),
    )
  })

  test('int8 rows at the largest codes and 20,480 dimensions stay exact', () => {
    const dim = 20_480
    for (const kernels of both) {
      const [q, r, s, out] = place(
        kernels,
        [new Int16Array(dim).fill(8191), new Int8Array(dim).fill(127), Float32Array.of(1)],
        4,
      ) as number[]
      kernels.dotsInt8(q!, dim, r!, s!, 1, out!)
      expect(f32(kernels, out!, 1)[0]! / (dim * 8191 * 127)).toBeCloseTo(1, 6)
    }
  })
})

describe('FDE kernels', () => {
  const sample = fc
    .record({
      tokens: fc.integer({ min: 1, max: 9 }),
      dim: fc.integer({ min: 1, max: 35 }),
      reps: fc.integer({ min: 1, max: 7 }),
      width: fc.integer({ min: 0, max: 6 }),
    })
    .chain((s) =>
      fc.record({ s: fc.constant(s), rows: matrix(s.tokens, s.dim), planes: matrix(s.reps * s.width, s.dim) }),
    )

  test('sign bits, partitions, sums and norms', () => {
    fc.assert(
      fc.property(sample, ({ s, rows, planes }) => {
        const blocks = blocksOf(s.reps * s.width)
        const packed = packLanes(planes, s.reps * s.width, s.dim)
        const size = 2 ** s.width
        const ids = Int32Array.from({ length: size }, (_, i) => size - 1 - i)
        const buckets = s.reps * size
        const [a, b] = both.map((kernels) => {
          const arrays = [
            packed,
            rows,
            ids,
            new Uint16Array(s.tokens * blocks + 8),
            new Float32Array(buckets * s.dim),
            new Int32Array(buckets),
            new Int32Array(s.reps * s.tokens),
            new Float32Array(buckets),
          ]
          const [p, r, id, bits, sums, counts, partitions, norms] = place(kernels, arrays, 64) as [
            number,
            number,
            number,
            number,
            number,
            number,
            number,
            number,
          ]
          kernels.signBits(p, blocks, s.dim, r, s.tokens, bits)
          kernels.accumulate(bits, blocks, s.width, s.reps, id, r, s.tokens, s.dim, sums, counts, partitions)
          kernels.norms(sums, counts, buckets, s.dim, norms)
          return {
            partitions: new Int32Array(kernels.buffer, partitions, s.reps * s.tokens).slice(),
            counts: new Int32Array(kernels.buffer, counts, buckets).slice(),
            sums: f32(kernels, sums, buckets * s.dim),
            norms: f32(kernels, norms, buckets),
          }
        })
        expect(b).toEqual(a)
        for (let rep = 0; rep < s.reps; rep++) {
          for (let token = 0; token < s.tokens; token++) {
            for (let j = 0; j < s.width; j++) {
              let dot = 0
              for (let k = 0; k < s.dim; k++) dot += rows[token * s.dim + k]! * planes[(rep * s.width + j) * s.dim + k]!
              const bit = ((size - 1 - a!.partitions[rep * s.tokens + token]!) >> j) & 1
              expect(Math.abs(dot) < 1e-3 || bit === (dot > 0 ? 1 : 0)).toBe(true)
            }
          }
          const total = a!.counts.subarray(rep * size, (rep + 1) * size).reduce((sum, n) => sum + n, 0)
          expect(total).toBe(s.tokens)
        }
      }),
    )
  })

  test('deflate, subtract, scatter and project', () => {
    const shapes = fc
      .record({
        count: fc.integer({ min: 1, max: 5 }),
        dim: fc.integer({ min: 1, max: 21 }),
        p: fc.constantFrom(4, 8, 12, 16, 20, 36),
        out: fc.integer({ min: 1, max: 40 }),
      })
      .chain((s) =>
        fc.record({
          s: fc.constant(s),
          rows: matrix(s.count, s.dim),
          unit: matrix(1, s.dim),
          matrix: matrix(s.dim, s.p),
          targets: fc.array(fc.nat(s.out - 1), { minLength: s.count * s.dim, maxLength: s.count * s.dim }),
        }),
      )
    fc.assert(
      fc.property(shapes, ({ s, rows, unit, matrix: weights, targets }) => {
        const factors = Float32Array.from({ length: s.count }, (_, i) => i % 3)
        const signs = Float32Array.from(targets, (t) => (t % 2 ? 1 : -1))
        const [a, b] = both.map((kernels) => {
          const arrays = [
            rows,
            rows,
            rows,
            unit,
            weights,
            factors,
            Int32Array.from(targets),
            signs,
            new Float32Array(s.out),
            new Float32Array(s.count * s.p),
          ]
          const [r, deflated, centred, u, m, w, t, sg, out, projected] = place(kernels, arrays, 64) as number[]
          kernels.scatter(r!, w!, s.count, s.dim, t!, sg!, out!)
          kernels.project(r!, w!, s.count, s.dim, m!, s.p, projected!)
          kernels.deflate(deflated!, s.count, s.dim, u!)
          kernels.subtract(centred!, s.count, s.dim, u!)
          return {
            out: f32(kernels, out!, s.out),
            projected: f32(kernels, projected!, s.count * s.p),
            deflated: f32(kernels, deflated!, rows.length),
            centred: f32(kernels, centred!, rows.length),
          }
        })
        expect(b).toEqual(a)
        // f32 sums of at most 105 terms: within 105 half steps of the sum of the magnitudes.
        const step = 105 * 2 ** -24
        const scattered = new Float64Array(s.out)
        const magnitudes = new Float64Array(s.out)
        for (let i = 0; i < s.count * s.dim; i++) {
          const term = signs[i]! * factors[Math.floor(i / s.dim)]! * rows[i]!
          scattered[targets[i]!]! += term
          magnitudes[targets[i]!]! += Math.abs(term)
        }
        scattered.forEach((x, i) => expect(Math.abs(a!.out[i]! - x)).toBeLessThanOrEqual(step * magnitudes[i]!))
        for (let i = 0; i < s.count; i++) {
          const row = rows.subarray(i * s.dim, (i + 1) * s.dim)
          const sumOf = (term: (x: number, k: number) => number) => row.reduce((sum, x, k) => sum + term(x, k), 0)
          const dot = sumOf((x, k) => x * unit[k]!)
          const dotMagnitude = sumOf((x, k) => Math.abs(x * unit[k]!))
          row.forEach((x, k) => {
            expect(a!.centred[i * s.dim + k]).toBe(Math.fround(x - unit[k]!))
            const error = Math.abs(a!.deflated[i * s.dim + k]! - (x - dot * unit[k]!))
            expect(error).toBeLessThanOrEqual(step * (Math.abs(x) + dotMagnitude * Math.abs(unit[k]!)) + 1e-40)
          })
          for (let j = 0; j < s.p; j++) {
            const exact = factors[i]! * sumOf((x, k) => x * weights[k * s.p + j]!)
            const magnitude = factors[i]! * sumOf((x, k) => Math.abs(x * weights[k * s.p + j]!))
            expect(Math.abs(a!.projected[i * s.p + j]! - exact)).toBeLessThanOrEqual(step * magnitude + 1e-40)
          }
        }
      }),
    )
  })
})

test('growing keeps the contents', () => {
  for (const kernels of [new ScalarKernels(), createKernels()]) {
    kernels.reserve(1000)
    new Uint8Array(kernels.buffer).fill(7, 0, 1000)
    kernels.reserve(5_000_000)
    expect(kernels.buffer.byteLength).toBeGreaterThanOrEqual(5_000_000)
    expect(new Uint8Array(kernels.buffer, 0, 1000).every((byte) => byte === 7)).toBe(true)
  }
})
