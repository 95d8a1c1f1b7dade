import { z } from 'zod'
import type { IndexedDocument } from '@serotine/core'
import { parseJson } from '../http/body.js'
import { errorSchema, HttpError, toHttpError } from '../http/errors.js'
import type { Line } from '../http/lines.js'
import { check } from '../http/route.js'
import type { ServedIndex } from '../options.js'

/** Documents that are committed together: so many, or of so many bytes. */
const BATCH_DOCUMENTS = 256
const BATCH_BYTES = 1_000_000
/** Milliseconds after which documents are committed though no others follow. */
const FLUSH_MS = 1_000
/** Milliseconds between two lines that tell how far it is: few enough for a client that reads them at the end. */
const TOLD_MS = 500
/** Lines that cannot be taken, after which the rest is not tried. */
const MOST_ERRORS = 100

const count = z.int().min(0)
const countsSchema = z.object({
  line: count.meta({ description: 'Every line up to this one is kept for good, or has an error.' }),
  accepted: count.meta({ description: 'Documents taken so far: added, updated and unchanged.' }),
  added: count,
  updated: count,
  unchanged: count,
  failed: count.meta({ description: 'Lines that could not be taken.' }),
})
type Counts = z.output<typeof countsSchema>

/** A line of the answer: how far it is; what is wrong with a line; the end. */
export const bulkResponse = z.union([
  countsSchema,
  z.object({ line: z.int().min(1), id: z.string().optional(), error: errorSchema }),
  countsSchema.extend({
    done: z.boolean().meta({ description: 'false: the lines after `line` were not taken; send them again.' }),
    index: z.string(),
    error: errorSchema.optional(),
  }),
])
type Told = z.output<typeof bulkResponse>

export interface Bulk {
  readonly lines: AsyncGenerator<Line>
  readonly name: string
  readonly index: ServedIndex
  readonly schema: z.ZodType<IndexedDocument>
  readonly requestId: string
  readonly signal: AbortSignal
  /** Called when something has been done. */
  readonly renew: () => void
  /** What failed inside the server. */
  readonly onFailure: (error: unknown, code: string) => void
}

interface Pending {
  readonly line: number
  readonly document: IndexedDocument
}

/**
 * Takes a document a line, batch by batch: what is told as accepted is committed. A line that cannot be taken is told by its number, and the others go on.
 */
export async function* upsertLines(bulk: Bulk): AsyncGenerator<Told> {
  const { name, requestId } = bulk
  const taking = new Taking(bulk)
  try {
    yield* taking.all()
    yield { ...taking.counts, done: true, index: name }
  } catch (thrown) {
    const error = bulk.signal.aborted && bulk.signal.reason instanceof HttpError ? bulk.signal.reason : thrown
    const { code, message, status } = toHttpError(error, requestId)
    if (status >= 500 && !(error instanceof HttpError)) bulk.onFailure(error, code)
    yield { ...taking.counts, done: false, index: name, error: { code, message } }
  } finally {
    void bulk.lines.return(undefined).catch(() => {})
  }
}

class Taking {
  readonly counts: Counts = { line: 0, accepted: 0, added: 0, updated: 0, unchanged: 0, failed: 0 }
  readonly #bulk: Bulk
  #batch: Pending[] = []
  #ids = new Set<string>()
  #bytes = 0
  #told = performance.now()

  constructor(bulk: Bulk) {
    this.#bulk = bulk
  }

  async *all(): AsyncGenerator<Told> {
    const { lines, renew } = this.#bulk
    let last = 0
    for (let next = lines.next(); ; next = lines.next()) {
      if (this.#batch.length > 0 && !(await isSoon(next, FLUSH_MS))) yield* this.#commit(last)
      const { done, value } = await next
      if (done) break
      renew()
      last = value.number
      const pending = this.#read(value)
      if (!('document' in pending)) {
        yield* this.#tell(pending)
        continue
      }
      // The later one of two replaces the earlier one, as it does in two requests.
      if (this.#ids.has(pending.document.id)) yield* this.#commit(last - 1)
      this.#batch.push(pending)
      this.#ids.add(pending.document.id)
      this.#bytes += value.bytes
      if (this.#batch.length >= BATCH_DOCUMENTS || this.#bytes >= BATCH_BYTES) yield* this.#commit(last)
    }
    yield* this.#commit(last)
  }

  #read({ number, text }: Line): Pending | Told {
    let id: unknown
    try {
      if (text instanceof HttpError) throw text
      const value = parseJson(text, `Line ${number}`)
      id = (value as { id?: unknown } | null)?.id
      return { line: number, document: check(this.#bulk.schema, value, `Line ${number}`) }
    } catch (error) {
      return this.#problem(number, id, error)
    }
  }

  #problem(line: number, id: unknown, error: unknown): Told {
    const { code, message } = toHttpError(error, this.#bulk.requestId)
    const told = message.startsWith(`Line ${line}`) ? message : `Line ${line}: ${message}`
    return { line, ...(typeof id === 'string' && id.length <= 1_000 && { id }), error: { code, message: told } }
  }

  *#tell(problem: Told): Generator<Told> {
    this.counts.failed++
    yield problem
    if (this.counts.failed < MOST_ERRORS) return
    const message = `${MOST_ERRORS} lines could not be taken, and the rest was not tried. Mend them, and send the file again: what is there already is not encoded again.`
    throw new HttpError(400, 'TOO_MANY_ERRORS', message)
  }

  /** @param line the last one that is settled with this batch */
  async *#commit(line: number): AsyncGenerator<Told> {
    const batch = this.#batch
    ;[this.#batch, this.#ids, this.#bytes] = [[], new Set(), 0]
    if (batch.length > 0) yield* this.#put(batch)
    this.counts.line = line
    if (batch.length === 0 || performance.now() - this.#told < TOLD_MS) return
    this.#told = performance.now()
    yield { ...this.counts }
  }

  /** Together, or where one of them is at fault, in halves until it is found. */
  async *#put(batch: readonly Pending[]): AsyncGenerator<Told> {
    const { index, signal, renew, requestId } = this.#bulk
    try {
      const { added, updated, unchanged } = await index.upsert(
        batch.map(({ document }) => document),
        { signal, batchSize: batch.length },
      )
      this.counts.added += added
      this.counts.updated += updated
      this.counts.unchanged += unchanged
      this.counts.accepted += batch.length
      renew()
    } catch (error) {
      if (signal.aborted || toHttpError(error, requestId).status !== 400) throw error
      if (batch.length === 1) {
        const { line, document } = batch[0]!
        yield* this.#tell(this.#problem(line, document.id, error))
        return
      }
      const half = Math.ceil(batch.length / 2)
      yield* this.#put(batch.slice(0, half))
      yield* this.#put(batch.slice(half))
    }
  }
}

/** Whether a promise settles within a time. */
async function isSoon(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  try {
    const settled = promise.then(
      () => true as const,
      () => true as const,
    )
    return await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}
