// A disk that fails at the worst moments: what is on it afterwards is the old state or the new one, whole, and which is said.
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { filesOf } from '../../../../packages/core/src/embedded/format/file-names.js'
import { loadHnswlib } from '../../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { breakFiles, repair, takeCalls } from '../../../support/file-faults.js'
import { embeddingsOf, faultsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

vi.mock('node:fs', async (original) =>
  (await import('../../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

const hnswlib = await loadHnswlib().catch(() => undefined)
let root: string
let folder: string
let index: StagedIndex
const open = (readonly = false, path = folder) => StagedIndex.open({ folder: path, readonly, preferred: 'centroids' })
const idsOf = ({ files: { collection } }: StagedIndex) =>
  [...collection.ordinals()].map((ordinal) => collection.row(ordinal).id)
const named = (which: readonly number[]) => which.map((n) => `d${n}`)

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'serotine-faults-')))
  folder = join(root, 'index')
  index = await open()
  await index.put(numbers(0, 200))
})
afterEach(async () => {
  repair()
  await index.close().catch(() => {})
  rmSync(root, { recursive: true, force: true })
})

/** The folder cannot be synced, after so many times, nor anything be read, as when a process has too many files open. */
const tooManyFiles = (after = 0) =>
  breakFiles(
    { call: 'openSync', path: /\/index$/, code: 'EMFILE', after },
    { call: 'readFileSync', path: /manifest\.json$/, code: 'EMFILE' },
  )

/** What an index opened from a copy of the folder has, as after a power cut that undid the last renaming. */
async function idsAfterPowerCut(manifest: Uint8Array): Promise<string[]> {
  const copy = join(root, 'copy')
  cpSync(folder, copy, { recursive: true })
  writeFileSync(join(copy, 'manifest.json'), manifest)
  const cut = await open(true, copy)
  const ids = idsOf(cut)
  for (const id of ids) cut.files.collection.readRecord(cut.files.collection.ordinalOf(id)!)
  if (cut.derived('centroids')) expect(cut.files.readDerived('centroids', 'codes').length).toBeGreaterThan(0)
  await cut.close()
  rmSync(copy, { recursive: true })
  return ids
}

async function expectWhole(which: readonly number[]): Promise<void> {
  expect(idsOf(index)).toEqual(named(which))
  await index.close()
  index = await open()
  expect([idsOf(index), faultsOf(index), index.warnings]).toEqual([named(which), [], []])
  for (const n of [which[0]!, which.at(-1)!]) {
    expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
  }
}

describe('a change whose folder cannot be synced', () => {
  const changes: [string, () => Promise<void>, readonly number[]][] = [
    ['documents', () => index.put(numbers(200, 210)), numbers(0, 210)],
    ['a deletion', () => index.delete([0]), numbers(1, 200)],
    ['what upkeep makes', () => index.upkeep(), numbers(0, 200)],
    ['compaction', () => index.compact(), numbers(0, 200)],
  ]

  test.each(changes)('is there, and said not to be durable: %s', async (name, change, left) => {
    if (name !== 'what upkeep makes') await index.upkeep()
    if (name === 'compaction') {
      await index.put(numbers(200, 210))
      await index.delete(numbers(200, 210))
    }
    const before = [readFileSync(join(folder, 'manifest.json')), idsOf(index)] as const
    const { generation } = index.files.manifest
    // The names of new files are synced before.
    tooManyFiles(name === 'what upkeep makes' || name === 'compaction' ? 1 : 0)
    await expect(change()).rejects.toMatchObject({
      code: 'INDEX_NOT_DURABLE',
      message: expect.stringMatching(/\/index .*may not survive a power cut.*EMFILE.*(change|open)/) as string,
      cause: { code: 'EMFILE' },
    })
    expect(index.files.manifest.generation).toBe(generation + 1)
    repair()
    expect(filesOf(index.files.manifest).filter((file) => !existsSync(join(folder, file)))).toEqual([])
    // Whichever of the two manifests a power cut leaves has its files.
    expect(await idsAfterPowerCut(before[0])).toEqual(before[1])
    expect(await idsAfterPowerCut(readFileSync(join(folder, 'manifest.json')))).toEqual(named(left))
    if (name === 'what upkeep makes') await index.upkeep()
    await index.put([300])
    expect(faultsOf(index)).toEqual([])
    await expectWhole([...left, 300])
  })

  test('is not made when it needs names of files that could not be synced: its manifest could outlive them', async () => {
    const there = readdirSync(folder).sort()
    tooManyFiles()
    await expect(index.upkeep()).rejects.toMatchObject({ code: 'EMFILE' })
    expect(readdirSync(folder).sort()).toEqual(there)
    repair()
    await index.upkeep()
    await expectWhole(numbers(0, 200))
  })

  test('is synced when the index is closed', async () => {
    await index.upkeep()
    await index.delete([5])
    const before = filesOf(index.files.manifest)
    tooManyFiles(1)
    await expect(index.compact()).rejects.toMatchObject({ code: 'INDEX_NOT_DURABLE' })
    const later = filesOf(index.files.manifest)
    repair()
    await index.close()
    expect(readdirSync(folder).sort()).toEqual([...later, 'manifest.json'].sort())
    expect(before.some((file) => !later.includes(file))).toBe(true)
    index = await open()
  })

  test('is said again when that fails too, and the folder is let go', async () => {
    await index.delete([5])
    tooManyFiles(1)
    await expect(index.compact()).rejects.toMatchObject({ code: 'INDEX_NOT_DURABLE' })
    const there = readdirSync(folder).filter((name) => name !== 'lock')
    await expect(index.close()).rejects.toMatchObject({ code: 'INDEX_NOT_DURABLE' })
    expect(readdirSync(folder).sort()).toEqual(there.sort())
    repair()
    index = await open()
    expect(faultsOf(index)).toEqual([])
    expect(idsOf(index)).toHaveLength(199)
  })
})

