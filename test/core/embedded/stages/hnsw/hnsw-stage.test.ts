import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { HnswGraph } from '../../../../../packages/core/src/embedded/stages/hnsw/hnsw-graph.js'
import { loadHnswlib } from '../../../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import type { Warning } from '../../../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../../../packages/core/src/index/multi-vector-index.js'
import type { EmbeddedOptions } from '../../../../../packages/core/src/embedded/options.js'
import type { OpenOptions as IndexOptions } from '../../../../../packages/core/src/index/open.js'
import { FakeEncoder } from '../../../../support/fake-encoder.js'
import type { StagedOptions } from '../../../../support/staged-index.js'
import {
  embeddingsOf,
  faultsOf,
  numbers,
  queryOf,
  StagedIndex,
  stageFiles,
  textOf,
} from '../../../../support/staged-index.js'

/** With what only `@serotine/core/store` offers. */
type OpenOptions = Omit<EmbeddedOptions, 'model'> & Pick<IndexOptions, 'model'>

/** Absent where there was no compiler when it was installed; then only what happens without it can be tested. */
const hnswlib = await loadHnswlib().catch(() => undefined)

const model = new FakeEncoder()
const fde = { partitioning: 'hyperplanes', repetitions: 8, simHashBits: 3, finalDim: 256 } as const
const documents = numbers(0, 400).map((n) => ({ id: `d${n}`, text: textOf(n), metadata: { n } }))

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-hnsw-'))
  warnings = []
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

const open = (options: OpenOptions = {}, where = folder) =>
  MultiVectorIndex.open(where, {
    model,
    fde,
    firstStage: 'hnsw',
    onWarning: (warning) => warnings.push(warning),
    ...options,
  })
const graphs = () => readdirSync(folder).filter((name) => name.endsWith('hnsw-graph'))
const search = (index: MultiVectorIndex, n: number) => index.searchDetailed(textOf(n), { k: 1 })

