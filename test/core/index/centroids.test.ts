import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/multi-vector-index.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const next = random(5)
const documents = Array.from({ length: 600 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 12),
  metadata: { n: i },
}))

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-centroids-'))
  warnings = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (options: OpenOptions = {}) =>
  MultiVectorIndex.open(folder, {
    model,
    firstStage: 'centroids',
    onWarning: (warning) => warnings.push(warning),
    ...options,
  })
const files = (kind: string) => readdirSync(folder).filter((name) => name.endsWith(`.${kind}`))
const search = (index: MultiVectorIndex, n: number) =>
  index.searchDetailed(documents[n]!.text, { k: 1, candidates: 50 })
const found = (n: number) => ({ stage: 'centroids', candidates: 50, hits: [{ id: `d${n}`, rank: 1 }] })

describe('an index with firstStage: centroids', () => {
  test('finds what exact MaxSim finds, and says how it was found', async () => {
    await using index = await open()
    await index.upsert(documents)
    let kept = 0
    for (let n = 0; n < 40; n++) {
      const query = documents[n * 15]!.text
      expect(await search(index, n * 15)).toMatchObject(found(n * 15))
      const exact = await index.search(query, { stage: 'exact' })
      const hits = new Set((await index.search(query, { candidates: 100 })).map(({ id }) => id))
      kept += exact.filter(({ id }) => hits.has(id)).length / exact.length / 40
    }
    expect(kept).toBeGreaterThan(0.95)
    const stats = await index.stats()
    expect(stats).toMatchObject({ firstStage: 'centroids', centroids: { trainedAt: stats.tokens } })
    expect(stats.bytes.centroids).toBe(
      stats.tokens * 2 + stats.centroids!.count * 16 * 4 + cellBytes(stats.centroids!.count),
    )
  })

  test('without exact MaxSim the score is an estimate of it', async () => {
    await using index = await open()
    await index.upsert(documents)
    const exact = await index.search(documents[33]!.text, { stage: 'exact', k: 1 })
    const estimate = await index.search(documents[33]!.text, { rerank: false, k: 1 })
    expect(estimate[0]!.id).toBe('d33')
    expect(Math.abs(estimate[0]!.score - exact[0]!.score)).toBeLessThan(0.2 * exact[0]!.score)
  })

  test('leaves out deleted documents and those a filter refuses', async () => {
    await using index = await open()
    await index.upsert(documents)
    await index.delete('d7')
    expect((await index.search(documents[7]!.text, { k: 600 })).map(({ id }) => id)).not.toContain('d7')
    const even = await index.search(documents[8]!.text, {
      k: 600,
      where: ({ metadata }) => Number(metadata.n) % 2 === 0,
    })
    expect(even).toHaveLength(300)
    expect(even[0]!.id).toBe('d8')
  })

  test('keeps codes and codebook beside the index and adds to them', async () => {
    const index = await open()
    await index.upsert(documents.slice(0, 400))
    const [codebook, codes] = [files('centroids'), files('codes')]
    expect([codebook.length, codes.length]).toEqual([1, 1])
    const before = readFileSync(join(folder, codes[0]!))
    await index.upsert(documents.slice(400, 500))
    // So few are saved when the index is closed.
    expect(readFileSync(join(folder, codes[0]!)).equals(before)).toBe(true)
    expect(await search(index, 480)).toMatchObject(found(480))
    await index.upsert(documents.slice(500))
    const { tokens } = await index.stats()
    await index.close()
    const after = readFileSync(join(folder, codes[0]!))
    expect(after.subarray(0, before.length).equals(before)).toBe(true)
    expect(after.length).toBe(tokens * 2)
    const trained = readFileSync(join(folder, codebook[0]!))
    await using reader = await open({ readonly: true })
    expect(await search(reader, 550)).toMatchObject(found(550))
    await using again = await open()
    expect(await search(again, 12)).toMatchObject(found(12))
    await again.upsert([{ id: 'new', text: 'zyzzyva syzygy' }])
    expect(readFileSync(join(folder, files('centroids')[0]!)).equals(trained)).toBe(true)
    expect(await again.searchDetailed('zyzzyva syzygy', { k: 1 })).toMatchObject({
      stage: 'centroids',
      hits: [{ id: 'new' }],
    })
    expect(warnings).toEqual([])
  })

  test('what a killed process left behind the committed codes does no harm', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    const path = join(folder, files('codes')[0]!)
    const whole = readFileSync(path)
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(100, 255)]))
    await using again = await open()
    expect(await search(again, 99)).toMatchObject(found(99))
    expect(readFileSync(path).equals(whole)).toBe(true)
    expect(warnings).toEqual([])
  })

  test.each(['codes', 'centroids'])('damaged %s are made again, and it says so', async (kind) => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    const path = join(folder, files(kind)[0]!)
    const bytes = readFileSync(path)
    bytes[200]! ^= 1
    writeFileSync(path, bytes)
    await using again = await open()
    expect(await search(again, 99)).toMatchObject(found(99))
    expect(warnings).toMatchObject([{ code: 'INDEX_REPAIRED', message: expect.stringContaining(files(kind)[0]!) }])
    await again.upsert([{ id: 'new', text: 'kiwi' }])
    await again.close()
    warnings.length = 0
    await using repaired = await open()
    expect(await search(repaired, 99)).toMatchObject(found(99))
    expect([warnings, files('codes').length, files('centroids').length]).toEqual([[], 1, 1])
  })

  test('missing files are made again', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    rmSync(join(folder, files('codes')[0]!))
    await using again = await open()
    expect(await search(again, 99)).toMatchObject(found(99))
    expect(warnings).toMatchObject([{ code: 'INDEX_REPAIRED' }])
  })

  test('compaction makes them of what lives', async () => {
    await using index = await open()
    await index.upsert(documents)
    await index.delete(documents.slice(0, 300).map(({ id }) => id))
    const [running] = await Promise.all([search(index, 420), index.compact()])
    expect(running).toMatchObject(found(420))
    expect(await search(index, 420)).toMatchObject(found(420))
    const { tokens, bytes, centroids } = await index.stats()
    expect(readFileSync(join(folder, files('codes')[0]!))).toHaveLength(tokens * 2)
    expect(bytes.centroids).toBe(tokens * 2 + centroids!.count * 64 + cellBytes(centroids!.count))
    expect([files('codes').length, files('centroids').length]).toEqual([1, 1])
  })

  test('a collection four times as large is divided anew', async () => {
    await using index = await open()
    await index.upsert(documents.slice(0, 120))
    const few = (await index.stats()).centroids!
    await index.upsert(documents.slice(0, 400))
    expect((await index.stats()).centroids).toMatchObject({ count: few.count, trainedAt: few.trainedAt })
    await index.upsert(documents)
    const { centroids, tokens } = await index.stats()
    expect(centroids!.trainedAt).toBe(tokens)
    expect(centroids!.count).toBeGreaterThan(few.count)
    expect(await search(index, 580)).toMatchObject(found(580))
    expect([files('codes').length, files('centroids').length]).toEqual([1, 1])
  })

  test('in memory, with f16 and f32 vectors, with nothing in it, and with one document', async () => {
    for (const codec of ['f16', 'f32', 'int8'] as const) {
      await using index = await MultiVectorIndex.open(undefined, { model, codec, firstStage: 'centroids', fde: false })
      expect(await index.searchDetailed('kiwi')).toMatchObject({ hits: [], stage: 'none' })
      await index.upsert([{ id: 'one', text: 'kiwi' }])
      expect(await index.search('kiwi', { k: 3 })).toMatchObject([{ id: 'one' }])
      await index.upsert(documents)
      expect(await search(index, 3)).toMatchObject(found(3))
    }
  })

  test('a reader that is behind codes what the writer has not', async () => {
    const plain = await open({ firstStage: 'exact' })
    await plain.upsert(documents)
    await plain.close()
    await using reader = await open({ readonly: true })
    expect(await search(reader, 77)).toMatchObject(found(77))
    expect(files('codes')).toEqual([])
  })

  test('a search can be stopped while they are made', async () => {
    await using index = await open({ firstStage: 'exact' })
    await index.upsert(documents)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(index.search('kiwi', { stage: 'centroids', signal })).rejects.toThrow('enough')
    expect((await index.searchDetailed('kiwi', { stage: 'centroids' })).stage).toBe('centroids')
  })
})

