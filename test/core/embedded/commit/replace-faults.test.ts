// A replacement that fails, or is killed, anywhere: both indexes are whole, or the new one is in place.
import { cpSync, existsSync, linkSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { replaceIndex } from '../../../../packages/core/src/embedded/commit/replace.js'
import { breakFiles, repair } from '../../../support/file-faults.js'
import type { Fault } from '../../../support/file-faults.js'
import { embeddingsOf, faultsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

vi.mock('node:fs', async (original) =>
  (await import('../../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)
const { copies } = vi.hoisted(() => ({ copies: { left: Infinity, done: 0 } }))
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>()
  return {
    ...fs,
    copyFile: async (...args: Parameters<typeof fs.copyFile>) => {
      if (copies.left-- <= 0) throw Object.assign(new Error('ENOSPC: no room'), { code: 'ENOSPC' })
      copies.done++
      await fs.copyFile(...args)
    },
  }
})

let root: string
let folder: string
let rebuilt: string
const open = (path: string, readonly = false) => StagedIndex.open({ folder: path, readonly, preferred: 'centroids' })

async function build(path: string, which: readonly number[]): Promise<void> {
  const index = await open(path)
  await index.put(which)
  await index.upkeep()
  await index.put([which.at(-1)! + 1])
  await index.close()
}

/** Numbers of the documents, all of which can be read and found; the folder holds nothing else. */
async function contentOf(path: string, readonly = false): Promise<string> {
  const index = await open(path, readonly)
  const { collection } = index.files
  const ids = [...collection.ordinals()].map((ordinal) => collection.row(ordinal).id)
  for (const ordinal of collection.ordinals()) collection.readRecord(ordinal)
  for (const id of [ids[0]!, ids.at(-1)!]) {
    expect((await index.search('centroids', embeddingsOf(Number(id.slice(1))), 1))!.ids).toEqual([id])
  }
  const faults = faultsOf(index).filter((fault) => !readonly && !/^(rebuild|manifest.json.tmp)/.test(fault))
  expect([faults, index.warnings]).toEqual([[], []])
  await index.close()
  return `${ids[0]}–${ids.at(-1)}`
}

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'serotine-replace-')))
  folder = join(root, 'birds')
  rebuilt = join(folder, 'rebuild')
  await build(folder, numbers(0, 100))
  await build(rebuilt, numbers(100, 180))
})
afterEach(() => {
  repair()
  Object.assign(copies, { left: Infinity, done: 0 })
  rmSync(root, { recursive: true, force: true })
})

const noLinks: Fault = { call: 'linkSync', path: /\.(tokens|texts|table|deleted|centroids-.*|fde-.*)$/, code: 'EPERM' }

