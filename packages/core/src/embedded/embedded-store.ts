import { SerotineError } from '../errors.js'
import { describe } from '../options.js'
import { checkFirstStage } from '../store/first-stage.js'
import { filterPredicate } from '../store/filter-predicate.js'
import type { Filter } from '../store/filter.js'
import { SPEC_VERSION } from '../store/store.js'
import type {
  CandidateQuery,
  Candidates,
  CollectionSpec,
  EstimatedSize,
  FirstStage,
  GetOptions,
  HashedDocument,
  NewDocument,
  PrepareOptions,
  ScanOptions,
  Store,
  StoreCapabilities,
  StoreHealth,
  StoreProblem,
  StoreReader,
  StoreStats,
  TokenSink,
} from '../store/store.js'
import { USUAL_CANDIDATES } from '../store/suitability/rules.js'
import { Turns } from '../store/turns.js'
import { untilAborted } from '../store/until-aborted.js'
import { checkWritable } from '../store/writable.js'
import type { Coder } from './commit/derived-files.js'
import { handOverTo } from './commit/compaction/hand-over.js'
import type { IndexFiles } from './commit/index-files.js'
import { openFiles } from './commit/open-files.js'
import { repairFiles } from './verify/repair-files.js'
import type { Allowed, Snapshot } from './commit/snapshot.js'
import { verifyIndex } from './verify/verify-index.js'
import { KeywordLists } from './keywords/keyword-lists.js'
import { COMPRESSING_STAGE } from './format/manifest.js'
import { checksumOf } from './format/manifest-file.js'
import { formWith, recordedDocument } from './new-documents.js'
import { checkEmbedded, checkFound, initialManifest } from './options.js'
import type { CheckedEmbedded, EmbeddedOptions } from './options.js'
import { SnapshotReader } from './reader.js'
import type { Chosen } from './reader.js'
import { plan, stageOf } from './stages/plan.js'
import { FIRST_STAGES, makeStages } from './stages/registry.js'
import type { Stage } from './stages/stage.js'
import { Upkeep } from './stages/upkeep.js'
import { expectedStats, isToBeCompacted, statsOf } from './stats.js'
import type { FdeConfig } from '../fde/config.js'

const CAPABILITIES: Omit<StoreCapabilities, 'durable' | 'keywords'> = {
  firstStages: FIRST_STAGES,
  nativeSearch: false,
  filterOperators: ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'contains'],
  filterFunctions: true,
  snapshots: true,
  visibility: 'immediate',
  manyWriters: false,
}

/** As `EmbeddedStore.open`, for callers that checked the options under their own name. */
export let openChecked: (checked: CheckedEmbedded) => Promise<EmbeddedStore>

/** Vectors that `compact` lets go for codes: where their tokens are at least this share of those compressed before. */
const COMPACTED_SHARE = 1 / 8

/**
 * Documents in files of one folder, or in memory: one process writes, any number read. Each change is committed as a whole; a process
 * that is killed leaves the last commit.
 */
