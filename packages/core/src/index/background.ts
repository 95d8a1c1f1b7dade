import type { OnWarning } from '../errors.js'
import type { PrepareOptions, Store } from '../store/store.js'

/**
 * What a store prepares after changes, while others go on: one run at a time, and at most one that is still to begin. It sees all that was
 * changed until then, however many changes asked for it.
 */
export class Background {
  readonly #store: Store
  readonly #options: PrepareOptions
  readonly #onWarning: OnWarning | undefined
  readonly #stopping = new AbortController()
  /** Settles when the last run there is has ended; never fails. */
  #last: Promise<void> = Promise.resolve()
  /** The last run has not begun yet. */
  #isToCome = false

  constructor(store: Store, options: PrepareOptions, onWarning: OnWarning | undefined) {
    this.#store = store
    this.#options = options
    this.#onWarning = onWarning
  }

  /** Something was changed: a run is to begin after this. */
  request(): void {
    if (this.#isToCome || !this.#store.prepare) return
    this.#isToCome = true
    this.#last = this.#last.then(() => this.#run())
  }

  /** Waits for the runs that were asked for so far. Never fails. */
  settled(): Promise<void> {
    return this.#last
  }

  /** Ends the run under way, and begins no other. */
  stop(): void {
    this.#stopping.abort()
  }

  /** What went wrong is a warning: the documents are committed, and found without it. */
  async #run(): Promise<void> {
    this.#isToCome = false
    const { signal } = this.#stopping
    if (signal.aborted) return
    try {
      await this.#store.prepare?.({ ...this.#options, signal })
    } catch (error) {
      if (!signal.aborted) this.#warn(error)
    }
  }

  #warn(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    const isUnreadable = (error as { code?: string } | null)?.code === 'EIO'
    const remedy = isUnreadable
      ? ' Where it fails each time, verify() names the documents, and repair() mends them.'
      : ''
    const message = `What first stages need could not be made after the documents were added: ${why} Searches do without it; prepare() tries again.${remedy}`
    try {
      this.#onWarning?.({ code: 'UPKEEP_FAILED', message })
    } catch {
      // Elsewhere what a callback throws ends the call it was given to. Here there is none, and changes to come are not to suffer.
    }
  }
}
