import { closeSync, fdatasync, ftruncateSync, openSync, readSync, rmSync, writeSync, fstatSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { SerotineError } from '../../errors.js'

const fdatasyncAsync = promisify(fdatasync)

/** An append-only run of bytes: a file on disk or a buffer in memory. Bytes once committed never change. */
export interface ByteLog {
  /** Names the bytes in errors, e.g. the file's path. */
  readonly name: string
  /** Bytes appended so far. */
  readonly length: number
  append(bytes: Uint8Array): void
  /** Fills `target` from `offset`. @throws INDEX_CORRUPT when fewer bytes are there */
  read(target: Uint8Array, offset: number): void
  /** Resolves when what was appended survives a power cut. */
  sync(): Promise<void>
  /** Forgets everything from `length` on: what an aborted commit had appended. */
  truncate(length: number): void
  close(): void
}

/** Where the logs of one index live. */
export interface Storage {
  /** The folder; undefined in memory. */
  readonly folder: string | undefined
  create(name: string): ByteLog
  /** Opens `length` committed bytes; a writer cuts off what an interrupted commit left behind them. */
  open(name: string, length: number): ByteLog
  remove(name: string): void
}

/**
 * CRC-32 of bytes that follow those of checksum `before`. Node's own may give 0 when there are no bytes, whatever came before.
 */
export function checksum(bytes: Uint8Array, before = 0): number {
  return bytes.length === 0 ? before : crc32(bytes, before)
}

class MemoryLog implements ByteLog {
  readonly name: string
  length = 0
  #bytes = new Uint8Array(4096)

  constructor(name: string) {
    this.name = name
  }

  append(bytes: Uint8Array): void {
    const end = this.length + bytes.length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, this.length))
      this.#bytes = grown
    }
    this.#bytes.set(bytes, this.length)
    this.length = end
  }

  read(target: Uint8Array, offset: number): void {
    if (offset + target.length > this.length) throw truncated(this.name, offset + target.length, this.length)
    target.set(this.#bytes.subarray(offset, offset + target.length))
  }

  async sync(): Promise<void> {}

  truncate(length: number): void {
    this.length = length
  }

  close(): void {}
}

class FileLog implements ByteLog {
  readonly name: string
  length: number
  #fd: number | undefined

  constructor(path: string, fd: number, length: number) {
    this.name = path
    this.#fd = fd
    this.length = length
  }

  get #open(): number {
    if (this.#fd === undefined) throw new SerotineError('CLOSED', `${this.name} was read after the index was closed.`)
    return this.#fd
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.#open, bytes, done, bytes.length - done, this.length + done)
    }
    this.length += bytes.length
  }

  // Synchronous on purpose: async reads cost twice as much here, and a target inside wasm memory would be detached
  // by a memory.grow during the wait.
  read(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.length;) {
      const read = readSync(this.#open, target, done, target.length - done, offset + done)
      if (read === 0) throw truncated(this.name, offset + target.length, offset + done)
      done += read
    }
  }

  async sync(): Promise<void> {
    await fdatasyncAsync(this.#open)
  }

  truncate(length: number): void {
    ftruncateSync(this.#open, length)
    this.length = length
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

/** Everything in this process's memory, gone when the index is closed. */
export function memoryStorage(): Storage {
  return {
    folder: undefined,
    create: (name) => new MemoryLog(`:memory:/${name}`),
    open: (name) => new MemoryLog(`:memory:/${name}`),
    remove: () => {},
  }
}

/** Files in `folder`. Readers open them for reading only and never change one. */
export function fileStorage(folder: string, readonly: boolean): Storage {
  return {
    folder,
    create(name) {
      const path = join(folder, name)
      return new FileLog(path, openSync(path, 'w+'), 0)
    },
    open(name, length) {
      const path = join(folder, name)
      const fd = openExisting(path, readonly ? 'r' : 'r+')
      const found = fstatSync(fd).size
      if (found < length) {
        closeSync(fd)
        throw truncated(path, length, found)
      }
      const log = new FileLog(path, fd, length)
      if (!readonly && found > length) log.truncate(length)
      return log
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

function truncated(path: string, expected: number, found: number): SerotineError {
  return new SerotineError(
    'INDEX_CORRUPT',
    `${path} ends after ${found} bytes where ${expected} are committed. The file is damaged; restore it or build the index ` +
      'again.',
  )
}
