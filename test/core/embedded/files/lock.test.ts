import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { lockFolder } from '../../../../packages/core/src/embedded/files/lock.js'

const { disk } = vi.hoisted(() => ({
  disk: {
    hasLinks: true,
    beforeRename: undefined as (() => void) | undefined,
    afterWrite: undefined as (() => void) | undefined,
  },
}))
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  return {
    ...fs,
    linkSync: (from: string, to: string) => {
      // As exFAT does on Linux.
      if (!disk.hasLinks) throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
      fs.linkSync(from, to)
    },
    renameSync: (from: string, to: string) => {
      disk.beforeRename?.()
      disk.beforeRename = undefined
      fs.renameSync(from, to)
    },
    writeFileSync: (...args: Parameters<typeof fs.writeFileSync>) => {
      fs.writeFileSync(...args)
      if (!String(args[0]).endsWith('lock')) return
      const { afterWrite } = disk
      disk.afterWrite = undefined
      afterWrite?.()
    },
  }
})

let folder: string
let path: string
const home = process.cwd()
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'serotine-lock-')))
  path = join(folder, 'lock')
})
afterEach(() => {
  process.chdir(home)
  Object.assign(disk, { hasLinks: true, beforeRename: undefined, afterWrite: undefined })
  rmSync(folder, { recursive: true, force: true })
})

const gone = JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), started: 5 })
const alive = JSON.stringify({ pid: process.ppid, host: hostname(), started: 5 })
const locks = () => readdirSync(folder)

describe.each([
  ['with', true],
  ['without', false],
])('on a file system %s hard links', (_, hasLinks) => {
  beforeEach(() => void (disk.hasLinks = hasLinks))

  test('a lock is taken and released', () => {
    const release = lockFolder(folder)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() })
    expect(() => lockFolder(folder)).toThrow(/being written by this process/)
    expect(locks()).toEqual(['lock'])
    release()
    expect(locks()).toEqual([])
  })

  test.each([
    ['a process that is gone', gone],
    ['nobody: it is empty', ''],
  ])('a lock left behind by %s is taken over', (_, content) => {
    writeFileSync(path, content)
    const release = lockFolder(folder)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid })
    expect(locks()).toEqual(['lock'])
    release()
    expect(locks()).toEqual([])
  })

  test('that of a process that writes is left, and the folder named', () => {
    writeFileSync(path, alive)
    const refused = { code: 'INDEX_LOCKED', message: `${folder} is being written by process ${process.ppid}. ` }
    expect(() => lockFolder(folder)).toThrow(
      expect.objectContaining({ ...refused, message: expect.stringContaining(refused.message) as string }) as Error,
    )
    expect(readFileSync(path, 'utf8')).toBe(alive)
  })

  test('one that another process has taken over meanwhile is given back', () => {
    writeFileSync(path, gone)
    disk.beforeRename = () => {
      // Not the mocked call: that would be our own.
      rmSync(path)
      writeFileSync(path, alive)
    }
    expect(() => lockFolder(folder)).toThrow(/being written by process/)
    expect([readFileSync(path, 'utf8'), locks()]).toEqual([alive, ['lock']])
  })
})

test('without hard links a lock is seen before it is written: who lost it meanwhile does not think he holds it', () => {
  disk.hasLinks = false
  disk.afterWrite = () => writeFileSync(path, alive)
  expect(() => lockFolder(folder)).toThrow(/being written by process/)
  expect(readFileSync(path, 'utf8')).toBe(alive)
})

test('a relative folder is the same one wherever the process goes', () => {
  mkdirSync(join(folder, 'index'))
  mkdirSync(join(folder, 'other', 'index'), { recursive: true })
  process.chdir(folder)
  const release = lockFolder('index')
  process.chdir(join(folder, 'other'))
  expect(() => lockFolder(join(folder, 'index'))).toThrow(/being written by this process/)
  const releaseOther = lockFolder('index')
  expect(existsSync(join(folder, 'other', 'index', 'lock'))).toBe(true)
  release()
  expect(existsSync(join(folder, 'index', 'lock'))).toBe(false)
  expect(existsSync(join(folder, 'other', 'index', 'lock'))).toBe(true)
  releaseOther()
  expect(existsSync(join(folder, 'other', 'index', 'lock'))).toBe(false)
})
