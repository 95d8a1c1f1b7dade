// What says that a look is worth it: the real chokidar on real folders, and a system that has no more watchers.
import { EventEmitter } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Trigger } from '../../../packages/cli/src/watch/trigger.js'
import type { TriggerOptions } from '../../../packages/cli/src/watch/trigger.js'

let root: string
let trigger: Trigger
const { signal } = new AbortController()
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'serotine-trigger-')))
  mkdirSync(join(root, 'docs/sub'), { recursive: true })
})
afterEach(async () => {
  await trigger.close()
  rmSync(root, { recursive: true, force: true })
})

async function start(more: Partial<TriggerOptions> = {}): Promise<void> {
  trigger = new Trigger({
    paths: [join(root, 'docs')],
    isText: (path) => path.endsWith('.md'),
    leaveOut: join(root, 'docs/index'),
    onExhausted: () => {},
    ...more,
  })
  await trigger.start()
}

/** Whether something was reported within a time that is plenty. */
async function isWoken(ms = 3_000): Promise<boolean> {
  const started = performance.now()
  await trigger.next(ms, signal)
  return performance.now() - started < ms - 50
}

test('wakes for texts that are written, renamed and removed, and for rules', async () => {
  await start()
  const file = join(root, 'docs/sub/a.md')
  writeFileSync(file, 'a')
  expect(await isWoken()).toBe(true)
  writeFileSync(file, 'b')
  expect(await isWoken()).toBe(true)
  renameSync(file, join(root, 'docs/b.md'))
  expect(await isWoken()).toBe(true)
  rmSync(join(root, 'docs/b.md'))
  expect(await isWoken()).toBe(true)
  writeFileSync(join(root, 'docs/.gitignore'), 'a.md')
  expect(await isWoken()).toBe(true)
  mkdirSync(join(root, 'docs/more'))
  expect(await isWoken()).toBe(true)
})

test('sleeps through what is no text, hidden, the index, linked folders and folders that are left out', async () => {
  for (const folder of ['docs/index', 'docs/.git', 'docs/node_modules', 'docs/dist', 'elsewhere']) {
    mkdirSync(join(root, folder))
  }
  symlinkSync(join(root, 'elsewhere'), join(root, 'docs/link'))
  await start()
  trigger.leaveOut(new Set([join(root, 'docs/dist')]))
  await trigger.next(300, signal)
  for (const name of ['docs/index/a.md', 'docs/.git/a.md', 'docs/node_modules/a.md', 'docs/dist/a.md', 'docs/a.bin']) {
    writeFileSync(join(root, name), 'a')
  }
  writeFileSync(join(root, 'elsewhere/a.md'), 'a')
  expect(await isWoken(700)).toBe(false)
  trigger.leaveOut(new Set())
  await trigger.next(1_000, signal)
  writeFileSync(join(root, 'docs/dist/b.md'), 'b')
  expect(await isWoken()).toBe(true)
})

test('many changes are one reason to look, and one that never ends puts a look off for a second at most', async () => {
  await start()
  const writing = setInterval(() => writeFileSync(join(root, 'docs/a.md'), `${Math.random()}`), 20)
  const started = performance.now()
  await trigger.next(10_000, signal)
  clearInterval(writing)
  expect(performance.now() - started).toBeLessThan(3_000)
})

test('a system without watchers is told once, and waits for its time from then on', async () => {
  class Watcher extends EventEmitter {
    add = () => this
    unwatch = () => this
    close = async () => {}
  }
  const watchers: Watcher[] = []
  const codes: string[] = []
  const none = (() => {
    const watcher = new Watcher()
    watchers.push(watcher)
    setImmediate(() => {
      watcher.emit('error', Object.assign(new Error('no permission'), { code: 'EPERM' }))
      for (let i = 0; i < 3; i++) watcher.emit('error', Object.assign(new Error('no space'), { code: 'ENOSPC' }))
      watcher.emit('ready')
    })
    return watcher
  }) as unknown as NonNullable<TriggerOptions['watch']>
  await start({ watch: none, onExhausted: (code) => codes.push(code) })
  expect([codes, trigger.isExhausted]).toEqual([['ENOSPC'], true])
  expect(await isWoken()).toBe(true)
  await trigger.start()
  expect(watchers).toHaveLength(1)
  expect(await isWoken(300)).toBe(false)
})

test('watches what is there: for what is missing it would look through the folder around it', async () => {
  const watched: string[][] = []
  const watch = ((paths: string[]) => {
    watched.push(paths)
    const watcher = Object.assign(new EventEmitter(), { add: () => {}, unwatch: () => {}, close: async () => {} })
    setImmediate(() => watcher.emit('ready'))
    return watcher
  }) as unknown as NonNullable<TriggerOptions['watch']>
  const [here, gone] = [join(root, 'docs'), join(root, 'gone')]
  await start({ watch, paths: [here, gone] })
  rmSync(here, { recursive: true })
  await trigger.start()
  mkdirSync(gone)
  await trigger.start()
  expect(watched).toEqual([[here], [gone]])
})

test('the signal ends the wait', async () => {
  await start()
  const controller = new AbortController()
  const waiting = trigger.next(60_000, controller.signal)
  await sleep(20)
  controller.abort(new Error('stop'))
  await expect(waiting).rejects.toThrow('abort')
})
