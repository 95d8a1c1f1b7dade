import { checkInteger, checkOptions, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import type { FdeOptions, FdePreset } from '../fde/config.js'
import { checkEmbeddings } from '../embeddings.js'
import type { Encoder } from '../encoder.js'
import type { Metadata } from '../store/metadata.js'
import type { TokenEmbeddings } from '../embeddings.js'
import type { TokenCodec } from '../store/records.js'
import { metadataOf } from '../embedded/format/document-table.js'
import { checkId, checkSource } from './input.js'
import type { DocumentSource } from './input.js'
import type { HnswlibSource } from '../embedded/stages/hnsw/hnsw-graph.js'
import { IndexStore } from '../embedded/commit/index-files.js'
import { checkModelOutput } from './model-output.js'
import { checkOpen, checkStored, initialManifest } from './open.js'
import { checkSearch, searchCollection } from './search.js'
import type { CheckedSearch, SearchHit, SearchOptions, SearchResult, StageChoice } from './search.js'
import { fieldNames } from '../store/metadata.js'
import { FirstStages } from '../embedded/stages/upkeep.js'
import { statsOf } from './stats.js'
import type { IndexStats } from './stats.js'
import { measureSuitability, stagesToMeasure } from '../embedded/stages/suitability.js'
import { DOCUMENT_ENCODING, putDocuments } from './upsert.js'
import type { UpsertOptions, UpsertResult } from './upsert.js'
import { constantAnswer, parseWhere } from '../store/filter.js'
import { compileWhere } from '../store/filter-predicate.js'
import type { Where } from '../store/filter.js'

export interface OpenOptions {
  /** Encodes queries and added texts. Without one, documents and queries must be embeddings. */
  model?: Encoder
  /** Components per token of a new index. Default: the model's, else that of the first embeddings. */
  dim?: number
  /** Snapshot of the last commit; works while another process writes. Default false. */
  readonly?: boolean
  /** Create the index if it does not exist. Default true. */
  create?: boolean
  /** How token vectors are stored in a new index. Default `int8`. */
  codec?: TokenCodec
  /**
   * Fixed-dimensional encodings of a new index: a preset or its fields. Default: `compact` where `firstStage` is `muvera`, `fde` or
   * `hnsw`, else none (false), and no search by MUVERA.
   */
  fde?: FdePreset | FdeOptions | false
  /**
   * How candidates are found. Default `auto`: everything is scored exactly in small collections and behind selective filters,
   * else by centroid codes. `muvera`: the FDEs are scanned, in large collections walked by hnswlib-node where it is installed.
   */
  firstStage?: StageChoice
  /** The `hnswlib-node` module or a function that imports it, where a bundler hides it. */
  hnswlib?: HnswlibSource
  onWarning?: OnWarning
}

export interface StoredDocument {
  readonly id: string
  readonly text?: string
  readonly metadata: Metadata
  /** Token vectors it is stored as. */
  readonly tokens: number
}

/**
 * Documents as token embeddings, on disk or in memory, searched by late interaction: exact MaxSim of every document where that
 * is quick, else of the candidates of a first stage (centroid codes, or FDEs; see `OpenOptions.firstStage`).
 *
 * One process writes, any number read. Each batch is committed as a whole; a process that is killed leaves the last commit.
 *
 * @example
 * const index = await MultiVectorIndex.open('./birds', { model })
 * await index.upsert([{ id: 'kiwi', text: 'A kiwi is a bird that cannot fly.', metadata: { lang: 'en' } }])
 * const [hit] = await index.search('flightless birds', { k: 3, where: { lang: 'en' } })
 * await index.close()
 */
export class MultiVectorIndex {
  readonly #store: IndexStore
  readonly #stages: FirstStages
  readonly #model: Encoder | undefined
  readonly #onWarning: OnWarning | undefined
  /** Settles when the previous change has settled: changes happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(store: IndexStore, stages: FirstStages, options: OpenOptions) {
    this.#store = store
    this.#stages = stages
    this.#model = options.model
    this.#onWarning = options.onWarning
  }

  /**
   * Opens the index in a folder, or creates an empty one there. Undefined or `':memory:'`: in memory, gone with `close()`.
   *
   * @throws INDEX_LOCKED when another process writes, INDEX_MISMATCH when it was made with another model or other settings,
   * INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT, HNSWLIB_MISSING
   */
  static async open(folder?: string, options: OpenOptions = {}): Promise<MultiVectorIndex> {
    const checked = checkOpen(folder, options)
    const store = await IndexStore.open(checked.folder, initialManifest(options), checked)
    try {
      checkStored(store, options)
      const stages = new FirstStages(store, checked.firstStage, options.hnswlib, options.onWarning)
      await stages.check()
      return new MultiVectorIndex(store, stages, options)
    } catch (error) {
      store.close()
      throw error
    }
  }

  /** Folder of the index; undefined in memory. */
  get folder(): string | undefined {
    return this.#store.folder
  }

  /** Number of documents. */
  get count(): number {
    return this.#open.collection.size
  }

  has(id: string): boolean {
    return this.#open.collection.ordinalOf(id) !== undefined
  }

  /** All ids, those added or changed last at the end. */
  ids(): string[] {
    return this.#open.collection.ids()
  }

  /** Names of the metadata fields that documents have, with dotted paths for those inside objects: what `where` can filter by. */
  fields(): string[] {
    const { collection } = this.#open
    return fieldNames(Array.from(collection.ordinals(), (ordinal) => collection.metadata(ordinal)))
  }

  /** Documents by id, as they were added; undefined for ids that do not exist. @throws INDEX_CORRUPT */
  get(id: string): Promise<StoredDocument | undefined>
  get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]>
  async get(ids: string | readonly string[]): Promise<StoredDocument | undefined | (StoredDocument | undefined)[]> {
    if (typeof ids === 'string') return this.#get(ids)
    if (!Array.isArray(ids)) {
      throw new SerotineError('INVALID_ARGUMENT', `get() takes an id or an array of ids, got ${describe(ids)}.`)
    }
    return (ids as readonly string[]).map((id) => this.#get(id))
  }

  /** The token vectors of a document, as precisely as the codec keeps them; undefined when it does not exist. @throws INDEX_CORRUPT */
  async embeddings(id: string): Promise<TokenEmbeddings | undefined> {
    const { collection, manifest } = this.#open
    const ordinal = collection.ordinalOf(checkId(id, 'The id'))
    if (ordinal === undefined) return undefined
    return collection.readEmbeddings(ordinal, manifest.codec, manifest.dim!)
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
   * @returns how many were deleted; unknown ids do not count
   * @throws INVALID_ARGUMENT, UNKNOWN_OPTION, CLOSED, INDEX_READONLY
   */
  async delete(which: string | readonly string[] | { where: Where }): Promise<number> {
    const select = selector(which)
    return this.#change(async (store) => {
      const deleted = select(store)
      const { dim, model } = store.manifest
      // No dimension: no document was ever put in.
      if (deleted.length > 0 && dim !== null) await store.commit({ documents: [], deleted, dim, model })
      return deleted.length
    })
  }

  /**
   * The documents that match best. An empty index, or a filter that nothing passes, gives [].
   *
   * @param query a text, or token embeddings of the index's dimension
   * @throws DIM_MISMATCH, INVALID_ARGUMENT (a text without a model), CLOSED, INDEX_CORRUPT
   */
  async search(query: string | TokenEmbeddings, options: SearchOptions = {}): Promise<SearchHit[]> {
    return (await this.#search('search()', query, options)).hits
  }

  /** Like `search`, with the stage that served it and how long each part took. */
  async searchDetailed(query: string | TokenEmbeddings, options: SearchOptions = {}): Promise<SearchResult> {
    return this.#search('searchDetailed()', query, options)
  }

  async #search(call: string, query: string | TokenEmbeddings, options: SearchOptions): Promise<SearchResult> {
    const checked = checkSearch(call, options)
    checked.signal?.throwIfAborted()
    const store = this.#open
    const started = performance.now()
    const embeddings = await this.#encodeQuery(query, checked)
    checked.signal?.throwIfAborted()
    const encode = performance.now() - started
    if (this.#closing) throw closed()
    return store.whileReading((collection) =>
      searchCollection(store, this.#stages, collection, embeddings, checked, encode),
    )
  }

  /** Frees the space of deleted and replaced documents. The index can be searched meanwhile. */
  async compact(options: { signal?: AbortSignal } = {}): Promise<void> {
    checkOptions('compact()', options, ['signal'])
    await this.#change(async (store) => {
      await store.compact(options.signal)
      await this.#stages.update(store.collection, options.signal)
    })
  }

  /** What the index holds and how searches are served. */
  async stats(): Promise<IndexStats> {
    return statsOf(this.#open, this.#stages)
  }

  /** Waits for changes under way, saves first-stage data and releases the lock. May be called again. */
  close(): Promise<void> {
    return (this.#closing ??= this.#turn
      .catch(() => {})
      .then(async () => {
        try {
          await this.#stages.flush()
        } finally {
          this.#store.close()
        }
      }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @throws CLOSED */
  get #open(): IndexStore {
    if (this.#closing) throw closed()
    return this.#store
  }

  #get(id: string): StoredDocument | undefined {
    const { collection } = this.#open
    const ordinal = collection.ordinalOf(checkId(id, 'The id'))
    if (ordinal === undefined) return undefined
    const row = collection.row(ordinal)
    const text = collection.readText(ordinal)
    return { id, ...(text !== undefined && { text }), metadata: metadataOf(row), tokens: row.tokens }
  }

  async #put(call: string, source: DocumentSource, options: UpsertOptions, insertOnly: boolean): Promise<UpsertResult> {
    checkOptions(call, options, [...DOCUMENT_ENCODING, 'batchSize', 'signal', 'onProgress', 'onWarning'], {
      abortSignal: 'signal',
      pool_factor: 'poolFactor',
      prompt_name: 'promptName',
      batch_size: 'batchSize',
    })
    const documents = checkSource(source, call)
    const { signal, onProgress, onWarning = this.#onWarning } = options
    const encoding = Object.fromEntries(
      DOCUMENT_ENCODING.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
    )
    const batchSize = checkInteger('batchSize', options.batchSize ?? 256, 1)
    const given = { ...(signal && { signal }), ...(onProgress && { onProgress }), ...(onWarning && { onWarning }) }
    const step = { batchSize, insertOnly, encoding, ...given }
    return this.#change(async (store) => {
      const result = await putDocuments(store, this.#model, documents, step)
      await this.#stages.update(store.collection, signal, (done, total) =>
        onProgress?.({ phase: 'build', done, total }),
      )
      const due = await stagesToMeasure(store, () => this.#stages.centroids(store.collection))
      if (due.length > 0) {
        const { fde, centroids } = await measureSuitability(store, due, this.#model, onWarning, signal)
        await store.commitManifest({
          ...(fde && { fde: store.encodings!.withSuitability(fde) }),
          ...(centroids && { centroids: { ...store.manifest.centroids!, suitability: centroids } }),
        })
      }
      return result
    })
  }

  /** Runs a change after those before it. @throws CLOSED, INDEX_READONLY */
  async #change<T>(change: (store: IndexStore) => Promise<T>): Promise<T> {
    const store = this.#open
    if (store.readonly) {
      throw new SerotineError(
        'INDEX_READONLY',
        `The index ${store.folder} was opened with { readonly: true }. Open it without that option to change it.`,
      )
    }
    const done = this.#turn.then(() => change(store))
    this.#turn = done.catch(() => {})
    return done
  }

  async #encodeQuery(query: string | TokenEmbeddings, { encoding, signal }: CheckedSearch): Promise<TokenEmbeddings> {
    const { dim, model } = this.#store.manifest
    if (typeof query === 'string') {
      if (!this.#model) {
        throw new SerotineError(
          'INVALID_ARGUMENT',
          'The index was opened without a model, so it cannot encode a text. Search with token embeddings, or open it with ' +
            '{ model }.',
        )
      }
      const encoded = await this.#model.encodeQueries([query], {
        ...encoding,
        ...(signal && { signal }),
        ...(this.#onWarning && { onWarning: this.#onWarning }),
      })
      const embeddings = checkModelOutput(this.#model, 'encodeQueries', encoded, 1)[0]!
      checkEmbeddings(embeddings, dim ?? this.#model.dim, 'the query')
      return embeddings
    }
    if (typeof query !== 'object' || query === null || !(query.data instanceof Float32Array)) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `The query must be a text or token embeddings, got ${describe(query)}.`,
      )
    }
    if (Object.keys(encoding).length > 0) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'search() got a prompt and a query that is already encoded. Pass the prompt to encodeQueries, or search with the text.',
      )
    }
    if (dim !== null && query.dim !== dim) {
      const by = model ? ` (index: ${model.name}@${model.fingerprint.slice(0, 8)})` : ''
      throw new SerotineError(
        'DIM_MISMATCH',
        `The query has dimension ${query.dim}, but the index has ${dim}. Was it built with another model?${by}`,
      )
    }
    checkEmbeddings(query, query.dim, 'the query')
    return query
  }
}