describe('auto', () => {
  /** More than 250,000 tokens of two components. */
  const large = Array.from({ length: 110 }, (_, i) => {
    const turn = random(i + 1)
    const data = new Float32Array(2400 * 2)
    for (let t = 0; t < 2400; t++) {
      const angle = (i + turn()) * 0.05
      data.set([Math.cos(angle), Math.sin(angle)], t * 2)
    }
    return { id: `${i}`, embeddings: { data, length: 2400, dim: 2 } }
  })
  const query: TokenEmbeddings = { data: Float32Array.of(Math.cos(2), Math.sin(2)), length: 1, dim: 2 }

  test('scores small collections exactly and large ones by centroids; once made they are kept up to date', async () => {
    const auto = (options: OpenOptions = {}) => MultiVectorIndex.open(folder, { fde: false, ...options })
    const index = await auto()
    await index.upsert(large.slice(0, 50))
    expect(await index.stats()).toMatchObject({ firstStage: 'exact', centroids: null })
    expect((await index.searchDetailed(query, { candidates: 20 })).stage).toBe('exact')
    await index.upsert(large)
    expect(await index.stats()).toMatchObject({ firstStage: 'centroids', centroids: { trainedAt: 264_000 } })
    expect((await index.searchDetailed(query, { candidates: 20 })).stage).toBe('centroids')
    expect((await index.searchDetailed(query, { candidates: 20, where: ({ id }) => Number(id) < 30 })).stage).toBe(
      'exact',
    )
    const [hit] = await index.search(query, { candidates: 20, k: 1 })
    expect(hit!.score).toBeGreaterThan(0.9999)
    await index.close()
    const other = await auto({ firstStage: 'exact' })
    await other.upsert([{ id: 'more', embeddings: query }])
    await other.close()
    expect(readFileSync(join(folder, files('codes')[0]!))).toHaveLength(264_001 * 2)
  }, 60_000)
})

/** Directions of the cells: as many as the square root of the centroids says, less those nobody is in. */
function cellBytes(centroids: number): number {
  const bytes = readFileSync(join(folder, files('centroids')[0]!)).length
  const cells = bytes - centroids * 64
  expect(cells / 64).toBeLessThanOrEqual(Math.ceil(Math.sqrt(centroids)) + 1)
  return cells
}
