import * as fc from '../../support/fast-check.js'
import { describe, expect, test } from 'vitest'
import { FDE_PRESETS, fdeLength, resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import type { FdeOptions } from '../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
import { partitionIds, partitionPatterns } from '../../../packages/core/src/fde/partitions.js'
import { createKernels } from '../../../packages/core/src/math/simd.js'
import { Workspace } from '../../../packages/core/src/math/workspace.js'
import { MaxSimScorer } from '../../../packages/core/src/scoring/maxsim.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'

const code = (name: string) => expect.objectContaining({ code: name })
const matrix = (values: ArrayLike<number>, dim: number): TokenEmbeddings => ({
  data: Float32Array.from(values),
  length: values.length / dim,
  dim,
})
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

describe('config', () => {
  test('presets have the dimension they promise', () => {
    expect(Object.keys(FDE_PRESETS)).toEqual(['small', 'compact', 'quality', 'paper'])
    const lengths = (dim: number) =>
      (['small', 'compact', 'quality', 'paper'] as const).map((preset) => fdeLength(resolveFdeConfig({ dim, preset })))
    expect(lengths(128)).toEqual([1280, 2560, 10240, 10240])
    expect(lengths(48)).toEqual([1280, 2560, 10240, 10240])
    // Few dimensions: no sketch when it would not make the encoding shorter.
    expect(lengths(3)).toEqual([20 * 16 * 3, 20 * 32 * 3, 20 * 64 * 3, 20 * 32 * 3])
  })

  test('a preset gives way where dimensions are many, an explicit number of bits does not', () => {
    expect(resolveFdeConfig({ dim: 4096 })).toMatchObject({ simHashBits: 3, finalDim: 2560 })
    expect(() => resolveFdeConfig({ dim: 4096, simHashBits: 5 })).toThrowError(code('INVALID_ARGUMENT'))
  })

  test('the default is compact, unprepared, with the portable seed', () => {
    expect(resolveFdeConfig({ dim: 96 })).toEqual({
      dim: 96,
      repetitions: 20,
      simHashBits: 5,
      projection: 'none',
      projectionDim: 0,
      projectionScale: 1,
      aggregation: 'sphere',
      gamma: 0.75,
      fillEmptyPartitions: false,
      tie: 'token',
      code: 'gray',
      finalDim: 2560,
      seed: 42,
      prepare: 'none',
    })
    expect(resolveFdeConfig({ dim: 96 }, 'deflate').prepare).toBe('deflate')
    expect(resolveFdeConfig({ dim: 96, prepare: 'none' }, 'deflate').prepare).toBe('none')
  })

  test('a projection as wide as the tokens is none, a dense one is scaled', () => {
    expect(resolveFdeConfig({ dim: 16, projection: 'sparse', projectionDim: 16 })).toMatchObject({
      projection: 'none',
      projectionDim: 0,
    })
    expect(resolveFdeConfig({ dim: 64, preset: 'paper' }).projectionScale).toBe(0.25)
    expect(resolveFdeConfig({ dim: 64, preset: 'paper', projection: 'sparse' }).projectionScale).toBe(1)
  })

  test.each<[FdeOptions & { dim?: number }, string]>([
    [{ repetitions: 0 }, 'INVALID_ARGUMENT'],
    [{ simHashBits: -1 }, 'INVALID_ARGUMENT'],
    [{ simHashBits: 17 }, 'INVALID_ARGUMENT'],
    [{ simHashBits: 12 }, 'INVALID_ARGUMENT'], // 20 × 2^12 × 128 numbers
    [{ dim: 0 }, 'INVALID_ARGUMENT'],
    [{ seed: 2 ** 32 }, 'INVALID_ARGUMENT'],
    [{ gamma: NaN }, 'INVALID_ARGUMENT'],
    [{ aggregation: 'max' as never }, 'INVALID_ARGUMENT'],
    [{ preset: 'huge' as never }, 'INVALID_ARGUMENT'],
    [{ preset: 'constructor' as never }, 'INVALID_ARGUMENT'],
    [{ k_sim: 3 } as never, 'UNKNOWN_OPTION'],
  ])('%j is refused', (options, expected) => {
    expect(() => resolveFdeConfig({ dim: 128, ...options })).toThrowError(code(expected))
  })
})

describe('explicit matrices', () => {
  const config = resolveFdeConfig({ dim: 4, repetitions: 1, simHashBits: 1, finalDim: 0 })
  const refused = (matrices: object): unknown => {
    try {
      return new FdeEncoder(config, matrices)
    } catch (error) {
      return error
    }
  }

  test('a misspelt name is an error, not a matrix from the seed', () => {
    expect(refused({ sketch_index: [0] })).toMatchObject({
      code: 'UNKNOWN_OPTION',
      message: expect.stringContaining('"sketchIndex"'),
    })
    expect(refused({ simHash: [1, 2, 3, 4] })).toMatchObject({
      code: 'UNKNOWN_OPTION',
      message: expect.stringContaining('"simhash"'),
    })
  })

  test('numbers that are none are named', () => {
    expect(refused({ simhash: [1, 2, NaN, 4] })).toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringContaining('simhash[2] is NaN'),
    })
    expect(refused({ simhash: [1, 2, 3] })).toMatchObject({ code: 'EMBEDDINGS_SHAPE' })
  })

  test('a projection without its size is an error', () => {
    expect(() => resolveFdeConfig({ dim: 64, projection: 'sparse' })).toThrowError(code('INVALID_ARGUMENT'))
    expect(resolveFdeConfig({ dim: 64, preset: 'paper', projection: 'sparse' })).toMatchObject({
      projection: 'sparse',
      projectionDim: 16,
    })
  })
})

