import type { OnProgress } from '../../encoder.js'
import type { OnWarning } from '../../errors.js'
import type { PrepareOptions } from '../../store/store.js'
import { Turns } from '../../store/turns.js'
import { untilAborted } from '../../store/until-aborted.js'
import { handOverTo } from '../commit/compaction/hand-over.js'
import type { Keeper } from '../commit/compaction/hand-over.js'
import type { IndexFiles } from '../commit/index-files.js'
import type { Stage, Work } from './stage.js'
import { keepSuitability } from './suitability.js'

/** Vectors are compressed when their tokens are as many as those compressed already: so codebooks, which every search pays for, are few. */
const COMPRESSED_SHARE = 1

/** What is kept for searches beside the documents; what first stages learn, code and build: one run at a time, while searches and commits go on. */
export class Upkeep {
  readonly #files: IndexFiles
  readonly #stages: ReadonlyMap<string, Stage>
  readonly #keywords: Keeper & { upkeep(work: Work): Promise<void> }
  readonly #changes: Turns
  readonly #onWarning: OnWarning | undefined
  readonly #listeners = new Set<OnProgress>()
  readonly #stopping = new AbortController()
  readonly #runs = new Turns()

  /** @param changes where commits wait for each other */
  constructor(
    files: IndexFiles,
    stages: ReadonlyMap<string, Stage>,
    keywords: Keeper & { upkeep(work: Work): Promise<void> },
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

  /** Lets vectors go for a stage's codes, when that saves much: each time, all text and codes of the segments are written anew. */
  async #compress(stage: Stage, onWarning: OnWarning | undefined, work: Work): Promise<void> {
    const warning = await stage.measure?.(work)
    if (warning) onWarning?.(warning)
    await work.inTurn(async () => {
      const compression = await stage.compression?.(COMPRESSED_SHARE)
      // What is left of other segments can wait.
      if (!compression) return
      const handOver = handOverTo([...this.#stages.values(), this.#keywords])
      await this.#files.compact({ compression: async () => compression, share: 1, signal: work.signal, handOver })
    })
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
    signal.throwIfAborted()
    await this.#keywords.upkeep(work)
    for (const stage of this.#stages.values()) {
      signal.throwIfAborted()
      await stage.upkeep(work)
      await this.#compress(stage, onWarning, work)
    }
    signal.throwIfAborted()
    await keepSuitability(this.#files, this.#stages.values(), encodeQueries, onWarning, work)
  }
}
