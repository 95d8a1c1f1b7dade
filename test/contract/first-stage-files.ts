import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { DerivedRole } from '../../packages/core/src/embedded/format/manifest.js'
import { embeddingsOf, faultsOf, numbers, queryOf, stageFiles } from '../support/staged-index.js'
import type { StagedIndex } from '../support/staged-index.js'
import { indexesWith, queries } from './stage-under-test.js'
import type { StageUnderTest } from './stage-under-test.js'

/** What becomes of a first stage's files: later, when something fails, and with much going on at the same time. */
export function describeStageFiles(stage: StageUnderTest): void {
  const { name } = stage
  const { folder, open, made } = indexesWith(stage)
  /** Long enough for whatever is learned to have begun, and not nearly to be over. */
  async function begun(index: StagedIndex): Promise<{ readonly done: Promise<void> }> {
    const done = index.upkeep()
    for (let i = 0; i < 3; i++) await nextTurn()
    expect(index.derived(name)).toBeUndefined()
    return { done }
  }
  const pathOf = (index: StagedIndex, role: DerivedRole) => join(folder(), index.derived(name)!.files[role]!.file)

  describe('opening again', () => {
    test('loads what was saved and learns nothing', async () => {
      const index = await made(300)
      const before = await index.answers(name, queries)
      await index.close()
      const names = stageFiles(folder(), name)
      expect(names).toHaveLength(stage.roles.length)
      for (const readonly of [true, false]) {
        const again = await open({ readonly })
        const { generation } = again.files.manifest
        expect([again.stage(name).isKept, again.stage(name).rows]).toEqual([true, 300])
        expect(await again.answers(name, queries)).toEqual(before)
        if (!readonly) await again.upkeep()
        expect([again.files.manifest.generation, again.warnings]).toEqual([generation, []])
        await again.close()
      }
      expect(stageFiles(folder(), name)).toEqual(names)
    })

    test.runIf(stage.isCoded)('a reader has what was there when it opened, whatever a writer does then', async () => {
      const index = await made(300)
      const before = await index.answers(name, queries)
      const reader = await open({ readonly: true })
      await index.delete(numbers(0, 100))
      await index.compact()
      await index.inTurn(() => index.files.commitDerived(name, undefined))
      await index.upkeep()
      expect(await reader.answers(name, queries)).toEqual(before)
      await reader.close()
      expect(faultsOf(index)).toEqual([])
      await index.close()
    })

    test('is kept where it was made, whatever the index is opened with', async () => {
      await (await made(300)).close()
      const other = await open({ preferred: 'exact' })
      expect(other.stage(name).isKept).toBe(true)
      await other.put([400])
      await other.upkeep()
      expect(other.stage(name).rows).toBe(301)
      await other.close()
    })

    test.each(stage.roles.flatMap((role) => [[role, 'damaged'] as const, [role, 'missing'] as const]))(
      'makes again what needs the %s file when it is %s, and says so once',
      async (role, how) => {
        const index = await made(300)
        const path = pathOf(index, role)
        await index.close()
        if (how === 'missing') rmSync(path)
        else writeFileSync(path, flipped(readFileSync(path)))
        const reader = await open({ readonly: true })
        expect(await reader.answers(name, queries)).toEqual(queries.map(() => undefined))
        expect([reader.stage(name).rows, reader.warnings]).toEqual([0, []])
        await reader.close()

        const again = await open()
        for (let i = 0; i < 2; i++) expect(await again.search(name, queryOf(1), 10)).toBeUndefined()
        expect(again.stage(name).rows).toBe(0)
        expect(again.warnings).toMatchObject([{ code: 'INDEX_REPAIRED', message: expect.stringContaining(path) }])
        // Written to before it is mended.
        await again.put([300])
        await again.upkeep()
        expect([again.stage(name).rows, again.warnings.length]).toEqual([301, 1])
        expect(faultsOf(again)).toEqual([])
        expect(existsSync(path)).toBe(false)
        await again.close()

        const mended = await open()
        for (const n of [0, 99, 200, 300])
          expect((await mended.search(name, embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
        expect(mended.warnings).toEqual([])
        await mended.close()
      },
    )

    test('makes again what another version wrote, without a word', async () => {
      const index = await made(300)
      const derived = index.derived(name)!
      await index.inTurn(() => index.files.commitDerived(name, { ...derived, version: derived.version + 1 }))
      index.files.close()
      const again = await open()
      expect([again.stage(name).rows, await again.search(name, queryOf(1), 10)]).toEqual([0, undefined])
      await again.put([300])
      await again.upkeep()
      expect([again.stage(name).rows, again.derived(name)!.version]).toEqual([301, derived.version])
      expect([again.warnings, faultsOf(again)]).toEqual([[], []])
      await again.close()
    })

    test('compaction gets over damage', async () => {
      const index = await made(300)
      const paths = stage.roles.map((role) => pathOf(index, role))
      await index.close()
      for (const path of paths) writeFileSync(path, flipped(readFileSync(path)))
      const again = await open()
      await again.delete(numbers(0, 100))
      await again.compact()
      expect(await again.search(name, queryOf(150), 10)).toBeUndefined()
      await again.upkeep()
      expect((await again.search(name, embeddingsOf(150), 3))!.ids[0]).toBe('d150')
      expect([again.stage(name).rows, faultsOf(again)]).toEqual([200, []])
      await again.close()
    })
  })

  describe('when something goes wrong', () => {
    test('upkeep that is stopped leaves no file behind', async () => {
      const index = await open()
      await index.put(numbers(0, 600))
      const stop = new AbortController()
      const onProgress = () => stop.abort(new Error('enough'))
      await expect(index.upkeep({ signal: stop.signal, onProgress })).rejects.toThrow('enough')
      // It ends at its next step.
      await vi.waitFor(() => expect(stageFiles(folder(), name)).toEqual([]))
      expect(await index.search(name, queryOf(1), 10)).toBeUndefined()
      await index.upkeep()
      expect([index.stage(name).rows, faultsOf(index)]).toEqual([600, []])
      await index.close()
    })

    test.each(['before', 'after'])('goes on where a commit failed %s the manifest was in place', async (when) => {
      const index = await open()
      await index.put(numbers(0, 300))
      failOnce(index, name, when)
      await expect(index.upkeep()).rejects.toThrow('no room')
      expect(faultsOf(index)).toEqual([])
      if (index.derived(name)) expect((await index.search(name, embeddingsOf(7), 3))!.ids[0]).toBe('d7')
      await index.put(numbers(300, 310))
      await index.upkeep()
      expect([index.stage(name).rows, faultsOf(index)]).toEqual([310, []])
      await index.close()
      const again = await open({ readonly: true })
      expect((await again.search(name, embeddingsOf(305), 3))!.ids[0]).toBe('d305')
      expect([again.stage(name).rows, again.warnings]).toEqual([310, []])
      await again.close()
    })

    test.runIf(stage.isCoded).each(['before', 'after'])(
      'codes what is missing though that failed %s the manifest was in place',
      async (when) => {
        const index = await made(300)
        await index.put(numbers(300, 350), { coded: false })
        failOnce(index, name, when)
        await expect(index.upkeep()).rejects.toThrow('no room')
        expect([index.stage(name).rows, faultsOf(index)]).toEqual([when === 'before' ? 300 : 350, []])
        await index.put(numbers(350, 360))
        await index.upkeep()
        await index.close()
        const again = await open({ readonly: true })
        for (const n of [290, 310, 355]) expect((await again.search(name, embeddingsOf(n), 1))!.ids).toEqual([`d${n}`])
        expect([again.stage(name).rows, again.warnings]).toEqual([360, []])
        await again.close()
      },
    )

    test.each(stage.roles)('leaves no file behind when the %s file cannot be made', async (role) => {
      const index = await open()
      await index.put(numbers(0, 300))
      const newFile = index.files.newFile.bind(index.files)
      let fails = true
      vi.spyOn(index.files, 'newFile').mockImplementation((kind) => {
        if (!fails || kind !== `${name}-${role}`) return newFile(kind)
        fails = false
        throw new Error('no room')
      })
      await expect(index.upkeep()).rejects.toThrow('no room')
      expect(faultsOf(index)).toEqual([])
      await index.upkeep()
      expect([index.stage(name).rows, faultsOf(index)]).toEqual([300, []])
      await index.close()
    })
  })

  describe('at the same time', () => {
    test('upkeep twice does it once', async () => {
      const index = await open()
      await index.put(numbers(0, 300))
      const commits = vi.spyOn(index.files, 'commitDerived')
      await Promise.all([index.upkeep(), index.upkeep()])
      expect(commits.mock.calls.filter(([which]) => which === name)).toHaveLength(1)
      expect([index.stage(name).rows, faultsOf(index)]).toEqual([300, []])
      await index.close()
    })

    test('documents committed meanwhile are in it', async () => {
      const index = await open()
      await index.put(numbers(0, 400))
      const { done } = await begun(index)
      await index.put(numbers(400, 450))
      await index.delete([401])
      await done
      expect(index.stage(name).rows).toBe(450)
      expect((await index.search(name, embeddingsOf(440), 3))!.ids[0]).toBe('d440')
      expect((await index.search(name, embeddingsOf(401), 450))!.ids).not.toContain('d401')
      expect(faultsOf(index)).toEqual([])
      await index.close()
    })

    test('a compaction meanwhile does no harm', async () => {
      const index = await open()
      await index.put(numbers(0, 400))
      await index.delete(numbers(0, 50))
      const { done } = await begun(index)
      await index.compact()
      await done
      expect(index.stage(name).rows).toBe(350)
      expect((await index.search(name, embeddingsOf(222), 3))!.ids[0]).toBe('d222')
      expect(faultsOf(index)).toEqual([])
      await index.close()
    })
  })
}

function failOnce({ files }: StagedIndex, name: string, when: string): void {
  const commit = files.commitDerived.bind(files)
  let isDone = false
  vi.spyOn(files, 'commitDerived').mockImplementation(async (...args) => {
    const fails = args[0] === name && !isDone
    if (!fails || when === 'after') await commit(...args)
    if (!fails) return
    isDone = true
    throw new Error('no room')
  })
}

function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1]! ^= 0xff
  return bytes
}
