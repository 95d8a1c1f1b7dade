import { stat } from 'node:fs/promises'
import { SerotineError } from '@serotine/core'
import type { Follower, Look } from './follower.js'
import { Trigger } from './trigger.js'
import type { TriggerOptions } from './trigger.js'

/** Milliseconds between looks: though nothing was reported, where the system cannot report, and while a path is not there. */
const UNASKED_MS = 30_000
const POLL_MS = 2_000
const MISSING_MS = 1_000
/** Until the next try after a failure. */
const RETRY_MS = 5_000
/** A look takes at most this share of the time. */
const MOST_SHARE = 0.05
/** Nothing can be written to the index until it is opened again. */
const FINAL: ReadonlySet<string> = new Set(['INDEX_POISONED', 'INDEX_FENCED', 'CLOSED'])

export interface FollowOptions extends Omit<TriggerOptions, 'onExhausted'> {
  readonly follower: Follower
  /** Look every so many milliseconds and do not ask the system for reports. */
  readonly pollMs?: number | undefined
  readonly signal: AbortSignal
  readonly onLook: (look: Look) => void
  /** What is to be known but ends nothing. */
  readonly onTrouble: (message: string) => void
}

/**
 * Follows files until the signal: looks, and looks again whenever something is reported to have changed, and from time to time.
 *
 * @throws what makes the index impossible to write to
 */
export async function follow(options: FollowOptions): Promise<void> {
  const { follower, paths, pollMs, signal, onLook, onTrouble } = options
  const trigger = new Trigger({
    ...options,
    onExhausted: (code) =>
      onTrouble(
        `The system has no more watchers to give (${code}), so the files are looked at every ${POLL_MS / 1000} seconds instead. ` +
          'On Linux fs.inotify.max_user_watches says how many there are.',
      ),
  })
  // Before the first look nothing says which folders are left out.
  let watched: string | undefined
  let trouble: string | undefined
  try {
    while (!signal.aborted) {
      const started = performance.now()
      let wait = RETRY_MS
      try {
        const look = await follower.look()
        onLook(look)
        trouble = undefined
        const took = performance.now() - started
        const isPolled = pollMs !== undefined || trigger.isExhausted
        wait = Math.max(isPolled ? (pollMs ?? POLL_MS) : UNASKED_MS, took / MOST_SHARE)
        if (look.missing.length > 0) wait = Math.min(wait, MISSING_MS)
        if (look.wait !== undefined) wait = Math.min(wait, look.wait)
        if (pollMs === undefined) {
          trigger.leaveOut(look.leftOut)
          const now = await identity(paths)
          if (now !== watched && !trigger.isExhausted) {
            await trigger.start()
            watched = now
            // What has changed between the look and now was not reported.
            wait = Math.min(wait, 1)
          }
        }
      } catch (error) {
        if (signal.aborted) break
        if (SerotineError.isInstance(error) && FINAL.has(error.code)) throw error
        const message = error instanceof Error ? error.message : String(error)
        if (message !== trouble) onTrouble(`${message} Trying again every ${RETRY_MS / 1000} seconds.`)
        trouble = message
      }
      await trigger.next(wait, signal).catch(() => {})
    }
  } finally {
    await trigger.close()
  }
}

/** Another one when one of the paths is another file or folder. */
async function identity(paths: readonly string[]): Promise<string> {
  const each = paths.map((path) =>
    stat(path).then(
      ({ dev, ino }) => `${dev}:${ino}`,
      () => 'gone',
    ),
  )
  return (await Promise.all(each)).join(' ')
}
