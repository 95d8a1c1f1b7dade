import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { resolveFdeConfig } from '../../../packages/core/src/fde/config.js'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
import { encodeFdeRow, FdeRows } from '../../../packages/core/src/embedded/stages/fde/fde-rows.js'
import { HnswGraph, loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnsw-graph.js'
import { IndexStore } from '../../../packages/core/src/embedded/commit/index-files.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { checkSearch } from '../../../packages/core/src/index/search.js'
import { FirstStages } from '../../../packages/core/src/embedded/stages/upkeep.js'
import { describeFirstStage } from '../../contract/first-stage.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

/** Absent where there was no compiler when it was installed; then only what happens without it can be tested. */
const hnswlib = await loadHnswlib().catch(() => undefined)

describe.skipIf(!hnswlib)('HNSW graph', () => {
  describeFirstStage(async (encoder, rows) => {
    const graph = await HnswGraph.create(encoder, rows)
    await graph.update()
    return graph
  }, 0.95)
})

describe.skipIf(!hnswlib)('a saved graph', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serotine-graph-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const model = new FakeEncoder()
  const encoder = new FdeEncoder(resolveFdeConfig({ dim: model.dim, repetitions: 8, simHashBits: 3, finalDim: 256 }))
  const rowsOf = (count: number): FdeRows => {
    const next = random(5)
    const rows = new FdeRows(encoder.outputDim)
    for (let i = 0; i < count; i++) rows.append(encodeFdeRow(encoder.encodeDocument(model.embed(randomText(next, 10)))))
    return rows
  }

  test('with more points than there are rows is not used: its points would have no document', async () => {
    const graph = await HnswGraph.create(encoder, rowsOf(20))
    await graph.update()
    const file = join(folder, 'graph.hnsw')
    const saved = await graph.save(file)
    expect(await HnswGraph.load(file, saved, encoder, rowsOf(19))).toBeUndefined()
    expect((await HnswGraph.load(file, saved, encoder, rowsOf(20)))?.built).toBe(20)
    expect((await HnswGraph.load(file, saved, encoder, rowsOf(21)))?.built).toBe(20)
  })
})

describe.skipIf(!hnswlib)('an index with firstStage: hnsw', () => {
  const model = new FakeEncoder()
  const next = random(11)
  const documents = Array.from({ length: 400 }, (_, i) => ({
    id: `d${i}`,
    text: randomText(next, 10),
    metadata: { n: i },
  }))
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'serotine-hnsw-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const open = (options = {}) =>
    MultiVectorIndex.open(folder, {
      model,
      fde: { repetitions: 8, simHashBits: 3, finalDim: 256 },
      firstStage: 'hnsw',
      ...options,
    })
  const graphs = () => readdirSync(folder).filter((name) => name.includes('hnsw'))
  const search = (index: MultiVectorIndex, n: number) => index.searchDetailed(documents[n]!.text, { k: 1 })

  test('is served by the graph, saves it beside the index and loads it again', async () => {
    const index = await open()
    await index.upsert(documents.slice(0, 300))
    expect(graphs()).toHaveLength(1)
    expect(await search(index, 7)).toMatchObject({ stage: 'hnsw', candidates: 100, hits: [{ id: 'd7' }] })
    await index.upsert(documents.slice(300))
    expect(await search(index, 350)).toMatchObject({ stage: 'hnsw', hits: [{ id: 'd350' }] })
    await index.close()
    expect(graphs()).toHaveLength(1)
    let added = 0
    class Counting extends hnswlib!.HierarchicalNSW {
      override addPoint(point: number[], label: number): void {
        added++
        super.addPoint(point, label)
      }
    }
    const again = await open({ hnswlib: { HierarchicalNSW: Counting } })
    expect(await search(again, 350)).toMatchObject({ stage: 'hnsw', hits: [{ id: 'd350' }] })
    expect(added).toBe(0)
    await again.upsert([{ id: 'new', text: 'kiwi' }])
    expect(added).toBe(1)
    await using reader = await open({ readonly: true })
    expect(await search(reader, 350)).toMatchObject({ stage: 'hnsw', hits: [{ id: 'd350' }] })
    await again.close()
  })

  test('deleted and filtered documents are not found; compaction builds the graph anew', async () => {
    await using index = await open()
    await index.upsert(documents)
    await index.delete(['d7'])
    expect((await search(index, 7)).hits[0]!.id).not.toBe('d7')
    const filtered = await index.searchDetailed(documents[7]!.text, { where: { n: { gte: 100 } }, k: 50 })
    expect(filtered.stage).toBe('hnsw')
    expect(filtered.hits.every(({ metadata }) => (metadata.n as number) >= 100)).toBe(true)
    // So few that a walk through the graph would pass nearly all of it: scanned.
    expect((await index.searchDetailed('kiwi', { where: { n: { lt: 40 } }, candidates: 10, k: 5 })).stage).toBe('fde')
    await index.compact()
    expect(await search(index, 8)).toMatchObject({ stage: 'hnsw', hits: [{ id: 'd8' }] })
    expect(graphs()).toHaveLength(1)
  })

  test('works in memory', async () => {
    await using index = await MultiVectorIndex.open(undefined, {
      model,
      fde: { partitioning: 'hyperplanes' },
      firstStage: 'hnsw',
    })
    await index.upsert(documents)
    expect(await search(index, 3)).toMatchObject({ stage: 'hnsw', hits: [{ id: 'd3' }] })
  })

  test('a damaged graph file is noticed and built again', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.close()
    const file = join(folder, graphs()[0]!)
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 0xff
    writeFileSync(file, bytes)
    const warnings: Warning[] = []
    await using again = await open({ onWarning: (warning: Warning) => warnings.push(warning) })
    expect(await search(again, 9)).toMatchObject({ stage: 'hnsw', hits: [{ id: 'd9' }] })
    expect(warnings).toEqual([{ code: 'INDEX_REPAIRED', message: expect.stringContaining(file) as string }])
  })

  test('hnswlib-node can be passed in', async () => {
    for (const given of [hnswlib, () => hnswlib]) {
      await using index = await MultiVectorIndex.open(undefined, {
        model,
        fde: { partitioning: 'hyperplanes' },
        firstStage: 'hnsw',
        hnswlib: given as never,
      })
      await index.upsert(documents)
      expect(await search(index, 3)).toMatchObject({ stage: 'hnsw' })
    }
  })

  test('muvera uses a graph where the collection is large', async () => {
    const index = await open({ firstStage: 'muvera' })
    await index.upsert(documents)
    await index.close()
    const store = await IndexStore.open(folder, null as never, { readonly: false, create: false })
    const stages = new FirstStages(store, 'muvera', undefined, undefined, 1000)
    const everything = { documents: store.collection.searchable(), count: 400, tokens: 1e6 }
    expect(
      (await stages.choose(store.collection, checkSearch('search()', { stage: 'muvera' }), everything))!.name,
    ).toBe('hnsw')
    await stages.update(store.collection)
    expect((await stages.choose(store.collection, checkSearch('search()', {}), everything))!.name).toBe('hnsw')
    expect(stages.planned(store.collection)).toBe('hnsw')
    expect(
      await stages.choose(store.collection, checkSearch('search()', {}), { ...everything, count: 100 }),
    ).toBeUndefined()
    store.close()
  })
})

