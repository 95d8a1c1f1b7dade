import type { OnProgress } from '../../encoder.js'
import type { OnWarning } from '../../errors.js'
import type { PrepareOptions } from '../../store/store.js'
import type { IndexFiles } from '../commit/index-files.js'
import type { Stage } from './stage.js'
import { keepSuitability } from './suitability.js'

/** What first stages learn, code and build: one run at a time, while searches and commits go on. */
export class Upkeep {
  readonly #files: IndexFiles
  readonly #stages: ReadonlyMap<string, Stage>
  readonly #inTurn: <T>(change: () => Promise<T>) => Promise<T>
  readonly #onWarning: OnWarning | undefined
  readonly #listeners = new Set<OnProgress>()
  readonly #stopping = new AbortController()
  /** Settles when the last run has settled. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    files: IndexFiles,
    stages: ReadonlyMap<string, Stage>,
    inTurn: <T>(change: () => Promise<T>) => Promise<T>,
    onWarning: OnWarning | undefined,
  ) {
    this.#files = files
    this.#stages = stages
    this.#inTurn = inTurn
    this.#onWarning = onWarning
  }

  /**
   * Does what is due, after what is under way. The signal ends the wait at once.
   *
   * @throws what learning and writing throw; what was there before serves on
   */
  async run({ signal, onProgress, encodeQueries, onWarning = this.#onWarning }: PrepareOptions): Promise<void> {
    if (onProgress) this.#listeners.add(onProgress)
    const stop = signal ? AbortSignal.any([signal, this.#stopping.signal]) : this.#stopping.signal
    const run = this.#last.then(() => this.#run(stop, encodeQueries, onWarning))
    this.#last = run.catch(() => {})
    try {
      await untilAborted(run, signal)
    } finally {
      if (onProgress) this.#listeners.delete(onProgress)
    }
  }

  /** Ends what is under way, at its next step. */
  async stop(reason: unknown): Promise<void> {
    this.#stopping.abort(reason)
    await this.#last
  }

  async #run(
    signal: AbortSignal,
    encodeQueries: PrepareOptions['encodeQueries'],
    onWarning: OnWarning | undefined,
  ): Promise<void> {
    const work = {
      signal,
      inTurn: this.#inTurn,
      onDocument: (done: number, total: number) => {
        for (const listener of this.#listeners) listener({ phase: 'build', done, total })
      },
    }
    for (const stage of this.#stages.values()) {
      signal.throwIfAborted()
      await stage.upkeep(work)
    }
    signal.throwIfAborted()
    await keepSuitability(this.#files, this.#stages.values(), encodeQueries, onWarning, work)
  }
}

/** Waits for a promise, but no longer than until the signal. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return promise
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop!)
  }
}