describe('a manifest whose renaming fails', () => {
  const changes: [string, () => Promise<void>, readonly number[]][] = [
    ['documents', () => index.put(numbers(200, 210)), numbers(0, 210)],
    ['what upkeep makes', () => index.upkeep(), numbers(0, 200)],
    ['compaction', () => index.compact(), numbers(0, 199)],
  ]
  beforeEach(async () => {
    await index.upkeep()
    await index.put(numbers(200, 230), { coded: false })
    await index.delete(numbers(200, 230))
  })
  /** The next commit writes over it. */
  const faults = () => faultsOf(index).filter((fault) => !fault.startsWith('manifest.json.tmp'))
  const broken = (isDone: boolean) =>
    breakFiles({ call: 'renameSync', path: /manifest\.json$/, code: 'EIO', times: 1, isDone })

  test.each(changes)('leaves the old state: %s', async (name, change) => {
    if (name === 'compaction') await index.delete([199])
    const { manifest } = index.files
    broken(false)
    await expect(change()).rejects.toMatchObject({ code: 'EIO' })
    expect(index.files.manifest).toBe(manifest)
    expect(faults()).toEqual([])
    await index.put([300])
    await index.upkeep()
    await expectWhole([...numbers(0, name === 'compaction' ? 199 : 200), 300])
  })

  test.each(changes)('though it took place is no failure: %s', async (name, change, left) => {
    if (name === 'compaction') await index.delete([199])
    const { generation } = index.files.manifest
    broken(true)
    await change()
    expect(index.files.manifest.generation).toBeGreaterThan(generation)
    expect(faults()).toEqual([])
    await index.upkeep()
    await expectWhole(left)
  })

  for (const isDone of [false, true]) {
    test.each(changes)(
      `without telling whether (${isDone}) keeps everything and ends changes: %s`,
      async (name, change) => {
        if (name === 'compaction') await index.delete([199])
        const { manifest } = index.files
        broken(isDone)
        breakFiles({ call: 'readFileSync', path: /manifest\.json$/, code: 'EIO' })
        await expect(change()).rejects.toMatchObject({
          code: 'INDEX_POISONED',
          message: expect.stringMatching(/\/index .*unknown.*EIO.*open it again/) as string,
        })
        repair()
        expect(index.files.manifest).toBe(manifest)
        const refused = {
          code: 'INDEX_POISONED',
          message: expect.stringMatching(/no more changes.*open it again/) as string,
        }
        for (const next of [() => index.put([1]), () => index.delete([1]), () => index.compact()]) {
          await expect(next()).rejects.toMatchObject(refused)
        }
        await expect(async () => index.files.newFile('any-graph')).rejects.toMatchObject(refused)
        await expect(index.files.commitDerived('any', undefined)).rejects.toMatchObject(refused)
        // What was there can be searched on.
        expect((await index.search('centroids', embeddingsOf(7), 1))!.ids).toEqual(['d7'])
        await index.close()
        index = await open()
        const more = isDone && name === 'documents' ? numbers(200, 210) : []
        expect(idsOf(index)).toEqual(named([...numbers(0, name === 'compaction' ? 199 : 200), ...more]))
        expect(index.files.manifest.generation).toBe(manifest.generation + (isDone ? 1 : 0))
        expect(faults()).toEqual([])
        await index.upkeep()
        await index.put([300])
        await expectWhole([...numbers(0, name === 'compaction' ? 199 : 200), ...more, 300])
      },
    )
  }
})