describe.skipIf(!hnswlib)('an index with firstStage: hnsw', () => {
  test('is served by FDEs until the graph is built, saves it beside the index and loads it again', async () => {
    const index = await open()
    await index.upsert(documents.slice(0, 300))
    await index.prepare()
    expect(graphs()).toHaveLength(1)
    expect(await search(index, 7)).toMatchObject({ firstStage: 'hnsw', candidates: 100, hits: [{ id: 'd7' }] })
    await index.upsert(documents.slice(300))
    expect(await search(index, 350)).toMatchObject({ firstStage: 'hnsw', hits: [{ id: 'd350' }] })
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
    expect(await search(again, 350)).toMatchObject({ firstStage: 'hnsw', hits: [{ id: 'd350' }] })
    await again.prepare()
    expect(added).toBe(0)
    await again.upsert([{ id: 'new', text: 'zyzzyva' }])
    await again.prepare()
    expect(added).toBe(1)
    await using reader = await open({ readonly: true })
    expect(await search(reader, 350)).toMatchObject({ firstStage: 'hnsw', hits: [{ id: 'd350' }] })
    await again.close()
    expect(warnings).toEqual([])
  })

  test('a graph that grew little is saved when the index is closed', async () => {
    const index = await open()
    await index.upsert(documents.slice(0, 300))
    await index.prepare()
    const [saved] = graphs()
    await index.upsert(documents.slice(300, 330))
    await index.prepare()
    expect(graphs()).toEqual([saved])
    expect((await index.stats()).firstStages.hnsw).toMatchObject({ documents: 330 })
    await index.upsert(documents.slice(330, 331))
    await index.prepare()
    const [grown] = graphs()
    expect(grown).not.toBe(saved)
    await index.upsert(documents.slice(331, 332))
    await index.close()
    expect(graphs()).not.toEqual([grown])
    await using again = await open({ readonly: true })
    expect((await again.stats()).firstStages.hnsw).toMatchObject({ documents: 332 })
  })

  test('FDEs are scanned for a filter that passes few, and while the graph is damaged', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.prepare()
    const filtered = await index.searchDetailed(textOf(7), { where: { n: { gte: 80 } }, k: 50 })
    expect(filtered.firstStage).toBe('hnsw')
    expect(filtered.hits.every(({ metadata }) => (metadata.n as number) >= 80)).toBe(true)
    const selective = { where: { n: { lt: 79 } }, candidates: 10, k: 5 }
    expect((await index.searchDetailed('kiwi', selective)).firstStage).toBe('fde')
    await index.close()
    const file = join(folder, graphs()[0]!)
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 0xff
    writeFileSync(file, bytes)
    await using again = await open()
    for (const n of [9, 10])
      expect(await search(again, n)).toMatchObject({ firstStage: 'fde', hits: [{ id: `d${n}` }] })
    expect((await again.stats()).firstStage).toBe('fde')
    expect(warnings).toMatchObject([{ code: 'INDEX_REPAIRED', message: expect.stringMatching(/damaged.*prepare\(\)/) }])
    await again.prepare()
    expect(await search(again, 9)).toMatchObject({ firstStage: 'hnsw', hits: [{ id: 'd9' }] })
    expect(warnings).toHaveLength(1)
  })

  test('after compaction the graph is built anew, beside searches', async () => {
    await using index = await open()
    await index.upsert(documents)
    await index.delete(['d7'])
    expect((await search(index, 7)).hits[0]!.id).not.toBe('d7')
    await index.prepare()
    await index.compact()
    expect(await search(index, 8)).toMatchObject({ hits: [{ id: 'd8' }] })
    await index.prepare()
    expect(await search(index, 8)).toMatchObject({ firstStage: 'hnsw', hits: [{ id: 'd8' }] })
    expect(graphs()).toHaveLength(1)
  })

  test('works in memory, and in memory does not claim rows of a graph that compaction dropped', async () => {
    const index = await StagedIndex.open({ preferred: 'hnsw' })
    await index.put(numbers(0, 400))
    await index.upkeep()
    expect((await index.search('hnsw', embeddingsOf(3), 1))!.ids).toEqual(['d3'])
    await index.delete([0])
    await index.compact()
    expect([index.stage('hnsw').rows, await index.search('hnsw', embeddingsOf(3), 1)]).toEqual([0, undefined])
    await index.upkeep()
    expect(index.stage('hnsw').rows).toBe(399)
  })

  test('hnswlib-node can be passed in', async () => {
    for (const given of [hnswlib!, () => hnswlib!, async () => hnswlib!]) {
      await using index = await open({ hnswlib: given }, ':memory:')
      await index.upsert(documents)
      await index.prepare()
      expect(await search(index, 3)).toMatchObject({ firstStage: 'hnsw' })
    }
  })

  test('muvera uses a graph where the collection is large', async () => {
    await using index = await open({ firstStage: 'muvera', graphNumbers: 400 * 256 })
    await index.upsert(documents.slice(0, 399))
    await index.prepare()
    expect((await search(index, 3)).firstStage).toBe('fde')
    expect(graphs()).toHaveLength(0)
    await index.upsert(documents)
    await index.prepare()
    expect((await search(index, 3)).firstStage).toBe('hnsw')
    expect((await index.stats()).firstStage).toBe('hnsw')
    expect(graphs()).toHaveLength(1)
    // Of a tenth, a scan is faster; of a hundred, so are exact scores.
    const some = { where: { n: { lt: 79 } }, candidates: 10 }
    expect((await index.searchDetailed('kiwi', some)).firstStage).toBe('fde')
    expect((await index.searchDetailed('kiwi', { where: { n: { lt: 79 } } })).firstStage).toBe('exact')
  })

  test('is kept from prepare({ firstStage }) on', async () => {
    const index = await open({ firstStage: 'auto' })
    await index.upsert(documents)
    await index.prepare()
    await expect(index.search('kiwi', { firstStage: 'hnsw' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/keeps nothing that "hnsw" could search by.*prepare\(\{ firstStage: "hnsw" \}\)/),
    })
    await index.prepare({ firstStage: 'hnsw' })
    expect((await index.searchDetailed('kiwi', { firstStage: 'hnsw' })).firstStage).toBe('hnsw')
    await index.close()
    await using again = await open({ firstStage: 'auto' })
    expect((await again.searchDetailed('kiwi', { firstStage: 'hnsw' })).firstStage).toBe('hnsw')
  })
})

