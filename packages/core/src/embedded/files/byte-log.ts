import { closeSync, fdatasync, ftruncateSync, readSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { SerotineError } from '../../errors.js'

const fdatasyncAsync = promisify(fdatasync)

/** Bytes per call: Node 20 refuses 2 GiB or more, and zlib counts in 32 bits. */
const PIECE_BYTES = 2 ** 30

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
  /** Cuts off what an interrupted commit left behind what is committed. */
  trim(): void
  /** Forgets everything from `length` on: what an aborted commit had appended. */
  truncate(length: number): void
  close(): void
}

/**
 * CRC-32 of bytes that follow those of checksum `before`. Node's own may give 0 when there are no bytes, whatever came before.
 */
export function checksum(bytes: Uint8Array, before = 0): number {
  let sum = before
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) sum = crc32(bytes.subarray(at, at + PIECE_BYTES), sum)
  return sum
}

export class MemoryLog implements ByteLog {
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

  trim(): void {}

  truncate(length: number): void {
    this.length = length
  }

  close(): void {}
}

export class FileLog implements ByteLog {
  readonly name: string
  length: number
  #fd: number | undefined
  #hasMore: boolean

  /** @param hasMore the file is longer, and `trim` is to cut it */
  constructor(path: string, fd: number, length: number, hasMore = false) {
    this.name = path
    this.#fd = fd
    this.length = length
    this.#hasMore = hasMore
  }

  get #open(): number {
    if (this.#fd === undefined) throw new SerotineError('CLOSED', `${this.name} was read after the index was closed.`)
    return this.#fd
  }

  #named<T>(call: (fd: number) => T): T {
    const fd = this.#open
    try {
      return call(fd)
    } catch (error) {
      throw this.#withPath(error)
    }
  }

  /** What the system says of a descriptor does not say of which file. */
  #withPath(error: unknown): unknown {
    if (!(error instanceof Error) || 'path' in error) return error
    error.message += ` '${this.name}'`
    return Object.assign(error, { path: this.name })
  }

  append(bytes: Uint8Array): void {
    this.trim()
    for (let done = 0; done < bytes.length;) {
      const length = Math.min(bytes.length - done, PIECE_BYTES)
      done += this.#named((fd) => writeSync(fd, bytes, done, length, this.length + done))
    }
    this.length += bytes.length
  }

  // Synchronous on purpose: async reads cost twice as much here, and a target inside wasm memory would be detached
  // by a memory.grow during the wait.
  read(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.length;) {
      const length = Math.min(target.length - done, PIECE_BYTES)
      const read = this.#named((fd) => readSync(fd, target, done, length, offset + done))
      if (read === 0) throw truncated(this.name, offset + target.length, offset + done)
      done += read
    }
  }

  async sync(): Promise<void> {
    try {
      await fdatasyncAsync(this.#open)
    } catch (error) {
      throw this.#withPath(error)
    }
  }

  trim(): void {
    if (this.#hasMore) this.truncate(this.length)
    this.#hasMore = false
  }

  truncate(length: number): void {
    this.#named((fd) => ftruncateSync(fd, length))
    this.length = length
  }

  close(): void {
    const fd = this.#fd
    this.#fd = undefined
    if (fd === undefined) return
    try {
      closeSync(fd)
    } catch {
      // What is committed has been synced, and the descriptor is gone in any case.
      return
    }
  }
}

export function truncated(path: string, expected: number, found: number): SerotineError {
  return new SerotineError(
    'INDEX_CORRUPT',
    `${path} ends after ${found} bytes where ${expected} are committed. The file is damaged; restore it or build the index ` +
      'again.',
  )
}
