import type { TokenEmbeddings } from '../embeddings.js'
import type { Encoder } from '../encoder.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { parseWhere } from '../store/filter.js'
import type { Where } from '../store/filter.js'
import type { PrepareOptions, Store, StoredDocument, StoreProblem } from '../store/store.js'
import { Turns } from '../store/turns.js'
import { untilAborted } from '../store/until-aborted.js'
import { checkWritable } from '../store/writable.js'
import { Background } from './background.js'
import { documentsOf, embeddingsOf, fieldsOf, idsOf } from './documents.js'
import type { GetDocumentOptions } from './documents.js'
import { estimateDocuments } from './estimate.js'
import type { Estimate, EstimateOptions } from './estimate.js'
import { checkId, isStream } from './input.js'
import type { DocumentSource } from './input.js'
import { openStore } from './open.js'
import type { OpenedStore, OpenOptions } from './open.js'
import { repairStore } from './repair.js'
import type { RepairResult } from './repair.js'
import { Scans } from './scan.js'
import type { ScanIndexOptions } from './scan.js'
import { answer, answerMany } from './search/answer.js'
import type { Searched } from './search/answer.js'
import type { SearchHit, SearchResult } from './search/hits.js'
import { checkFilter } from './search/options.js'
import type { SearchOptions } from './search/options.js'
import { checkDelete } from './select.js'
import type { DeleteOptions } from './select.js'
import { statsOf } from './stats.js'
import type { IndexStats } from './stats.js'
import { checkUpsert, putDocuments } from './upsert.js'
import type { UpsertOptions, UpsertResult } from './upsert.js'

/** What `prepare` makes, and who hears of it. */
export type PrepareIndexOptions = Pick<PrepareOptions, 'firstStage' | 'signal' | 'onProgress'>

/**
 * Documents as token embeddings, in a folder, in memory or in an engine, searched by late interaction: exact MaxSim of every document
 * where that is quick, else of the candidates of a first stage (centroid codes, or FDEs; see `OpenOptions.firstStage`).
 *
 * One process writes, any number read. Each batch is committed as a whole; a process that is killed leaves the last commit. What first
 * stages learn and build is done in the background after writing; searches use what is there and never wait for it.
 *
 * @example
 * const index = await MultiVectorIndex.open('./birds', { model })
 * await index.upsert([{ id: 'kiwi', text: 'A kiwi is a bird that cannot fly.', metadata: { lang: 'en' } }])
 * const [hit] = await index.search('flightless birds', { k: 3, where: { lang: 'en' } })
 * await index.close()
 */
export class MultiVectorIndex {
  /** Folder of the index; undefined in memory and in a store that was given. */
  readonly folder: string | undefined
  #store: Store
  readonly #reopen: OpenedStore['reopen']
  readonly #model: Encoder | undefined
  readonly #onWarning: OnWarning | undefined
  readonly #turns = new Turns()
  readonly #background: Background
  /** What was reported to be damaged, once each. */
  readonly #damaged = new Set<string>()
  /** Searches under way. */
  readonly #running = new Set<Promise<unknown>>()
  readonly #scans = new Scans()
  /** Ends the wait for documents that are still to come. */
  readonly #stopStreams = new AbortController()
  #closing: Promise<void> | undefined

  private constructor({ store, folder, reopen }: OpenedStore, { model, onWarning }: OpenOptions) {
    this.folder = folder
    this.#store = store
    this.#reopen = reopen
    this.#model = model
    this.#onWarning = onWarning
    this.#background = new Background(store, this.#measuring(), onWarning)
  }

  /**
   * Opens the index in a folder, or creates an empty one there. Undefined or `':memory:'`: in memory, gone with `close()`. Or the index
   * in a store that is open already; then only `model` and `onWarning` are options, and `close()` closes the store.
   *
   * @throws INDEX_LOCKED when another process writes, INDEX_MISMATCH when it was made with another model or other settings,
   * INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT, HNSWLIB_MISSING
   */
  static async open(where?: string | Store, options: OpenOptions = {}): Promise<MultiVectorIndex> {
    return new MultiVectorIndex(await openStore(where, options), options)
  }

