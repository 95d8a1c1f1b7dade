import type { OnProgress } from '../../encoder.js'
import type { OnWarning } from '../../errors.js'
import type { PrepareOptions } from '../../store/store.js'
import { Turns } from '../../store/turns.js'
import { untilAborted } from '../../store/until-aborted.js'
import type { IndexFiles } from '../commit/index-files.js'
import type { Stage, Work } from './stage.js'
import { keepSuitability } from './suitability.js'

/** What is kept for searches beside the documents; what first stages learn, code and build: one run at a time, while searches and commits go on. */
export class Upkeep {
  readonly #files: IndexFiles
  readonly #stages: ReadonlyMap<string, Stage>
  readonly #keywords: { upkeep(work: Work): Promise<void> }
  readonly #changes: Turns
  readonly #onWarning: OnWarning | undefined
  readonly #listeners = new Set<OnProgress>()
  readonly #stopping = new AbortController()
  readonly #runs = new Turns()

  /** @param changes where commits wait for each other */
  constructor(
    files: IndexFiles,
    stages: ReadonlyMap<string, Stage>,
    keywords: { upkeep(work: Work): Promise<void> },
    changes: Turns,
    onWarning: OnWarning | undefined,
  ) {
    this.#files = files
    this.#stages = stages
    this.#keywords = keywords
    this.#changes = changes
    this.#onWarning = onWarning
  }

  /**
   * Does what is due, after what is under way. The signal ends the wait at once.
   *
   * @throws what learning and writing throw, and what the callbacks do; what was there before serves on
   */
  async run({ signal, onProgress, encodeQueries, onWarning = this.#onWarning }: PrepareOptions): Promise<void> {
    // What the callback throws ends this call; what is under way for others goes on.
    const thrown = new AbortController()
    const listener: OnProgress = (progress) => {
      try {
        if (!thrown.signal.aborted) onProgress?.(progress)
      } catch (error) {
        thrown.abort(error)
      }
    }
    const end = AbortSignal.any(signal ? [signal, thrown.signal] : [thrown.signal])
    const stop = AbortSignal.any([end, this.#stopping.signal])
    const run = this.#runs.take(() => this.#run(stop, encodeQueries, onWarning))
    this.#listeners.add(listener)
    try {
      await untilAborted(run, end)
    } finally {
      this.#listeners.delete(listener)
    }
  }

  /** Ends what is under way, at its next step. */
  async stop(reason: unknown): Promise<void> {
    this.#stopping.abort(reason)
    await this.#runs.settled()
  }

  async #run(
    signal: AbortSignal,
    encodeQueries: PrepareOptions['encodeQueries'],
    onWarning: OnWarning | undefined,
  ): Promise<void> {
    const work: Work = {
      signal,
      inTurn: (change) => this.#changes.take(change),
      onDocument: (done, total) => {
        for (const listener of this.#listeners) listener({ phase: 'build', done, total })
      },
    }
    for (const each of [this.#keywords, ...this.#stages.values()]) {
      signal.throwIfAborted()
      await each.upkeep(work)
    }
    signal.throwIfAborted()
    await keepSuitability(this.#files, this.#stages.values(), encodeQueries, onWarning, work)
  }
}
