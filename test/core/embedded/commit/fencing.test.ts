// Somebody else writes to the index though this process holds it open: the lock was removed by hand, the folder replaced, the manifest
// put back. What the others committed stays whole, and this process is told.
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FileLog } from '../../../../packages/core/src/embedded/files/byte-log.js'
import { fileName } from '../../../../packages/core/src/embedded/format/file-names.js'
import { readManifest } from '../../../../packages/core/src/embedded/format/manifest-file.js'
import { embeddingsOf, faultsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

let root: string
let folder: string
let index: StagedIndex
let others: StagedIndex[]
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'serotine-fencing-'))
  folder = join(root, 'index')
  others = []
  index = await open()
  await index.put(numbers(0, 200))
  await index.upkeep()
})
afterEach(async () => {
  for (const each of [...others, index]) await each.close().catch(() => {})
  rmSync(root, { recursive: true, force: true })
})

const open = (readonly = false) => StagedIndex.open({ folder, readonly, preferred: 'centroids' })
const contents = () =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]))
const fenced = (message: RegExp) => ({ code: 'INDEX_FENCED', message: expect.stringMatching(message) as string })
const idsOf = ({ files: { collection } }: StagedIndex) =>
  [...collection.ordinals()].map((ordinal) => collection.row(ordinal).id)

/** Held by a copy of this package that knows nothing of this one, as another process is. */
async function openElsewhere(): Promise<StagedIndex> {
  const held = (globalThis as unknown as Record<symbol, Set<string>>)[Symbol.for('serotine.index.locks')]!
  held.clear()
  const other = await open()
  others.push(other)
  return other
}

const changes: [string, () => Promise<void>][] = [
  ['documents', () => index.put(numbers(200, 210))],
  ['a deletion', () => index.delete([0])],
  ['compaction', () => index.compact()],
  ['what upkeep makes', () => index.upkeep()],
]

describe.each(changes)('after the lock was removed by hand: %s', (name, change) => {
  beforeEach(async () => {
    if (name === 'compaction') await index.delete([7])
    if (name === 'what upkeep makes') await index.put(numbers(150, 160), { coded: false })
    rmSync(join(folder, 'lock'))
  })

  test('nobody else writes: the change is refused, and nothing is changed', async () => {
    const before = contents()
    await expect(change()).rejects.toMatchObject(fenced(/The lock of .*index is gone .*Open the index again/))
    expect(contents()).toEqual(before)
    await expect(index.put([1])).rejects.toMatchObject({ code: 'INDEX_POISONED' })
    expect((await index.search('fde', embeddingsOf(9), 1))!.ids).toEqual(['d9'])
    await index.close()
    expect(contents()).toEqual(before)
  })

  test('another process writes: what it committed stays, and this one is told', async () => {
    const other = await openElsewhere()
    await other.put(numbers(300, 310))
    const [before, ids] = [contents(), idsOf(other)]
    await expect(change()).rejects.toMatchObject(fenced(/was taken over by process/))
    await index.close()
    expect(contents()).toEqual(before)
    await other.put([400])
    await other.close()
    const again = await open()
    others.push(again)
    expect([idsOf(again), faultsOf(again)]).toEqual([[...ids, 'd400'], []])
    for (const id of idsOf(again)) again.files.collection.readRecord(again.files.collection.ordinalOf(id)!)
  })
})

test('a lock that is lost while a change is written is noticed before the switch', async () => {
  const manifest = readFileSync(join(folder, 'manifest.json'))
  const sync = vi
    .spyOn(FileLog.prototype, 'sync')
    .mockImplementation(async () => rmSync(join(folder, 'lock'), { force: true }))
  await expect(index.put([3, 300])).rejects.toMatchObject({ code: 'INDEX_FENCED' })
  sync.mockRestore()
  expect(readFileSync(join(folder, 'manifest.json'))).toEqual(manifest)
  expect(idsOf(index)).toHaveLength(200)
})

