import { closeSync, constants, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SerotineError } from '../../errors.js'
import { FileLog, MemoryLog, truncated } from './byte-log.js'
import type { ByteLog } from './byte-log.js'

/** Where the logs of one index live. */
export interface Storage {
  /** The folder; undefined in memory. */
  readonly folder: string | undefined
  create(name: string): ByteLog
  /** Opens `length` committed bytes. What follows them stays until `trim()`: the manifest may be older than its files. */
  open(name: string, length: number): ByteLog
  /** Gives the bytes of a file another name, too; where that cannot be, they are copied. */
  link(from: string, to: string): Promise<void>
  /** Nothing happens when it is not there. */
  remove(name: string): void
}

/** Everything in this process's memory, gone when the index is closed. */
export function memoryStorage(): Storage {
  const logs = new Map<string, MemoryLog>()
  const create = (name: string): MemoryLog => {
    const log = new MemoryLog(`:memory:/${name}`)
    logs.set(name, log)
    return log
  }
  return {
    folder: undefined,
    create,
    open: (name) => logs.get(name) ?? create(name),
    link: async (from, to) => void logs.set(to, logs.get(from)!),
    remove: (name) => void logs.delete(name),
  }
}

/** Files in `folder`. Readers open them for reading only and never change one. */
export function fileStorage(folder: string, readonly: boolean): Storage {
  return {
    folder,
    create(name) {
      const path = join(folder, name)
      // One left over may have another name in a folder where it is in use, and must not be emptied.
      rmSync(path, { force: true })
      return new FileLog(path, openSync(path, 'wx+'), 0)
    },
    open(name, length) {
      const path = join(folder, name)
      const fd = openExisting(path, readonly ? 'r' : 'r+')
      const found = fstatSync(fd).size
      if (found < length) {
        closeSync(fd)
        throw truncated(path, length, found)
      }
      return new FileLog(path, fd, length, !readonly && found > length)
    },
    async link(from, to) {
      const [source, target] = [join(folder, from), join(folder, to)]
      rmSync(target, { force: true })
      try {
        linkSync(source, target)
      } catch {
        await copyFile(source, target, constants.COPYFILE_EXCL)
      }
    },
    remove(name) {
      // Windows refuses to unlink a file another process holds without sharing; the next writer tries again.
      try {
        rmSync(join(folder, name), { force: true, maxRetries: 3, retryDelay: 50 })
      } catch {
        return
      }
    },
  }
}

function openExisting(path: string, flags: 'r' | 'r+'): number {
  try {
    return openSync(path, flags)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new SerotineError(
      'INDEX_CORRUPT',
      `${path} is missing. The index is damaged; restore it or build it again.`,
      { cause },
    )
  }
}

/** Virus scanners and indexers on Windows hold new files open for a moment. */
export async function renameWithPatience(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return renameSync(from, to)
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? ''
      if (attempt > 8 || !['EPERM', 'EBUSY', 'EACCES'].includes(code)) throw cause
      await sleep(10 * attempt)
    }
  }
}

/** Makes a folder, and those it is in, survive a power cut. @param folder absolute */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true })
  // One that is there may have been made a moment ago, by a process that was killed.
  const end = dirname(first ?? folder)
  for (let at = folder; at !== end;) {
    at = dirname(at)
    try {
      syncFolder(at)
    } catch (cause) {
      // It is allowed to make a folder in one that may not be read.
      if (!['EACCES', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    }
  }
}

/** Makes the new names in a folder survive a power cut. */
export function syncFolder(folder: string): void {
  // Windows cannot open a folder as a file, and needs no such call.
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } catch (cause) {
    // Some network file systems have no such call: there is nothing more to be done.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
  } finally {
    closeSync(fd)
  }
}
