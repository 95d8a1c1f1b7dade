// A compaction of an index of several segments goes in steps: what becomes of it when a call fails, when it is stopped, and what others see meanwhile.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readManifest } from '../../../../../packages/core/src/embedded/format/manifest-file.js'
import { breakFiles, repair, takeCalls } from '../../../../support/file-faults.js'
import { isLong } from '../../../../support/long.js'
import { embeddingsOf, faultsOf, numbers, queryOf, StagedIndex } from '../../../../support/staged-index.js'

vi.mock('node:fs', async (original) =>
  (await import('../../../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

const root = mkdtempSync(join(tmpdir(), 'serotine-steps-'))
let folder: string
let count = 0
beforeEach(() => {
  folder = join(root, `${count++}`)
})
afterEach(repair)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const DEAD = [...numbers(0, 3), ...numbers(20, 35), ...numbers(60, 120).filter((n) => n % 3 === 0)]
const LIVING = numbers(0, 120).filter((n) => !DEAD.includes(n))
const open = () => StagedIndex.open({ folder, preferred: 'centroids', segmentBytes: 4000 })
/** Of about fifteen documents a segment. */
async function filled(): Promise<StagedIndex> {
  const index = await open()
  for (const from of [0, 20, 40, 60, 80, 100]) await index.put(numbers(from, from + 20))
  await index.upkeep()
  await index.delete(DEAD)
  expect(index.files.manifest.segments.length).toBeGreaterThan(4)
  return index
}
const idsOf = ({ files: { collection } }: StagedIndex) =>
  [...collection.ordinals()].map((ordinal) => collection.row(ordinal).id)
const named = (which: readonly number[]) => which.map((n) => `d${n}`)
const bytes = () => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
const deadBytes = ({ files: { manifest, collection } }: StagedIndex) => {
  const all = manifest.segments.reduce((sum, { tokenBytes }) => sum + tokenBytes, 0)
  return all - [...collection.ordinals()].reduce((sum, ordinal) => sum + collection.row(ordinal).tokenBytes, 0)
}

async function expectWhole(index: StagedIndex, which: readonly number[] = LIVING): Promise<void> {
  expect([idsOf(index).sort(), faultsOf(index), index.warnings]).toEqual([named(which).sort(), [], []])
  const { collection } = index.files
  for (const n of which.filter((_, i) => i % 5 === 0)) {
    const { data } = collection.readEmbeddings(collection.ordinalOf(`d${n}`)!, 'int8', 16)
    embeddingsOf(n).data.forEach((value, i) => expect(Math.abs(data[i]! - value)).toBeLessThan(0.01))
    expect((await index.search('centroids', embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
  }
}

test('each of them is a commit that frees bytes, most first, and the ordinals change with the last one only', async () => {
  const index = await filled()
  const { collection } = index.files
  const searcher = await index.stage('centroids').searcher(collection)
  const seen: { generation: number; dead: number; isSame: boolean }[] = []
  await index.files.compact({
    inTurn: async (step) => {
      const result = await index.turns.take(step)
      const now = index.files
      seen.push({
        generation: readManifest(folder).generation,
        dead: deadBytes(index),
        isSame: now.collection === collection && (await index.stage('centroids').searcher(collection)) === searcher,
      })
      await expectWhole(index)
      return result
    },
  })
  // The first call plans.
  expect(seen.length).toBeGreaterThan(4)
  const freed = seen.slice(1, -1).map(({ dead }, i) => seen[i]!.dead - dead)
  expect(Math.min(...freed)).toBeGreaterThan(0)
  expect(freed[0]).toBe(Math.max(...freed))
  expect(seen.map(({ generation }) => generation - seen[0]!.generation)).toEqual(numbers(0, seen.length))
  expect(seen.map(({ isSame }) => isSame)).toEqual([...seen.slice(1).map(() => true), false])
  expect([seen.at(-1)!.dead, index.files.collection.deletedCount, index.files.collection.total]).toEqual([
    0,
    0,
    LIVING.length,
  ])
  expect(idsOf(index)).toEqual(named(LIVING))
  await index.close()
  const again = await open()
  await expectWhole(again)
  await again.close()
})

describe('a call that fails', () => {
  test.each(['ENOSPC', 'EIO'])(
    'costs no document, leaves no file, and nothing that was freed before: %s',
    async (code) => {
      // More of the last one than there are.
      const step = isLong ? 1 : 13
      let isOver = false
      const ends = new Set<number>()
      for (let at = 0; !isOver; at += step) {
        folder = join(root, `${count++}`)
        const index = await filled()
        const before = deadBytes(index)
        takeCalls()
        breakFiles({ path: /./, code, after: at, times: 1 })
        const failure = await index.compact().then(
          () => undefined,
          (error: unknown) => error as { code: string },
        )
        const isBroken = takeCalls().length > at
        isOver = !isBroken
        repair()
        // Some calls may fail: what was to be removed stays until the next time, and what cannot be linked is copied.
        if (failure) expect(failure.code).toMatch(new RegExp(`^(${code}|INDEX_NOT_DURABLE|INDEX_POISONED)$`))
        ends.add(index.files.collection.goneCount)
        const left = deadBytes(index)
        expect(left).toBeLessThanOrEqual(before)
        await index.close()
        const again = await open()
        await expectWhole(again)
        expect(deadBytes(again)).toBeLessThanOrEqual(left)
        await again.compact()
        await expectWhole(again)
        expect([deadBytes(again), again.files.collection.deletedCount]).toEqual([0, 0])
        await again.close()
        rmSync(folder, { recursive: true, force: true })
      }
      // In several steps.
      expect(ends.size).toBeGreaterThan(3)
    },
    600_000,
  )
})

test('stopped between two steps, it keeps what it has freed, and the next one does the rest', async () => {
  const index = await filled()
  const [before, stop] = [{ dead: deadBytes(index), bytes: bytes() }, new AbortController()]
  let turns = 0
  const compacting = index.files.compact({
    signal: stop.signal,
    inTurn: async (step) => {
      const result = await step()
      if (++turns === 3) stop.abort(new Error('enough'))
      return result
    },
  })
  await expect(compacting).rejects.toThrow('enough')
  expect(deadBytes(index)).toBeGreaterThan(0)
  expect(deadBytes(index)).toBeLessThan(before.dead)
  expect(bytes()).toBeLessThan(before.bytes)
  await expectWhole(index)
  await index.compact()
  expect([deadBytes(index), index.files.collection.deletedCount]).toEqual([0, 0])
  await expectWhole(index)
  await index.close()
})

test('changes and searches go on between them, and who began before sees what there was', async () => {
  const index = await filled()
  const snapshot = index.files.begin()
  const records = LIVING.map((n) => snapshot.stored.readRecord(snapshot.ordinalOf(`d${n}`)!))
  let turns = 0
  await index.files.compact({
    inTurn: async (step) => {
      const result = await index.turns.take(step)
      turns++
      if (turns === 2) await index.put(numbers(120, 130))
      // Some of segments that have been rewritten, and of others.
      if (turns === 3) await index.delete([36, 50, 61, 91])
      if (turns === 4) await index.put([37, 62])
      return result
    },
  })
  expect(turns).toBeGreaterThan(5)
  const after = [...LIVING.filter((n) => ![36, 50, 61, 91].includes(n)), ...numbers(120, 130)]
  const { collection } = index.files
  expect(idsOf(index).sort()).toEqual(named(after).sort())
  expect(LIVING.map((n) => snapshot.stored.readRecord(snapshot.ordinalOf(`d${n}`)!))).toEqual(records)
  index.files.end(snapshot)
  await expectWhole(index, after)
  // What was deleted meanwhile waits for the next one.
  expect(collection.total - collection.size).toBeGreaterThan(0)
  await index.compact()
  await expectWhole(index, after)
  expect(index.files.collection.deletedCount).toBe(0)
  expect((await index.search('centroids', queryOf(125), 1))!.ids).toHaveLength(1)
  await index.close()
  const again = await open()
  await expectWhole(again, after)
  await again.close()
})

test('with a share, segments of which less is dead stay as they are, and their documents keep their places', async () => {
  const index = await filled()
  const before = index.files.manifest.segments.map(({ id }) => id)
  await index.inTurn(() => index.files.compact({ share: 0.5 }))
  const after = index.files.manifest.segments.map(({ id }) => id)
  expect(before.filter((id) => after.includes(id)).length).toBeGreaterThan(2)
  expect(deadBytes(index)).toBeGreaterThan(0)
  expect([index.files.collection.goneCount, index.files.collection.deletedCount > 0]).toEqual([0, true])
  await expectWhole(index)
  await index.close()
  const again = await open()
  await expectWhole(again)
  await again.put([500])
  await again.compact()
  expect(again.files.collection.deletedCount).toBe(0)
  await expectWhole(again, [...LIVING, 500])
  await again.close()
})

test('without hard links files are copied', async () => {
  const index = await filled()
  breakFiles({ call: 'linkSync', path: /\d{6}\./, code: 'EPERM' })
  await index.compact()
  repair()
  expect(index.files.collection.deletedCount).toBe(0)
  await expectWhole(index)
  await index.close()
})
