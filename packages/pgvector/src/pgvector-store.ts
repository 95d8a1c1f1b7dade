import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '@serotine/core'
import { checkWritable, constantAnswer, loadStemmer, Turns } from '@serotine/core/store'
import type {
  CandidateQuery,
  CollectionSpec,
  Filter,
  HashedDocument,
  PrepareOptions,
  ScanOptions,
  Stemmer,
  Store,
  StoreCapabilities,
  StoreProblem,
  StoreReader,
} from '@serotine/core/store'
import { namedIn } from './database/address.js'
import { clientOf } from './database/client.js'
import type { DatabaseClient } from './database/client.js'
import { Database } from './database/database.js'
import type { Session } from './database/database.js'
import { checkStoreOptions } from './options.js'
import type { CheckedOptions, PgvectorOptions } from './options.js'
import { FIRST_STAGES } from './reading/candidates.js'
import { PgvectorReader } from './reading/reader.js'
import { keyOf } from './reading/snapshot.js'
import type { Snapshot } from './reading/snapshot.js'
import { filterSql } from './reading/filter-sql.js'
import { Parameters } from './reading/parameters.js'
import { checkSettled } from './schema/settled.js'
import { findCollection, wasMade } from './schema/collection.js'
import type { Collection } from './schema/collection.js'
import { openSchema } from './schema/open-schema.js'
import type { OpenedSchema } from './schema/open-schema.js'
import { Encoders } from './schema/encoders.js'
import { prepareCollection } from './upkeep/prepare.js'
import { statsOf, tablesOf } from './upkeep/stats.js'
import { findProblems, mendEncodings } from './upkeep/verify.js'
import { encodeDocuments, prepareDocuments } from './writing/prepared.js'
import { beforeOf, deleteDocuments, rowsBefore, writeDocuments } from './writing/upsert.js'

/**
 * A collection in PostgreSQL with pgvector: FDEs as `halfvec` find candidates, token vectors as bytes are scored here. Any number of processes may write and read.
 *
 * @example
 * const store = await PgvectorStore.open('postgres://localhost/app', { collection: 'docs' })
 * const index = await MultiVectorIndex.open(store, { model })
 */
export class PgvectorStore implements Store {
  readonly name: string
  readonly readonly: boolean
  readonly capabilities: StoreCapabilities
  readonly keywords?: NonNullable<StoreReader['keywords']>
  readonly #database: Database
  /** Answers searches: a replica, or the database itself. */
  readonly #searched: Database
  readonly #options: CheckedOptions
  readonly #schema: OpenedSchema
  readonly #encoders = new Encoders()
  readonly #reader: PgvectorReader
  readonly #changes = new Turns()
  readonly #upkeep = new Turns()
  readonly #stopping = new AbortController()
  readonly #scans = new Set<() => void>()
  #stemmer: Promise<Stemmer> | undefined
  #collection: Collection
  #closing: Promise<void> | undefined

