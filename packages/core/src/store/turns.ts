import { untilAborted } from './until-aborted.js'

/** Runs work one after the other, in the order of the calls, as a `Store` makes its changes. */
export class Turns {
  /** Settles when the last work has settled; never fails. */
  #last: Promise<unknown> = Promise.resolve()

  /**
   * Runs `work` when all before it has settled, whatever became of that.
   *
   * @param signal ends the wait at once; `work` is then not run. Once begun, it goes on to its end
   */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const begun = this.#last.then(() => signal?.throwIfAborted())
    const done = begun.then(work)
    this.#last = done.catch(() => {})
    return signal ? untilAborted(begun, signal).then(() => done) : done
  }

  /** Waits for all work there is. Never fails. */
  async settled(): Promise<void> {
    await this.#last
  }
}
