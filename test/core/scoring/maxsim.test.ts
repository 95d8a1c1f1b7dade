import { readdirSync } from 'node:fs'
import * as fc from '../../support/fast-check.js'
import { describe, expect, test } from 'vitest'
import { createKernels } from '../../../packages/core/src/math/simd.js'
import { Workspace, align16 } from '../../../packages/core/src/math/workspace.js'
import { matchTokens } from '../../../packages/core/src/scoring/explain.js'
import { MaxSimScorer, maxSim, maxSimMany, maxSimPairwise } from '../../../packages/core/src/scoring/maxsim.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { readJson, readTensors } from '../math/golden-tensors.js'

const folder = new URL('../../golden/pylate/', import.meta.url)
const matrix = (values: ArrayLike<number>, dim: number): TokenEmbeddings => ({
  data: Float32Array.from(values),
  length: values.length / dim,
  dim,
})
const code = (name: string) => expect.objectContaining({ code: name })

/** Rows i·stride… of a 3-dimensional tensor as matrices. */
function matrices(tensor: { shape: number[]; f32: Float32Array }): TokenEmbeddings[] {
  const [count, length, dim] = tensor.shape as [number, number, number]
  return Array.from({ length: count }, (_, i) => ({
    data: tensor.f32.subarray(i * length * dim, (i + 1) * length * dim),
    length,
    dim,
  }))
}

describe("PyLate's score functions", () => {
  const { scores, rerank_padding: rerank } = readJson<{
    scores: { colbert_scores: number[][]; colbert_scores_pairwise: number[] }
    rerank_padding: {
      query: number[][]
      documents: number[][][]
      together: { id: string; score: number }[][]
      alone: { id: string; score: number }[][]
    }
  }>(new URL('functions/golden.json', folder))
  const tensors = readTensors(new URL('functions/golden.safetensors', folder))
  const [queries, documents] = [matrices(tensors.get('s_Q')!), matrices(tensors.get('s_D')!)]

  test('colbert_scores', () => {
    queries.forEach((query, i) => {
      maxSimMany(query, documents).forEach((score, j) => expect(score).toBeCloseTo(scores.colbert_scores[i]![j]!, 3))
    })
  })

  test('colbert_scores_pairwise', () => {
    const pairs = maxSimPairwise(queries, documents.slice(0, queries.length))
    pairs.forEach((score, i) => expect(score).toBeCloseTo(scores.colbert_scores_pairwise[i]!, 3))
  })

  test('rerank of ragged documents: padded as PyLate does it, exact by default', () => {
    const query = matrix(rerank.query.flat(), 2)
    const ragged = rerank.documents.map((rows) => matrix(rows.flat(), 2))
    const together = new Map(rerank.together[0]!.map(({ id, score }) => [id, score]))
    const padded = maxSimMany(query, ragged, { padded: true })
    expect(padded[0]).toBeCloseTo(together.get('d1')!, 5)
    expect(padded[1]).toBeCloseTo(together.get('d2')!, 5)
    expect(maxSim(query, ragged[0]!)).toBeCloseTo(rerank.alone[0]![0]!.score, 5)
  })
})

interface Golden {
  cases: { id: string; text_indices: number[]; n_vectors: number[] }[]
  /** Without indices: all queries with all documents. */
  scores?: {
    q_text_indices?: number[]
    d_text_indices?: number[]
    colbert_scores_padded?: number[][]
    padded?: number[][]
    exact_maxsim: number[][]
  }
}

const models = readdirSync(folder)
  .filter((name) => name !== 'functions' && !name.includes('.'))
  .map((name) => ({ name, golden: readJson<Golden>(new URL(`${name}/golden.json`, folder)) }))
  .filter(({ golden }) => golden.scores?.colbert_scores_padded ?? golden.scores?.padded)

