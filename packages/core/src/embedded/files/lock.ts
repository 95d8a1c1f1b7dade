import { createHash } from 'node:crypto'
import {
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SerotineError } from '../../errors.js'
import { ownerIn, thisOwner, verdictOn } from './lock-owner.js'
import type { LockOwner, Verdict } from './lock-owner.js'

/** Makes one process the only writer of a folder. */
export interface FolderLock {
  /** @throws INDEX_FENCED when the lock is not this one any more: somebody else may write */
  check(): void
  /** May be called again. */
  release(): void
}

/** A lock is a lease for those who cannot see its process. Milliseconds. */
export interface Lease {
  /** The holder writes its lock again this often. */
  readonly renewal: number
  /** Younger than this on the clock of the file system, a lock is in use. */
  readonly fresh: number
  /** Older than this, and not written during `watched`, it was left behind. */
  readonly expired: number
  /** Longer than a renewal: a machine that wakes up needs time to renew what it holds. */
  readonly watched: number
}

const LEASE: Lease = { renewal: 10_000, fresh: 25_000, expired: 60_000, watched: 15_000 }
/** A lock without an owner is being written, unless it stays so for this long. Milliseconds. */
const BEING_WRITTEN = 500
/** Files beside the lock that a process left when it was killed are removed when they are this old, if it cannot be seen that it is gone. Milliseconds. */
const LEFT_BEHIND = 3_600_000

/** Times to look again when others were quicker. */
const ATTEMPTS = 100

const HELD = Symbol.for('serotine.index.locks')
// Shared by every copy of this package in the process; the file alone cannot tell two indexes of one process apart.
const held = ((globalThis as { [HELD]?: Set<string> })[HELD] ??= new Set<string>())

/**
 * Makes this process the only writer of a folder. A lock left behind is taken over by exactly one process: the one whose claim to that
 * very lock is there first. A claim left behind is claimed like a lock.
 *
 * @throws INDEX_LOCKED naming the process that writes
 */
export async function lockFolder(folder: string, lease: Lease = LEASE): Promise<FolderLock> {
  // The process may go elsewhere while it holds the lock.
  const path = resolve(folder, 'lock')
  const me = thisOwner()
  if (held.has(path)) throw locked(folder, path, me, true)
  const content = JSON.stringify(me)
  // Written whole under another name first: a lock that can be seen can be read.
  const whole = beside(path, me.id)
  writeFileSync(whole, content)
  try {
    for (let attempt = 0; !place(whole, path, content); attempt++) {
      const claims = claimsOn(path)
      const last = claims.at(-1)
      if (attempt > ATTEMPTS) throw locked(folder, path, last && ownerIn(last.content), false)
      if (!last) continue
      const verdict = await verdictOnClaim(last, me, whole, lease)
      if (verdict === 'alive') throw locked(folder, path, ownerIn(last.content), false)
      if (verdict === 'gone' && takeOver(path, claims, whole, content)) break
    }
    removeLeft(path, me)
  } finally {
    rmSync(whole, { force: true })
  }
  return heldLock(folder, path, content, lease)
}

function heldLock(folder: string, path: string, content: string, lease: Lease): FolderLock {
  const remove = () => {
    if (readIfThere(path) === content) rmSync(path, { force: true })
  }
  let stopRenewing: () => void
  try {
    stopRenewing = renewing(path, content, lease)
  } catch (error) {
    remove()
    throw error
  }
  held.add(path)
  let released = false
  return {
    check() {
      const found = readIfThere(path)
      if (found === content) return
      const owner = found === undefined ? undefined : ownerIn(found)
      const what = owner ? `was taken over by ${nameOf(owner)}` : 'is gone'
      throw new SerotineError(
        'INDEX_FENCED',
        `The lock of ${folder} ${what} while this process was writing, or the folder was replaced: nothing more is written. Open the ` +
          'index again to see what is there, and repeat the change.',
      )
    },
    release() {
      if (released) return
      released = true
      stopRenewing()
      held.delete(path)
      remove()
    },
  }
}

/** A lock, or a claim to one that was left behind. */
interface Claim {
  readonly path: string
  readonly content: string
  readonly time: number
  /** No other has it, before or after. */
  readonly key: string
}

/** The lock there is, then who claims it, then who claims that claim …: only the last may take over. */
function claimsOn(path: string): Claim[] {
  const claims: Claim[] = []
  for (let at = path; ;) {
    const content = readIfThere(at)
    const stat = statSync(at, { throwIfNoEntry: false })
    if (content === undefined || !stat) return claims
    const identity = ownerIn(content) ? content : `${stat.ino} ${stat.mtimeMs}`
    const key = createHash('sha256').update(identity).digest('hex').slice(0, 24)
    claims.push({ path: at, content, time: stat.mtimeMs, key })
    at = beside(path, `${key}.heir`)
  }
}