describe('a replacement that fails leaves both indexes as they were', () => {
  test.each<[string, Fault[]]>([
    ['before the manifest', [{ call: 'openSync', path: /birds\/manifest\.json\.tmp$/, code: 'ENOSPC', times: 1 }]],
    ['when the manifest is renamed', [{ call: 'renameSync', path: /birds\/manifest\.json$/, code: 'EIO', times: 1 }]],
    ['when the folder is synced before', [{ call: 'openSync', path: /\/birds$/, code: 'EMFILE', times: 1 }]],
    ['when the other folder is synced', [{ call: 'openSync', path: /\/rebuild$/, code: 'EMFILE', times: 1 }]],
    ['when the other manifest is set aside', [{ call: 'renameSync', path: /\/rebuild\/.*/, code: 'EIO', times: 1 }]],
  ])('%s', async (_, faults) => {
    const before = readdirSync(folder).sort()
    breakFiles(...faults)
    await expect(replaceIndex(folder, rebuilt)).rejects.toMatchObject({ code: faults[0]!.code })
    repair()
    expect(
      readdirSync(folder)
        .filter((name) => name !== 'manifest.json.tmp')
        .sort(),
    ).toEqual(before)
    expect([await contentOf(folder), await contentOf(rebuilt)]).toEqual(['d0–d100', 'd100–d180'])
    await replaceIndex(folder, rebuilt)
    expect([await contentOf(folder), existsSync(rebuilt)]).toEqual(['d100–d180', false])
  })

  test('when a file cannot be copied', async () => {
    const before = readdirSync(folder).sort()
    breakFiles(noLinks)
    copies.left = 4
    await expect(replaceIndex(folder, rebuilt)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(copies.done).toBe(4)
    expect(readdirSync(folder).sort()).toEqual(before)
    expect([await contentOf(folder), await contentOf(rebuilt)]).toEqual(['d0–d100', 'd100–d180'])
  })

  test('when what is to happen before the switch throws', async () => {
    const before = readdirSync(folder).sort()
    const beforeSwitch = () => {
      throw new Error('no')
    }
    await expect(replaceIndex(folder, rebuilt, { beforeSwitch })).rejects.toThrow('no')
    expect(readdirSync(folder).sort()).toEqual(before)
    expect([await contentOf(folder), await contentOf(rebuilt)]).toEqual(['d0–d100', 'd100–d180'])
  })
})

test('killed before the switch both indexes are whole, and what lay about goes with the next writer', async () => {
  const killed = join(root, 'killed')
  const before = readdirSync(folder).sort()
  await replaceIndex(folder, rebuilt, { beforeSwitch: () => cpSync(folder, killed, { recursive: true }) })
  for (const path of [killed, join(killed, 'rebuild')]) rmSync(join(path, 'lock'))
  expect(readdirSync(killed).length).toBeGreaterThan(before.length)
  expect([await contentOf(killed), await contentOf(join(killed, 'rebuild'))]).toEqual(['d0–d100', 'd100–d180'])
  expect(readdirSync(killed).sort()).toEqual(before)
})

test('on a file system without hard links the files are copied', async () => {
  breakFiles(noLinks)
  await replaceIndex(folder, rebuilt)
  expect(copies.done).toBeGreaterThan(5)
  expect([await contentOf(folder), existsSync(rebuilt)]).toEqual(['d100–d180', false])
})

test('a switch whose folder cannot be synced is said not to be durable; a power cut that undoes it finds the old index', async () => {
  const manifest = join(folder, 'manifest.json')
  const old = join(root, 'manifest.json')
  cpSync(manifest, old)
  // Synced once before the switch.
  breakFiles({ call: 'openSync', path: /\/birds$/, code: 'EMFILE', after: 1 })
  await expect(replaceIndex(folder, rebuilt)).rejects.toMatchObject({
    code: 'INDEX_NOT_DURABLE',
    cause: { code: 'EMFILE' },
  })
  repair()
  const cut = join(root, 'cut')
  cpSync(folder, cut, { recursive: true })
  cpSync(old, join(cut, 'manifest.json'))
  expect(await contentOf(cut, true)).toBe('d0–d100')
  expect(await contentOf(folder, true)).toBe('d100–d180')
  // Files of the new index, too: nobody may write to them there.
  await expect(open(rebuilt)).rejects.toMatchObject({ code: 'INDEX_FORMAT' })
  expect(await contentOf(folder)).toBe('d100–d180')
})

test('a switch of which nothing is known removes nothing', async () => {
  for (const isDone of [false, true]) {
    const [there, by] = [join(root, `there-${isDone}`), join(root, `by-${isDone}`)]
    cpSync(folder, there, { recursive: true })
    cpSync(rebuilt, by, { recursive: true })
    const beforeSwitch = () =>
      breakFiles(
        { call: 'renameSync', path: /there-\w+\/manifest\.json$/, code: 'EIO', times: 1, isDone },
        { call: 'readFileSync', path: /there-\w+\/manifest\.json$/, code: 'EIO' },
      )
    await expect(replaceIndex(there, by, { beforeSwitch })).rejects.toMatchObject({ code: 'INDEX_POISONED' })
    repair()
    expect(await contentOf(there, true)).toBe(isDone ? 'd100–d180' : 'd0–d100')
    expect(existsSync(join(by, 'manifest.json.replaced'))).toBe(true)
  }
})

test('a file of the new index is never truncated by a writer of the old one that uses its name', async () => {
  // As a replacement that was killed leaves it, beside an index whose writer does not remove it.
  const index = await open(folder)
  const name = `${String(index.files.manifest.nextFile).padStart(6, '0')}.any-graph`
  const tokens = join(rebuilt, '000002.tokens')
  const { size } = statSync(tokens)
  linkSync(tokens, join(folder, name))
  const file = index.files.newFile('any-graph')
  expect(file.name).toBe(name)
  file.append(new Uint8Array(3))
  expect(statSync(tokens).size).toBe(size)
  index.files.discard(file)
  await index.close()
  expect(await contentOf(rebuilt)).toBe('d100–d180')
})