describe('without hnswlib-node', () => {
  const model = new FakeEncoder()
  const next = random(11)
  const documents = Array.from({ length: 400 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 10) }))
  const missing = () => Promise.reject(new Error('Cannot find the binary'))

  test('asking for it is an error that says what to do', async () => {
    await expect(
      MultiVectorIndex.open(undefined, {
        model,
        fde: { partitioning: 'hyperplanes' },
        firstStage: 'hnsw',
        hnswlib: missing,
      }),
    ).rejects.toMatchObject({
      code: 'HNSWLIB_MISSING',
      message: expect.stringMatching(/pnpm approve-builds.*firstStage: 'fde'/) as string,
      cause: expect.objectContaining({ message: 'Cannot find the binary' }) as Error,
    })
    await using index = await MultiVectorIndex.open(undefined, {
      model,
      fde: { partitioning: 'hyperplanes' },
      hnswlib: missing,
    })
    await index.upsert(documents)
    await expect(index.search('kiwi', { stage: 'hnsw' })).rejects.toMatchObject({ code: 'HNSWLIB_MISSING' })
  })

  test('muvera does without it, and says so once where it would have been used', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'serotine-hnsw-'))
    const index = await MultiVectorIndex.open(folder, { model, fde: { partitioning: 'hyperplanes' }, hnswlib: missing })
    await index.upsert(documents)
    await index.close()
    const store = await IndexStore.open(folder, null as never, { readonly: false, create: false })
    const warnings: Warning[] = []
    const everything = { documents: store.collection.searchable(), count: 400, tokens: 1e6 }
    const small = new FirstStages(store, 'muvera', missing, (warning) => warnings.push(warning))
    await small.update(store.collection)
    expect((await small.choose(store.collection, checkSearch('search()', {}), everything))!.name).toBe('fde')
    expect(warnings).toEqual([])
    const large = new FirstStages(store, 'muvera', missing, (warning) => warnings.push(warning), 1000)
    for (let i = 0; i < 3; i++) {
      await large.update(store.collection)
      expect((await large.choose(store.collection, checkSearch('search()', {}), everything))!.name).toBe('fde')
    }
    expect(warnings).toEqual([
      {
        code: 'HNSWLIB_MISSING',
        message: expect.stringMatching(/cannot be loaded.*every search scans 400 documents/) as string,
      },
    ])
    store.close()
    rmSync(folder, { recursive: true })
  })
})
