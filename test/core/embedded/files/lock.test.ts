import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { thisOwner } from '../../../../packages/core/src/embedded/files/lock-owner.js'
import { lockFolder } from '../../../../packages/core/src/embedded/files/lock.js'
import type { FolderLock } from '../../../../packages/core/src/embedded/files/lock.js'

const { disk } = vi.hoisted(() => ({
  disk: {
    hasLinks: true,
    /** Before a claim is placed: what another process does meanwhile. */
    beforeClaim: undefined as (() => void) | undefined,
    afterWrite: undefined as (() => void) | undefined,
  },
}))
const once = (which: 'beforeClaim' | 'afterWrite') => {
  const work = disk[which]
  disk[which] = undefined
  work?.()
}
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  return {
    ...fs,
    linkSync: (from: string, to: string) => {
      if (to.endsWith('.heir')) once('beforeClaim')
      // As exFAT does on Linux.
      if (!disk.hasLinks) throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
      fs.linkSync(from, to)
    },
    writeFileSync: (...args: Parameters<typeof fs.writeFileSync>) => {
      fs.writeFileSync(...args)
      if (String(args[0]).endsWith('lock')) once('afterWrite')
    },
  }
})

let folder: string
let path: string
const taken: FolderLock[] = []
const home = process.cwd()
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'serotine-lock-')))
  path = join(folder, 'lock')
})
afterEach(() => {
  process.chdir(home)
  for (const lock of taken.splice(0)) lock.release()
  Object.assign(disk, { hasLinks: true, beforeClaim: undefined, afterWrite: undefined })
  rmSync(folder, { recursive: true, force: true })
})

/** Milliseconds instead of seconds. */
const LEASE = { renewal: 20, fresh: 60, expired: 200, watched: 100 }
async function take(where = folder, lease?: typeof LEASE): Promise<FolderLock> {
  const lock = await lockFolder(where, lease)
  taken.push(lock)
  return lock
}
const me = thisOwner()
const gone = JSON.stringify({ ...me, id: 'gone', pid: 2 ** 22 + 1 })
/** The one that started us: it is there for as long as we are. */
const alive = JSON.stringify({ ...me, id: 'alive', pid: process.ppid, started: startOf(process.ppid) })
const keyOf = (content: string) => createHash('sha256').update(content).digest('hex').slice(0, 24)
const locks = () => readdirSync(folder)
const holder = () => (JSON.parse(readFileSync(path, 'utf8')) as { pid: number }).pid
const age = (seconds: number) => {
  const then = Date.now() / 1000 - seconds
  utimesSync(path, then, then)
}

function startOf(pid: number): number {
  if (!existsSync('/proc/self/stat')) return me.started
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19])
}

describe.each([
  ['with', true],
  ['without', false],
])('on a file system %s hard links', (_, hasLinks) => {
  beforeEach(() => void (disk.hasLinks = hasLinks))

  test('a lock is taken and released', async () => {
    const lock = await take()
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid, host: me.host })
    await expect(lockFolder(folder)).rejects.toThrow(/being written by this process/)
    lock.check()
    expect(locks()).toEqual(['lock'])
    lock.release()
    expect(locks()).toEqual([])
  })

  test.each([
    ['a process that is gone', gone],
    ['an earlier process with our pid', JSON.stringify({ ...me, id: 'earlier', started: 5 })],
    ['nobody: it is empty', ''],
    ['nobody: a power cut left zeros', '\0\0\0'],
  ])('a lock left behind by %s is taken over', async (_, content) => {
    writeFileSync(path, content)
    const lock = await take()
    expect([holder(), locks()]).toEqual([process.pid, ['lock']])
    lock.check()
    lock.release()
    expect(locks()).toEqual([])
  })

  test('so is a claim to it, and a claim to that', async () => {
    const heir = JSON.stringify({ ...me, id: 'heir', pid: 2 ** 22 + 1 })
    writeFileSync(path, gone)
    writeFileSync(`${path}.${keyOf(gone)}.heir`, heir)
    writeFileSync(`${path}.${keyOf(heir)}.heir`, JSON.stringify({ ...me, id: 'heir of the heir', started: 5 }))
    await take()
    expect([holder(), locks()]).toEqual([process.pid, ['lock']])
  })

  test('a claim of a process that is there is respected', async () => {
    writeFileSync(path, gone)
    writeFileSync(`${path}.${keyOf(gone)}.heir`, alive)
    const before = locks()
    await expect(lockFolder(folder)).rejects.toThrow(new RegExp(`being written by process ${process.ppid}\\.`))
    expect(locks()).toEqual(before)
  })

  test('the lock of a process that writes is left, and the folder named', async () => {
    writeFileSync(path, alive)
    await expect(lockFolder(folder)).rejects.toMatchObject({
      code: 'INDEX_LOCKED',
      message: expect.stringContaining(`${folder} is being written by process ${process.ppid}. `) as string,
    })
    expect([readFileSync(path, 'utf8'), locks()]).toEqual([alive, ['lock']])
  })

  test('one that another process has taken over meanwhile is its own', async () => {
    writeFileSync(path, gone)
    disk.beforeClaim = () => {
      writeFileSync(`${path}.other`, alive)
      renameSync(`${path}.other`, path)
    }
    await expect(lockFolder(folder)).rejects.toThrow(/being written by process/)
    expect([readFileSync(path, 'utf8'), locks()]).toEqual([alive, ['lock']])
  })

  test('what a process that was killed left beside the lock is removed after an hour', async () => {
    for (const [name, hours] of [
      ['lock.old', 2],
      ['lock.new', 0],
    ] as const) {
      writeFileSync(join(folder, name), '')
      const then = Date.now() / 1000 - hours * 3600
      utimesSync(join(folder, name), then, then)
    }
    await take()
    expect(locks()).toEqual(['lock', 'lock.new'])
  })

  test('a lock that its process did not get to put in its place is removed once that is gone, not while it may go on', async () => {
    const gone = { ...me, id: 'gone', started: me.started - 5 }
    const elsewhere = { ...me, id: 'elsewhere', boot: 'another', host: 'other' }
    for (const owner of [gone, elsewhere, { ...me, id: 'here' }])
      writeFileSync(`${path}.${owner.id}`, JSON.stringify(owner))
    writeFileSync(`${path}.0123.heir`, JSON.stringify(gone))
    await take()
    expect(locks()).toEqual(['lock', 'lock.0123.heir', 'lock.elsewhere', 'lock.here'])
  })
})

