// Space of deleted and replaced documents is freed by itself, once there is enough of it.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { EmbeddedStore } from '../../../packages/core/src/embedded/embedded-store.js'
import type { EmbeddedOptions } from '../../../packages/core/src/embedded/options.js'
import type { Warning } from '../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import { breakFiles, repair } from '../../support/file-faults.js'

vi.mock('node:fs', async (original) =>
  (await import('../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

const model = new FakeEncoder()
const next = random(3)
const documents = Array.from({ length: 100 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 10) }))
const ids = (from: number, to: number) => documents.slice(from, to).map(({ id }) => id)

let folder: string
let warnings: Warning[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-auto-compact-'))
  warnings = []
})
afterEach(() => {
  repair()
  rmSync(folder, { recursive: true, force: true })
})
const open = async (options: EmbeddedOptions = {}) => {
  const onWarning = (warning: Warning) => void warnings.push(warning)
  return MultiVectorIndex.open(await EmbeddedStore.open(folder, { compactBytes: 100, ...options }), {
    model,
    onWarning,
  })
}
const size = () => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)

describe('an index', () => {
  test('is compacted when half of it is deleted, not before', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.delete(ids(0, 45))
    await index.prepare()
    expect((await index.stats()).deleted).toBe(45)
    const before = size()
    await index.delete(ids(45, 60))
    await index.prepare()
    expect([(await index.stats()).deleted, await index.count()]).toEqual([0, 40])
    expect(size()).toBeLessThan(before / 1.8)
    expect((await index.search(documents[70]!.text))[0]!.id).toBe('d70')
    await index.close()
  })

  test('is compacted in the background after documents were replaced, and before it is closed', async () => {
    const index = await open()
    await index.upsert(documents)
    for (const round of [1, 2, 3])
      await index.upsert(documents.map(({ id, text }) => ({ id, text: `${text} ${round}` })))
    await index.close()
    const again = await open({ readonly: true })
    const { deleted, documents: left } = await again.stats()
    expect([left, deleted < 200]).toEqual([100, true])
    await again.close()
  })

  test('is not with compactAt: false, nor for a few bytes', async () => {
    for (const options of [{ compactAt: false as const }, { compactBytes: 16_000_000 }]) {
      const index = await open(options)
      await index.upsert(documents)
      await index.delete(ids(0, 90))
      await index.prepare()
      expect((await index.stats()).deleted).toBeGreaterThanOrEqual(90)
      await index.close()
    }
  })

  test('is as it was when there is no room for that, and says so', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.prepare()
    const before = readdirSync(folder).filter((name) => name.endsWith('tokens'))
    breakFiles({ call: 'writeSync', path: /\d{6}\.tokens/, code: 'ENOSPC' })
    await index.delete(ids(0, 90))
    await expect(index.prepare()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(warnings).toMatchObject([{ code: 'UPKEEP_FAILED', message: expect.stringContaining('ENOSPC') as string }])
    expect([await index.count(), readdirSync(folder).filter((name) => name.endsWith('tokens'))]).toEqual([10, before])
    repair()
    await index.prepare()
    expect((await index.stats()).deleted).toBe(0)
    await index.close()
  })

  test('rewrites by itself only what is worth it, and does not begin again', async () => {
    const index = await open({ segmentBytes: 1500 })
    await index.upsert(documents, { batchSize: 5 })
    const segments = () => readdirSync(folder).filter((name) => name.endsWith('tokens'))
    const before = segments()
    // Most of the first ones, and one of the last.
    await index.delete([...ids(0, 66), 'd99'])
    await index.prepare()
    const after = segments()
    const kept = before.filter((name) => after.includes(name))
    expect([kept.length > 1, kept.includes(before.at(-1)!)]).toEqual([true, true])
    expect([(await index.stats()).deleted, await index.count()]).toEqual([1, 33])
    await index.prepare()
    expect(segments()).toEqual(after)
    await index.compact()
    expect([(await index.stats()).deleted, await index.count()]).toEqual([0, 33])
    await index.close()
  })

  test('goes on by itself with what was interrupted before its last step', async () => {
    const index = await open()
    await index.upsert(documents)
    await index.delete(ids(0, 60))
    breakFiles({ call: 'openSync', path: /\.deleted$/, code: 'ENOSPC' })
    await expect(index.prepare()).rejects.toMatchObject({ code: 'ENOSPC' })
    repair()
    expect([(await index.stats()).deleted, await index.count()]).toEqual([60, 40])
    await index.prepare()
    expect([(await index.stats()).deleted, await index.count()]).toEqual([0, 40])
    await index.close()
  })

  test('has a share as compactAt, or false', async () => {
    for (const compactAt of [0, 1.5, NaN, 'half', true]) {
      await expect(open({ compactAt: compactAt as never })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/compactAt must be a share above 0 and up to 1, or false; got/) as string,
      })
    }
  })
})