  /** Whether it was opened for reading, or lies in a store that only reads. */
  get readonly(): boolean {
    return this.#store.readonly
  }

  /** Number of documents, or of those that pass a filter. @throws INVALID_ARGUMENT, UNKNOWN_OPTION */
  async count(where?: Where): Promise<number> {
    const store = this.#open
    return store.count(where === undefined ? undefined : checkFilter(parseWhere(where), store.capabilities))
  }

  /** @throws INVALID_ARGUMENT, CLOSED */
  async has(id: string): Promise<boolean> {
    const [found] = await this.#open.get([checkId(id, 'The id')], { text: false })
    return found !== undefined
  }

  /** All ids, those added or changed last at the end. @throws CLOSED */
  async ids(): Promise<string[]> {
    return idsOf(this.#open)
  }

  /** Names of the metadata fields that documents have, with dotted paths for those inside objects: what `where` can filter by. */
  async fields(): Promise<string[]> {
    return fieldsOf(this.#open)
  }

  /** Documents by id, as they were added; undefined for ids that do not exist. @throws INDEX_CORRUPT, INVALID_ARGUMENT, CLOSED */
  async get(id: string, options?: GetDocumentOptions): Promise<StoredDocument | undefined>
  async get(ids: readonly string[], options?: GetDocumentOptions): Promise<(StoredDocument | undefined)[]>
  async get(
    ids: string | readonly string[],
    options: GetDocumentOptions = {},
  ): Promise<StoredDocument | undefined | (StoredDocument | undefined)[]> {
    const found = await documentsOf(this.#open, ids, options)
    return typeof ids === 'string' ? found[0] : found
  }

  /**
   * All documents, one by one, or those that pass a filter: each once, in an order that stays the same, those added or changed last at the end. Where the store
   * promises snapshots (a folder does) they are of the time when the first is asked for; the index may be changed meanwhile. Leaving the loop, the
   * signal, or forgetting the iterator ends it; `close()` ends it with CLOSED.
   *
   * @throws INVALID_ARGUMENT, when `after` is not there as well; UNKNOWN_OPTION, CLOSED, INDEX_CORRUPT
   */
  scan(options: ScanIndexOptions = {}): AsyncIterableIterator<StoredDocument> {
    void this.#open
    return this.#scans.begin(() => this.#open, options)
  }

  /** The token vectors of a document, as precisely as the codec keeps them; undefined when it does not exist. @throws INDEX_CORRUPT */
  async embeddings(id: string): Promise<TokenEmbeddings | undefined> {
    return embeddingsOf(this.#open, id)
  }

  /**
   * What adding documents would take: bytes on disk, memory, minutes. Reads all of them, encodes some, writes none; all count as new.
   *
   * @throws what `upsert` throws for documents like these
   */
  async estimate(documents: DocumentSource, options: EstimateOptions = {}): Promise<Estimate> {
    return estimateDocuments(this.#open, this.#model, documents, options)
  }

  /**
   * Adds documents, replacing those with the same id. Documents already there in exactly this form are skipped, so a run that was
   * stopped can simply be repeated.
   *
   * @throws DUPLICATE_ID when an id comes twice in one call, CLOSED, INDEX_READONLY; the batch concerned is not written
   */
  upsert(documents: DocumentSource, options: UpsertOptions = {}): Promise<UpsertResult> {
    return this.#put('upsert()', documents, options, false)
  }

  /** Like `upsert`, but a known id is an error. @throws DUPLICATE_ID naming it */
  async insert(documents: DocumentSource, options: UpsertOptions = {}): Promise<UpsertResult> {
    return this.#put('insert()', documents, options, true)
  }

  /**
   * Deletes documents. Their bytes stay until `compact()`. A filter that holds for everything, like `{}`, is an error unless it is
   * a function.
   *
   * @param options.signal takes back what is waiting for changes before it; what has begun goes on to its end
   * @returns how many were deleted; unknown ids do not count
   * @throws INVALID_ARGUMENT, UNKNOWN_OPTION, CLOSED, INDEX_READONLY; the signal's reason: then nothing was deleted
   */
  async delete(which: string | readonly string[] | { where: Where }, options: DeleteOptions = {}): Promise<number> {
    const chosen = checkDelete(which, options, this.#open)
    const { signal } = options
    return this.#change(async (store) => {
      const deleted = await store.delete(chosen, signal)
      if (deleted > 0) this.#background.request()
      return deleted
    }, signal)
  }

  /**
   * The documents that match best. An empty index, or a filter that nothing passes, gives [].
   *
   * @param query a text, or token embeddings of the index's dimension
   * @throws DIM_MISMATCH, INVALID_ARGUMENT (a text without a model), CLOSED, INDEX_CORRUPT
   */
  async search(query: string | TokenEmbeddings, options: SearchOptions = {}): Promise<SearchHit[]> {
    return (await this.#run((index) => answer(index, 'search()', query, options))).hits
  }

  /** Like `search`, with the first stage that served it and how long each part took. */
  async searchDetailed(query: string | TokenEmbeddings, options: SearchOptions = {}): Promise<SearchResult> {
    return this.#run((index) => answer(index, 'searchDetailed()', query, options))
  }

  /**
   * The hits of each of many queries, in the order of the queries. Texts are encoded together, and where the store promises snapshots (a folder does) all
   * are answered on one state of the index. Fails as a whole when one query does; the message then begins with its position and text.
   *
   * @throws as `search`
   */
  async searchMany(
    queries: readonly (string | TokenEmbeddings)[],
    options: SearchOptions = {},
  ): Promise<SearchHit[][]> {
    return this.#run((index) => answerMany(index, queries, options))
  }

  /** Runs a search; what it reads from stays open until it has ended. @throws CLOSED */
  async #run<T>(search: (index: Searched) => Promise<T>): Promise<T> {
    const [store, model, onWarning] = [this.#open, this.#model, this.#onWarning]
    const running = search({ store, model, onWarning, onDamaged: this.#reportDamage })
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  readonly #reportDamage = (id: string, error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error)
    if (!this.#onWarning || this.#damaged.has(why)) return
    this.#damaged.add(why)
    const message = `Searches do without what is damaged of document ${describe(id)}: ${why}`
    this.#onWarning({ code: 'DOCUMENT_DAMAGED', message })
  }

  /**
   * Shows what a writer has committed since an index was opened with `readonly: true`, or refreshed. Searches under way end on the state they began
   * with; when it cannot be opened, the state before stays. Where nothing has changed it costs one look at the manifest.
   *
   * @returns whether anything had changed
   * @throws INVALID_ARGUMENT for an index that is not opened so, CLOSED and what opening throws
   */
  async refresh(): Promise<boolean> {
    void this.#open
    const reopen = this.#reopen
    if (!reopen) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'refresh() is for a folder opened with { readonly: true }. What this index holds is seen by the next search as it is.',
      )
    }
    return this.#turns.take(async () => {
      const before = this.#open
      const next = await reopen()
      if (!next || this.#closing) {
        await next?.close()
        return false
      }
      this.#store = next
      await Promise.allSettled(this.#running)
      await this.#scans.release(before)
      return true
    })
  }

  /**
   * Waits until everything is learned, coded and built that searches are to use: that goes on in the background after `upsert`, and
   * until it is there searches find documents in another way. What is under way is finished first.
   *
   * @throws INVALID_ARGUMENT for a first stage the index cannot have, CLOSED, INDEX_READONLY
   */
  async prepare(options: PrepareIndexOptions = {}): Promise<void> {
    checkOptions('prepare()', options, ['firstStage', 'signal', 'onProgress'], { stage: 'firstStage' })
    const store = this.#open
    checkWritable(store)
    const { signal } = options
    await untilAborted(this.#turns.settled(), signal)
    const background = this.#background.settled()
    await store.prepare?.({ ...options, ...this.#measuring() })
    await untilAborted(background, signal)
  }

  /** Frees the space of deleted and replaced documents in steps, which happens by itself when it is much (`OpenOptions.compactAt`). Stopped, it keeps what they freed. @throws CLOSED, INDEX_READONLY */
  async compact(options: { signal?: AbortSignal } = {}): Promise<void> {
    checkOptions('compact()', options, ['signal'])
    await this.#change(async (store) => {
      await store.compact?.(options)
      this.#background.request()
    })
  }

  /**
   * Reads everything and compares checksums: what is damaged, by document or part. Empty when all is well. Reads the whole index.
   *
   * @throws CLOSED; the signal's reason
   */
  async verify(options: { signal?: AbortSignal } = {}): Promise<readonly StoreProblem[]> {
    checkOptions('verify()', options, ['signal'])
    return (await this.#open.verify?.(options)) ?? []
  }

  /**
   * Mends what `verify` finds, and gives up what it cannot: vectors are made again from texts where the model is the one they were made by; else a
   * document stays with what is left of it. Intact documents are not touched.
   *
   * @throws INDEX_CORRUPT for damage that cannot be mended, CLOSED, INDEX_READONLY
   */
  async repair(options: { signal?: AbortSignal } = {}): Promise<RepairResult> {
    checkOptions('repair()', options, ['signal'])
    return this.#change(async (store) => {
      try {
        return await repairStore(store, this.#model, options.signal)
      } finally {
        this.#background.request()
      }
    })
  }

  /** What the index holds and how searches are served. @throws CLOSED */
  async stats(): Promise<IndexStats> {
    return statsOf(this.#open)
  }

  /**
   * Waits for searches and changes under way, and for what is being made in the background, then releases the lock. An `upsert` of a stream ends after the
   * batch that is being written, with CLOSED. May be called again.
   *
   * @param options.prepare false leaves what is being learned or built to the next process that writes. Default true.
   */
  close(options: { prepare?: boolean } = {}): Promise<void> {
    checkOptions('close()', options, ['prepare'])
    if (options.prepare === false) this.#background.stop()
    this.#stopStreams.abort(closed())
    return (this.#closing ??= this.#end())
  }

  async #end(): Promise<void> {
    try {
      await this.#turns.settled()
      await this.#background.settled()
      await Promise.allSettled(this.#running)
    } finally {
      await this.#scans.close()
      await this.#store.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @throws CLOSED */
  get #open(): Store {
    if (this.#closing) throw closed()
    return this.#store
  }

  async #put(call: string, source: DocumentSource, options: UpsertOptions, insertOnly: boolean): Promise<UpsertResult> {
    const { documents, step } = checkUpsert(call, source, options, this.#onWarning)
    const { signal } = step
    const put = async (inTurn: <T>(change: () => Promise<T>) => Promise<T>): Promise<UpsertResult> => {
      try {
        return await putDocuments(this.#store, this.#model, documents, {
          ...step,
          insertOnly,
          closing: this.#stopStreams.signal,
          inTurn,
        })
      } finally {
        this.#background.request()
      }
    }
    checkWritable(this.#open)
    // What is there already is written as a whole, in the order of the calls. A stream may stall, or wait for a change of its own: only its batches wait in line.
    return isStream(documents)
      ? put((change) => this.#change(change, signal))
      : this.#change(() => put((change) => change()), signal)
  }

  /** Runs a change after those before it, unless the signal says otherwise meanwhile. @throws CLOSED, INDEX_READONLY */
  async #change<T>(change: (store: Store) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const store = this.#open
    checkWritable(store)
    return this.#turns.take(() => change(store), signal)
  }

  #measuring() {
    const model = this.#model
    if (!model) return {}
    // These are pieces of documents, not what the caller wrote: nobody needs to know that they are cut.
    return { encodeQueries: (texts: readonly string[]) => model.encodeQueries(texts, { onWarning: () => {} }) }
  }
}

function closed(): SerotineError {
  return new SerotineError('CLOSED', 'The index was closed. Open it again with MultiVectorIndex.open().')
}
