// What is done to the files of a folder, call by call, for tests that mock `node:fs` with it:
// vi.mock('node:fs', async (original) => (await import('./recorded-files.js')).recorded(await original()))
import type * as fs from 'node:fs'
import { dirname } from 'node:path'

/** Files and folders have numbers: names change. */
export type FileEvent =
  | { readonly op: 'mkdir'; readonly path: string }
  | { readonly op: 'create' | 'unlink'; readonly path: string; readonly file: number }
  | { readonly op: 'write'; readonly file: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly op: 'truncate'; readonly file: number; readonly length: number }
  /** Of what was written before event `upTo`. */
  | { readonly op: 'sync'; readonly file: number; readonly upTo: number }
  | { readonly op: 'rename'; readonly from: string; readonly path: string; readonly file: number }
  | { readonly op: 'syncFolder'; readonly path: string }
  /** What the test has to say at this point. */
  | { readonly op: 'mark'; readonly mark: unknown }

type Fs = typeof fs

let root: string | undefined
let events: FileEvent[] = []
const names = new Map<string, number>()
/** Of descriptors of files, or the path of a folder. */
const opened = new Map<number, number | string>()
let files = 0

/** Records what happens below a folder from now on. */
export function record(folder: string): void {
  root = folder
  events = []
  names.clear()
  opened.clear()
}

export function mark(value: unknown): void {
  events.push({ op: 'mark', mark: value })
}

export function recordedEvents(): FileEvent[] {
  root = undefined
  return events
}

/** Events so far. */
export function recordedCount(): number {
  return events.length
}

export function recorded(real: Fs): Fs {
  const isWithin = (path: unknown): path is string => root !== undefined && `${String(path)}/`.startsWith(`${root}/`)
  const entry = (path: string): number => {
    const known = names.get(path)
    if (known !== undefined) return known
    const file = files++
    names.set(path, file)
    events.push({ op: 'create', path, file })
    return file
  }
  const copyOf = (bytes: unknown): Uint8Array => Uint8Array.from(Buffer.from(bytes as string))
  const openSync: Fs['openSync'] = (path, flags, ...rest) => {
    const fd = real.openSync(path, flags, ...rest)
    if (!isWithin(path)) return fd
    if (real.fstatSync(fd).isDirectory()) {
      opened.set(fd, path)
      return fd
    }
    const isKnown = names.has(path)
    const file = entry(path)
    opened.set(fd, file)
    const length = real.fstatSync(fd).size
    if (isKnown && String(flags).startsWith('w')) events.push({ op: 'truncate', file, length: 0 })
    // Written by somebody who does not come by here, as hnswlib does.
    else if (!isKnown && length > 0) events.push({ op: 'write', file, at: 0, bytes: real.readFileSync(path) })
    return fd
  }
  const synced = (fd: number, upTo: number): void => {
    const what = opened.get(fd)
    if (typeof what === 'string') events.push({ op: 'syncFolder', path: what })
    else if (what !== undefined) events.push({ op: 'sync', file: what, upTo })
  }
  const renamed = (from: string, path: string): void => {
    const file = entry(from)
    names.delete(from)
    names.set(path, file)
    events.push({ op: 'rename', from, path, file })
  }
  return {
    ...real,
    openSync,
    mkdirSync: ((path: string, options: object) => {
      const first = real.mkdirSync(path, options)
      if (isWithin(path) && first !== undefined) {
        const made: string[] = []
        for (let at = path; at !== dirname(first); at = dirname(at)) made.unshift(at)
        for (const each of made) events.push({ op: 'mkdir', path: each })
      }
      return first
    }) as Fs['mkdirSync'],
    closeSync: (fd: number) => {
      opened.delete(fd)
      real.closeSync(fd)
    },
    writeSync: ((fd: number, bytes: Uint8Array, offset: number = 0, length?: number, position?: number) => {
      const done = real.writeSync(fd, bytes, offset, length ?? bytes.length - offset, position)
      const file = opened.get(fd)
      if (typeof file !== 'number') return done
      // Without a position: at the end, as manifests are written.
      const at = position ?? real.fstatSync(fd).size - done
      events.push({ op: 'write', file, at, bytes: bytes.slice(offset, offset + done) })
      return done
    }) as unknown as Fs['writeSync'],
    writeFileSync: ((path: string, content: unknown, options?: object) => {
      real.writeFileSync(path, content as string, options)
      if (!isWithin(path)) return
      const file = entry(path)
      events.push({ op: 'truncate', file, length: 0 }, { op: 'write', file, at: 0, bytes: copyOf(content) })
    }) as Fs['writeFileSync'],
    ftruncateSync: (fd: number, length = 0) => {
      real.ftruncateSync(fd, length)
      const file = opened.get(fd)
      if (typeof file === 'number') events.push({ op: 'truncate', file, length })
    },
    // No disk has to keep what is here.
    fsyncSync: (fd: number) => synced(fd, events.length),
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      const upTo = events.length
      setTimeout(() => {
        synced(fd, upTo)
        done(null)
      })
    },
    renameSync: (from: string, path: string) => {
      real.renameSync(from, path)
      if (isWithin(path)) renamed(from, path)
    },
    linkSync: (from: string, path: string) => {
      real.linkSync(from, path)
      if (!isWithin(path)) return
      const file = entry(from)
      names.set(path, file)
      events.push({ op: 'create', path, file })
    },
    rmSync: ((path: string, options?: object) => {
      real.rmSync(path, options)
      if (!isWithin(path)) return
      for (const [name, file] of names) {
        if (name !== path && !name.startsWith(`${path}/`)) continue
        names.delete(name)
        events.push({ op: 'unlink', path: name, file })
      }
    }) as Fs['rmSync'],
  } as Fs
}