  private constructor(database: Database, searched: Database, options: CheckedOptions, schema: OpenedSchema) {
    this.#database = database
    this.#searched = searched
    this.#options = options
    this.#schema = schema
    this.#collection = schema.collection
    const tenant = options.tenant === '' ? '' : `, tenant ${JSON.stringify(options.tenant)}`
    this.name = `${JSON.stringify(options.name)}${tenant} in ${database.name}`
    this.readonly = options.readonly
    const hasKeywords = schema.collection.language !== null
    this.capabilities = {
      firstStages: FIRST_STAGES,
      nativeSearch: false,
      keywords: hasKeywords,
      filterOperators: ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'contains'],
      filterFunctions: false,
      snapshots: searched.concurrent,
      visibility: searched === database ? 'immediate' : 'eventual',
      manyWriters: true,
      durable: true,
    }
    this.#reader = new PgvectorReader(
      (work, signal) => this.#read(this.#database, work, signal),
      this.#encoders,
      hasKeywords ? this.#loadStemmer : undefined,
    )
    if (this.#reader.keywords) this.keywords = async (query) => (this.#check(), this.#reader.keywords!(query))
  }

  /**
   * Opens a collection, and makes it where it is missing.
   *
   * @param client a Pool or a connected Client of `pg`, the function of `postgres`, a PGlite, a Pool of Neon, or an address: `postgres://user@host/database`,
   * `pglite://folder`. What was given stays open when the store is closed
   * @throws STORE_UNREACHABLE, STORE_REFUSED, STORE_UNSUPPORTED, DRIVER_MISSING; INDEX_MISMATCH when it was made with other settings, INDEX_VERSION; UNKNOWN_OPTION,
   * INVALID_ARGUMENT
   */
  static async open(client: DatabaseClient, options: PgvectorOptions = {}): Promise<PgvectorStore> {
    const named = typeof client === 'string' ? namedIn(client) : {}
    const checked = checkStoreOptions('PgvectorStore.open()', { ...named, ...options })
    const { statementTimeoutMs, reader } = checked
    const database = await databaseOf(client, statementTimeoutMs)
    let searched = database
    try {
      if (reader !== undefined) searched = await databaseOf(reader, statementTimeoutMs)
      const schema = await openSchema(database, checked)
      checkSettled(schema.collection, checked, database.name)
      return new PgvectorStore(database, searched, checked, schema)
    } catch (error) {
      await Promise.all([...new Set([database, searched])].map((each) => each.end()))
      throw error
    }
  }

  get spec(): CollectionSpec {
    return this.#collection.spec
  }

  readonly reading: Store['reading'] = async (work) => {
    this.#check()
    if (!this.#searched.concurrent)
      return work(this.#readerOf((each, signal) => this.#read(this.#searched, each, signal)))
    return this.#read(this.#searched, (snapshot) =>
      work(this.#readerOf((each, signal) => each({ ...snapshot, session: snapshot.session.until(signal) }))),
    )
  }

  readonly candidates = async (query: CandidateQuery) => (this.#check(), this.#reader.candidates(query))
  readonly readTokens: Store['readTokens'] = async (...given) => (this.#check(), this.#reader.readTokens(...given))
  readonly get: Store['get'] = async (...given) => (this.#check(), this.#reader.get(...given))
  readonly count: Store['count'] = async (filter) => (this.#check(), this.#reader.count(filter))
  readonly tokens: Store['tokens'] = async () => (this.#check(), this.#reader.tokens())

  /** On one state where there are several connections: one of them is taken until the scan ends. */
  async *scan(options: ScanOptions = {}): AsyncGenerator<readonly HashedDocument[]> {
    this.#check()
    if (!this.#database.concurrent) {
      for await (const batch of this.#reader.scan(options)) {
        yield batch
        this.#check()
      }
      return
    }
    let end!: () => void
    const ended = new Promise<void>((resolve) => (end = resolve))
    this.#scans.add(end)
    try {
      let reading!: Promise<void>
      const snapshot = await new Promise<Snapshot>((resolve, reject) => {
        reading = this.#read(this.#database, (begun) => (resolve(begun), ended))
        reading.catch(reject)
      })
      for await (const batch of this.#readerOf((work) => work(snapshot)).scan(options)) {
        yield batch
        this.#check()
      }
      end()
      await reading
    } catch (error) {
      throw this.#database.said(error, options.signal)
    } finally {
      end()
      this.#scans.delete(end)
    }
  }

  readonly upsert: Store['upsert'] = async (documents, adopt, signal, gone = []) => {
    this.#checkWritable()
    if (documents.length === 0 && gone.length === 0) return
    const stem = this.keywords && (await this.#loadStemmer())
    const { codec } = this.spec
    const prepared = await prepareDocuments(documents, codec, stem)
    const known = this.#encoders.last
    let encoded = known && (await encodeDocuments(documents, known))
    const goneKeys = gone.map(keyOf)
    await this.#change(async (snapshot) => {
      const { collection, session, names } = snapshot
      if (collection.encodings > 0 && encoded?.version !== collection.encodings) {
        const encoder = await this.#encoders.of(session, names, collection)
        encoded = encoder && (await encodeDocuments(documents, encoder))
      }
      return [await writeDocuments(snapshot, prepared, adopt, goneKeys, this.name, encoded), undefined]
    }, signal)
  }

  readonly delete: Store['delete'] = async (which, signal) => {
    this.#checkWritable()
    if ('ids' in which ? which.ids.length === 0 : constantAnswer(which.filter) === false) return 0
    return this.#change(async (snapshot) => {
      const rows = 'ids' in which ? await this.#rowsOf(snapshot, which.ids) : await rowsPassing(snapshot, which.filter)
      return [await deleteDocuments(snapshot, rows), rows.length]
    }, signal)
  }

  async #rowsOf(snapshot: Snapshot, ids: readonly string[]) {
    return [...(await rowsBefore(snapshot, [...new Set(ids)].map(keyOf))).values()]
  }

  async stats() {
    this.#check()
    return this.#read(this.#database, statsOf)
  }

  /** Asks the database, and the replica. */
  async health() {
    this.#check()
    const parts = [...new Set([this.#database, this.#searched])]
    const answers = await Promise.allSettled(parts.map((part) => part.read((session) => session.query('select 1'))))
    const live = answers.filter(({ status }) => status === 'fulfilled').length
    return { expected: parts.length, live, partial: false }
  }

  /** Learns how FDEs are made where that is due, makes those of all documents, builds the graph, measures. What is there serves meanwhile. */
  readonly prepare: NonNullable<Store['prepare']> = async (options: PrepareOptions = {}) => {
    this.#checkWritable()
    const { signal } = options
    const stop = AbortSignal.any(signal ? [signal, this.#stopping.signal] : [this.#stopping.signal])
    await this.#upkeep.take(async () => {
      stop.throwIfAborted()
      await prepareCollection(
        {
          database: this.#database,
          names: this.#schema.names,
          vector: this.#schema.vector,
          encoders: this.#encoders,
          options: this.#options,
          read: (work) => this.#read(this.#database, work),
          change: (work) => this.#change(async (snapshot) => [await work(snapshot), undefined]),
        },
        { ...options, signal: stop, onWarning: options.onWarning ?? this.#options.onWarning },
      )
    }, stop)
  }

  /** Has the database take back the space of what was deleted, for documents to come. */
  readonly compact: NonNullable<Store['compact']> = async ({ signal } = {}) => {
    this.#checkWritable()
    signal?.throwIfAborted()
    for (const table of tablesOf(this.#schema.names, this.#collection)) {
      await this.#database.outside(`vacuum (analyze) ${table}`)
      signal?.throwIfAborted()
    }
  }

  /** Documents whose vectors have not the length they should, or that searches do not find. */
  readonly verify: NonNullable<Store['verify']> = async ({ signal } = {}) => {
    this.#check()
    signal?.throwIfAborted()
    return this.#read(this.#database, findProblems, signal)
  }

  /** Makes FDEs that are missing. */
  readonly repair: NonNullable<Store['repair']> = async (problems: readonly StoreProblem[]) => {
    this.#checkWritable()
    if (problems.length === 0) return
    await this.#change(async (snapshot) => [await mendEncodings(snapshot, this.#encoders), undefined])
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#stopping.abort(closed(this.name))
    for (const end of this.#scans) end()
    await this.#upkeep.settled()
    await this.#changes.settled()
    await Promise.all([...new Set([this.#database, this.#searched])].map((each) => each.end()))
  }

  readonly #loadStemmer = (): Promise<Stemmer> => (this.#stemmer ??= loadStemmer(this.#collection.language!))

  #readerOf(within: ConstructorParameters<typeof PgvectorReader>[0]): PgvectorReader {
    return new PgvectorReader(within, this.#encoders, this.keywords ? this.#loadStemmer : undefined)
  }

  #read<T>(database: Database, work: (snapshot: Snapshot) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return database.read(async (session) => work(await this.#snapshot(session)), signal)
  }

  /** Locks the collection, changes it, and knows it from then on. In the order of the calls. */
  #change<T>(work: (snapshot: Snapshot) => Promise<readonly [Collection, T]>, signal?: AbortSignal): Promise<T> {
    return this.#changes.take(async () => {
      const [collection, result] = await this.#database.write(
        async (session) => work(await this.#snapshot(session, true)),
        signal,
        (session, change, [made]) => wasMade(session, this.#schema.names, change, made),
      )
      this.#collection = collection
      // Those that wait for timers and sockets get their turn.
      await nextTurn()
      return result
    }, signal)
  }

  async #snapshot(session: Session, lock = false): Promise<Snapshot> {
    const { names, vector } = this.#schema
    const collection = await findCollection(session, names, this.#options, lock)
    if (!collection || collection.id !== this.#schema.collection.id) {
      throw new SerotineError('STORE_FAILED', `The collection ${this.name} was dropped. Open the store again.`)
    }
    // A replica may be behind.
    if (!lock && collection.generation >= this.#collection.generation) this.#collection = collection
    return { session, collection, names, vector }
  }

  #check(): void {
    if (this.#closing) throw closed(this.name)
  }

  #checkWritable(): void {
    this.#check()
    checkWritable(this)
  }
}

async function databaseOf(client: DatabaseClient, statementTimeoutMs: number | undefined): Promise<Database> {
  const { client: connected, name } = await clientOf(client)
  return new Database(connected, name, statementTimeoutMs)
}

async function rowsPassing({ session, collection, names }: Snapshot, filter: Filter) {
  const parameters = new Parameters()
  const passes = filterSql(filter, parameters)
  const rows = await session.query(
    `select d.vectors, d.tokens, d.length from ${names.documents(collection.id)} d where ${passes}`,
    parameters.values,
  )
  return rows.map(beforeOf)
}

function closed(name: string): SerotineError {
  return new SerotineError('CLOSED', `The store ${name} is closed.`)
}
