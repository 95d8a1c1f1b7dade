// What fails when the new manifest is in place already, because the folder's entry may not survive a power cut: it is an error, and
// what was written is there.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { embeddingsOf, faultsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

const { failures } = vi.hoisted(() => ({ failures: { next: false, after: 0 } }))
vi.mock('../../../../packages/core/src/embedded/files/folder.js', async (original) => {
  const folder = await original<typeof import('../../../../packages/core/src/embedded/files/folder.js')>()
  return {
    ...folder,
    syncFolder(path: string) {
      if (failures.next && failures.after-- === 0) {
        failures.next = false
        throw new Error('the disk is gone')
      }
      folder.syncFolder(path)
    },
  }
})

let folder: string
let index: StagedIndex
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-late-'))
  index = await StagedIndex.open({ folder, preferred: 'centroids' })
  await index.put(numbers(0, 200))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** @param after so many times the folder can be synced: for the names of new files */
async function failing(change: () => Promise<void>, after = 0): Promise<void> {
  const { generation } = index.files.manifest
  Object.assign(failures, { next: true, after })
  await expect(change()).rejects.toThrow('the disk is gone')
  expect(index.files.manifest.generation).toBe(generation + 1)
  expect(lacking()).toEqual([])
}

/** Files of the manifest before stay until the folder is synced. */
const lacking = () => faultsOf(index).filter((fault) => !fault.endsWith('is left over'))

/** In this process, and in the next. */
async function expectDocuments(which: readonly number[]): Promise<void> {
  expect(faultsOf(index)).toEqual([])
  const ids = which.map((n) => `d${n}`)
  for (let i = 0; i < 2; i++) {
    const { collection } = index.files
    expect([...collection.ordinals()].map((ordinal) => collection.row(ordinal).id)).toEqual(ids)
    for (const n of [which[0]!, which.at(-1)!]) {
      for (const name of ['centroids', 'fde']) {
        const found = await index.search(name, embeddingsOf(n), 1)
        expect(found!.ids).toEqual([`d${n}`])
      }
    }
    await index.close()
    index = await StagedIndex.open({ folder, readonly: i === 0, preferred: 'centroids' })
  }
  expect(index.warnings).toEqual([])
  await index.close()
}

test('documents and their codes', async () => {
  await index.upkeep()
  await failing(() => index.put(numbers(200, 210)))
  await failing(() => index.delete([0]))
  await index.put(numbers(210, 220))
  await expectDocuments(numbers(1, 220))
})

test('what upkeep makes', async () => {
  await failing(() => index.upkeep(), 1)
  expect(index.stage('centroids').rows).toBe(200)
  await index.put(numbers(200, 210))
  await index.upkeep()
  await expectDocuments(numbers(0, 210))
})

test('codes that upkeep adds', async () => {
  await index.upkeep()
  await index.put(numbers(200, 210), { coded: false })
  await failing(() => index.upkeep(), 1)
  await index.put(numbers(210, 220))
  await index.upkeep()
  await expectDocuments(numbers(0, 220))
})

test('compaction', async () => {
  await index.upkeep()
  await index.delete(numbers(0, 20))
  const snapshot = index.files.begin()
  Object.assign(failures, { next: true, after: 1 })
  await expect(index.compact()).rejects.toThrow('the disk is gone')
  expect(snapshot.collection.readEmbeddings(150, 'int8', 16).length).toBe(12)
  index.files.end(snapshot)
  expect(lacking()).toEqual([])
  // Its first step was made.
  expect([index.files.collection.deletedCount, index.files.collection.goneCount]).toEqual([20, 20])
  await index.compact()
  expect([index.files.collection.deletedCount, lacking()]).toEqual([0, []])
  await index.put(numbers(200, 210))
  await expectDocuments(numbers(20, 210))
})
