import { randomUUID } from 'node:crypto'
import { SerotineError } from '@serotine/core'
import type { OnWarning } from '@serotine/core'
import { checkFirstStage, checkSameModel, checkWritable, Turns, untilAborted } from '@serotine/core/store'
import type {
  CandidateQuery,
  CollectionSpec,
  Filter,
  PrepareOptions,
  ScanOptions,
  Store,
  StoreCapabilities,
  StoreProblem,
  StoreReader,
  StoreStats,
} from '@serotine/core/store'
import type { Catalog, StoredSpec } from './catalog.js'
import type { Servers } from './client/servers.js'
import type { Cluster } from './cluster.js'
import { Documents } from './documents.js'
import { fdeBytes, FdeVersions } from './fde.js'
import { compileFilter } from './filters/compile.js'
import { uuidOf } from './ids.js'
import { openCollection } from './open.js'
import type { Opened } from './open.js'
import { checkWeaviateOptions } from './options.js'
import type { CheckedOptions, WeaviateOptions } from './options.js'
import { candidates } from './reading/candidates.js'
import { nativeCandidates, nativeSearch } from './reading/native.js'
import { passing } from './reading/passing.js'
import { count, get, readTokens, scan } from './reading/reader.js'
import { change, prepared } from './writing/changes.js'
import { untilIndexed } from './writing/indexed.js'
import { learn } from './writing/learning.js'
import type { Fitted } from './writing/learning.js'
import { mend } from './writing/mending.js'
import { keepSuitability } from './writing/suitability.js'
import { verify } from './writing/verify.js'
import type { Verified } from './writing/verify.js'

/**
 * A collection of a Weaviate server or cluster. Several processes may write to it.
 *
 * @example
 * const store = await WeaviateStore.open({ url: 'http://localhost:8080', collection: 'Birds' })
 * const index = await MultiVectorIndex.open(store, { model })
 */
export class WeaviateStore implements Store {
  readonly name: string
  readonly readonly: boolean
  readonly capabilities: StoreCapabilities
  /** With mode `native` only. */
  readonly search?: NonNullable<StoreReader['search']>
  readonly #servers: Servers
  readonly #cluster: Cluster
  readonly #catalog: Catalog
  readonly #documents: Documents
  readonly #fdes: FdeVersions
  readonly #options: CheckedOptions
  readonly #turns = new Turns()
  readonly #by = randomUUID()
  readonly #closing = new AbortController()
  #spec: StoredSpec
  #learning: Promise<void> | undefined
  readonly #fitted: Fitted = { version: 0, tokens: 0 }

  private constructor(options: CheckedOptions, { servers, cluster, catalog, spec }: Opened) {
    const { collection, tenant, readonly, consistency } = options
    this.name = `weaviate ${servers.name} ${collection}${tenant === undefined ? '' : `/${tenant}`}`
    this.readonly = readonly
    this.#options = options
    this.#servers = servers
    this.#cluster = cluster
    this.#catalog = catalog
    this.#spec = spec
    this.#documents = new Documents(servers, cluster, { collection, tenant }, consistency, spec.mode)
    this.#fdes = new FdeVersions(catalog)
    const isNative = spec.mode === 'native'
    if (isNative) {
      this.search = async (query) => {
        this.#open()
        return untilAborted(nativeSearch(this.#documents, query), query.signal)
      }
    }
    this.capabilities = {
      firstStages: isNative ? ['exact', 'native'] : ['exact', 'fde', 'muvera'],
      nativeSearch: isNative,
      keywords: false,
      filterOperators: ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'contains'],
      filterFunctions: false,
      snapshots: false,
      visibility: 'eventual',
      manyWriters: true,
      durable: true,
    }
  }

  /**
   * Opens a collection; makes it where there is none.
   *
   * @throws INVALID_ARGUMENT, UNKNOWN_OPTION; STORE_UNREACHABLE, STORE_REFUSED, STORE_TIMEOUT, STORE_UNSUPPORTED; INDEX_MISMATCH when it was made with
   * other settings, INDEX_FORMAT when not by Serotine, INDEX_VERSION when by a newer version
   */
  static async open(options: WeaviateOptions): Promise<WeaviateStore> {
    const checked = checkWeaviateOptions(options)
    return new WeaviateStore(checked, await openCollection(checked))
  }

  get spec(): CollectionSpec {
    const { version, model, dim, codec, fde } = this.#spec
    return { version, model, dim, codec, fde: fde && { options: fde, config: null } }
  }

  readonly upsert: Store['upsert'] = (documents, adopt, signal, gone = []) =>
    this.#change(async () => {
      if (documents.length === 0 && gone.length === 0) return
      // Documents without tokens are of every dimension.
      const isOfAny =
        this.#spec.dim !== null && !documents.some(({ embeddings }) => embeddings && embeddings.length > 0)
      const spec = await this.#adopted(isOfAny ? { ...adopt, dim: null } : adopt)
      const coming = await prepared(this.#collection, documents, spec.dim)
      if (spec !== this.#spec) await this.#adopt(spec)
      await change(this.#collection, coming, gone, spec.dim)
      this.#learnSoon()
    }, signal)

  readonly delete: Store['delete'] = (which, signal) =>
    this.#change(async () => {
      const ids = 'ids' in which ? which.ids : undefined
      const { over, isExact } = compileFilter('filter' in which ? which.filter : undefined)
      if (ids?.length === 0 || (ids === undefined && over === false)) return 0
      const { end } = await this.#catalog.beginChange([], ids ?? [])
      const removed = ids
        ? await this.#documents.remove([...new Set(ids.map(uuidOf))])
        : isExact
          ? await this.#documents.removeAll(over)
          : await this.#documents.remove(await this.#uuids((which as { readonly filter: Filter }).filter))
      await end()
      return removed
    }, signal)

