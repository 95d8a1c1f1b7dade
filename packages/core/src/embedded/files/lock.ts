import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { SerotineError } from '../../errors.js'

interface Owner {
  readonly pid: number
  readonly host: string
  /** When that process started, in seconds: a pid is used again sooner or later (in a container, at once). */
  readonly started: number
}

const HELD = Symbol.for('serotine.index.locks')
// Shared by every copy of this package in the process; the file alone cannot tell two indexes of one process apart.
const held = ((globalThis as { [HELD]?: Set<string> })[HELD] ??= new Set<string>())

/**
 * Makes this process the only writer of a folder until the returned function is called. A lock left behind by a dead
 * process is taken over.
 *
 * @throws INDEX_LOCKED naming the process that writes
 */
export function lockFolder(folder: string): () => void {
  // The process may go elsewhere while it holds the lock.
  const path = resolve(folder, 'lock')
  const me: Owner = { pid: process.pid, host: hostname(), started: Math.round(Date.now() / 1000 - process.uptime()) }
  if (held.has(path)) throw locked(folder, path, me, true)
  const content = JSON.stringify(me)
  for (let attempt = 0; !place(path, content); attempt++) {
    if (attempt > 5 || !removeStale(path, me)) throw locked(folder, path, readOwner(path), false)
  }
  held.add(path)
  let released = false
  return () => {
    if (released) return
    released = true
    held.delete(path)
    try {
      if (readFileSync(path, 'utf8') === content) unlinkSync(path)
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw cause
    }
  }
}

/** Puts a lock there; false when there is one already. */
function place(path: string, content: string): boolean {
  // Written whole under another name first: a lock that can be seen can be read.
  const whole = `${path}.${process.pid}`
  writeFileSync(whole, content)
  try {
    linkSync(whole, path)
    return true
  } catch (cause) {
    // Without hard links (FAT, some network shares) it fails in a different way on each system.
    return codeOf(cause) !== 'EEXIST' && writeExclusive(path, content)
  } finally {
    unlinkSync(whole)
  }
}

function writeExclusive(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: 'wx' })
    // It was empty for a moment: another process may have taken it for one left behind, and moved it away.
    return readFileSync(path, 'utf8') === content
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'EEXIST' || code === 'ENOENT') return false
    throw cause
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

function readOwner(path: string): Owner | undefined {
  try {
    return ownerIn(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function ownerIn(content: string): Owner | undefined {
  try {
    const owner = JSON.parse(content) as Owner
    return Number.isInteger(owner.pid) ? owner : undefined
  } catch {
    return undefined
  }
}

/** Moves a dead process's lock out of the way; false when the process is alive. */
function removeStale(path: string, me: Owner): boolean {
  const owner = readOwner(path)
  if (owner !== undefined && isAlive(owner, me)) return false
  const aside = `${path}.stale-${me.pid}`
  try {
    renameSync(path, aside)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return true
    throw cause
  }
  // Between reading and renaming, another process may have taken over, and this is its lock now: give it back.
  try {
    const content = readFileSync(aside, 'utf8')
    const moved = ownerIn(content)
    if (moved !== undefined && isAlive(moved, me)) place(path, content)
  } finally {
    unlinkSync(aside)
  }
  return true
}

function isAlive(owner: Owner, me: Owner): boolean {
  // Another machine on a shared folder cannot be asked: assume it is alive.
  if (owner.host !== me.host) return true
  if (owner.pid === me.pid) return Math.abs(owner.started - me.started) <= 2
  try {
    process.kill(owner.pid, 0)
    return true
  } catch (cause) {
    return codeOf(cause) === 'EPERM'
  }
}

function locked(folder: string, path: string, owner: Owner | undefined, here: boolean): SerotineError {
  const who = here
    ? `this process (${process.pid}); close the other MultiVectorIndex first`
    : owner
      ? `process ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`}`
      : 'another process'
  return new SerotineError(
    'INDEX_LOCKED',
    `${folder} is being written by ${who}. Wait, or open it with { readonly: true }. If no process is writing to it, delete ${path}.`,
  )
}
