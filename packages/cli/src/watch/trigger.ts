import { existsSync, lstatSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FSWatcher } from 'chokidar'
import { IGNORED_FOLDERS } from '../input/walk.js'

/** Milliseconds without a change after which a look is worth it, and the longest time that changes put it off. */
const QUIET_MS = 150
const MOST_MS = 1_000
/** Longest wait for a watcher to begin. */
const READY_MS = 10_000
/** What the system says when it has no more watchers to give. */
const EXHAUSTED: ReadonlySet<string> = new Set(['ENOSPC', 'EMFILE', 'ENFILE'])

export interface TriggerOptions {
  /** Absolute. */
  readonly paths: readonly string[]
  /** Whether a file of this name could be a text. */
  readonly isText: (path: string) => boolean
  /** One more folder that is not looked into: the index. */
  readonly leaveOut: string
  /** The system has no more watchers: `next` then only waits for its time. */
  readonly onExhausted: (code: string) => void
  /** chokidar's `watch`, or another. */
  readonly watch?: typeof import('chokidar').watch
}

/**
 * Says when a look at the files is worth it. What has changed it does not say: the look finds out, by the rules by which texts are found, so that a
 * change that the system does not report is found by the next look.
 */
export class Trigger {
  readonly #options: TriggerOptions
  /** Folders that a `.gitignore` or a pattern leaves out. */
  #left: ReadonlySet<string> = new Set()
  #watcher: FSWatcher | undefined
  #isExhausted = false
  #changes = 0
  #wake: () => void = () => {}

  constructor(options: TriggerOptions) {
    this.#options = options
  }

  get isExhausted(): boolean {
    return this.#isExhausted
  }

  /** Begins to watch, once more if it does already: a folder that was gone and has come back is another one. */
  async start(): Promise<void> {
    await this.close()
    if (this.#isExhausted) return
    const { paths, watch = (await import('chokidar')).watch } = this.#options
    // For one that is not there the watcher would look through the folder it is missing in, whenever something in that changes.
    const there = paths.filter((path) => existsSync(path))
    if (there.length === 0) return
    const watcher = watch(there, {
      ignoreInitial: true,
      ignorePermissionErrors: true,
      ignored: (path, stats) => this.#isIgnored(path, stats),
    })
    this.#watcher = watcher
    watcher.on('all', () => this.#changed())
    // Until it is ready it may miss something; what it cannot watch is found by looks.
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, READY_MS)
      const begun = (): void => (clearTimeout(timer), resolve())
      watcher.once('ready', begun)
      watcher.on('error', (error) => {
        const { code = '' } = error as NodeJS.ErrnoException
        if (watcher === this.#watcher && EXHAUSTED.has(code)) {
          this.#exhausted(code)
          begun()
        }
        this.#changed()
      })
    })
  }

  /** Folders that are left out from now on. */
  leaveOut(folders: ReadonlySet<string>): void {
    const before = this.#left
    this.#left = folders
    const watcher = this.#watcher
    if (!watcher) return
    const [more, fewer] = [without(folders, before), without(before, folders)]
    if (more.length > 0) watcher.unwatch(more)
    if (fewer.length > 0) watcher.add(fewer)
  }

  /** Settles some time after a change, when things have calmed down, at the latest after `ms`. @throws the signal's reason */
  async next(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#changes === 0) {
      const stop = new AbortController()
      const woken = new Promise<void>((resolve) => (this.#wake = resolve))
      try {
        await Promise.race([woken, sleep(ms, undefined, { signal: AbortSignal.any([signal, stop.signal]) })])
      } finally {
        stop.abort()
      }
    }
    signal.throwIfAborted()
    const begun = performance.now()
    for (let seen = 0; this.#changes > seen && performance.now() - begun < MOST_MS;) {
      seen = this.#changes
      await sleep(QUIET_MS, undefined, { signal })
    }
    this.#changes = 0
  }

  async close(): Promise<void> {
    const watcher = this.#watcher
    this.#watcher = undefined
    await watcher?.close()
  }

  #changed(): void {
    this.#changes++
    this.#wake()
  }

  #exhausted(code: string): void {
    this.#isExhausted = true
    void this.close()
    this.#options.onExhausted(code)
  }

  /** @param stats of what a link leads to; undefined when chokidar does not know yet */
  #isIgnored(path: string, stats: Stats | undefined): boolean {
    const { paths, isText, leaveOut } = this.#options
    if (paths.includes(path)) return false
    const name = basename(path)
    if (name === '.gitignore') return false
    if (name.startsWith('.') || IGNORED_FOLDERS.has(name) || path === leaveOut || this.#left.has(path)) return true
    if (stats?.isDirectory()) return isLink(path)
    return stats !== undefined && !isText(path)
  }
}

/** Linked folders are not read, and could lead in circles. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}

function without(set: ReadonlySet<string>, other: ReadonlySet<string>): string[] {
  return [...set].filter((item) => !other.has(item))
}