test.each(models)('scores recorded for $name: exact and padded', ({ name, golden }) => {
  const tensors = readTensors(new URL(`${name}/golden.safetensors`, folder))
  const { exact_maxsim: exactScores, q_text_indices: queryTexts, d_text_indices: documentTexts } = golden.scores!
  const paddedScores = golden.scores!.colbert_scores_padded ?? golden.scores!.padded!
  const vectors = (id: string, wanted: number[] | undefined): TokenEmbeddings[] => {
    const recorded = golden.cases.find((one) => one.id === id)!
    const texts = wanted ?? recorded.text_indices
    const { f32, shape } = tensors.get(id)!
    const starts = recorded.n_vectors.map((_, i) => recorded.n_vectors.slice(0, i).reduce((a, b) => a + b, 0))
    return texts.map((text) => {
      const i = recorded.text_indices.indexOf(text)
      const length = recorded.n_vectors[i]!
      return { data: f32.subarray(starts[i]! * shape[1]!, (starts[i]! + length) * shape[1]!), length, dim: shape[1]! }
    })
  }
  const queries = vectors('q_default', queryTexts)
  const documents = vectors('d_default', documentTexts)
  expect(exactScores.length).toBe(queries.length)
  queries.forEach((query, i) => {
    const exact = maxSimMany(query, documents)
    const padded = maxSimMany(query, documents, { padded: true })
    documents.forEach((document, j) => {
      expect(Math.abs(exact[j]! - exactScores[i]![j]!)).toBeLessThanOrEqual(1e-3)
      expect(Math.abs(padded[j]! - paddedScores[i]![j]!)).toBeLessThanOrEqual(1e-3)
      const sum = matchTokens(query, document).reduce((total, match) => total + match.similarity, 0)
      expect(Math.abs(sum - exactScores[i]![j]!)).toBeLessThanOrEqual(1e-3)
    })
  })
})

test('most recordings have scores', () => expect(models.length).toBeGreaterThan(4))

describe.each([true, false])('MaxSimScorer, SIMD %s', (simd) => {
  const workspace = new Workspace(createKernels({ simd }))
  const rows = (length: number, dim: number) =>
    fc
      .array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: length * dim, maxLength: length * dim })
      .map((values) => matrix(values, dim))
  const sample = fc
    .record({
      dim: fc.integer({ min: 1, max: 20 }),
      query: fc.integer({ min: 0, max: 20 }),
      lengths: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 4 }),
    })
    .chain((s) =>
      fc.record({
        query: rows(s.query, s.dim),
        documents: fc.tuple(...s.lengths.map((length) => rows(length, s.dim))),
      }),
    )

  test('arrays and arena give the same, in every storage form', () => {
    fc.assert(
      fc.property(sample, ({ query, documents }) => {
        const { dim } = query
        const scorer = new MaxSimScorer(query, workspace)
        const expected = documents.map((document) =>
          matchTokens(query, document).reduce((sum, match) => sum + match.similarity, 0),
        )
        expect(
          documents.map((document) => scorer.score(document)).map((score, i) => Math.abs(score - expected[i]!) < 1e-5),
        ).not.toContain(false)

        // one arena: all documents as f32, then as int8 codes and scales, then as halves
        const codes = documents.map(({ data }) => Int8Array.from(data, (x) => Math.round(x * 127)))
        const scales = documents.map(({ length }) => new Float32Array(length).fill(1 / 127))
        const sizes = documents.flatMap(({ data }, i) => [data.byteLength, codes[i]!.byteLength, scales[i]!.byteLength])
        const offsets = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + align16(size), 0))
        const arena = scorer.arena(sizes.reduce((sum, size) => sum + align16(size), 0))
        documents.forEach(({ data }, i) => {
          for (const [j, part] of [data, codes[i]!, scales[i]!].entries())
            arena.set(new Uint8Array(part.buffer), offsets[i * 3 + j]!)
        })
        documents.forEach((document, i) => {
          const fromArena = scorer.scoreF32At(offsets[i * 3]!, document.length)
          const int8 = scorer.scoreInt8At(offsets[i * 3 + 1]!, offsets[i * 3 + 2]!, document.length)
          expect(Math.abs(fromArena - expected[i]!)).toBeLessThan(1e-5)
          expect(Math.abs(int8 - expected[i]!)).toBeLessThanOrEqual(query.length * dim * 0.0045)
        })
        documents.forEach((document, i) => {
          const fromArrays = scorer.scoreInt8(codes[i]!, scales[i]!)
          scorer.arena(codes[i]!.byteLength + 16 + scales[i]!.byteLength)
          expect(Math.abs(fromArrays - expected[i]!)).toBeLessThanOrEqual(query.length * dim * 0.0045)
          expect(document.length * dim).toBe(codes[i]!.length)
        })
      }),
      { numRuns: 60 },
    )
  })

  test('halves', () => {
    const query = matrix([1, 0.5, -1, 0.25], 2)
    const scorer = new MaxSimScorer(query, workspace)
    // 1, −2, 0.5, 0.25 as halves
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x3400)
    const expected = maxSim(query, matrix([1, -2, 0.5, 0.25], 2))
    expect(scorer.scoreF16(halves)).toBe(expected)
    scorer.arena(halves.byteLength).set(new Uint8Array(halves.buffer))
    expect(scorer.scoreF16At(0, 2)).toBe(expected)
    expect(scorer.scoreF16At(4, 1)).toBe(maxSim(query, matrix([0.5, 0.25], 2)))
  })

  test('the memory may grow under a scorer', () => {
    const query = matrix([1, 2, 3], 3)
    const scorer = new MaxSimScorer(query, workspace)
    const small = scorer.score(matrix([1, 1, 1], 3))
    const many = matrix(
      Float32Array.from({ length: 3 * 300_000 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
      3,
    )
    expect(scorer.score(many)).toBe(1)
    expect(scorer.score(matrix([1, 1, 1], 3))).toBe(small)
  })

  test('an arena that another scorer took is not scored', () => {
    const [a, b] = [matrix([1], 1), matrix([2], 1)].map((query) => new MaxSimScorer(query, workspace)) as [
      MaxSimScorer,
      MaxSimScorer,
    ]
    a.arena(16)
    b.arena(16)
    expect(() => a.scoreF32At(0, 1)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => b.scoreF32At(0, 1)).not.toThrow()
  })

  test('offsets outside the arena, or misaligned, are refused', () => {
    const scorer = new MaxSimScorer(matrix([1, 2], 2), workspace)
    scorer.arena(64)
    expect(() => scorer.scoreF32At(0, 9)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => scorer.scoreF32At(-4, 1)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => scorer.scoreF32At(2, 1)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => scorer.scoreF16At(1, 1)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => scorer.scoreInt8At(0, 3, 1)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => scorer.scoreInt8At(0, Number.NaN, 1)).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => scorer.scoreInt8(new Int8Array(3), new Float32Array(1))).toThrowError(code('EMBEDDINGS_SHAPE'))
    expect(() => scorer.scoreInt8(new Int8Array(4), new Float32Array(1))).toThrowError(code('EMBEDDINGS_SHAPE'))
    expect(() => scorer.score(matrix([1], 1))).toThrowError(code('DIM_MISMATCH'))
  })
})

