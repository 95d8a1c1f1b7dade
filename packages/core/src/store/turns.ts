/** Runs work one after the other, in the order of the calls, as a `Store` makes its changes. */
export class Turns {
  /** Settles when the last work has settled; never fails. */
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` when all before it has settled, whatever became of that. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** Waits for all work there is. Never fails. */
  async settled(): Promise<void> {
    await this.#last
  }
}
