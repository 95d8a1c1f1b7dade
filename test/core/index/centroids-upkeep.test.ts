import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Codebook } from '../../../packages/core/src/centroids/codebook.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import { Bitset } from '../../../packages/core/src/embedded/commit/bitset.js'
import { CentroidScan } from '../../../packages/core/src/embedded/stages/centroids/centroid-scan.js'
import { Centroids } from '../../../packages/core/src/embedded/stages/centroids/centroid-stage.js'
import { encodeRecord } from '../../../packages/core/src/store/records.js'
import { IndexStore } from '../../../packages/core/src/embedded/commit/index-files.js'
import { commitManifest, readManifest } from '../../../packages/core/src/embedded/format/manifest-file.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/multi-vector-index.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

// How codes live through failures, changes and searches at the same time.

const model = new FakeEncoder()
const next = random(6)
const documents = Array.from({ length: 600 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 12) }))

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-upkeep-'))
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
const damage = (kind: string) => {
  const path = join(folder, files(kind)[0]!)
  const bytes = readFileSync(path)
  bytes[200]! ^= 1
  writeFileSync(path, bytes)
}

/** More than 250,000 tokens of two components, in a circle. */
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
const openLarge = (options: OpenOptions = {}) =>
  open({
    firstStage: 'auto',
    fde: { partitioning: 'hyperplanes', repetitions: 2, simHashBits: 2 },
    ...options,
    model: undefined as never,
  })

describe('auto in a large collection with FDEs', () => {
  test('searches at once after opening all wait for the codes', async () => {
    const index = await openLarge()
    await index.upsert(large)
    await index.close()
    await using again = await openLarge()
    const results = await Promise.all(Array.from({ length: 4 }, () => again.searchDetailed(query, { candidates: 20 })))
    expect(results.map(({ stage }) => stage)).toEqual(Array.from({ length: 4 }, () => 'centroids'))
  })

  test('FDEs serve while damaged codes wait for the next change, with one warning', async () => {
    const index = await openLarge()
    await index.upsert(large)
    await index.close()
    damage('codes')
    await using again = await openLarge()
    for (let i = 0; i < 3; i++) expect((await again.searchDetailed(query, { candidates: 20 })).stage).toBe('fde')
    expect(warnings).toMatchObject([{ code: 'INDEX_REPAIRED' }])
    await again.upsert([{ id: 'more', embeddings: query }])
    expect((await again.searchDetailed(query, { candidates: 20 })).stage).toBe('centroids')
    expect(warnings).toHaveLength(1)
  })

  test('stats say what serves a search, also before there are codes', async () => {
    await using filler = await openLarge({ firstStage: 'exact' })
    await filler.upsert(large)
    await using reader = await openLarge({ readonly: true })
    expect((await reader.searchDetailed(query, { candidates: 20 })).stage).toBe('fde')
    expect((await reader.stats()).firstStage).toBe('fde')
  })
})

describe('an index with centroid codes', () => {
  test('has them after compaction too, whatever it is opened with', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    const other = await open({ firstStage: 'exact' })
    await other.delete('d3')
    await other.compact()
    expect((await other.stats()).centroids).not.toBeNull()
    await other.close()
    expect([files('codes').length, files('centroids').length]).toEqual([1, 1])
    await using reader = await open({ readonly: true })
    expect(await reader.searchDetailed(documents[9]!.text, { k: 1 })).toMatchObject({
      stage: 'centroids',
      hits: [{ id: 'd9' }],
    })
  })

  test('makes codes again that are not of its documents', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    const { centroids, ...manifest } = readManifest(folder)
    const { codes } = centroids!
    for (const rows of [codes.rows + 1, codes.rows - 1]) {
      await commitManifest(folder, { ...manifest, centroids: { ...centroids!, codes: { ...codes, rows } } })
      await using again = await open({ readonly: true })
      expect(await again.searchDetailed(documents[9]!.text, { k: 1 })).toMatchObject({
        stage: 'centroids',
        hits: [{ id: 'd9' }],
      })
    }
  })

  test('answers by the old codes while new ones are made', async () => {
    await using index = await MultiVectorIndex.open(undefined, { model, firstStage: 'centroids', fde: false })
    await index.upsert(documents.slice(0, 100))
    const { trainedAt } = (await index.stats()).centroids!
    let changed = false
    const change = index.upsert(documents, { batchSize: 600 }).then(() => (changed = true))
    while (index.count < 600) await new Promise((resolve) => setImmediate(resolve))
    const found = await index.searchDetailed(documents[500]!.text, { k: 1 })
    expect(found).toMatchObject({ stage: 'centroids', hits: [{ id: 'd500' }] })
    expect(changed).toBe(false)
    await change
    expect((await index.stats()).centroids!.trainedAt).toBeGreaterThan(trainedAt)
  })

  test('a search that waits for another change can be stopped', async () => {
    await using index = await MultiVectorIndex.open(undefined, { model, firstStage: 'centroids', fde: false })
    const change = index.upsert(documents, { batchSize: 600 })
    while (index.count < 600) await new Promise((resolve) => setImmediate(resolve))
    const stop = new AbortController()
    const search = index.search('kiwi', { signal: stop.signal })
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Error('enough'))
    await expect(search).rejects.toThrow('enough')
    expect((await index.stats()).centroids).toBeNull()
    await change
    expect(await index.search('kiwi', { k: 1 })).toHaveLength(1)
  })

  test('codes long documents a few at a time', async () => {
    await using index = await MultiVectorIndex.open(undefined, { dim: 2, firstStage: 'centroids', fde: false })
    await index.upsert(large.slice(0, 8))
    const done: number[] = []
    await index.upsert(large.slice(8, 24), {
      onProgress: (progress) => progress.phase === 'build' && done.push(progress.done),
    })
    expect(done.length).toBeGreaterThanOrEqual(4)
    expect(done.at(-1)).toBe(24)
  })

  test('saves the codes of long documents sooner', async () => {
    await using index = await MultiVectorIndex.open(folder, { dim: 2, firstStage: 'centroids', fde: false })
    await index.upsert(large.slice(0, 10))
    const before = (await index.stats()).bytes.centroids
    await index.upsert(large.slice(0, 20))
    expect((await index.stats()).bytes.centroids).toBe(before)
    await index.upsert(large.slice(0, 31))
    expect((await index.stats()).bytes.centroids).toBe(before + 21 * 2400 * 2)
  })
})

