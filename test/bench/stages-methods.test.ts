import { describe, expect, it } from 'vitest'
import { CentroidStage } from '../../bench/stages/centroid-stage.js'
import { LemurTargets, LemurVectors, rotate } from '../../bench/stages/lemur.js'
import { BitRows, storeRows } from '../../bench/stages/rows.js'
import type { Stage } from '../../bench/stages/stage.js'
import { FdeVectors, LearnedFdeVectors, MeanVectors, collectionMeans } from '../../bench/stages/text-vectors.js'
import { TokenStage } from '../../bench/stages/token-stage.js'
import { TokenStore } from '../../bench/stages/token-store.js'
import { SharedVectors, VectorStage } from '../../bench/stages/vector-stage.js'
import type { TextVectors } from '../../bench/stages/vector-stage.js'
import { topK } from '../../packages/core/src/math/top-k.js'
import { maxSim } from '../../packages/core/src/scoring/maxsim.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { collection, generator, stored, textOf } from './stages-collection.js'

const { documents, queries, store: tokens } = collection(600, 20)
const store = new TokenStore(tokens)

/** Share of the exact top 10 among the first `count`. */
async function found(stage: Stage, count: number): Promise<number> {
  await stage.build()
  let sum = 0
  for (const embeddings of queries) {
    const candidates = new Set(Array.from(stage.rank({ text: '', embeddings }, count)))
    sum += topK(store.scores(embeddings), 10).filter((document) => candidates.has(document)).length / 10
  }
  return sum / queries.length
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

describe('TokenStore', () => {
  it('scores as core does over the same vectors', () => {
    const scores = store.scores(queries[0]!)
    for (const i of [0, 1, 599]) expect(scores[i]).toBeCloseTo(maxSim(queries[0]!, store.embeddings(i)), 2)
    expect(store.embeddings(3).data[5]).toBeCloseTo(documents[3]!.data[5]!, 2)
  })

  it('gives each query token its largest product, and products with all tokens', () => {
    const query = queries[1]!
    store.load(query)
    const largest = new Float32Array(query.length)
    store.largest(4, largest)
    const products = new Float32Array(store.tokens)
    for (let token = 0; token < query.length; token++) {
      store.products(query.data.subarray(token * 32, (token + 1) * 32), products)
      expect(largest[token]).toBeCloseTo(Math.max(...products.subarray(store.starts[4], store.starts[5])), 3)
    }
  })

  it('takes empty documents, and refuses what kernels cannot compare', () => {
    const empty = { data: new Float32Array(0), length: 0, dim: 32 }
    const small = new TokenStore(stored([empty, documents[0]!]))
    expect(small.scores(queries[0]!)[0]).toBe(0)
    expect(() => new TokenStore({ ...tokens, dim: 20 })).toThrow(/multiple of 16 components, got 20/)
  })
})

describe('rows', () => {
  const random = generator(3)
  const [dim, count] = [44, 30]
  const rows = Float32Array.from({ length: dim * count }, random)
  const query = Float32Array.from({ length: dim }, random)
  const row = (i: number): Float32Array => rows.subarray(i * dim, (i + 1) * dim)

  it('f32 is exact, int8 nearly', () => {
    const [f32, int8] = [storeRows('f32', rows, dim), storeRows('int8', rows, dim)]
    for (let i = 0; i < count; i++) {
      expect(f32.innerProducts(query)[i]).toBeCloseTo(dot(query, row(i)), 4)
      expect(int8.innerProducts(query)[i]).toBeCloseTo(dot(query, row(i)), 1)
    }
    expect([f32.bytesPerRow, int8.bytesPerRow]).toEqual([dim * 4, dim + 4])
  })

  it('1 bit is the sign times the mean magnitude of the row', () => {
    const bits = new BitRows(rows, dim)
    const products = bits.innerProducts(query)
    const largest = Math.max(...query.map(Math.abs))
    const rounded = query.map((x) => (Math.round((x * 127) / largest) * largest) / 127)
    for (let i = 0; i < count; i++) {
      const magnitude = row(i).reduce((sum, x) => sum + Math.abs(x), 0) / dim
      expect(products[i]).toBeCloseTo(
        dot(
          rounded,
          row(i).map((x) => (x > 0 ? magnitude : -magnitude)),
        ),
        3,
      )
    }
    expect(bits.bytesPerRow).toBe(6 + 4)
    expect([...bits.innerProducts(new Float32Array(dim))]).toEqual(Array(count).fill(0))
  })
})

describe('LEMUR', () => {
  it('learns the largest product of each sampled token with a document', () => {
    const targets = new LemurTargets(store)
    expect(targets.sample.length).toBe(store.tokens)
    for (const [token, document] of [
      [0, 5],
      [300, 17],
      [3599, 599],
    ] as const) {
      const one = { data: targets.sample.rows.slice(token * 32, (token + 1) * 32), length: 1, dim: 32 }
      const wanted = maxSim(one, store.embeddings(document))
      expect(targets.values[document * targets.sample.length + token]).toBeCloseTo(wanted, 3)
    }
  })

  it('ranks like MaxSim, as one bit too, and better with more features', async () => {
    const targets = new LemurTargets(store)
    const stage = (dim: number, storage: 'int8' | '1 bit') =>
      new VectorStage('', '', new SharedVectors(new LemurVectors(dim, 32, () => targets), store), storage)
    const [small, large] = [await found(stage(64, 'int8'), 50), await found(stage(512, 'int8'), 50)]
    const bits = await found(stage(512, '1 bit'), 50)
    expect(large).toBeGreaterThan(0.9)
    expect(large).toBeGreaterThan(small)
    expect(bits).toBeGreaterThan(0.8)
  })

  it('turns vectors without changing inner products', () => {
    const random = generator(5)
    const [a, b] = [Float32Array.from({ length: 64 }, random), Float32Array.from({ length: 64 }, random)]
    const signs = Float32Array.from({ length: 64 }, () => Math.sign(random()))
    const before = dot(a, b)
    rotate(a, signs)
    rotate(b, signs)
    expect(dot(a, b)).toBeCloseTo(before, 4)
    const one = Float32Array.from({ length: 64 }, (_, i) => (i === 9 ? 1 : 0))
    rotate(one, signs)
    for (const x of one) expect(Math.abs(x)).toBeCloseTo(1 / 8, 6)
  })
})

describe('token search', () => {
  const [x, y, z] = [0, 1, 2].map((axis) => Float32Array.from({ length: 32 }, (_, i) => (i === axis ? 1 : 0))) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const still = (): number => 0
  const texts = [
    [y, z],
    [x, y],
    [x, z],
    [z, z],
  ].map((topics) => textOf(topics, 0, still))
  const query: TokenEmbeddings = textOf([x, y], 0, still)

  it('gives documents without a near token what the last near token has, and those without any nothing', async () => {
    const small = new TokenStore(stored(texts))
    const stage = new TokenStage(small, 2)
    await stage.build()
    // x is near in 1 and 2, y in 0 and 1. What they lack counts 1, as the second nearest has 1: all three have 2.
    expect([...stage.rank({ text: '', embeddings: query }, 4)]).toEqual([0, 1, 2])
    const wide = new TokenStage(small, 3)
    await wide.build()
    // The third nearest has 0: document 1 has 2, documents 0 and 2 have 1.
    expect([...wide.rank({ text: '', embeddings: query }, 3)]).toEqual([1, 0, 2])
  })

  it('is exact MaxSim when every token is near', async () => {
    expect(await found(new TokenStage(store, store.tokens), 10)).toBe(1)
  })
})

it('the centroid scan keeps most with few centroids and nearly all with more', async () => {
  const few = await found(new CentroidStage(store, 16), 50)
  const many = await found(new CentroidStage(store, 225), 50)
  expect(many).toBeGreaterThan(0.95)
  expect(many).toBeGreaterThan(few)
})

it('FDEs of hyperplanes and of learned partitions, and mean vectors, rank far better than chance', async () => {
  const means = collectionMeans(store, queries)
  const options = { preset: 'quality', finalDim: 0 } as const
  const stage = (vectors: TextVectors) => new VectorStage('', '', new SharedVectors(vectors, store), 'int8')
  expect(await found(stage(new FdeVectors(32, { ...options, simHashBits: 4 }, means)), 50)).toBeGreaterThan(0.7)
  expect(await found(stage(new LearnedFdeVectors(32, { preset: 'compact' })), 50)).toBeGreaterThan(0.7)
  expect(await found(stage(new MeanVectors(32)), 50)).toBeGreaterThan(0.4)
})
