import { describe, expect, test } from 'vitest'
import { resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
import {
  choosePreparation,
  estimateMeans,
  measurePartitions,
  measureRecall,
} from '../../../packages/core/src/fde/suitability.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'

const code = (name: string) => expect.objectContaining({ code: name })
const dim = 32

let state = 7
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
const direction = Float32Array.from({ length: dim }, random)
const topics = Array.from({ length: 60 }, () => Float32Array.from({ length: dim }, random))

/** Unit tokens around a topic, pulled towards one common direction by `common`. */
function text(topic: number, length: number, common: number): TokenEmbeddings {
  const data = new Float32Array(length * dim)
  for (let i = 0; i < length; i++) {
    const row = data.subarray(i * dim, (i + 1) * dim)
    const centre = topics[(topic + (i % 5) * 7) % topics.length]!
    row.forEach((_, k) => (row[k] = centre[k]! + 0.4 * random() + common * direction[k]!))
    const norm = Math.hypot(...row)
    row.forEach((x, k) => (row[k] = x / norm))
  }
  return { data, length, dim }
}
const collection = (common: number) => ({
  documents: Array.from({ length: 400 }, (_, i) => text(i, 20, common)),
  queries: Array.from({ length: 20 }, (_, i) => text(i * 3, 8, common)),
})

test('means and their length', () => {
  const means = estimateMeans(
    [{ data: Float32Array.of(3, 0, 0, 4), length: 2, dim: 2 }],
    [{ data: Float32Array.of(1, 1), length: 1, dim: 2 }],
  )
  expect(means.document).toEqual(Float32Array.of(1.5, 2))
  expect(means.query).toEqual(Float32Array.of(1, 1))
  expect(means.meanNorm).toBeCloseTo(2.5 / 3.5, 6)
  expect(means.tokens).toBe(2)
  expect(estimateMeans([{ data: Float32Array.of(1, 1), length: 1, dim: 2 }]).query).toBeUndefined()
})

test('tokens that share a direction are deflated, others left alone', () => {
  expect(choosePreparation(estimateMeans(collection(0).documents))).toBe('none')
  expect(choosePreparation(estimateMeans(collection(3).documents))).toBe('deflate')
})

describe('a collection whose tokens share a direction', () => {
  const { documents, queries } = collection(4)
  const means = estimateMeans(documents, queries)
  const encoder = (prepare: 'none' | 'deflate' | 'center') =>
    new FdeEncoder(resolveFdeConfig({ dim, repetitions: 10, simHashBits: 3, finalDim: 640, prepare }), {}, means)

  test('hashes blindly, and evenly once deflated', () => {
    const [raw, deflated] = [
      measurePartitions(documents, encoder('none')),
      measurePartitions(documents, encoder('deflate')),
    ]
    expect(raw.partitions).toBe(8)
    expect(raw.minorityShare).toBeLessThan(0.2)
    expect(deflated.minorityShare).toBeGreaterThan(0.35)
    expect(deflated.occupied).toBeGreaterThan(raw.occupied)
    expect(deflated.occupied).toBeLessThanOrEqual(8)
  })

  test('loses the exact top 10 without a preparation', () => {
    const options = { candidates: 30 }
    const raw = measureRecall(documents, queries, encoder('none'), options)
    expect(raw).toMatchObject({ k: 10, candidates: 30, documents: 400, queries: 20, chance: 30 / 400 })
    for (const prepare of ['deflate', 'center'] as const) {
      expect(measureRecall(documents, queries, encoder(prepare), options).recall).toBeGreaterThan(raw.recall + 0.1)
    }
  })
})

test('the statistics do not depend on the numbering of partitions', () => {
  const { documents } = collection(1)
  const [gray, plain] = (['gray', 'plain'] as const).map((numbering) =>
    measurePartitions(
      documents.slice(0, 30),
      new FdeEncoder(resolveFdeConfig({ dim, repetitions: 3, simHashBits: 4, code: numbering, prepare: 'none' })),
    ),
  )
  expect(gray!.minorityShare).toBeCloseTo(plain!.minorityShare, 12)
  expect(gray!.occupied).toBe(plain!.occupied)
})

test('with as many candidates as documents everything is found, and chance says so', () => {
  const { documents, queries } = collection(0)
  const encoder = new FdeEncoder(resolveFdeConfig({ dim, repetitions: 1, simHashBits: 0, finalDim: 0 }))
  expect(measureRecall(documents.slice(0, 50), queries.slice(0, 2), encoder)).toMatchObject({ recall: 1, chance: 1 })
})

test('mistakes are named', () => {
  const encoder = new FdeEncoder(resolveFdeConfig({ dim }))
  const empty: TokenEmbeddings = { data: new Float32Array(0), length: 0, dim }
  expect(() => estimateMeans([])).toThrowError(code('INVALID_ARGUMENT'))
  expect(() => estimateMeans([empty])).toThrowError(code('INVALID_ARGUMENT'))
  expect(() => estimateMeans([text(0, 2, 0)], [{ data: new Float32Array(2), length: 1, dim: 2 }])).toThrowError(
    code('DIM_MISMATCH'),
  )
  expect(() => measurePartitions([empty], encoder)).toThrowError(code('INVALID_ARGUMENT'))
  expect(() => measureRecall([], [text(0, 1, 0)], encoder)).toThrowError(code('INVALID_ARGUMENT'))
  expect(() => measureRecall([text(0, 1, 0)], [text(0, 1, 0)], encoder, { candidates: 0 })).toThrowError(
    code('INVALID_ARGUMENT'),
  )
})
