// What is estimated is compared with what is there when the documents have been added.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { recordBytes } from '../../../packages/core/src/store/records.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import { MemoryStore } from '../../support/memory-store.js'

const hnswlib = await loadHnswlib().catch(() => undefined)
const next = random(21)
const documents = Array.from({ length: 3000 }, (_, i) => ({
  id: `document-${i}`,
  text: randomText(next, 4 + Math.floor(next() * 20)),
  metadata: { lang: 'en', number: i },
}))

let folder: string
let model: FakeEncoder
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-estimate-'))
  model = new FakeEncoder()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const open = (options: OpenOptions = {}) => MultiVectorIndex.open(folder, { model, ...options })

/** Every number within a share of what it was to be. */
function expectNear(found: Record<string, number>, expected: Record<string, number>, share: number): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  for (const [part, bytes] of Object.entries(expected)) {
    expect(Math.abs(found[part]! - bytes), `${part}: ${found[part]} for ${bytes}`).toBeLessThanOrEqual(bytes * share)
  }
}

describe.each<[string, OpenOptions, string | undefined]>([
  ['an index', {}, undefined],
  ['an index with centroid codes', { firstStage: 'centroids', codec: 'f16', keywords: false }, 'centroids'],
  ['an index with FDEs', { firstStage: 'fde', fde: { partitioning: 'hyperplanes' } }, 'fde'],
  ...(hnswlib
    ? [['an index with a graph', { firstStage: 'hnsw', fde: { partitioning: 'hyperplanes' } }, 'hnsw'] as never]
    : []),
])('an estimate of %s', (_, options, stage) => {
  test('says from a sample what is there afterwards', async () => {
    const index = await open(options)
    const estimate = await index.estimate(documents)
    expect(model.encoded.length).toBe(201)
    expect(await index.count()).toBe(0)
    await index.upsert(documents)
    await index.prepare()
    await index.close()
    // Read back, it holds no room to grow.
    const reader = await open({ ...options, readonly: true })
    const hybrid = options.keywords !== false
    await reader.search('kiwi', { hybrid, ...(stage && { firstStage: stage }) })
    const { tokens, bytes, memory } = await reader.stats()
    await reader.close()
    expect(estimate).toMatchObject({ documents: 3000, sampled: 200 })
    expect(Math.abs(estimate.tokens / tokens - 1)).toBeLessThan(3 * estimate.standardError!)
    expect(estimate.standardError).toBeGreaterThan(0.01)
    expect(estimate.standardError).toBeLessThan(0.05)
    expectNear(estimate.bytes, bytes, 0.15)
    expectNear(estimate.memory!, memory!, 0.35)
  })
})

