/** Milliseconds for which a file has to be the same before it is read: whoever writes it may not be done. */
export const STABLE_MS = 400

/** What a look at all files comes to. */
export interface Due {
  /** Keys of files to be read. */
  readonly changed: readonly string[]
  /** Keys of files that are no longer there. */
  readonly gone: readonly string[]
  /** Milliseconds after which to look again; undefined when nothing waits. */
  readonly wait: number | undefined
}

const GONE = ''

/**
 * Decides which files to take in: those that differ from what was taken in last and were the same in two looks. It knows keys and versions, no
 * files and no clock; a file that an editor replaces is gone for a moment, and a large one that is being copied differs in every look.
 */
export class Settling {
  readonly #taken = new Map<string, string>()
  readonly #waiting = new Map<string, { version: string; since: number }>()
  readonly #again = new Map<string, number>()

  /** A file that was taken in at another time, at whatever version. */
  know(key: string): void {
    if (!this.#taken.has(key)) this.#taken.set(key, GONE)
  }

  /**
   * @param found version of each file that is there
   * @param isHidden whether a file may be there though it was not found
   * @param now milliseconds
   * @param atOnce nothing has to be the same in two looks: the first look
   */
  decide(found: ReadonlyMap<string, string>, isHidden: (key: string) => boolean, now: number, atOnce = false): Due {
    const [changed, gone]: [string[], string[]] = [[], []]
    let wait = Infinity
    const later = (ms: number): void => void (wait = Math.min(wait, Math.max(1, ms)))
    const isDue = (key: string, version: string): boolean => {
      if (atOnce) return true
      const before = this.#waiting.get(key)
      const since = before?.version === version ? before.since : now
      if (now - since < STABLE_MS) {
        this.#waiting.set(key, { version, since })
        later(since + STABLE_MS - now)
        return false
      }
      return true
    }
    for (const [key, version] of found) {
      if (this.#taken.get(key) === version) {
        this.#waiting.delete(key)
        const again = this.#again.get(key)
        if (again === undefined) continue
        if (again <= now) changed.push(key)
        else later(again - now)
      } else if (isDue(key, version)) changed.push(key)
    }
    for (const key of this.#taken.keys()) {
      if (!found.has(key) && !isHidden(key) && isDue(key, GONE)) gone.push(key)
    }
    for (const key of this.#waiting.keys()) if (!found.has(key) && !this.#taken.has(key)) this.#waiting.delete(key)
    return { changed, gone, wait: wait === Infinity ? undefined : wait }
  }

  /** A file was taken in, or there is nothing to be had of it at this version; `again`: when to try once more all the same. */
  take(key: string, version: string, again?: number): void {
    this.#taken.set(key, version)
    this.#waiting.delete(key)
    if (again === undefined) this.#again.delete(key)
    else this.#again.set(key, again)
  }

  /** Nothing is left of a file. */
  forget(key: string): void {
    for (const map of [this.#taken, this.#waiting, this.#again]) map.delete(key)
  }
}