describe.skipIf(!hnswlib)('a graph and what it is over', () => {
  const staged = (preferred: 'hnsw' | 'fde' = 'hnsw', options: StagedOptions = {}) =>
    StagedIndex.open({ folder, preferred, ...options })
  /** FDEs whose partitions are learned, from 8,000 tokens on. */
  const learning = { fde: { partitioning: 'centroids', repetitions: 2, simHashBits: 4, finalDim: 64 } } as const
  const damageFdes = () => {
    const learned = stageFiles(folder, 'fde').find((name) => name.endsWith('learned'))!
    writeFileSync(join(folder, learned), 'x')
  }

  test('is built again when the FDEs were learned again, from more documents', async () => {
    const index = await staged('hnsw', learning)
    await index.put(numbers(0, 700))
    await index.upkeep()
    await index.put(numbers(700, 1000))
    await index.upkeep()
    await index.close()
    damageFdes()
    const again = await staged('hnsw', learning)
    await again.upkeep()
    for (const n of numbers(0, 20)) {
      const expected = (await again.search('fde', queryOf(n), 20))!
      const found = (await again.search('hnsw', queryOf(n), 20))!
      for (const [i, score] of found.scores.entries()) expect(score).toBeCloseTo(expected.scores[i]!, 2)
    }
    expect([again.stage('hnsw').rows, again.derived('hnsw')!.rows, faultsOf(again)]).toEqual([1000, 1000, []])
    await again.close()
  })

  test('is not read when the FDEs were learned again without it', async () => {
    const index = await staged('hnsw', learning)
    await index.put(numbers(0, 700))
    await index.upkeep()
    await index.put(numbers(700, 800))
    await index.close()
    damageFdes()
    const other = await staged('fde', { ...learning, hnswlib: () => Promise.reject(new Error('no compiler')) })
    await other.upkeep().catch(() => {})
    await other.close()
    const again = await StagedIndex.open({ folder, readonly: true })
    expect(await again.search('hnsw', queryOf(1), 10)).toBeUndefined()
    await again.close()
  })

  test('is built again, in the same run, when the index was compacted meanwhile', async () => {
    const index = await staged('fde')
    await index.put(numbers(0, 600))
    await index.upkeep()
    await index.delete([0])
    index.stage('hnsw').keep()
    const { update } = HnswGraph.prototype
    vi.spyOn(HnswGraph.prototype, 'update').mockImplementationOnce(async function (this: HnswGraph, ...args) {
      await update.apply(this, args)
      await index.compact()
    })
    await index.upkeep()
    expect([index.stage('hnsw').rows, index.derived('hnsw')!.rows]).toEqual([599, 599])
    expect((await index.search('hnsw', embeddingsOf(300), 1))!.ids).toEqual(['d300'])
    expect(faultsOf(index)).toEqual([])
    await index.close()
  })

  test('keeps what is built when upkeep is stopped, and scans the rest', async () => {
    const index = await staged()
    await index.put(numbers(0, 200))
    await index.upkeep()
    const names = stageFiles(folder, 'hnsw')
    await index.put(numbers(200, 1200))
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('enough'))
    await expect(index.upkeep({ signal: stop.signal, onProgress })).rejects.toThrow('enough')
    expect(index.stage('hnsw').rows).toBeGreaterThanOrEqual(200)
    expect(index.stage('hnsw').rows).toBeLessThan(1200)
    expect(stageFiles(folder, 'hnsw')).toEqual(names)
    expect((await index.search('hnsw', embeddingsOf(1199), 2))!.ids).toContain('d1199')
    await index.upkeep()
    expect(index.stage('hnsw').rows).toBe(1200)
    await index.close()
  })

  describe('over long FDEs', () => {
    const long = { fde: { partitioning: 'hyperplanes', repetitions: 8, simHashBits: 5, finalDim: 1024 } } as const
    const filled = async () => {
      const index = await staged('hnsw', long)
      await index.put(numbers(0, 400))
      await index.upkeep()
      return index
    }

    test('keeps what shortens them, and finds the same again with it', async () => {
      const index = await filled()
      const before = await index.answers('hnsw', numbers(0, 10))
      expect(stageFiles(folder, 'hnsw').map((name) => name.split('.')[1])).toEqual(['hnsw-graph', 'hnsw-learned'])
      const { bytes } = index.derived('hnsw')!.files.graph!
      // 1,024 numbers would take 4,096 bytes.
      expect(bytes / 400).toBeLessThan(2000)
      await index.close()
      const again = await staged('hnsw', long)
      expect(again.stage('hnsw').rows).toBe(400)
      expect(await again.answers('hnsw', numbers(0, 10))).toEqual(before)
      expect(faultsOf(again)).toEqual([])
      await again.close()
    })

    test('is built again where that is damaged', async () => {
      const index = await filled()
      const before = await index.answers('hnsw', [1, 2])
      await index.close()
      const learned = stageFiles(folder, 'hnsw').find((name) => name.endsWith('learned'))!
      const bytes = readFileSync(join(folder, learned))
      bytes[100]! ^= 0xff
      writeFileSync(join(folder, learned), bytes)
      const again = await staged('hnsw', long)
      expect(await again.search('hnsw', queryOf(1), 10)).toBeUndefined()
      expect(again.warnings).toMatchObject([{ code: 'INDEX_REPAIRED', message: expect.stringMatching(/is damaged/) }])
      await again.upkeep()
      expect(await again.answers('hnsw', [1, 2])).toEqual(before)
      expect(faultsOf(again)).toEqual([])
      await again.close()
    })

    test('of an earlier form is built again; until then FDEs are scanned', async () => {
      const index = await filled()
      const { files, facts, ...derived } = index.derived('hnsw')!
      const old = { ...derived, version: 1, files: { graph: files.graph! }, facts: { over: facts.over! } }
      await index.files.commitDerived('hnsw', old)
      index.files.close()
      const again = await staged('hnsw', long)
      expect([again.stage('hnsw').rows, await again.search('hnsw', queryOf(1), 10)]).toEqual([0, undefined])
      expect((await again.search('fde', queryOf(1), 10))!.ids).toContain('d1')
      await again.upkeep()
      expect([again.stage('hnsw').rows, again.derived('hnsw')!.version, again.warnings]).toEqual([400, 2, []])
      expect(faultsOf(again)).toEqual([])
      await again.close()
    })

    test('is read once by searches at the same time', async () => {
      const index = await filled()
      await index.close()
      let read = 0
      class Counting extends hnswlib!.HierarchicalNSW {
        override readIndex(path: string): Promise<boolean> {
          read++
          return super.readIndex(path)
        }
      }
      const again = await staged('hnsw', { ...long, hnswlib: { HierarchicalNSW: Counting } })
      const answers = await again.answers('hnsw', [1, 2, 3])
      expect([read, answers.every((answer) => answer !== undefined)]).toEqual([1, true])
      await again.close()
    })
  })

  test('leaves no file behind when it cannot be written', async () => {
    const index = await staged()
    await index.put(numbers(0, 300))
    const save = vi.spyOn(HnswGraph.prototype, 'save').mockRejectedValueOnce(new Error('no room'))
    await expect(index.upkeep()).rejects.toThrow('no room')
    save.mockRestore()
    expect(faultsOf(index)).toEqual([])
    // It is in memory, and searched there.
    expect((await index.search('hnsw', embeddingsOf(3), 1))!.ids).toEqual(['d3'])
    await index.upkeep()
    expect([index.derived('hnsw')!.rows, faultsOf(index)]).toEqual([300, []])
    await index.close()
  })
})

