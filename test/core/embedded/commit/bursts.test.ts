// A disk that fails for a while, beginning at any call: what was acknowledged is there afterwards, nothing else is, and every error says
// which. `npm run test:long` begins at every call; here at some.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { breakFiles, repair, takeCalls } from '../../../support/file-faults.js'
import { isLong } from '../../../support/long.js'
import { embeddingsOf, faultsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

vi.mock('node:fs', async (original) =>
  (await import('../../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

const root = mkdtempSync(join(tmpdir(), 'serotine-bursts-'))
let folder: string
let count = 0
beforeEach(() => void (folder = join(root, `${count++}`, 'index')))
afterEach(repair)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const open = () => StagedIndex.open({ folder, preferred: 'centroids', segmentBytes: 4000 })
const descriptors = () => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0)
const idsOf = ({ files: { collection } }: StagedIndex) =>
  [...collection.ordinals()].map((ordinal) => collection.row(ordinal).id).sort()

type Change = {
  readonly run: (index: StagedIndex) => Promise<void>
  readonly adds?: number[]
  readonly removes?: number[]
}
const CHANGES: Change[] = [
  { run: (index) => index.put(numbers(0, 40)), adds: numbers(0, 40) },
  { run: (index) => index.upkeep() },
  { run: (index) => index.put(numbers(30, 60)), adds: numbers(30, 60) },
  { run: (index) => index.delete([3, 33]), removes: [3, 33] },
  { run: (index) => index.compact() },
  { run: (index) => index.put([3, 70]), adds: [3, 70] },
  { run: (index) => index.upkeep() },
  { run: (index) => index.delete([70]), removes: [70] },
  { run: (index) => index.compact() },
]

/** Makes all changes, those that failed once more when the disk is well again. Returns how many failed. */
async function changes(index: StagedIndex): Promise<number> {
  const there = new Set<string>()
  let [failed, isPoisoned] = [0, false]
  const apply = ({ adds = [], removes = [] }: Change) => {
    for (const n of adds) there.add(`d${n}`)
    for (const n of removes) there.delete(`d${n}`)
  }
  for (const change of CHANGES) {
    try {
      // Those before it may have failed.
      if (change.removes?.some((n) => !there.has(`d${n}`))) continue
      await change.run(index)
      apply(change)
    } catch (error) {
      failed++
      const { code } = error as { code?: string }
      expect(code).toMatch(/^(EIO|INDEX_NOT_DURABLE|INDEX_POISONED)$/)
      if (code === 'INDEX_NOT_DURABLE') apply(change)
      isPoisoned ||= code === 'INDEX_POISONED'
      if (isPoisoned) break
    }
    expect(idsOf(index)).toEqual([...there].sort())
  }
  repair()
  if (!isPoisoned) {
    await index.put([80])
    there.add('d80')
  }
  await index.close()
  const again = await open()
  const ids = idsOf(again)
  // What it was that failed is not known; all before it is there, and it as a whole or not at all.
  const expected = [...there].sort()
  if (isPoisoned) {
    const next = CHANGES.flatMap(({ adds = [], removes = [] }) => [...adds, ...removes]).map((n) => `d${n}`)
    expect(ids.filter((id) => !next.includes(id))).toEqual(expected.filter((id) => !next.includes(id)))
  } else expect(ids).toEqual(expected)
  for (const id of ids) again.files.collection.readRecord(again.files.collection.ordinalOf(id)!)
  await again.upkeep()
  expect(faultsOf(again)).toEqual([])
  for (const id of ids.slice(0, 3)) {
    expect((await again.search('centroids', embeddingsOf(Number(id.slice(1))), 1))!.ids).toEqual([id])
  }
  expect(again.warnings).toEqual([])
  await again.close()
  return failed
}

/** Calls that the changes make. */
async function callsOfAll(): Promise<number> {
  const index = await open()
  takeCalls()
  for (const { run } of CHANGES) await run(index)
  const calls = takeCalls().length
  await index.close()
  return calls
}

test('what is written is synced before the manifest is, that before it is renamed, and the folder after it', async () => {
  const index = await open()
  for (const { run } of CHANGES) {
    takeCalls()
    await run(index)
    const calls = takeCalls()
    const renames = calls.flatMap(({ call, path }, i) =>
      call === 'renameSync' && path.endsWith('manifest.json') ? [i] : [],
    )
    let from = 0
    for (const rename of renames) {
      const before = calls.slice(from, rename)
      const written = new Set(before.filter(({ call }) => call === 'writeSync').map(({ path }) => path))
      written.delete(join(folder, 'lock'))
      expect([...written].some((path) => path.endsWith('manifest.json.tmp'))).toBe(true)
      for (const path of written) {
        const last = before.findLastIndex((each) => each.call === 'writeSync' && each.path === path)
        const synced = before.findLastIndex(({ call, path: of }) => /^f(data)?sync/.test(call) && of === path)
        expect([path, synced > last]).toEqual([path, true])
        // Of all others before anything of the manifest is.
        const manifest = before.findIndex(({ path: of }) => of.endsWith('manifest.json.tmp'))
        if (!path.endsWith('manifest.json.tmp')) expect([path, synced < manifest]).toEqual([path, true])
      }
      const next = calls.slice(rename).find(({ call }) => call === 'fsyncSync' || call === 'rmSync')
      expect(next).toEqual({ call: 'fsyncSync', path: folder })
      from = rename + 1
    }
  }
  await index.close()
})

for (const length of [1, 2, 3, 8, 40]) {
  test(`a burst of ${length} at any call`, async () => {
    const calls = await callsOfAll()
    expect(calls).toBeGreaterThan(100)
    const step = isLong ? 1 : 23
    let failed = 0
    for (let at = length % step; at < calls; at += step) {
      folder = join(root, `${count++}`, 'index')
      const index = await open()
      const before = descriptors()
      breakFiles({ path: /./, code: 'EIO', after: at, times: length })
      failed += await changes(index)
      expect(descriptors()).toBeLessThanOrEqual(before)
      rmSync(folder, { recursive: true, force: true })
    }
    expect(failed).toBeGreaterThan(0)
  }, 7_200_000)
}

test.each(
  ['openSync', 'writeSync', 'fdatasync'].flatMap((call) =>
    ['tokens', 'texts', 'table', 'deleted', 'centroids-codes'].map((kind) => [call, kind] as const),
  ),
)('a compaction that fails leaves no copy: %s of %s', async (call, kind) => {
  const index = await open()
  await index.put(numbers(0, 40))
  await index.upkeep()
  await index.delete([3, 33])
  const [before, isOpen] = [readdirSync(folder).sort(), descriptors()]
  // Nothing is written to the new list of deleted documents.
  if (call === 'writeSync' && (kind === 'deleted' || kind === 'texts')) return index.close()
  breakFiles({ call: call as 'openSync', path: new RegExp(`\\.${kind}$`), code: 'ENOSPC', times: 1 })
  const failing = index.compact()
  if (call === 'fdatasync' && kind === 'deleted') await failing
  else {
    await expect(failing).rejects.toMatchObject({ code: 'ENOSPC' })
    // Its last step: those before it stay.
    if (kind === 'deleted' || kind === 'centroids-codes') expect(index.files.collection.goneCount).toBe(2)
    else expect([readdirSync(folder).sort(), descriptors()]).toEqual([before, isOpen])
    expect([faultsOf(index), descriptors() - readdirSync(folder).length]).toEqual([[], isOpen - before.length])
    repair()
    await index.compact()
  }
  expect([idsOf(index).length, faultsOf(index)]).toEqual([38, []])
  await index.close()
})

test('a read that fails once costs no document its vectors: neither compaction nor learning takes them for lost', async () => {
  const index = await open()
  await index.put(numbers(0, 40))
  await index.delete([3, 33])
  const failure = { call: 'readSync', path: /\.tokens$/, code: 'EIO', times: 1 } as const
  for (const work of [() => index.upkeep(), () => index.compact()]) {
    breakFiles({ ...failure, after: 7 })
    await expect(work()).rejects.toMatchObject({ code: 'EIO' })
    repair()
    await work()
    for (const n of [5, 7, 8]) expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
    const { collection } = index.files
    for (const ordinal of collection.ordinals()) expect(collection.isIntact(ordinal)).toBe(true)
  }
  await index.close()
})