/** Takes the place of a lock that was left behind; false when another process was first. */
function takeOver(path: string, claims: readonly Claim[], whole: string, content: string): boolean {
  const claim = beside(path, `${claims.at(-1)!.key}.heir`)
  if (!place(whole, claim, content)) return false
  try {
    // Whoever took over before has removed the claims that led to it, so that this one may be to nothing.
    const now = claimsOn(path).map((each) => each.content)
    const expected = [...claims.map((each) => each.content), content]
    if (now.length !== expected.length || now.some((each, i) => each !== expected[i])) return false
    renameSync(whole, path)
    return true
  } finally {
    for (const { path: at } of claims.slice(1)) if (readIfThere(path) === content) rmSync(at, { force: true })
    rmSync(claim, { force: true })
  }
}

/** Whether the last claim is of somebody who is still there; `unknown`: it has changed, look again. */
async function verdictOnClaim(claim: Claim, me: LockOwner, whole: string, lease: Lease): Promise<Verdict> {
  const owner = ownerIn(claim.content)
  const verdict = owner ? verdictOn(owner, me) : 'unknown'
  if (verdict !== 'unknown') return verdict
  // Both times are of the file system's clock, wherever it is.
  writeFileSync(whole, JSON.stringify(me))
  const age = statSync(whole).mtimeMs - claim.time
  if (owner && age < lease.fresh) return 'alive'
  const wait = owner ? Math.max(lease.watched, lease.expired - age) : BEING_WRITTEN
  for (const end = performance.now() + wait; performance.now() < end;) {
    await sleep(Math.min(250, wait / 4))
    const stat = statSync(claim.path, { throwIfNoEntry: false })
    if (!stat || readIfThere(claim.path) !== claim.content) return 'unknown'
    if (stat.mtimeMs !== claim.time) return owner ? 'alive' : 'unknown'
  }
  return 'gone'
}

/** Writes the lock again and again, for those who can see nothing but its time. Returns how to stop it. */
function renewing(path: string, content: string, { renewal }: Lease): () => void {
  // Through a descriptor: the file of that name may be another one by then.
  const fd = openSync(path, 'r+')
  const bytes = Buffer.from(content)
  const timer = setInterval(() => {
    try {
      writeSync(fd, bytes, 0, bytes.length, 0)
    } catch {
      // A disk that is full or gone for a while: the next time will do.
      return
    }
  }, renewal)
  timer.unref()
  return () => {
    clearInterval(timer)
    closeSync(fd)
  }
}

/** Puts a file of this content there; false when there is one already. */
function place(whole: string, path: string, content: string): boolean {
  try {
    linkSync(whole, path)
    return true
  } catch (cause) {
    // Without hard links (FAT, some network shares) it fails in a different way on each system.
    return codeOf(cause) !== 'EEXIST' && writeExclusive(path, content)
  }
}

function writeExclusive(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: 'wx' })
    // It was empty for a moment: another process may have taken it for one left behind.
    return readFileSync(path, 'utf8') === content
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'EEXIST' || code === 'ENOENT') return false
    throw cause
  }
}

/** What a process that was killed while it tried to take the lock left beside it. */
function removeLeft(path: string, me: LockOwner): void {
  const now = statSync(path).mtimeMs
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    const other = join(dirname(path), name)
    const stat = statSync(other, { throwIfNoEntry: false })
    if (stat && (now - stat.mtimeMs > LEFT_BEHIND || isOfNobody(path, other, me))) rmSync(other, { force: true })
  }
}

/** The lock of a process that is gone, not yet in its place. A claim may still be part of somebody's way to the lock, so claims are left alone. */
function isOfNobody(path: string, other: string, me: LockOwner): boolean {
  const owner = ownerIn(readIfThere(other) ?? '')
  return owner !== undefined && other === beside(path, owner.id) && verdictOn(owner, me) === 'gone'
}

/** Put together so that a tracer of files does not read it as a pattern, and take every `lock.*` into a deployment. */
function beside(path: string, name: string): string {
  return [path, name].join('.')
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw cause
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

function nameOf({ pid, host }: LockOwner): string {
  return `process ${pid}${host === hostname() ? '' : ` on ${host}`}`
}

function locked(folder: string, path: string, owner: LockOwner | undefined, here: boolean): SerotineError {
  const who = here
    ? `this process (${process.pid}); close the other MultiVectorIndex first`
    : owner
      ? nameOf(owner)
      : 'another process'
  return new SerotineError(
    'INDEX_LOCKED',
    `${folder} is being written by ${who}. Wait, or open it with { readonly: true }. If no process is writing to it, delete ${path}.`,
  )
}