describe('saving', () => {
  const stored = (from: number, to: number) =>
    documents.slice(from, to).map(({ id, text }) => {
      const embeddings = model.embed(text)
      return { id, text, metadata: '{}', hash: id, tokens: embeddings.length, record: encodeRecord('int8', embeddings) }
    })
  const empty = { codec: 'int8', dim: 16, model: null, fde: null } as const
  const openStore = () => IndexStore.open(folder, empty, { readonly: false, create: true })
  const put = (store: IndexStore, from: number, to: number) =>
    store.commit({ documents: stored(from, to), deleted: [], dim: 16, model: null })

  test.each(['before', 'after'])('goes on where it failed %s the manifest was in place', async (when) => {
    const store = await openStore()
    const centroids = new Centroids(store, (warning) => warnings.push(warning))
    const commit = store.commitManifest.bind(store)
    const failing = vi.spyOn(store, 'commitManifest')
    const fail = () =>
      failing.mockImplementationOnce(async (change) => {
        if (when === 'after') await commit(change)
        throw new Error('no room')
      })
    for (const [from, to] of [
      [0, 200],
      [200, 500],
    ] as const) {
      await put(store, from, to)
      fail()
      await expect(centroids.update(store.collection)).rejects.toThrow('no room')
      const { centroids: saved } = store.manifest
      // What the manifest says must be there, whatever failed after it.
      if (saved) expect(readFileSync(join(folder, saved.codes.file)).length).toBe(saved.codes.bytes)
    }
    await put(store, 500, 600)
    await centroids.update(store.collection)
    await centroids.flush(store.collection)
    expect(store.manifest.centroids!.codes).toMatchObject({ rows: 600, bytes: store.collection.tokens * 2 })
    store.close()
    const again = await openStore()
    const loaded = new Centroids(again, (warning) => warnings.push(warning))
    const scan = await loaded.ready(again.collection, { rows: 0, train: false })
    expect(scan!.rows).toBe(600)
    expect(warnings).toEqual([])
    again.close()
  })

  test('leaves no file behind when one cannot be written', async () => {
    const store = await openStore()
    await put(store, 0, 200)
    const centroids = new Centroids(store, undefined)
    const create = store.createLog.bind(store)
    vi.spyOn(store, 'createLog')
      .mockImplementationOnce(create)
      .mockImplementationOnce(() => {
        throw new Error('no room')
      })
    await expect(centroids.update(store.collection)).rejects.toThrow('no room')
    expect([files('centroids'), files('codes')]).toEqual([[], []])
    await centroids.update(store.collection)
    expect([files('centroids').length, files('codes').length]).toEqual([1, 1])
    store.close()
  })
})

test('a scan that cannot grow stays as it was', () => {
  const centroids = Float32Array.from({ length: 16 * 2 }, (_, i) => (i % 2 ? Math.cos(i >> 1) : Math.sin(i >> 1)))
  const codebook = new Codebook({ dim: 2, cells: Float32Array.of(1, 0), centroids, cellBlocks: Int32Array.of(0, 1) })
  const scan = new CentroidScan(codebook)
  scan.append(Uint16Array.of(3, 4, 5), [1, 2])
  const allowed = new Bitset(2)
  allowed.add(0)
  allowed.add(1)
  const before = scan.search(query, 2, allowed)
  expect(() => scan.append({ length: 3e9 } as Uint16Array, new Int32Array(1000))).toThrow(RangeError)
  expect(scan.search(query, 2, allowed)).toEqual(before)
  expect(scan.rows).toBe(2)
})