  readonly reading: Store['reading'] = async (work) => {
    this.#open()
    return work(this)
  }

  readonly candidates: Store['candidates'] = async (query: CandidateQuery) => {
    this.#open()
    checkFirstStage(query.firstStage ?? 'auto', this.capabilities.firstStages)
    const found = this.search
      ? nativeCandidates(this.#documents, query)
      : candidates(this.#documents, this.#fdes, query)
    return untilAborted(found, query.signal)
  }

  readonly readTokens: Store['readTokens'] = async (ids, sink, signal) => {
    this.#open()
    signal?.throwIfAborted()
    await readTokens(this.#read, ids, sink, signal)
  }

  readonly get: Store['get'] = async (ids, options) => {
    this.#open()
    return get(this.#documents, ids, options)
  }

  async *scan(options?: ScanOptions): ReturnType<StoreReader['scan']> {
    this.#open()
    yield* scan(this.#read, options)
  }

  readonly count: Store['count'] = async (filter) => {
    this.#open()
    return count(this.#read, filter)
  }

  readonly tokens: Store['tokens'] = async () => {
    this.#open()
    return (await this.#documents.aggregate(['tokens'])).sums.get('tokens') ?? 0
  }

  async stats(): Promise<StoreStats> {
    this.#open()
    const [{ count: documents, sums }, generation, versions, suitability] = await Promise.all([
      this.#documents.aggregate(['tokens', 'size']),
      this.#catalog.changes(),
      this.#fdes.toSearch(),
      this.#fdes.suitability(),
    ])
    const [held, newest] = [sums.get('size') ?? 0, versions.at(-1)]
    const fde = newest ? documents * fdeBytes(newest) : 0
    return {
      documents,
      deleted: 0,
      tokens: sums.get('tokens') ?? 0,
      bytes: { documents: held, fde, total: held + fde },
      generation,
      firstStage: this.search ? 'native' : newest ? 'fde' : 'exact',
      firstStages: newest
        ? {
            fde: {
              bytes: fde,
              documents,
              suitability,
              facts: {
                length: newest.encoder.outputDim,
                meanNorm: newest.learned.meanNorm,
                version: newest.learned.version,
              },
            },
          }
        : {},
    }
  }

  async health(): ReturnType<Store['health']> {
    this.#open()
    return this.#cluster.health()
  }

  /** Learns encodings where they are due, waits until searches find what is written, and measures how many candidates keep the exact top 10. */
  async prepare(options: PrepareOptions = {}): Promise<void> {
    const { firstStage, signal, onProgress } = options
    this.#open()
    signal?.throwIfAborted()
    if (firstStage !== undefined) checkFirstStage(firstStage, this.capabilities.firstStages)
    if (!this.readonly) {
      await this.#learning
      await this.#learn(signal, onProgress)
    }
    await untilIndexed(this.#cluster, signal)
    const { dim, fde, model } = this.#spec
    if (this.readonly || dim === null || fde === null) return
    const { onWarning = this.#options.onWarning } = options
    await keepSuitability(
      { ...this.#collection, dim, hasModel: model !== null },
      { ...options, signal: this.#untilClosed(signal), onWarning },
    )
  }

  /** Reads every document, and asks every server of `url` whether searches by encodings reach it. */
  async verify({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly StoreProblem[]> {
    this.#open()
    signal?.throwIfAborted()
    await untilIndexed(this.#cluster, signal)
    return verify(this.#verified, signal)
  }

  readonly repair: NonNullable<Store['repair']> = (problems) =>
    this.#change(async () => {
      if (problems.length > 0) await mend(this.#verified, problems, this.#closing.signal)
    }, undefined)

  /** Waits until searches find what is written: Weaviate may index vectors some time after it has taken them. */
  async indexed({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    this.#open()
    await untilIndexed(this.#cluster, signal)
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted)
      this.#closing.abort(new SerotineError('CLOSED', `The store ${this.name} was closed.`))
    await this.#turns.settled()
    await this.#learning
    this.#servers.close()
  }

  get #collection() {
    return { documents: this.#documents, catalog: this.#catalog, fdes: this.#fdes, codec: this.#spec.codec }
  }

  get #verified(): Verified {
    return {
      ...this.#collection,
      servers: this.#servers,
      cluster: this.#cluster,
      dim: this.#spec.dim,
      isNative: this.#spec.mode === 'native',
    }
  }

  get #read() {
    return { documents: this.#documents, codec: this.#spec.codec, dim: this.#spec.dim }
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal
    return signal ? AbortSignal.any([signal, closing]) : closing
  }

  #open(): void {
    this.#closing.signal.throwIfAborted()
  }

  #change<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const begin = async () => {
      this.#open()
      checkWritable(this)
    }
    return begin().then(() => this.#turns.take(work, signal))
  }

  /** What the collection is with this dimension and model. @throws DIM_MISMATCH, INDEX_MISMATCH */
  async #adopted({ dim, model }: Pick<CollectionSpec, 'dim' | 'model'>): Promise<StoredSpec> {
    const known = await this.#catalog.spec()
    if (known && JSON.stringify(known) !== JSON.stringify(this.#spec)) this.#spec = known
    const spec = this.#spec
    checkSameModel(this.name, spec.model, model)
    if (spec.dim !== null && dim !== null && spec.dim !== dim) {
      throw new SerotineError(
        'DIM_MISMATCH',
        `The documents have dimension ${dim}, but the collection ${this.name} has ${spec.dim}. Was it made with another model?`,
      )
    }
    if ((spec.dim ?? dim) === spec.dim && (spec.model ?? model) === spec.model) return spec
    return { ...spec, dim: spec.dim ?? dim, model: spec.model ?? model }
  }

  async #adopt(spec: StoredSpec): Promise<void> {
    await this.#catalog.writeSpec(spec)
    // Another process may have done so at the same time, with its own.
    const written = await this.#catalog.spec()
    if (written) this.#spec = written
    await this.#adopted(spec)
  }

  async #uuids(filter: Filter): Promise<string[]> {
    const uuids: string[] = []
    for await (const found of passing(this.#documents, filter, { properties: ['key', 'metadata'] })) {
      uuids.push(...found.map(({ uuid }) => uuid))
    }
    return uuids
  }

  #learnSoon(): void {
    if (!this.#options.learn || this.#learning || this.#closing.signal.aborted) return
    this.#learning = this.#learn(undefined, undefined)
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) warn(this.#options.onWarning, error)
      })
      .finally(() => (this.#learning = undefined))
  }

  async #learn(signal: AbortSignal | undefined, onProgress: PrepareOptions['onProgress']): Promise<void> {
    const { dim, fde } = this.#spec
    if (dim === null || fde === null) return
    await learn(
      {
        ...this.#collection,
        cluster: this.#cluster,
        turns: this.#turns,
        dim,
        options: fde,
        by: this.#by,
        fitted: this.#fitted,
      },
      { signal: this.#untilClosed(signal), onProgress },
    )
  }
}

function warn(onWarning: OnWarning | undefined, error: unknown): void {
  const why = error instanceof Error ? error.message : String(error)
  onWarning?.({
    code: 'UPKEEP_FAILED',
    message: `Learning encodings in the background failed, and the next change tries again: ${why}`,
  })
}
