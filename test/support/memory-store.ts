import { SerotineError } from '../../packages/core/src/errors.js'
import { loadStemmer } from '../../packages/core/src/keywords/stemmers.js'
import { topK } from '../../packages/core/src/math/top-k.js'
import { exactScores } from '../../packages/core/src/store/exact-scores.js'
import { filterPredicate } from '../../packages/core/src/store/filter-predicate.js'
import type { Filter } from '../../packages/core/src/store/filter.js'
import type { KeywordMatch, KeywordQuery } from '../../packages/core/src/store/keywords.js'
import type { Metadata } from '../../packages/core/src/store/metadata.js'
import { encodeRecord } from '../../packages/core/src/store/records.js'
import type { TokenCodec } from '../../packages/core/src/store/records.js'
import { SPEC_VERSION } from '../../packages/core/src/store/store.js'
import type {
  CandidateQuery,
  Candidates,
  HashedDocument,
  ScanOptions,
  Store,
  StoreCapabilities,
  StoreReader,
} from '../../packages/core/src/store/store.js'
import { plainBm25 } from './plain-bm25.js'

export interface MemoryStoreOptions {
  /** Default `int8`. */
  readonly codec?: TokenCodec
  readonly readonly?: boolean
  /** The store answers searches itself, as an engine does that computes MaxSim. Default false. */
  readonly nativeSearch?: boolean
  /** The store finds documents by their words. Default false. */
  readonly keywords?: boolean
}

type Keywords = NonNullable<StoreReader['keywords']>
type NativeSearch = NonNullable<StoreReader['search']>

interface Entry {
  readonly text: string | undefined
  readonly metadata: string
  readonly hash: string
  readonly tokens: number
  readonly record: Uint8Array
}

/** What a collection is at one time. Never changed: a change makes another. */
interface State {
  readonly spec: Store['spec']
  readonly generation: number
  readonly documents: ReadonlyMap<string, Entry>
}

/**
 * The plainest store that keeps the contract: a map, looked through from one end to the other. It shows that a store needs nothing of the
 * embedded one, and stands for an engine in tests of `MultiVectorIndex`.
 */
export class MemoryStore implements Store {
  readonly name = 'memory'
  readonly readonly: boolean
  readonly capabilities: StoreCapabilities
  readonly search?: NativeSearch
  readonly keywords?: Keywords
  #state: State
  #closed = false

  constructor({ codec = 'int8', readonly = false, nativeSearch = false, keywords = false }: MemoryStoreOptions = {}) {
    this.readonly = readonly
    this.capabilities = {
      firstStages: nativeSearch ? ['exact', 'native'] : ['exact'],
      nativeSearch,
      keywords,
      filterOperators: ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'contains'],
      filterFunctions: true,
      snapshots: true,
      visibility: 'immediate',
      manyWriters: false,
      durable: false,
    }
    const spec = { version: SPEC_VERSION, model: null, dim: null, codec, fde: null }
    this.#state = { spec, generation: 0, documents: new Map() }
    if (nativeSearch) this.search = async (query) => this.#reader.search!(query)
    if (keywords) this.keywords = async (query) => this.#reader.keywords!(query)
  }

  get spec() {
    return this.#state.spec
  }

  readonly upsert: Store['upsert'] = async (documents, adopt, _signal, gone = []) => {
    const { spec, documents: before } = this.#toChange()
    const entries = new Map(before)
    for (const { id, text, metadata, hash, embeddings } of documents) {
      const kept = before.get(id)
      if (!embeddings && !kept) {
        throw new SerotineError('INVALID_ARGUMENT', `Document ${JSON.stringify(id)} is new and has no embeddings.`)
      }
      const tokens = embeddings?.length ?? kept!.tokens
      const record = embeddings ? encodeRecord(spec.codec, embeddings) : kept!.record
      entries.set(id, { text, metadata, hash, tokens, record })
    }
    for (const id of gone) entries.delete(id)
    this.#become(entries, { ...spec, dim: spec.dim ?? adopt.dim, model: spec.model ?? adopt.model })
  }

  readonly delete: Store['delete'] = async (which) => {
    const { documents, spec } = this.#toChange()
    const entries = new Map(documents)
    for (const id of 'ids' in which ? which.ids : passing(documents, which.filter)) entries.delete(id)
    const deleted = documents.size - entries.size
    if (deleted > 0) this.#become(entries, spec)
    return deleted
  }

  readonly reading: Store['reading'] = async (work) => work(this.#reader)
  readonly candidates: Store['candidates'] = async (query) => this.#reader.candidates(query)
  readonly readTokens: Store['readTokens'] = async (...given) => this.#reader.readTokens(...given)
  readonly get: Store['get'] = async (...given) => this.#reader.get(...given)
  readonly count: Store['count'] = async (filter) => this.#reader.count(filter)
  readonly tokens: Store['tokens'] = async () => this.#reader.tokens()

  async *scan(options?: ScanOptions): AsyncGenerator<readonly HashedDocument[]> {
    yield* this.#reader.scan(options)
  }

  async stats() {
    const entries = [...this.#open().documents.values()]
    const sum = (of: (entry: Entry) => number) => entries.reduce((total, entry) => total + of(entry), 0)
    const tokens = sum(({ record }) => record.length)
    const documents = sum(({ text = '', metadata }) => Buffer.byteLength(text) + Buffer.byteLength(metadata))
    return {
      documents: entries.length,
      deleted: 0,
      tokens: sum((entry) => entry.tokens),
      bytes: { tokens, documents, total: tokens + documents },
      generation: this.#state.generation,
      firstStage: 'exact' as const,
      firstStages: {},
    }
  }

  async health() {
    this.#open()
    return { expected: 1, live: 1, partial: false }
  }

  /** Nothing has to be done. */
  readonly prepare: NonNullable<Store['prepare']> = async ({ signal, onProgress } = {}) => {
    const { size } = this.#open().documents
    signal?.throwIfAborted()
    onProgress?.({ phase: 'build', done: size, total: size })
  }

  /** What was replaced or deleted is gone already. */
  readonly compact: NonNullable<Store['compact']> = async ({ signal } = {}) => {
    this.#toChange()
    signal?.throwIfAborted()
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  get #reader(): StoreReader {
    return new MemoryReader(this.#open(), this.capabilities)
  }

  #open(): State {
    if (this.#closed) throw new SerotineError('CLOSED', `The store ${this.name} is closed.`)
    return this.#state
  }

  #toChange(): State {
    const state = this.#open()
    if (this.readonly) throw new SerotineError('INDEX_READONLY', `The store ${this.name} was opened to read only.`)
    return state
  }

  #become(documents: ReadonlyMap<string, Entry>, spec: Store['spec']): void {
    this.#state = { documents, spec, generation: this.#state.generation + 1 }
  }
}