test('a folder that was replaced is left as it is', async () => {
  const copy = join(root, 'copy')
  cpSync(folder, copy, { recursive: true })
  rmSync(join(copy, 'lock'))
  await index.put([300])
  renameSync(folder, join(root, 'aside'))
  renameSync(copy, folder)
  const before = contents()
  for (const [, change] of changes.slice(0, 1))
    await expect(change()).rejects.toMatchObject(fenced(/lock of .* is gone/))
  await index.close()
  expect(contents()).toEqual(before)
})

test('so is a manifest that another process has put there, though the lock is ours', async () => {
  const earlier = readFileSync(join(folder, 'manifest.json'))
  await index.put([300])
  writeFileSync(join(folder, 'manifest.json'), earlier)
  const before = contents()
  await expect(index.put([301])).rejects.toMatchObject(
    fenced(/manifest of .* changed by another process \(generation \d+\)/),
  )
  expect(contents()).toEqual(before)
  await index.close()
  rmSync(join(folder, 'manifest.json'))
})

test('a manifest whose file was copied is the same one', async () => {
  cpSync(join(folder, 'manifest.json'), join(folder, 'manifest.json.tmp'))
  renameSync(join(folder, 'manifest.json.tmp'), join(folder, 'manifest.json'))
  await index.put([300])
  expect(readManifest(folder).generation).toBe(index.files.manifest.generation)
})

test('the clock may be set while the index is open', async () => {
  const real = Date.now
  try {
    Date.now = () => real() + 86_400_000
    await expect(openElsewhere()).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    await index.put([300])
  } finally {
    Date.now = real
  }
  expect(idsOf(index)).toHaveLength(201)
})

describe('an index that cannot be opened, or whose manifest is older than its files', () => {
  /** As a backup that was taken between two commits, or a file put back by hand. */
  async function older(change: () => Promise<void>): Promise<Buffer> {
    const manifest = readFileSync(join(folder, 'manifest.json'))
    await change()
    await index.close()
    const newer = readFileSync(join(folder, 'manifest.json'))
    writeFileSync(join(folder, 'manifest.json'), manifest)
    return newer
  }

  test('keeps every byte of it, so that the right manifest can be put back', async () => {
    await index.delete([5])
    const newer = await older(async () => {
      await index.put(numbers(200, 210))
      await index.compact()
    })
    const before = contents()
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    expect(contents()).toEqual(before)
    writeFileSync(join(folder, 'manifest.json'), newer)
    index = await open()
    expect([idsOf(index).length, faultsOf(index)]).toEqual([209, []])
  })

  test('when only files of first stages are missing, too', async () => {
    const newer = await older(async () => {
      const { files } = index.derived('centroids')!
      await index.files.commitDerived('centroids', undefined)
      await index.put(numbers(200, 210))
      await index.upkeep()
      expect(readdirSync(folder)).not.toContain(files.codes!.file)
    })
    const before = contents()
    const opened = await open()
    expect(idsOf(opened)).toHaveLength(200)
    await opened.close()
    expect(contents()).toEqual(before)
    writeFileSync(join(folder, 'manifest.json'), newer)
    index = await open()
    expect([idsOf(index).length, faultsOf(index)]).toEqual([210, []])
  })

  test('when a later file is damaged', async () => {
    await index.close()
    const manifest = readManifest(folder)
    const [table, deleted] = [fileName(manifest.segments[0]!.id, 'table'), manifest.deleted.file]
    for (const name of [table, fileName(manifest.segments[0]!.id, 'tokens')])
      writeFileSync(join(folder, name), 'not committed', { flag: 'a' })
    writeFileSync(join(folder, '000099.tokens'), 'of a commit that nobody knows')
    const damaged = fileName(manifest.segments[0]!.id, 'texts')
    renameSync(join(folder, damaged), join(folder, 'aside'))
    const before = contents()
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    expect(contents()).toEqual(before)
    renameSync(join(folder, 'aside'), join(folder, damaged))
    index = await open()
    expect(faultsOf(index)).toEqual([])
    expect(readdirSync(folder)).toContain(deleted)
  })
})