function closed(): SerotineError {
  return new SerotineError('CLOSED', 'The index was closed. Open it again with MultiVectorIndex.open().')
}

/** What `delete` was told, checked at once, as a function that finds the ordinals when its turn has come. */
function selector(which: string | readonly string[] | { where: Where }): (store: IndexStore) => number[] {
  if (typeof which === 'string' || Array.isArray(which)) {
    const list = typeof which === 'string' ? [which] : (which as readonly string[])
    const ids = new Set(Array.from(list, (id, i) => checkId(id, `Id ${i}`)))
    return ({ collection }) => [...ids].map((id) => collection.ordinalOf(id)).filter((ordinal) => ordinal !== undefined)
  }
  checkOptions('delete()', which, ['where'], { filter: 'where' })
  const { where } = (which ?? {}) as { where?: Where }
  if (where === undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `delete() takes an id, an array of ids or { where }, got ${describe(which)}.`,
    )
  }
  const test = compileWhere(where)
  if (constantAnswer(parseWhere(where)) === true) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      'The where of delete() holds for every document. To delete everything, pass { where: () => true }.',
    )
  }
  return ({ collection }) =>
    [...collection.ordinals()].filter((ordinal) => {
      return test({ id: collection.row(ordinal).id, metadata: collection.metadata(ordinal) })
    })
}