/** One state of a collection, readable as long as somebody has it. */
class MemoryReader implements StoreReader {
  readonly search?: NativeSearch
  readonly keywords?: Keywords
  readonly #state: State
  readonly #firstStages: StoreCapabilities['firstStages']

  constructor(state: State, { firstStages, nativeSearch, keywords }: StoreCapabilities) {
    this.#state = state
    this.#firstStages = firstStages
    if (nativeSearch) this.search = async (query) => this.#best(query, this.#searchable(query.filter), query.k)
    if (keywords) this.keywords = async (query) => this.#matches(query)
  }

  async candidates(query: CandidateQuery): Promise<Candidates> {
    const { firstStage = 'auto', count, filter, signal } = query
    signal?.throwIfAborted()
    if (firstStage !== 'auto' && !this.#firstStages.includes(firstStage)) {
      const known = ['auto', ...this.#firstStages].join(', ')
      throw new SerotineError('INVALID_ARGUMENT', `There is no first stage "${firstStage}" here, only ${known}.`)
    }
    const ids = this.#searchable(filter)
    if (ids.length === 0) return { firstStage: 'none', ids }
    if (firstStage !== 'native') return { firstStage: 'exact', ids }
    const best = await this.#best(query, ids, count ?? 100)
    return { firstStage, ids: best.map(({ id }) => id), scores: Float32Array.from(best, ({ score }) => score) }
  }

  readonly readTokens: StoreReader['readTokens'] = async (ids, sink, signal) => {
    signal?.throwIfAborted()
    ids.forEach((id, position) => {
      const entry = this.#state.documents.get(id)
      if (!entry) return
      sink.room(entry.record.length).set(entry.record)
      sink.record(position, 0, entry.tokens)
    })
  }

  readonly get: StoreReader['get'] = async (ids, { text = true } = {}) =>
    ids.map((id) => {
      const entry = this.#state.documents.get(id)
      return entry && shown(id, entry, text)
    })

  async *scan({ filter, after, text = true, batchSize = 256, signal }: ScanOptions = {}): AsyncGenerator<
    readonly HashedDocument[]
  > {
    const { documents } = this.#state
    const behind = after === undefined ? 0 : [...documents.keys()].indexOf(after) + 1
    const ids = passing(new Map([...documents].slice(behind)), filter)
    for (let at = 0; at < ids.length; at += batchSize) {
      signal?.throwIfAborted()
      yield ids.slice(at, at + batchSize).map((id) => shown(id, documents.get(id)!, text))
    }
  }

  readonly count: StoreReader['count'] = async (filter) => passing(this.#state.documents, filter).length
  readonly tokens: StoreReader['tokens'] = async () =>
    [...this.#state.documents.values()].reduce((sum, { tokens }) => sum + tokens, 0)

  async #matches({ text, count, also = [], filter, signal }: KeywordQuery): Promise<KeywordMatch[]> {
    signal?.throwIfAborted()
    const documents = Array.from(this.#state.documents, ([id, entry]) => ({ id, text: entry.text }))
    const passing = new Set(this.#searchable(filter))
    const all = plainBm25(documents, text, await loadStemmer('english')).filter(({ id }) => passing.has(id))
    const best = all.filter(({ score }) => score > 0).slice(0, count)
    const others = new Set(also)
    return [...best, ...all.filter((match) => others.has(match.id) && !best.includes(match))]
  }

  /** Documents without tokens are there, but no search returns them. */
  #searchable(filter: Filter | undefined): string[] {
    return passing(this.#state.documents, filter).filter((id) => this.#state.documents.get(id)!.tokens > 0)
  }

  async #best({ embeddings, signal }: CandidateQuery, ids: readonly string[], k: number) {
    const { scores } = await exactScores(this, this.#state.spec.codec, embeddings, ids, signal)
    return Array.from(topK(scores, k), (i) => ({ id: ids[i]!, score: scores[i]! }))
  }
}

function passing(documents: ReadonlyMap<string, Entry>, filter: Filter | undefined): string[] {
  const holds = filterPredicate(filter ?? { kind: 'and', parts: [] })
  return [...documents.keys()].filter((id) =>
    holds({ id, metadata: JSON.parse(documents.get(id)!.metadata) as Metadata }),
  )
}

function shown(id: string, { text, metadata, tokens, hash }: Entry, withText: boolean): HashedDocument {
  const parts = { metadata: JSON.parse(metadata) as Metadata, tokens, hash }
  return { id, ...(withText && text !== undefined && { text }), ...parts }
}