describe('estimate', () => {
  test('is exact where all documents are sampled, in streams as in arrays', async () => {
    const index = await open()
    const some = documents.slice(0, 150)
    const estimate = await index.estimate(some)
    const streamed = await index.estimate(
      (async function* () {
        yield* some
      })(),
    )
    await index.upsert(some)
    const { tokens, bytes, memory } = await index.stats()
    expect(estimate).toMatchObject({ documents: 150, sampled: 150, tokens, standardError: 0 })
    expect({ ...estimate.bytes, table: 0, total: 0 }).toEqual({ ...bytes, table: 0, total: 0 })
    expect(estimate.memory!.table).toBe(memory!.table)
    expect({ ...streamed, minutes: 0 }).toEqual({ ...estimate, minutes: 0 })
    await index.close()
  })

  test('takes as many minutes as encoding all would', async () => {
    const index = await open()
    let now = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    vi.spyOn(model, 'encodeDocuments').mockImplementation(async (texts) => {
      now += texts.length === 1 ? 5000 : texts.length * 30
      return texts.map((text) => model.embed(text))
    })
    const { minutes } = await index.estimate(documents, { sample: 50 })
    vi.restoreAllMocks()
    expect(minutes).toBeCloseTo((3000 * 0.03) / 60)
    await index.close()
  })

  test('is of the same documents each time, from the beginning to the end', async () => {
    const index = await open()
    await index.estimate(documents, { sample: 100 })
    const first = model.encoded.splice(0)
    await index.estimate(documents, { sample: 100 })
    expect(model.encoded).toEqual(first)
    const places = first.map((text) => documents.findIndex((document) => document.text === text))
    expect(places.reduce((sum, place) => sum + place) / places.length).toBeGreaterThan(1200)
    expect(places.reduce((sum, place) => sum + place) / places.length).toBeLessThan(1800)
    await index.close()
  })

  test('adds a first stage where documents that are there and those to come need one together', async () => {
    const index = await MultiVectorIndex.open(folder, { dim: 16 })
    const data = new Float32Array(5000 * 16).fill(0.25)
    const large = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => ({ id: `${from + i}`, embeddings: { data, length: 5000, dim: 16 } }))
    expect((await index.estimate(large(0, 40))).bytes.centroids).toBeUndefined()
    expect((await index.estimate(large(0, 60))).bytes.centroids).toBeGreaterThan(300_000 * 6)
    await index.upsert(large(0, 30))
    const estimate = await index.estimate(large(30, 60))
    expect(estimate).toMatchObject({ documents: 30, tokens: 150_000, standardError: 0, minutes: 0 })
    expect(estimate.bytes.centroids).toBeGreaterThan(300_000 * 6)
    expect(estimate.memory!.centroids).toBeGreaterThan(300_000 * 6)
    await index.close({ prepare: false })
  })

  test('encodes as upsert would: with its options', async () => {
    const index = await open()
    const encode = vi.spyOn(model, 'encodeDocuments')
    await index.estimate(documents.slice(0, 3), { poolFactor: 2, promptName: 'document' })
    expect(encode.mock.lastCall![1]).toMatchObject({ poolFactor: 2, promptName: 'document' })
    await index.close()
  })

  test('counts records and texts where a store says no more', async () => {
    const index = await MultiVectorIndex.open(new MemoryStore(), { model })
    const { tokens, bytes, memory } = await index.estimate(documents.slice(0, 100))
    const texts = documents.slice(0, 100).reduce((sum, { text }) => sum + text.length, 0)
    const records = documents
      .slice(0, 100)
      .reduce((sum, { text }) => sum + recordBytes('int8', model.embed(text).length, 16), 0)
    expect([bytes, memory]).toEqual([{ tokens: records, texts, total: records + texts }, undefined])
    expect(tokens).toBeGreaterThan(600)
    await index.close()
  })

  test('of nothing is nothing', async () => {
    const index = await open()
    const { memory: _memory, bytes, ...rest } = await index.estimate([])
    expect(rest).toEqual({ documents: 0, sampled: 0, tokens: 0, standardError: 0, minutes: 0 })
    expect(bytes.total).toBe(0)
    await index.close()
  })

  test('refuses what upsert would refuse, and stops at the signal', async () => {
    const index = await open()
    await expect(index.estimate([documents[0]!, documents[0]!])).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    await expect(index.estimate([{ id: 'a' }])).rejects.toThrow('neither text nor embeddings')
    await expect(index.estimate(documents, { sample: 0 })).rejects.toThrow('sample must be an integer of at least 1')
    const controller = new AbortController()
    vi.spyOn(model, 'encodeDocuments').mockImplementation(() => new Promise(() => {}))
    setTimeout(() => controller.abort(new Error('enough')), 10)
    await expect(index.estimate(documents, { signal: controller.signal })).rejects.toThrow('enough')
    await index.close()
    await expect(index.estimate(documents)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('the memory of stats', () => {
  test('grows with what is there and what searches load', async () => {
    const index = await open({ firstStage: 'centroids' })
    expect((await index.stats()).memory).toEqual({ table: 0, keywords: 0, total: 0 })
    await index.upsert(documents)
    await index.prepare()
    const { memory } = await index.stats()
    const { tokens } = await index.stats()
    expect(memory!.table).toBeGreaterThan(3000 * 300)
    expect(memory!.centroids).toBeGreaterThan(tokens * 4)
    expect(memory!.keywords).toBe(0)
    await index.search('kiwi', { hybrid: true })
    const after = (await index.stats()).memory!
    expect(after.keywords).toBeGreaterThan(10_000)
    expect(after.total).toBe(after.table! + after.centroids! + after.keywords!)
    await index.close()
  })

  test('is absent where the store keeps nothing here', async () => {
    const index = await MultiVectorIndex.open(new MemoryStore(), { model })
    expect(await index.stats()).not.toHaveProperty('memory')
    await index.close()
  })
})
