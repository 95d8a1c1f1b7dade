import { describe, expect, test } from 'vitest'
import { resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import type { FdeOptions } from '../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
import { learnFde } from '../../../packages/core/src/fde/learn.js'
import { restoreMeans, storeMeans } from '../../../packages/core/src/fde/stored-means.js'
import { measurePartitions, measureRecall } from '../../../packages/core/src/fde/suitability.js'
import { ScalarKernels } from '../../../packages/core/src/math/kernels.js'
import { Workspace } from '../../../packages/core/src/math/workspace.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'

const code = (name: string) => expect.objectContaining({ code: name })
const dim = 32

let state = 7
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
const direction = Float32Array.from({ length: dim }, random)
const words = Array.from({ length: 300 }, () => Float32Array.from({ length: dim }, random))

/** Unit tokens, each near one of 300 words and pulled towards one common direction by `common`. */
function text(length: number, common: number): TokenEmbeddings {
  const data = new Float32Array(length * dim)
  for (let i = 0; i < length; i++) {
    const row = data.subarray(i * dim, (i + 1) * dim)
    const word = words[Math.floor((random() + 1) * 150)]!
    row.forEach((_, k) => (row[k] = word[k]! + 0.3 * random() + common * direction[k]!))
    const norm = Math.hypot(...row)
    row.forEach((x, k) => (row[k] = x / norm))
  }
  return { data, length, dim }
}
const collection = (common: number) => ({
  documents: Array.from({ length: 500 }, () => text(30, common)),
  queries: Array.from({ length: 20 }, () => text(8, common)),
})
const flat = collection(0)
const leaning = collection(2)
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const row = (data: Float32Array, i: number) => data.subarray(i * dim, (i + 1) * dim)

describe('learnFde', () => {
  test("takes centroids in place of a preset's hyperplanes", async () => {
    const { config, means, meanNorm, tokens } = await learnFde(flat.documents, { dim })
    expect(config).toMatchObject({ partitioning: 'centroids', repetitions: 4, simHashBits: 7, finalDim: 2560 })
    expect(config).toMatchObject({ aggregation: 'peak', prepare: 'none' })
    expect(means.centroids).toHaveLength(4 * 128 * dim)
    expect(means.directions).toBeUndefined()
    expect(meanNorm).toBeLessThan(0.1)
    expect(tokens).toBe(500 * 30)
    // Codebooks differ, since they were learned from other tokens.
    expect(means.centroids!.slice(0, 128 * dim)).not.toEqual(means.centroids!.slice(128 * dim, 256 * dim))
  })

  test.each<[FdeOptions, object]>([
    [{ partitioning: 'hyperplanes' }, { repetitions: 20, simHashBits: 5 }],
    [{ preset: 'paper' }, { repetitions: 20, simHashBits: 5 }],
    [{ simHashBits: 3 }, { repetitions: 20, simHashBits: 3 }],
    [{ repetitions: 10 }, { repetitions: 10, simHashBits: 5 }],
  ])('%j keeps the hyperplanes', async (options, expected) => {
    const { config, means } = await learnFde(flat.documents.slice(0, 5), { ...options, dim })
    expect(config).toMatchObject(expected)
    expect(config).not.toHaveProperty('partitioning')
    expect(means).not.toHaveProperty('centroids')
  })

  test('the number of centroids can be chosen', async () => {
    const options = { dim, partitioning: 'centroids', repetitions: 2, simHashBits: 4 } as const
    const { means, config } = await learnFde(flat.documents.slice(0, 50), options)
    expect(means.centroids).toHaveLength(2 * 16 * dim)
    expect(config.simHashBits).toBe(4)
  })

  test('tokens that lean one way lose two directions: the mean, and the widest of the rest', async () => {
    const { config, means } = await learnFde(leaning.documents, { dim })
    expect(config.prepare).toBe('deflate')
    expect(means.directions).toHaveLength(dim)
    expect(Math.hypot(...means.directions!)).toBeCloseTo(1, 5)
    expect(dot(means.directions!, means.document!)).toBeCloseTo(0, 5)
    const alone = new FdeEncoder(config, {}, means)
    const along = { data: Float32Array.from(means.directions!), length: 1, dim }
    expect(alone.encodeDocument(along).every((x) => Math.abs(x) < 1e-5)).toBe(true)
  })

  test('keeps more of the exact top 10 than hyperplanes of the same size', async () => {
    const options = { dim, finalDim: 512 }
    const encoders = await Promise.all(
      (['hyperplanes', 'centroids'] as const).map(async (partitioning) => {
        const { config, means } = await learnFde(leaning.documents, { ...options, partitioning })
        return new FdeEncoder(config, {}, means)
      }),
    )
    const { documents, queries } = leaning
    const [before, after] = encoders.map(
      (encoder) => measureRecall(documents, queries, encoder, { candidates: 30 }).recall,
    )
    expect(after).toBeGreaterThan(before! + 0.05)
    const { occupied, partitions, minorityShare } = measurePartitions(leaning.documents, encoders[1]!)
    expect(partitions).toBe(128)
    expect(occupied).toBeGreaterThan(15)
    expect(minorityShare).toBe(0.5)
  })

  test('a slight lean is taken out with centroids, not with hyperplanes', async () => {
    const { documents } = collection(0.4)
    const learned = await learnFde(documents, { dim })
    expect(learned.config).toMatchObject({ partitioning: 'centroids', prepare: 'deflate' })
    expect(learned.meanNorm).toBeLessThan(0.5)
    expect((await learnFde(documents, { dim, partitioning: 'hyperplanes' })).config.prepare).toBe('none')
    expect((await learnFde(documents, { dim, prepare: 'none' })).config.prepare).toBe('none')
  })

  test('a sample of nothing is refused, an abort is heard', async () => {
    await expect(learnFde([], { dim })).rejects.toThrowError(code('INVALID_ARGUMENT'))
    await expect(learnFde(flat.documents, { dim }, { signal: AbortSignal.abort() })).rejects.toThrowError('abort')
  })

  test('few tokens, or tokens that are all one, still give an encoder', async () => {
    const one = { data: Float32Array.from({ length: 3 * dim }, (_, i) => (i % dim === 0 ? 1 : 0)), length: 3, dim }
    const { config, means } = await learnFde([one], { dim })
    expect(new FdeEncoder(config, {}, means).encodeDocument(one).every(Number.isFinite)).toBe(true)
  })
})

describe('centroids', async () => {
  const learned = await learnFde(leaning.documents, { dim, preset: 'small' })
  const encoder = new FdeEncoder(learned.config, {}, learned.means)

  test('a token falls to the most similar one', () => {
    const [document] = flat.documents
    const plain = new FdeEncoder({ ...learned.config, prepare: 'none' }, {}, learned.means)
    const { partitions } = plain.partitions(document!, 'document')
    const centroids = Float32Array.from(learned.means.centroids!)
    for (let r = 0; r < 4; r++) {
      for (let token = 0; token < document!.length; token++) {
        const similarities = Array.from({ length: 128 }, (_, c) => {
          const centroid = row(centroids, r * 128 + c)
          return dot(row(document!.data, token), centroid)
        })
        // Tokens are rounded to int8 for it.
        expect(similarities[partitions[r * document!.length + token]!]).toBeGreaterThan(Math.max(...similarities) - 1)
      }
    }
  })

  test('both kernels give the same bits, for texts longer than a group too', () => {
    const scalar = new FdeEncoder(learned.config, {}, learned.means, new Workspace(new ScalarKernels()))
    const long = text(601, 1)
    for (const each of [leaning.documents[0]!, long]) {
      expect(scalar.encodeDocument(each)).toEqual(encoder.encodeDocument(each))
      expect(scalar.encodeQuery(each)).toEqual(encoder.encodeQuery(each))
    }
  })

  test('stored and read again they make the same encoder; any other number makes another', () => {
    const stored = JSON.parse(JSON.stringify(storeMeans(learned.means)))
    expect(new FdeEncoder(learned.config, {}, restoreMeans(stored)).fingerprint).toBe(encoder.fingerprint)
    const changed = { ...learned.means, centroids: learned.means.centroids!.slice() }
    changed.centroids[changed.centroids.length - 1]! ^= 1
    expect(new FdeEncoder(learned.config, {}, changed).fingerprint).not.toBe(encoder.fingerprint)
    const older = { document: stored.document, query: null }
    expect(restoreMeans(older)).toEqual({ document: learned.means.document })
    expect(JSON.stringify(storeMeans(restoreMeans(older)))).toBe(JSON.stringify(older))
  })

  test('what does not fit is refused', () => {
    const { config, means } = learned
    expect(() => new FdeEncoder(config, {}, { document: means.document })).toThrowError(/learnFde\(\)/)
    expect(() => new FdeEncoder(config, {}, { ...means, centroids: new Int8Array(7) })).toThrowError(
      code('EMBEDDINGS_SHAPE'),
    )
    const options = { dim, partitioning: 'centroids' } as const
    expect(() => resolveFdeConfig({ ...options, fillEmptyPartitions: true })).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => resolveFdeConfig({ ...options, simHashBits: 3 })).toThrowError(code('INVALID_ARGUMENT'))
    expect(() => resolveFdeConfig({ dim, partitioning: 'trees' as never })).toThrowError(code('INVALID_ARGUMENT'))
    const directions = new Float32Array(dim + 1)
    expect(() => new FdeEncoder(config, {}, { ...means, directions })).toThrowError(code('EMBEDDINGS_SHAPE'))
  })
})

test('peak: a partition is as long as the square root of its longest token', () => {
  const config = resolveFdeConfig({ dim: 2, repetitions: 1, simHashBits: 0, aggregation: 'peak', finalDim: 0 })
  const document = { data: Float32Array.of(3, 0, 0, 4), length: 2, dim: 2 }
  const [x, y] = new FdeEncoder(config).encodeDocument(document)
  expect(x).toBeCloseTo((3 / 5) * 2, 5)
  expect(y).toBeCloseTo((4 / 5) * 2, 5)
})

test('tokens of no length teach nothing: every centroid has a direction', async () => {
  const documents = flat.documents.slice(0, 100).map(({ data, length }) => {
    const holed = data.slice()
    for (let i = 0; i < length; i += 2) holed.fill(0, i * dim, (i + 1) * dim)
    return { data: holed, length, dim }
  })
  const { means } = await learnFde(documents, { dim, prepare: 'none' })
  const centroids = means.centroids!
  const norms = Array.from({ length: centroids.length / dim }, (_, i) =>
    Math.hypot(...centroids.subarray(i * dim, (i + 1) * dim)),
  )
  expect(Math.min(...norms)).toBeGreaterThan(120)
})
