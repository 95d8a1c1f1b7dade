// Faults of a disk, for tests that mock `node:fs` with it:
// vi.mock('node:fs', async (original) => (await import('…/support/file-faults.js')).faulty(await original()))
import type * as fs from 'node:fs'

type Call =
  | 'openSync'
  | 'writeSync'
  | 'readSync'
  | 'ftruncateSync'
  | 'fsyncSync'
  | 'fdatasync'
  | 'renameSync'
  | 'readFileSync'
  | 'closeSync'
  | 'linkSync'
  | 'rmSync'

export interface Fault {
  /** Default: each of them. */
  readonly call?: Call
  /** Of the file, or of its new place where there are two. */
  readonly path: RegExp
  readonly code: string
  /** So many calls succeed before. */
  after?: number
  /** How often; default: until `repair()`. */
  times?: number
  /** The call is made all the same, and then reported to have failed. */
  readonly isDone?: boolean
}

let faults: Fault[] = []
const paths = new Map<number, string>()

export function breakFiles(...next: Fault[]): void {
  faults.push(...next)
}

export function repair(): void {
  faults = []
}

let seen: { readonly call: Call; readonly path: string }[] = []
/** Calls on files whose faults can be injected, since the last time somebody asked. */
export function takeCalls(): typeof seen {
  const calls = seen
  seen = []
  return calls
}

type Fs = typeof fs

export function faulty(real: Fs): Fs {
  const wrapped = <A extends unknown[], R>(call: Call, work: (...args: A) => R, pathOf: (...args: A) => string) => {
    return (...args: A): R => {
      const error = failing(call, pathOf(...args), () => work(...args))
      if (error) throw error
      return work(...args)
    }
  }
  const failing = (call: Call, path: string, work: () => unknown): Error | undefined => {
    seen.push({ call, path })
    const fault = faults.find((each) => (each.call ?? call) === call && each.path.test(path) && each.times !== 0)
    if (!fault || (fault.after ?? 0) > 0) {
      if (fault) fault.after!--
      return undefined
    }
    if (fault.times !== undefined) fault.times--
    // A descriptor is gone whatever closing it said.
    if (fault.isDone || call === 'closeSync') work()
    return Object.assign(new Error(`${fault.code}: injected, ${call} '${path}'`), { code: fault.code })
  }
  const first = (path: unknown): string => String(path)
  const second = (_: unknown, path: unknown): string => String(path)
  const ofFd = (fd: unknown): string => paths.get(fd as number) ?? ''
  const openSync = (...args: Parameters<Fs['openSync']>): number => {
    const fd = real.openSync(...args)
    paths.set(fd, String(args[0]))
    return fd
  }
  return {
    ...real,
    openSync: wrapped('openSync', openSync, first),
    writeSync: wrapped('writeSync', real.writeSync as (...args: unknown[]) => number, ofFd),
    readSync: wrapped('readSync', real.readSync as (...args: unknown[]) => number, ofFd),
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      const error = failing('fdatasync', ofFd(fd), () => {})
      if (error) setImmediate(done, error)
      else real.fdatasync(fd, done)
    },
    ftruncateSync: wrapped('ftruncateSync', real.ftruncateSync, ofFd),
    closeSync: wrapped('closeSync', real.closeSync, ofFd),
    fsyncSync: wrapped('fsyncSync', real.fsyncSync, ofFd),
    renameSync: wrapped('renameSync', real.renameSync, second),
    linkSync: wrapped('linkSync', real.linkSync, second),
    rmSync: wrapped('rmSync', real.rmSync, first),
    readFileSync: wrapped('readFileSync', real.readFileSync as (...args: unknown[]) => string, first),
  } as unknown as Fs
}