test('without hard links a lock is seen before it is written: who lost it meanwhile does not think he holds it', async () => {
  disk.hasLinks = false
  disk.afterWrite = () => writeFileSync(path, alive)
  await expect(lockFolder(folder)).rejects.toThrow(/being written by process/)
  expect(readFileSync(path, 'utf8')).toBe(alive)
})

test.skipIf(me.boot === null)('a pid that is used again is another process', async () => {
  writeFileSync(path, JSON.stringify({ ...me, id: 'before', pid: process.ppid, started: startOf(process.ppid) - 1 }))
  await take()
  expect(holder()).toBe(process.pid)
})

describe('a lock whose process cannot be seen', () => {
  const elsewhere: [string, object][] = [
    ['of another machine', { boot: 'another', host: 'elsewhere', pid: 1 }],
    ['of another container on this machine', { pids: 'pid:[1]', host: 'c0ffee', pid: 1 }],
    ['from before this machine was started', { boot: 'the one before', pid: process.ppid }],
  ]

  test.each(elsewhere)('is believed while it is fresh: %s', async (_, other) => {
    const content = JSON.stringify({ ...me, id: 'other', ...other })
    writeFileSync(path, content)
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'INDEX_LOCKED' })
    expect([readFileSync(path, 'utf8'), locks()]).toEqual([content, ['lock']])
  })

  test.each(elsewhere)('is taken over when nobody has renewed it for a while: %s', async (_, other) => {
    writeFileSync(path, JSON.stringify({ ...me, id: 'other', ...other }))
    age(3600)
    await take(folder, LEASE)
    expect([holder(), locks()]).toEqual([process.pid, ['lock']])
  })

  test('is left when it is renewed while it is watched, as by a machine that wakes up', async () => {
    writeFileSync(path, JSON.stringify({ ...me, id: 'other', host: 'elsewhere', boot: 'another' }))
    age(3600)
    setTimeout(() => age(0), 60)
    await expect(lockFolder(folder, LEASE)).rejects.toThrow(/on elsewhere/)
    expect(locks()).toEqual(['lock'])
  })

  test('is renewed by its holder, until he releases it', async () => {
    const lock = await take(folder, LEASE)
    const content = readFileSync(path, 'utf8')
    age(3600)
    await sleep(150)
    expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(60_000)
    expect(readFileSync(path, 'utf8')).toBe(content)
    lock.release()
    writeFileSync(path, 'of somebody else')
    age(3600)
    await sleep(60)
    expect(readFileSync(path, 'utf8')).toBe('of somebody else')
  })
})

describe('a holder whose lock', () => {
  test.each([
    ['was removed', () => rmSync(path), /is gone/],
    [
      'was taken over',
      () => writeFileSync(path, alive),
      new RegExp(`was taken over by process ${process.ppid} while this`),
    ],
    ['went with its folder', () => renameSync(folder, `${folder}-aside`), /is gone/],
  ])('%s is told so, and leaves that of others alone', async (_, change, message) => {
    const lock = await take()
    change()
    expect(() => lock.check()).toThrow(expect.objectContaining({ code: 'INDEX_FENCED' }) as Error)
    expect(() => lock.check()).toThrow(message)
    const left = existsSync(folder) ? locks() : []
    lock.release()
    expect(existsSync(folder) ? locks() : []).toEqual(left)
    rmSync(`${folder}-aside`, { recursive: true, force: true })
  })
})

test('a relative folder is the same one wherever the process goes', async () => {
  mkdirSync(join(folder, 'index'))
  mkdirSync(join(folder, 'other', 'index'), { recursive: true })
  process.chdir(folder)
  const lock = await lockFolder('index')
  process.chdir(join(folder, 'other'))
  await expect(lockFolder(join(folder, 'index'))).rejects.toThrow(/being written by this process/)
  const other = await lockFolder('index')
  expect(existsSync(join(folder, 'other', 'index', 'lock'))).toBe(true)
  lock.release()
  expect(existsSync(join(folder, 'index', 'lock'))).toBe(false)
  expect(existsSync(join(folder, 'other', 'index', 'lock'))).toBe(true)
  other.release()
  expect(existsSync(join(folder, 'other', 'index', 'lock'))).toBe(false)
})
