import type { TokenEmbeddings } from '@serotine/core'
import { maxSimMany } from '@serotine/core/scoring'
import type { ServedModel } from '../options.js'

/** Texts encoded together. What a request has beyond its share waits for the next batch, so that a long one does not hold up short ones. */
const BATCH_TEXTS = 256

export interface BatchScores {
  /** MaxSim of each text. */
  readonly scores: Float64Array
  readonly queryTokens: number
}

interface Job {
  readonly query: string
  readonly texts: readonly string[]
  readonly signal: AbortSignal
  readonly scores: Float64Array
  queryEmbeddings?: TokenEmbeddings
  /** Texts handed to a batch so far. */
  taken: number
  /** Texts scored so far. */
  scored: number
  readonly resolve: (scores: BatchScores) => void
  readonly reject: (error: unknown) => void
}

interface Slice {
  readonly job: Job
  readonly start: number
  readonly end: number
  scored: boolean
}

/**
 * Scores lists of texts for concurrent requests: what arrives while the model works is encoded together in the next batch, equal texts once. A text's
 * vectors do not depend on the batch it is in, so nobody's scores depend on who else asks.
 */
export class Batcher {
  readonly #model: () => Promise<ServedModel>
  readonly #onBatch: (texts: number) => void
  readonly #waiting: Job[] = []
  #running = false

  constructor(model: () => Promise<ServedModel>, onBatch: (texts: number) => void = () => {}) {
    this.#model = model
    this.#onBatch = onBatch
  }

  /** @throws the signal's reason, at once when it is aborted; what the model throws */
  score(query: string, texts: readonly string[], signal: AbortSignal): Promise<BatchScores> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const job: Job = {
        query,
        texts,
        signal,
        scores: new Float64Array(texts.length),
        taken: 0,
        scored: 0,
        resolve: (scores) => settle(() => resolve(scores)),
        reject: (error) => settle(() => reject(error)),
      }
      const settle = (end: () => void): void => {
        signal.removeEventListener('abort', abort)
        const at = this.#waiting.indexOf(job)
        if (at >= 0) this.#waiting.splice(at, 1)
        end()
      }
      const abort = (): void => job.reject(signal.reason)
      signal.addEventListener('abort', abort)
      this.#waiting.push(job)
      void this.#drain()
    })
  }

  async #drain(): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      while (this.#waiting.length > 0) {
        // Requests that arrive together are read one after the other.
        await new Promise((next) => setImmediate(next))
        const slices = this.#take()
        if (slices.length === 0) return
        this.#onBatch(slices.reduce((sum, { start, end }) => sum + end - start, 0))
        await this.#run(slices)
      }
    } finally {
      this.#running = false
    }
  }

  /** The next batch: an equal share for each request, and what is left over to the first ones. */
  #take(): Slice[] {
    const slices: Slice[] = []
    let room = BATCH_TEXTS
    const share = Math.max(1, Math.floor(BATCH_TEXTS / Math.max(1, this.#waiting.length)))
    for (const most of [share, BATCH_TEXTS]) {
      for (const job of this.#waiting) {
        const start = job.taken
        const end = Math.min(job.texts.length, start + Math.min(most, room))
        if (end === start) continue
        job.taken = end
        room -= end - start
        slices.push({ job, start, end, scored: false })
      }
    }
    return slices
  }

  async #run(slices: readonly Slice[]): Promise<void> {
    const { signal, stop } = allAborted(slices.map(({ job }) => job.signal))
    try {
      await this.#score(slices, signal)
    } catch (error) {
      if (slices.length === 1) return slices[0]!.job.reject(error)
      // One request's failure is not the others'.
      for (const slice of slices) {
        if (!slice.scored && !slice.job.signal.aborted) await this.#run([slice])
      }
    } finally {
      stop()
    }
  }

  async #score(slices: readonly Slice[], signal: AbortSignal): Promise<void> {
    const model = await this.#model()
    const unasked = [...new Set(slices.map(({ job }) => job))].filter((job) => !job.queryEmbeddings)
    if (unasked.length > 0) {
      const queries = await model.encodeQueries(
        unasked.map(({ query }) => query),
        { signal },
      )
      unasked.forEach((job, i) => (job.queryEmbeddings = queries[i]!))
    }
    const texts = [...new Set(slices.flatMap(({ job, start, end }) => job.texts.slice(start, end)))]
    const matrices = await model.encodeDocuments(texts, { signal })
    const byText = new Map(texts.map((text, i) => [text, matrices[i]!]))
    for (const slice of slices) {
      const { job, start, end } = slice
      const documents = job.texts.slice(start, end).map((text) => byText.get(text)!)
      job.scores.set(maxSimMany(job.queryEmbeddings!, documents), start)
      slice.scored = true
      job.scored += end - start
      if (job.scored === job.texts.length) {
        job.resolve({ scores: job.scores, queryTokens: job.queryEmbeddings!.length })
      }
    }
  }
}

/** A signal that is aborted when nobody waits any more, until `stop` is called. */
function allAborted(signals: readonly AbortSignal[]): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController()
  const waiting = new Set(signals)
  const look = (): void => {
    for (const signal of waiting) if (signal.aborted) waiting.delete(signal)
    if (waiting.size === 0) controller.abort(signals[0]?.reason)
  }
  for (const signal of waiting) signal.addEventListener('abort', look)
  look()
  return {
    signal: controller.signal,
    stop: () => {
      for (const signal of signals) signal.removeEventListener('abort', look)
    },
  }
}