describe('without hnswlib-node', () => {
  const missing = () => Promise.reject(new Error('Cannot find the binary'))
  const error = {
    code: 'HNSWLIB_MISSING',
    message: expect.stringMatching(/pnpm approve-builds.*firstStage: 'fde'/) as string,
    cause: expect.objectContaining({ message: 'Cannot find the binary' }) as Error,
  }

  test('asking for it is an error that says what to do', async () => {
    await expect(open({ hnswlib: missing })).rejects.toMatchObject(error)
    // The lock was let go.
    await using index = await open({ hnswlib: missing, firstStage: 'fde' })
    await index.upsert(documents)
    await expect(index.prepare({ firstStage: 'hnsw' })).rejects.toMatchObject(error)
    expect((await index.searchDetailed('kiwi', { firstStage: 'hnsw' })).firstStage).toBe('fde')
  })

  test('muvera does without it, and says so once where it would have been used', async () => {
    const small = await open({ hnswlib: missing, firstStage: 'muvera' })
    await small.upsert(documents)
    await small.prepare()
    await small.close()
    expect(warnings).toEqual([])
    await using large = await open({ hnswlib: missing, firstStage: 'muvera', graphNumbers: 1000 })
    for (let i = 0; i < 3; i++) {
      await large.prepare()
      expect((await search(large, 3)).firstStage).toBe('fde')
    }
    expect((await large.stats()).firstStage).toBe('fde')
    expect(warnings).toEqual([
      {
        code: 'HNSWLIB_MISSING',
        message: expect.stringMatching(/cannot be loaded.*every search scans 400 documents/) as string,
      },
    ])
  })

  test.skipIf(!hnswlib)('a graph that somebody else saved is left alone', async () => {
    const index = await open({ firstStage: 'muvera', graphNumbers: 1000 })
    await index.upsert(documents)
    await index.close()
    const names = graphs()
    expect(names).toHaveLength(1)
    await using other = await open({ hnswlib: missing, firstStage: 'muvera', graphNumbers: 1000 })
    for (let i = 0; i < 2; i++) expect((await search(other, 3)).firstStage).toBe('fde')
    await other.upsert([{ id: 'new', text: 'zyzzyva' }])
    await other.prepare()
    expect((await other.stats()).firstStage).toBe('fde')
    expect([graphs(), warnings.length]).toEqual([names, 1])
  })
})