describe('partition numbers', () => {
  test('both codes are bijections, and neighbours in the Gray code differ in one hyperplane', () => {
    for (let bits = 0; bits <= 7; bits++) {
      for (const numbering of ['gray', 'plain'] as const) {
        const patterns = partitionPatterns(bits, numbering)
        expect([...patterns].sort((a, b) => a - b)).toEqual(Array.from({ length: 2 ** bits }, (_, i) => i))
        partitionIds(bits, numbering).forEach((id, pattern) => expect(patterns[id]).toBe(pattern))
      }
      const gray = partitionPatterns(bits, 'gray')
      for (let id = 1; id < 2 ** bits; id++) expect(Math.log2(gray[id]! ^ gray[id - 1]!) % 1).toBe(0)
    }
  })
})

describe('FdeEncoder', () => {
  const dim = 12
  const options = fc.record({
    repetitions: fc.integer({ min: 1, max: 5 }),
    simHashBits: fc.integer({ min: 0, max: 4 }),
    projection: fc.constantFrom('none', 'sparse', 'balanced', 'dense'),
    projectionDim: fc.integer({ min: 1, max: 9 }),
    aggregation: fc.constantFrom('mean', 'power', 'sphere'),
    fillEmptyPartitions: fc.boolean(),
    tie: fc.constantFrom('token', 'cluster'),
    code: fc.constantFrom('gray', 'plain'),
    finalDim: fc.constantFrom(0, 7, 64),
    prepare: fc.constantFrom('none', 'deflate', 'center'),
    seed: fc.nat(),
  }) as fc.Arbitrary<FdeOptions>
  const text = fc
    .integer({ min: 0, max: 14 })
    .chain((length) =>
      fc
        .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: length * dim, maxLength: length * dim })
        .map((values) => matrix(values, dim)),
    )
  const means = {
    document: Float32Array.from({ length: dim }, (_, i) => 0.1 * i - 0.3),
    query: new Float32Array(dim).fill(0.05),
  }

  test('SIMD and plain TypeScript agree bit for bit, whatever the config', () => {
    const [a, b] = [true, false].map((simd) => new Workspace(createKernels({ simd }))) as [Workspace, Workspace]
    fc.assert(
      fc.property(options, text, (some, embeddings) => {
        const config = resolveFdeConfig({ dim, ...some })
        const [simd, plain] = [new FdeEncoder(config, {}, means, a), new FdeEncoder(config, {}, means, b)]
        expect(simd.encodeDocument(embeddings)).toEqual(plain.encodeDocument(embeddings))
        expect(simd.encodeQuery(embeddings)).toEqual(plain.encodeQuery(embeddings))
        expect(simd.partitions(embeddings, 'document')).toEqual(plain.partitions(embeddings, 'document'))
        expect(simd.fingerprint).toBe(plain.fingerprint)
        expect(simd.encodeDocument(embeddings).every(Number.isFinite)).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  test('the numbering permutes partitions and leaves scores as they are', () => {
    fc.assert(
      fc.property(options, text, text, (some, query, document) => {
        const scores = (['gray', 'plain'] as const).map((numbering) => {
          const encoder = new FdeEncoder(
            resolveFdeConfig({ dim, ...some, tie: 'token', code: numbering, finalDim: 0 }),
            {},
            means,
          )
          return dot(encoder.encodeQuery(query), encoder.encodeDocument(document))
        })
        expect(Math.abs(scores[0]! - scores[1]!)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(scores[0]!)))
      }),
    )
  })

  test('one partition: the query is the sum, the document the mean', () => {
    const encoder = new FdeEncoder(
      resolveFdeConfig({ dim: 2, preset: 'paper', repetitions: 1, simHashBits: 0, projection: 'none' }),
    )
    const rows = matrix([1, 2, 3, 6], 2)
    expect(encoder.encodeQuery(rows)).toEqual(Float32Array.of(4, 8))
    expect(encoder.encodeDocument(rows)).toEqual(Float32Array.of(2, 4))
  })

  test('repeating a whole document changes nothing', () => {
    const encoder = new FdeEncoder(resolveFdeConfig({ dim: 3, repetitions: 4 }))
    const values = [1, 2, -3, 0.5, 1, -1, -2, 0.25, 4]
    const [once, twice] = [
      encoder.encodeDocument(matrix(values, 3)),
      encoder.encodeDocument(matrix([...values, ...values], 3)),
    ]
    once.forEach((x, i) => expect(twice[i]).toBeCloseTo(x, 5))
  })

  test('no tokens give zeros, filled or not', () => {
    for (const preset of ['compact', 'paper'] as const) {
      const encoder = new FdeEncoder(resolveFdeConfig({ dim: 32, preset }))
      expect(encoder.encodeDocument(matrix([], 32)).every((x) => x === 0)).toBe(true)
      expect(encoder.encodeQuery(matrix([], 32)).every((x) => x === 0)).toBe(true)
      expect(encoder.partitions(matrix([], 32), 'document').partitions.length).toBe(0)
    }
  })

  test('a token that is all mean leaves nothing behind when deflated', () => {
    const mean = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + 1))
    const encoder = new FdeEncoder(resolveFdeConfig({ dim: 24, prepare: 'deflate' }), {}, { document: mean })
    const collapsed = matrix([...mean, ...mean.map((x) => x / 3)], 24)
    expect(encoder.encodeDocument(collapsed).every((x) => x === 0)).toBe(true)
  })

  test('scorers and encoders take turns in the same memory', () => {
    const [a, b] = ['compact', 'paper'].map(
      (preset) => new FdeEncoder(resolveFdeConfig({ dim: 16, preset: preset as 'paper' })),
    ) as [FdeEncoder, FdeEncoder]
    const rows = matrix(
      Float32Array.from({ length: 160 }, (_, i) => Math.sin(i)),
      16,
    )
    const scorer = new MaxSimScorer(rows)
    const first = [a.encodeDocument(rows), b.encodeDocument(rows), scorer.score(rows)]
    expect([a.encodeDocument(rows), b.encodeDocument(rows), scorer.score(rows)]).toEqual(first)
  })

  test('the fingerprint names everything that changes the numbers, and nothing else', () => {
    const print = (some: FdeOptions, own = {}) =>
      new FdeEncoder(resolveFdeConfig({ dim: 16, ...some }), own, {
        ...means,
        document: new Float32Array(16).fill(0.1),
        query: new Float32Array(16),
      }).fingerprint
    const base = print({})
    expect(base).toMatch(/^[0-9a-f]{16}$/)
    expect(print({ seed: 42 })).toBe(base)
    const others = [
      print({ seed: 43 }),
      print({ repetitions: 19 }),
      print({ simHashBits: 2 }),
      print({ aggregation: 'mean' }),
      print({ code: 'plain' }),
      print({ prepare: 'deflate' }),
      print({ prepare: 'center' }),
      print({ finalDim: 64 }),
      print({ preset: 'paper' }),
      print({ finalDim: 0, repetitions: 1, simHashBits: 1 }, { simhash: new Float32Array(16).fill(1) }),
    ]
    expect(new Set([base, ...others]).size).toBe(others.length + 1)
  })

  test('the fingerprint is the same in every version that can read the same index', () => {
    expect(new FdeEncoder(resolveFdeConfig({ dim: 128 })).fingerprint).toMatchInlineSnapshot(`"9e6e6d792130a5cb"`)
  })

  test('mistakes are named', () => {
    const config = resolveFdeConfig({ dim: 4, repetitions: 2, simHashBits: 2, finalDim: 8 })
    const encoder = new FdeEncoder(config)
    expect(() => encoder.encodeDocument(matrix([1, 2, 3], 3))).toThrowError(code('DIM_MISMATCH'))
    expect(() => encoder.encodeDocument(matrix([1, 2, 3, 4, 5, NaN, 7, 8], 4))).toThrowError(/token 1 holds NaN/)
    expect(() => encoder.encodeQuery(matrix([1, 2, 3, Infinity], 4))).toThrowError(code('NOT_FINITE'))
    expect(() => encoder.encodeQuery({ data: new Float32Array(5), length: 1, dim: 4 })).toThrowError(
      code('EMBEDDINGS_SHAPE'),
    )
    expect(() => new FdeEncoder(config, { simhash: new Float32Array(15) })).toThrowError(code('EMBEDDINGS_SHAPE'))
    expect(() => new FdeEncoder(config, { sketchIndex: new Int32Array(32) })).toThrowError(code('EMBEDDINGS_SHAPE'))
    expect(
      () => new FdeEncoder(config, { sketchIndex: new Int32Array(32).fill(8), sketchSign: new Int8Array(32) }),
    ).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => new FdeEncoder({ ...config, prepare: 'deflate' })).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => new FdeEncoder({ ...config, prepare: 'center' }, {}, { document: new Float32Array(4) })).toThrowError(
      code('INVALID_ARGUMENT'),
    )
    expect(() => new FdeEncoder({ ...config, prepare: 'deflate' }, {}, { document: new Float32Array(4) })).toThrowError(
      code('INVALID_ARGUMENT'),
    )
    expect(
      () => new FdeEncoder({ ...config, prepare: 'deflate' }, {}, { document: new Float32Array(3).fill(1) }),
    ).toThrowError(code('DIM_MISMATCH'))
    const projected = resolveFdeConfig({
      dim: 4,
      repetitions: 2,
      simHashBits: 2,
      projection: 'sparse',
      projectionDim: 2,
      finalDim: 0,
    })
    expect(() => new FdeEncoder(projected, { projection: new Int8Array(15) })).toThrowError(code('EMBEDDINGS_SHAPE'))
  })
})