export class EmbeddedStore implements Store {
  readonly capabilities: StoreCapabilities
  readonly keywords?: NonNullable<Store['keywords']>
  readonly #files: IndexFiles
  readonly #stages: ReadonlyMap<string, Stage>
  readonly #lists: KeywordLists
  readonly #options: CheckedEmbedded
  readonly #upkeep: Upkeep
  readonly #turns = new Turns()
  /** What `reading` runs: files stay open until it has ended. */
  readonly #running = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  private constructor(files: IndexFiles, options: CheckedEmbedded) {
    const { firstStage, hnswlib, onWarning, graphNumbers, compressTokens, keywords } = options
    this.#files = files
    this.#options = options
    this.#stages = makeStages({ files, preferred: firstStage, hnswlib, onWarning, graphNumbers, compressTokens })
    this.#lists = new KeywordLists(files, keywords, onWarning)
    const isSearchable = this.#lists.settings !== false
    if (isSearchable) this.keywords = async (query) => this.reading((reader) => reader.keywords!(query))
    this.capabilities = { ...CAPABILITIES, keywords: isSearchable, durable: files.folder !== undefined }
    this.#upkeep = new Upkeep(files, this.#stages, this.#lists, this.#turns, onWarning)
  }

  /**
   * Opens the collection in a folder, or creates an empty one there. Undefined or `':memory:'`: in memory, gone with `close()`.
   *
   * @throws INDEX_LOCKED when another process writes, INDEX_MISMATCH when it was made with other settings, INDEX_FORMAT, INDEX_VERSION,
   * INDEX_CORRUPT, HNSWLIB_MISSING
   */
  static async open(folder?: string, options: EmbeddedOptions = {}): Promise<EmbeddedStore> {
    return openChecked(checkEmbedded('EmbeddedStore.open()', folder, options))
  }

  static {
    openChecked = async (checked) => {
      const files = await openFiles(checked.folder, initialManifest(checked), checked)
      try {
        const store = new EmbeddedStore(files, checked)
        checkFound(store.name, files.manifest, checked, store.spec)
        for (const stage of store.#stages.values()) await stage.check?.()
        return store
      } catch (error) {
        files.close()
        throw error
      }
    }
  }

  get name(): string {
    return this.#files.folder ?? 'in memory'
  }

  /** Undefined in memory. */
  get folder(): string | undefined {
    return this.#files.folder
  }

  get readonly(): boolean {
    return this.#files.readonly
  }

  /** Of the manifest: another one when anything has changed. */
  get checksum(): number {
    return checksumOf(this.#files.manifest)
  }

  get spec(): CollectionSpec {
    const { codec, dim, model, fde, derived } = this.#files.manifest
    const config = (derived.fde?.facts.config as unknown as FdeConfig | undefined) ?? null
    return { version: SPEC_VERSION, codec, dim, model, fde: fde && { options: fde, config } }
  }

  async reading<T>(work: (reader: StoreReader) => Promise<T>): Promise<T> {
    const running = this.#open.reading((snapshot) => work(this.#readerOf(snapshot)))
    this.#running.add(running)
    return running.finally(() => this.#running.delete(running))
  }

  async candidates(query: CandidateQuery): Promise<Candidates> {
    return this.reading((reader) => reader.candidates(query))
  }

  async readTokens(ids: readonly string[], sink: TokenSink, signal?: AbortSignal): Promise<void> {
    return this.reading((reader) => reader.readTokens(ids, sink, signal))
  }

  async get(ids: readonly string[], options?: GetOptions): Promise<(HashedDocument | undefined)[]> {
    return this.reading((reader) => reader.get(ids, options))
  }

  async *scan(options?: ScanOptions): AsyncGenerator<readonly HashedDocument[]> {
    const snapshot = this.#open.begin()
    try {
      for await (const batch of this.#readerOf(snapshot).scan(options)) {
        yield batch
        // Files may be closed by now.
        if (this.#closing) throw closed()
      }
    } finally {
      this.#files.end(snapshot)
    }
  }

  async count(filter?: Filter): Promise<number> {
    return this.reading((reader) => reader.count(filter))
  }

  async tokens(): Promise<number> {
    return this.reading((reader) => reader.tokens())
  }

  async upsert(
    documents: readonly NewDocument[],
    adopt: Pick<CollectionSpec, 'dim' | 'model'>,
    signal?: AbortSignal,
    gone: readonly string[] = [],
  ): Promise<void> {
    await this.#change(async (files) => {
      if (documents.length === 0) return
      const form = formWith(files.manifest, this.name, documents, adopt)
      const recorded = documents.map((document) => recordedDocument(files, document))
      const ids = new Set([...documents.map(({ id }) => id), ...gone])
      const deleted = Array.from(ids, (id) => files.collection.ordinalOf(id)).filter((ordinal) => ordinal !== undefined)
      await files.commit({ documents: recorded, deleted, ...form }, await this.#coders())
    }, signal)
  }

  async delete(
    which: { readonly ids: readonly string[] } | { readonly filter: Filter },
    signal?: AbortSignal,
  ): Promise<number> {
    return this.#change(async (files) => {
      const { collection, manifest } = files
      const passes = 'filter' in which ? filterPredicate(which.filter) : undefined
      const found = passes
        ? [...collection.ordinals()].filter((ordinal) => passes(collection.filtered(ordinal)))
        : [...new Set((which as { ids: readonly string[] }).ids)].map((id) => collection.ordinalOf(id))
      const deleted = found.filter((ordinal) => ordinal !== undefined)
      const { dim, model } = manifest
      // No dimension: no document was ever put in.
      if (deleted.length > 0 && dim !== null)
        await files.commit({ documents: [], deleted, dim, model }, await this.#coders())
      return deleted.length
    }, signal)
  }

  async prepare(options: PrepareOptions = {}): Promise<void> {
    void this.#writable
    const { firstStage, signal } = options
    const name = firstStage && stageOf(firstStage)
    if (name !== undefined) {
      const refusal = this.#stage(name).refusal?.(firstStage!)
      if (refusal) throw refusal
      this.#stage(name).keep()
    }
    // Before what is due for first stages, which it would make anew in part.
    const worth = isToBeCompacted(this.#files, this.#options)
    if (worth !== undefined) await untilAborted(this.compact({ signal }, worth), signal)
    await this.#upkeep.run(options)
  }

  /** @param share as `CompactOptions.share` */
  async compact({ signal }: { readonly signal?: AbortSignal | undefined } = {}, share = 0): Promise<void> {
    signal?.throwIfAborted()
    const compression = async () => this.#stages.get(COMPRESSING_STAGE)!.compression!(COMPACTED_SHARE)
    const handOver = handOverTo([...this.#stages.values(), this.#lists])
    const inTurn = <T>(step: () => Promise<T>): Promise<T> => this.#change(step, signal)
    await this.#writable.compact({ compression, share, signal, handOver, inTurn })
  }

  async verify(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly StoreProblem[]> {
    const { folder } = this.#open
    options.signal?.throwIfAborted()
    if (folder === undefined) return []
    // In turn: a commit that ends meanwhile would look like damage.
    return this.#turns.take(async () => (await verifyIndex(folder, options)).problems)
  }

  async repair(problems: readonly StoreProblem[]): Promise<void> {
    await this.#change((files) => repairFiles(files, problems))
  }

  async stats(): Promise<StoreStats> {
    const files = this.#open
    const snapshot = files.begin()
    try {
      const how = { firstStage: undefined, candidates: undefined, rerank: true }
      const chosen = await this.#choose(snapshot, snapshot.allowed(undefined), how)
      return statsOf(files, this.#stages.values(), this.#lists.stats(), chosen?.name ?? 'exact')
    } finally {
      files.end(snapshot)
    }
  }

  async estimate(
    sample: readonly NewDocument[],
    total: EstimatedSize,
    adopt: Pick<CollectionSpec, 'dim' | 'model'>,
  ): Promise<Pick<StoreStats, 'bytes' | 'memory'>> {
    const { manifest, collection } = this.#open
    const { codec } = manifest
    const { settings: keywords } = this.#lists
    const trial = await EmbeddedStore.open(undefined, { codec, keywords, fde: false })
    try {
      await trial.upsert(sample, adopt)
      const stages = this.#stages.values()
      const dim = manifest.dim ?? trial.spec.dim ?? 0
      const { size: documents, tokens } = collection
      return expectedStats({ trial: await trial.stats(), total, stages, dim }, { documents, tokens })
    } finally {
      await trial.close()
    }
  }

  async health(): Promise<StoreHealth> {
    void this.#open
    return { expected: 1, live: 1, partial: false }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end())
  }

  async #end(): Promise<void> {
    await this.#upkeep.stop(closed())
    await this.#turns.settled()
    await Promise.allSettled(this.#running)
    try {
      for (const stage of this.#stages.values()) await this.#flush(stage)
    } finally {
      this.#files.close()
    }
  }

  /** What a stage could not save it makes again; all documents are committed. */
  async #flush(stage: Stage): Promise<void> {
    try {
      await stage.flush?.()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const message = `What the first stage ${stage.name} has in memory could not be saved when ${this.name} was closed, and is made again: ${why}`
      this.#options.onWarning?.({ code: 'UPKEEP_FAILED', message })
    }
  }

  /** @throws CLOSED */
  get #open(): IndexFiles {
    if (this.#closing) throw closed()
    return this.#files
  }

  /** @throws CLOSED, INDEX_READONLY */
  get #writable(): IndexFiles {
    const files = this.#open
    checkWritable(this)
    return files
  }

  async #change<T>(change: (files: IndexFiles) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const files = this.#writable
    return this.#turns.take(() => change(files), signal)
  }

  #readerOf(snapshot: Snapshot): SnapshotReader {
    return new SnapshotReader(snapshot, (...question) => this.#choose(...question), this.#lists)
  }

  /** @throws INVALID_ARGUMENT for a first stage the index does not keep */
  async #choose(
    snapshot: Snapshot,
    allowed: Allowed,
    how: {
      readonly firstStage: FirstStage | undefined
      readonly candidates: number | undefined
      readonly rerank: boolean
    },
  ): Promise<Chosen | undefined> {
    const { firstStage: asked = this.#options.firstStage, candidates = USUAL_CANDIDATES, rerank } = how
    if (how.firstStage !== undefined) this.#checkKept(how.firstStage)
    const { total, collection } = snapshot
    const rows: Record<string, number> = {}
    for (const [name, stage] of this.#stages) rows[name] = stage.rows
    const { length } = this.#stages.get('fde')!.facts()
    const isLarge = total * ((length as number | null) ?? 0) >= this.#options.graphNumbers
    for (;;) {
      const name = plan({ asked, rerank, candidates, allowed, total, rows, isLarge })
      const stage = this.#stages.get(name)
      const searcher = await stage?.searcher(collection)
      if (stage && searcher) {
        const { suitability } = this.#files.manifest.derived[name] ?? {}
        return { name, searcher, suitability, trusted: stage.trusted }
      }
      // Damaged, or of a collection that has been compacted since: what else is there?
      if (!rows[name]) return undefined
      rows[name] = 0
    }
  }

  #checkKept(firstStage: FirstStage): void {
    const name = stageOf(firstStage)
    if (name === undefined || this.#stage(name).isKept) return
    const refusal = this.#stage(name).refusal?.(firstStage)
    if (refusal) throw refusal
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The index ${this.name} keeps nothing that ${describe(firstStage)} could search by. Run prepare({ firstStage: ` +
        `${describe(firstStage)} }) once, or open the index with that firstStage.`,
    )
  }

  /** @throws INVALID_ARGUMENT */
  #stage(name: string): Stage {
    return this.#stages.get(checkFirstStage(name, this.capabilities.firstStages))!
  }

  async #coders(): Promise<Coder[]> {
    const makers = [...this.#stages.values(), this.#lists]
    const coders = await Promise.all(makers.map((maker) => maker.coder?.()))
    return coders.filter((coder) => coder !== undefined)
  }
}

function closed(): SerotineError {
  return new SerotineError('CLOSED', 'The index was closed. Open it again.')
}