describe('maxSim', () => {
  test('the picture of its documentation', () => {
    const query = matrix([1, 0, 0, 1], 2)
    const document = matrix([0.91, 0.05, 0.12, 0.4, 0.33, 0.77], 2)
    expect(maxSim(query, document)).toBeCloseTo(1.68, 6)
    expect(matchTokens(query, document).map(({ queryToken, documentToken }) => [queryToken, documentToken])).toEqual([
      [0, 0],
      [1, 2],
    ])
  })

  test('does not clamp negative similarities', () => expect(maxSim(matrix([1, 0], 2), matrix([-0.5, 0], 2))).toBe(-0.5))

  test('nothing against something is 0, and matches nothing', () => {
    expect(maxSim(matrix([], 4), matrix([1, 2, 3, 4], 4))).toBe(0)
    expect(maxSim(matrix([1, 2, 3, 4], 4), matrix([], 4))).toBe(0)
    expect(maxSimMany(matrix([1], 1), [])).toEqual(new Float64Array(0))
    expect(matchTokens(matrix([1], 1), matrix([], 1))).toEqual([])
  })

  test('mistakes are named', () => {
    expect(() => maxSim(matrix([1, 2], 2), matrix([1, 2, 3], 3))).toThrowError(code('DIM_MISMATCH'))
    expect(() => maxSim(matrix([1, NaN], 2), matrix([1, 2], 2))).toThrowError(code('NOT_FINITE'))
    expect(() => maxSimMany(matrix([1, 2], 2), [matrix([1, 2], 2), matrix([1, 2, 3, Infinity], 2)])).toThrowError(
      /document 1, token 1/,
    )
    expect(() => maxSim({ data: new Float32Array(3), length: 2, dim: 2 }, matrix([1, 2], 2))).toThrowError(
      code('EMBEDDINGS_SHAPE'),
    )
    expect(() => maxSimPairwise([matrix([1], 1)], [])).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => maxSimMany(matrix([1], 1), [], { pad: true } as never)).toThrowError(code('UNKNOWN_OPTION'))
    expect(() => matchTokens(matrix([1, 2], 2), matrix([1], 1))).toThrowError(code('DIM_MISMATCH'))
  })
})

test('scores 200,000 documents in one call, padded or not', () => {
  const query = matrix([1, 0, 0, 1], 2)
  const near = matrix([1, 0], 2)
  const far = matrix([-1, 0, -1, 0], 2)
  const documents = Array.from({ length: 200_000 }, (_, i) => (i % 2 === 0 ? near : far))
  const exact = maxSimMany(query, documents)
  expect(exact).toHaveLength(200_000)
  expect([exact[0], exact[199_999]]).toEqual([1, -1])
  const padded = maxSimMany(query, documents, { padded: true })
  expect([padded[199_998], padded[199_999]]).toEqual([1, -1])
})
