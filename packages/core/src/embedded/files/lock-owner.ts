import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Who holds a lock, as it is written into it. */
export interface LockOwner {
  /** Of this one lock: none before or after it has the same. */
  readonly id: string
  readonly pid: number
  readonly host: string
  /** Of the running system, another one after each boot; null where it has none. */
  readonly boot: string | null
  /** Where the pid counts: in a container, other processes bear the same numbers. Null where there is one such place only. */
  readonly pids: string | null
  /** When the process started, on a clock that nobody sets: a pid is used again sooner or later. */
  readonly started: number
}

/** `unknown`: another machine or container, whose processes cannot be seen from here. */
export type Verdict = 'alive' | 'gone' | 'unknown'

/** This process, about to take a lock. */
export function thisOwner(): LockOwner {
  const boot = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  const pids = attempt(() => readlinkSync('/proc/self/ns/pid'))
  const sinceBoot = () => Number(process.hrtime.bigint()) / 1e9 - process.uptime()
  const started = stateOf('self')?.started ?? sinceBoot()
  return { id: randomUUID(), pid: process.pid, host: hostname(), boot, pids, started }
}

/** The owner in a lock's content; undefined when nobody can be made out. */
export function ownerIn(content: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(content) as Partial<LockOwner> | null
    if (!Number.isInteger(owner?.pid) || typeof owner!.host !== 'string') return undefined
    return { boot: null, pids: null, id: '', started: 0, ...owner } as LockOwner
  } catch {
    return undefined
  }
}

/** Whether the process that took a lock is still there. */
export function verdictOn(owner: LockOwner, me: LockOwner): Verdict {
  if (owner.boot !== me.boot || owner.pids !== me.pids) return 'unknown'
  // Without a number for this boot, the name of the machine has to do.
  if (me.boot === null && owner.host !== me.host) return 'unknown'
  if (owner.pid === me.pid) return Math.abs(owner.started - me.started) < 0.5 ? 'alive' : 'gone'
  try {
    process.kill(owner.pid, 0)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return 'gone'
  }
  const state = stateOf(owner.pid)
  if (state) return state.isEnded || state.started !== owner.started ? 'gone' : 'alive'
  // It may be another process with the same pid, after a boot that left no other trace.
  return me.boot === null ? 'unknown' : 'alive'
}

/** What Linux says of a process; undefined elsewhere, or where it hides other users' processes. */
function stateOf(pid: number | 'self'): { readonly started: number; readonly isEnded: boolean } | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The name, in brackets, may hold anything. After it: the state is field 3, the start in clock ticks since boot field 22.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const started = Number(fields?.[19])
  return fields && Number.isFinite(started) ? { started, isEnded: 'ZX'.includes(fields[0]!) } : undefined
}

function attempt(read: () => string): string | null {
  try {
    return read()
  } catch {
    return null
  }
}
