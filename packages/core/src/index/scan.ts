import { checkOptions } from '../options.js'
import { parseWhere } from '../store/filter.js'
import type { Where } from '../store/filter.js'
import type { ScanOptions, Store, StoredDocument } from '../store/store.js'
import { untilAborted } from '../store/until-aborted.js'
import { withoutHash } from './documents.js'
import { checkId } from './input.js'
import { checkBoolean, checkFilter } from './search/options.js'

/** Which documents `scan` gives. */
export interface ScanIndexOptions {
  /** Those that pass. */
  where?: Where
  /** Those that come after the document with this id. */
  after?: string
  /** False leaves texts out. Default true. */
  text?: boolean
  signal?: AbortSignal
}

/** Scans of one index, and the stores they still read from. */
export class Scans {
  readonly #running = new Map<Store, Set<Promise<void>>>()

  /**
   * @param store asked when the first document is
   * @throws UNKNOWN_OPTION, INVALID_ARGUMENT
   */
  begin(store: () => Store, options: ScanIndexOptions): AsyncIterableIterator<StoredDocument> {
    checkOptions('scan()', options, ['where', 'after', 'text', 'signal'], {
      filter: 'where',
      offset: 'after',
      cursor: 'after',
      withText: 'text',
      includeText: 'text',
      abortSignal: 'signal',
    })
    const { where, after, signal } = options
    const filter = where === undefined ? undefined : checkFilter(parseWhere(where), store().capabilities)
    const text = checkBoolean('text', options.text ?? true)
    const how = { filter, text, signal, ...(after !== undefined && { after: checkId(after, 'after') }) }
    return new Scan(this.#documents(store, how), signal)
  }

  /** Closes a store that another one has replaced, once nobody reads from it any more; waits for it where that is now. */
  async release(store: Store): Promise<void> {
    const running = this.#running.get(store)
    if (!running) return store.close()
    // A scan may last as long as it likes. What fails here has no consequences: it was only read.
    void Promise.all(running)
      .then(() => store.close())
      .catch(() => {})
  }

  /** Closes what scans read from. */
  async close(): Promise<void> {
    for (const store of this.#running.keys()) await store.close()
  }

  async *#documents(open: () => Store, options: ScanOptions): AsyncGenerator<StoredDocument, void> {
    const store = open()
    let end!: () => void
    const ended = new Promise<void>((resolve) => (end = resolve))
    const running = this.#running.get(store) ?? new Set()
    this.#running.set(store, running.add(ended))
    try {
      for await (const batch of store.scan(options)) for (const document of batch) yield withoutHash(document)
    } finally {
      running.delete(ended)
      if (running.size === 0) this.#running.delete(store)
      end()
    }
  }
}

type Documents = AsyncGenerator<StoredDocument, void>

/** Ends what is read for a scan that nobody holds any more: a store may keep a state of its documents for it. */
const forgotten = new FinalizationRegistry<() => void>((end) => end())

/** Hands out documents one by one. What is read knows nothing of it, so that it can be forgotten. */
class Scan implements AsyncIterableIterator<StoredDocument> {
  readonly #documents: Documents
  readonly #signal: AbortSignal | undefined
  readonly #end: () => void

  constructor(documents: Documents, signal: AbortSignal | undefined) {
    this.#documents = documents
    this.#signal = signal
    this.#end = ending(documents, signal)
    forgotten.register(this, this.#end, this)
  }

  async next(): Promise<IteratorResult<StoredDocument, undefined>> {
    try {
      this.#signal?.throwIfAborted()
      const next = await untilAborted(this.#documents.next(), this.#signal)
      if (!next.done) return next
    } catch (error) {
      this.#finish()
      throw error
    }
    this.#finish()
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<StoredDocument, undefined>> {
    this.#finish()
    await this.#documents.return()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #finish(): void {
    forgotten.unregister(this)
    this.#end()
  }
}

/** Stops reading, now or when the signal says so, whether anybody asks for a document meanwhile or not. */
function ending(documents: Documents, signal: AbortSignal | undefined): () => void {
  const end = (): void => {
    signal?.removeEventListener('abort', end)
    // Not waited for: a batch may be on its way.
    void documents.return().catch(() => {})
  }
  signal?.addEventListener('abort', end, { once: true })
  return end
}
