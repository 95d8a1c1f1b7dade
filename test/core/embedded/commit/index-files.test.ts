import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { filesOf } from '../../../../packages/core/src/embedded/format/file-names.js'
import { readManifest } from '../../../../packages/core/src/embedded/format/manifest-file.js'
import { Segment } from '../../../../packages/core/src/embedded/format/segment.js'
import { MultiVectorIndex } from '../../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../../packages/core/src/index/open.js'
import { FakeEncoder, random, randomText } from '../../../support/fake-encoder.js'
import { embeddingsOf, faultsOf, numbers, queryOf, StagedIndex } from '../../../support/staged-index.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-files-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

const idsOf = ({ files: { collection } }: StagedIndex) =>
  [...collection.ordinals()].map((ordinal) => collection.row(ordinal).id)
const sizes = () => readdirSync(folder).map((name) => [name, statSync(join(folder, name)).size])

describe('an index of several segments', () => {
  const model = new FakeEncoder()
  const next = random(31)
  const documents = numbers(0, 200).map((i) => ({ id: `d${i}`, text: randomText(next, 8 + (i % 30)) }))
  const fde = { preset: 'small', partitioning: 'hyperplanes' } as const
  const open = () => MultiVectorIndex.open(folder, { model, fde, segmentBytes: 20_000 } as OpenOptions)

  async function answers(): Promise<unknown[]> {
    await using index = await MultiVectorIndex.open(folder, { model, readonly: true })
    const results = []
    for (const query of ['kiwi river', documents[150]!.text]) {
      for (const firstStage of ['exact', 'fde'] as const) {
        const hits = await index.search(query, { firstStage, k: 20, candidates: 60 })
        results.push(hits.map(({ id, score, text }) => ({ id, score, text })))
      }
    }
    return results
  }

  test('answers like one of a single segment, and keeps the order of insertion through compaction', async () => {
    const index = await open()
    await index.upsert(documents, { batchSize: 20 })
    await index.prepare()
    const { segments } = readManifest(folder)
    expect(segments.length).toBeGreaterThan(3)
    // A segment is left when it is full, and not before.
    for (const { tokenBytes } of segments.slice(0, -1)) expect(tokenBytes).toBeGreaterThanOrEqual(20_000)
    const several = await answers()
    await using single = await MultiVectorIndex.open(undefined, { model, fde })
    await single.upsert(documents)
    const exact = await single.search('kiwi river', { firstStage: 'exact', k: 20 })
    expect(several[0]).toEqual(exact.map(({ id, score, text }) => ({ id, score, text })))

    // Only the segments of deleted documents are written anew.
    const ids = segments.map(({ id }) => id)
    const first = segments[0]!.documents
    const gone = [first, first + 1, 199].map((i) => `d${i}`)
    await index.delete(gone)
    const before = await answers()
    await index.compact()
    await index.prepare()
    const after = readManifest(folder).segments.map(({ id }) => id)
    expect(after[0]).toBe(ids[0])
    expect(after.filter((id) => ids.includes(id))).toEqual(ids.filter((_, i) => i !== 1 && i !== ids.length - 1))
    const left = documents.map(({ id }) => id).filter((id) => !gone.includes(id))
    expect(await index.ids()).toEqual(left)
    expect(await answers()).toEqual(before)

    await index.upsert([{ id: 'a new one', text: 'kiwi river' }])
    await index.close()
    await using again = await open()
    expect(await again.ids()).toEqual([...left, 'a new one'])
    expect(await answers()).not.toEqual(before)
  })
})