describe('a commit that cannot be undone', () => {
  test.each(['tokens', 'table', 'deleted', 'centroids-codes'])('ends changes: %s', async (kind) => {
    await index.upkeep()
    const path = new RegExp(`\\.${kind}$`)
    breakFiles({ call: 'writeSync', path, code: 'EIO', times: 1 }, { call: 'ftruncateSync', path, code: 'EIO' })
    await expect(index.put([3, 200])).rejects.toMatchObject({
      code: 'INDEX_POISONED',
      message: expect.stringMatching(/\/index .*EIO.*writeSync.*EIO.*ftruncateSync.*open it again/) as string,
      cause: { code: 'EIO', message: expect.stringContaining('writeSync') as string },
    })
    repair()
    await expect(index.put([4])).rejects.toMatchObject({ code: 'INDEX_POISONED' })
    expect(idsOf(index)).toEqual(named(numbers(0, 200)))
    expect((await index.search('centroids', embeddingsOf(7), 1))!.ids).toEqual(['d7'])
    await index.close()
    index = await open()
    expect(idsOf(index)).toEqual(named(numbers(0, 200)))
    await index.put([200])
    await expectWhole(numbers(0, 201))
  })

  test.skipIf(!hnswlib)('is no obstacle to closing, though a graph has grown', async () => {
    const path = join(root, 'graph')
    const graph = await StagedIndex.open({ folder: path, preferred: 'hnsw' })
    await graph.put(numbers(0, 200))
    await graph.upkeep()
    await graph.put([200])
    await graph.upkeep()
    expect([graph.stage('hnsw').rows, graph.derived('hnsw')!.rows]).toEqual([201, 200])
    breakFiles(
      { call: 'writeSync', path: /\.table$/, code: 'EIO', times: 1 },
      { call: 'ftruncateSync', path: /\.table$/, code: 'EIO' },
    )
    await expect(graph.put([201])).rejects.toMatchObject({ code: 'INDEX_POISONED' })
    repair()
    await graph.close()
    const again = await StagedIndex.open({ folder: path, preferred: 'hnsw' })
    expect((await again.search('hnsw', embeddingsOf(200), 1))!.ids).toEqual(['d200'])
    await again.close()
  })

  test('goes on when only the writing failed', async () => {
    await index.upkeep()
    breakFiles({ call: 'writeSync', path: /\.table$/, code: 'ENOSPC', times: 1 })
    await expect(index.put([3, 200])).rejects.toMatchObject({ code: 'ENOSPC' })
    await index.put([200])
    await expectWhole(numbers(0, 201))
  })
})

test('a file that cannot be closed is no failure: what is committed has been synced', async () => {
  await index.upkeep()
  await index.delete([5])
  // As a network file system may: the descriptor is gone, and its number may be another file's by the next call.
  breakFiles({ call: 'closeSync', path: /\.(tokens|texts|table|deleted|centroids-codes)$/, code: 'EIO', isDone: true })
  await index.compact()
  await index.put([200])
  expect(faultsOf(index)).toEqual([])
  await index.close()
  await index.close()
  repair()
  index = await open()
  await expectWhole([...numbers(0, 5), ...numbers(6, 201)])
})

test('a file system on which folders cannot be synced is used as it is', async () => {
  breakFiles({ call: 'fsyncSync', path: /\/index$/, code: 'EINVAL' })
  await index.delete([5])
  await index.compact()
  expect(faultsOf(index)).toEqual([])
  await index.close()
  index = await open()
  expect(idsOf(index)).toHaveLength(199)
})

describe('opening', () => {
  const descriptors = () => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0)

  test('a new index whose folder cannot be synced says so, and the next one finds it', async () => {
    const fresh = join(root, 'fresh', 'index')
    const before = descriptors()
    tooManyFiles(1)
    await expect(open(false, fresh)).rejects.toMatchObject({ code: 'INDEX_NOT_DURABLE' })
    repair()
    expect(descriptors()).toBe(before)
    expect(readdirSync(fresh).sort()).toEqual(['000001.deleted', 'manifest.json'])
    const again = await open(false, fresh)
    await again.put([1])
    expect(faultsOf(again)).toEqual([])
    await again.close()
  })

  test('a new index syncs the folders that are made for it, where they may be read', async () => {
    takeCalls()
    const fresh = join(root, 'some', 'where', 'index')
    await (await open(false, fresh)).close()
    const synced = takeCalls().flatMap(({ call, path }) => (call === 'fsyncSync' ? [path] : []))
    const parents = [join(root, 'some', 'where'), join(root, 'some'), root]
    expect(synced.slice(0, 4)).toEqual([...parents, fresh])
    breakFiles({ call: 'openSync', path: /\/no$/, code: 'EACCES' })
    await (await open(false, join(root, 'no', 'index'))).close()
    breakFiles({ call: 'fsyncSync', path: /\/bad$/, code: 'EIO' })
    await expect(open(false, join(root, 'bad', 'index'))).rejects.toMatchObject({ code: 'EIO' })
  })

  test('a new index whose manifest cannot be written leaves nothing open', async () => {
    const fresh = join(root, 'fresh', 'index')
    const before = descriptors()
    breakFiles({ call: 'renameSync', path: /manifest\.json$/, code: 'EIO', times: 1 })
    await expect(open(false, fresh)).rejects.toMatchObject({ code: 'EIO' })
    expect(descriptors()).toBe(before)
    await (await open(false, fresh)).close()
  })

  test('removes nothing before the folder is synced: its manifest may be of a process that was killed before it did', async () => {
    await index.close()
    writeFileSync(join(folder, '000099.tokens'), 'of the manifest before')
    const before = descriptors()
    breakFiles({ call: 'fsyncSync', path: /\/index$/, code: 'EIO' })
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_NOT_DURABLE', cause: { code: 'EIO' } })
    expect([existsSync(join(folder, '000099.tokens')), descriptors()]).toEqual([true, before])
    repair()
    index = await open()
    expect(faultsOf(index)).toEqual([])
  })
})