describe('a commit', () => {
  test('that fails changes nothing, on disk or in memory, and the next one succeeds', async () => {
    const index = await StagedIndex.open({ folder, preferred: 'fde', segmentBytes: 5000 })
    await index.put(numbers(0, 200))
    await index.upkeep()
    const [before, { manifest }, ids] = [sizes(), index.files, idsOf(index)]
    // What is written before the manifest must not stay when that cannot be written.
    mkdirSync(join(folder, 'manifest.json.tmp'))
    await expect(index.put([3, 200, 201])).rejects.toThrow(/EISDIR|EPERM|EACCES/)
    await expect(index.delete([5])).rejects.toThrow(/EISDIR|EPERM|EACCES/)
    rmdirSync(join(folder, 'manifest.json.tmp'))
    expect(index.files.manifest).toBe(manifest)
    expect([idsOf(index), index.stage('fde').rows, index.files.collection.deletedCount]).toEqual([ids, 200, 0])
    const kept = sizes().filter(([name]) => filesOf(manifest).includes(name as string) || name === 'manifest.json')
    expect(kept).toEqual(before.filter(([name]) => name !== 'lock'))

    await index.put([3, 200, 201])
    expect([idsOf(index).slice(-3), index.stage('fde').rows, faultsOf(index)]).toEqual([
      ['d3', 'd200', 'd201'],
      203,
      [],
    ])
    await index.close()
    const again = await StagedIndex.open({ folder, readonly: true })
    expect([again.files.collection.total, idsOf(again).length]).toEqual([203, 202])
    for (const n of [3, 200, 201]) {
      expect((await again.search('fde', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
      const ordinal = again.files.collection.ordinalOf(`d${n}`)!
      const { data } = again.files.collection.readEmbeddings(ordinal, 'int8', 16)
      for (const [i, value] of embeddingsOf(n).data.entries()) expect(data[i]).toBeCloseTo(value, 2)
    }
    await again.close()
  })

  test('does not happen when documents cannot be coded', async () => {
    const index = await StagedIndex.open({ folder, preferred: 'fde' })
    await index.put(numbers(0, 200))
    await index.upkeep()
    const { manifest, collection } = index.files
    const [coder] = await index.coders()
    const encode = () => {
      throw new Error('no memory')
    }
    const changes = { documents: [], deleted: [0], dim: 16, model: null }
    await index.files.commit(changes, [{ ...coder!, encode: () => new Uint8Array(0) }])
    const documents = [{ id: 'new', text: 'x', metadata: '{}', hash: '00', tokens: 0, record: new Uint8Array(0) }]
    await expect(index.files.commit({ ...changes, documents }, [{ ...coder!, encode }])).rejects.toThrow('no memory')
    expect(index.files.manifest.generation).toBe(manifest.generation + 1)
    expect([collection.total, collection.size]).toEqual([200, 199])
    await index.close()
  })

  test('codes documents only for stages that have all before them', async () => {
    const index = await StagedIndex.open({ preferred: 'fde' })
    await index.put(numbers(0, 200))
    await index.upkeep()
    await index.put([200], { coded: false })
    const { codes } = index.derived('fde')!.files
    await index.put([201])
    expect(index.derived('fde')).toMatchObject({ rows: 200, files: { codes } })
    expect(index.stage('fde').rows).toBe(200)
    await index.upkeep()
    expect(index.stage('fde').rows).toBe(202)
    expect((await index.search('fde', embeddingsOf(201), 1))!.ids).toEqual(['d201'])
  })

  test.each(['centroids', 'fde'])(
    'of documents that %s find no memory for is there, and later ones are not taken for them',
    async (which) => {
      const index = await StagedIndex.open({ folder, preferred: 'centroids' })
      await index.put(numbers(0, 200))
      await index.upkeep()
      const searcher = (await index.stage(which).searcher(index.files.collection)) as unknown as { append(): void }
      vi.spyOn(searcher, 'append').mockImplementationOnce(() => {
        throw new RangeError('no memory')
      })
      await index.put(numbers(200, 210))
      expect([index.files.collection.size, index.derived(which)!.rows]).toEqual([210, 210])
      await index.put(numbers(210, 220))
      for (const name of ['fde', 'centroids']) {
        expect(index.stage(name).rows).toBe(220)
        for (const n of [150, 205, 215]) expect((await index.search(name, embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
      }
      expect(faultsOf(index)).toEqual([])
      await index.close()
    },
  )
})

describe('compaction', () => {
  test('that is stopped changes nothing and leaves no file, and the next one succeeds', async () => {
    const index = await StagedIndex.open({ folder, preferred: 'fde', segmentBytes: 5000 })
    await index.put(numbers(0, 200))
    await index.upkeep()
    await index.delete([0, 5, 7])
    const [{ manifest, collection }, before] = [index.files, await index.answers('fde', [20, 30])]
    await expect(index.compact(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
    mkdirSync(join(folder, 'manifest.json.tmp'))
    await expect(index.compact()).rejects.toThrow(/EISDIR|EPERM|EACCES/)
    rmdirSync(join(folder, 'manifest.json.tmp'))
    expect(faultsOf(index)).toEqual([])
    expect([index.files.manifest === manifest, index.files.collection === collection]).toEqual([true, true])
    expect(index.files.collection.deletedCount).toBe(3)
    expect(await index.answers('fde', [20, 30])).toEqual(before)
    await index.compact()
    expect([index.files.collection.deletedCount, faultsOf(index)]).toEqual([0, []])
    const after = await index.answers('fde', [20, 30])
    expect(after.map((answer) => answer!.ids)).toEqual(before.map((answer) => answer!.ids))
    await index.close()
  })

  test('that fails while it copies leaves no file', async () => {
    const index = await StagedIndex.open({ folder, segmentBytes: 2000 })
    await index.put(numbers(0, 100))
    await index.delete(numbers(0, 50).map((n) => n * 2))
    let copied = 0
    const { append } = Segment.prototype
    vi.spyOn(Segment.prototype, 'append').mockImplementation(function (this: Segment, document) {
      if (++copied === 40) throw new Error('no room')
      return append.call(this, document)
    })
    await expect(index.compact()).rejects.toThrow('no room')
    expect(faultsOf(index)).toEqual([])
    await index.close()
  })

  test('of what has no deleted documents does nothing', async () => {
    const index = await StagedIndex.open({ folder })
    await index.put(numbers(0, 10))
    const { manifest } = index.files
    await index.compact()
    expect([index.files.manifest === manifest, faultsOf(index)]).toEqual([true, []])
    await index.close()
  })

  test('leaves files open for those who began to read before it, and removes them when the last has ended', async () => {
    const index = await StagedIndex.open({ folder, preferred: 'centroids' })
    await index.put(numbers(0, 100))
    await index.upkeep()
    const names = filesOf(index.files.manifest).filter((name) => !name.endsWith('learned'))
    await index.delete([1])
    const [one, other] = [index.files.begin(), index.files.begin()]
    await index.compact()
    const later = index.files.begin()
    const there = () => names.filter((name) => existsSync(join(folder, name)))
    expect(there()).toEqual(names)
    expect(one.collection.readEmbeddings(99, 'int8', 16).length).toBe(12)
    index.files.end(one)
    expect(other.collection.readEmbeddings(98, 'int8', 16).length).toBe(12)
    index.files.end(later)
    expect(there()).toEqual(names)
    index.files.end(other)
    expect([there(), faultsOf(index)]).toEqual([[], []])
    await index.close()
  })

  test('copies codes though it does not know their stage', async () => {
    const index = await StagedIndex.open({ folder, preferred: 'centroids' })
    await index.put(numbers(0, 100))
    await index.upkeep()
    // As a build that has a stage more would have left it.
    const codes = index.files.newFile('later-codes')
    for (const n of numbers(0, 90)) codes.append(Uint8Array.of(n, ...new Uint8Array(12).fill(n)))
    const derived = { ...index.derived('centroids')!, codeBytes: { perDocument: 1, perToken: 1 }, rows: 90 }
    await index.files.commitDerived('later', { ...derived, files: { codes: codes.extent } }, codes.log)
    await index.delete([0, 40, 41, 89, 95])
    await index.compact()
    expect(index.derived('later')).toMatchObject({ rows: 86, codeBytes: { perDocument: 1, perToken: 1 } })
    const expected = numbers(1, 89).filter((n) => n !== 40 && n !== 41)
    expect([...index.files.readDerived('later', 'codes')]).toEqual(
      expected.flatMap((n) => Array(13).fill(n) as number[]),
    )
    expect((await index.search('centroids', queryOf(50), 95))!.ids).toHaveLength(95)
    expect(faultsOf(index)).toEqual([])
    await index.close()
  })
})

test('what is no longer kept is removed, and its name is never used again', async () => {
  const index = await StagedIndex.open({ folder, preferred: 'centroids' })
  await index.put(numbers(0, 100))
  await index.upkeep()
  const names = filesOf(index.files.manifest)
  await index.inTurn(() => index.files.commitDerived('centroids', undefined))
  expect([index.derived('centroids'), faultsOf(index)]).toEqual([undefined, []])
  await index.put([1])
  await index.upkeep()
  const made = filesOf(index.files.manifest).filter((name) => name.includes('centroids'))
  expect(made).toHaveLength(2)
  expect(made.filter((name) => names.includes(name))).toEqual([])
  const first = index.files.newFile('any-graph')
  index.files.discard(first)
  expect([existsSync(first.path!), index.files.newFile('any-graph').name > first.name]).toEqual([false, true])
  await index.close()
})

test('a writer lets go of its folder, a second one is refused until then', async () => {
  const index = await StagedIndex.open({ folder })
  await expect(StagedIndex.open({ folder })).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
  await index.close()
  await (await StagedIndex.open({ folder })).close()
  expect(existsSync(join(folder, 'lock'))).toBe(false)
})
