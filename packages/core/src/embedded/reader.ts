import { SerotineError } from '../errors.js'
import { describe } from '../options.js'
import { filterPredicate } from '../store/filter-predicate.js'
import type { Filter } from '../store/filter.js'
import type {
  CandidateQuery,
  Candidates,
  FirstStage,
  GetOptions,
  HashedDocument,
  ScanOptions,
  StoreReader,
  Suitability,
  TokenSink,
} from '../store/store.js'
import { candidatesWanted } from '../store/suitability/rules.js'
import { readTokens } from './commit/read-tokens.js'
import { isDamage } from './format/checked.js'
import type { Allowed, Snapshot } from './commit/snapshot.js'
import { metadataOf } from './format/document-table.js'
import type { KeywordLists } from './keywords/keyword-lists.js'
import { searchKeywords } from './keywords/keyword-search.js'
import type { Searcher } from './stages/stage.js'

/** What `plan` says and what there is for it; undefined: everything is scored exactly. */
export type Choose = (
  snapshot: Snapshot,
  allowed: Allowed,
  how: {
    readonly firstStage: FirstStage | undefined
    readonly candidates: number | undefined
    readonly rerank: boolean
  },
) => Promise<Chosen | undefined>

export interface Chosen {
  readonly name: string
  readonly searcher: Searcher
  /** What says how many candidates it needs. */
  readonly suitability: Suitability | null | undefined
  /** Documents before this ordinal are found as well as was measured. */
  readonly trusted: number
}

/** Documents that a stage may not find yet are candidates whatever it says, while they have no more tokens than this: 7 ms of MaxSim. */
const UNTRUSTED_TOKENS = 65_536
/** Documents per batch of `scan`. */
const BATCH = 256

/** One state of an embedded collection. */
export class SnapshotReader implements StoreReader {
  readonly keywords?: NonNullable<StoreReader['keywords']>
  readonly #snapshot: Snapshot
  readonly #choose: Choose

  constructor(snapshot: Snapshot, choose: Choose, lists: KeywordLists) {
    this.#snapshot = snapshot
    this.#choose = choose
    if (lists.settings) this.keywords = async (query) => searchKeywords(snapshot, lists, query)
  }

  async candidates(query: CandidateQuery): Promise<Candidates> {
    const { embeddings, count, k = 1, filter, firstStage, rerank = true, signal } = query
    signal?.throwIfAborted()
    const snapshot = this.#snapshot
    const allowed = snapshot.allowed(filter && filterPredicate(filter), signal)
    if (allowed.count === 0 || embeddings.length === 0) return { firstStage: 'none', ids: [] }
    const chosen = await this.#choose(snapshot, allowed, { firstStage, candidates: count, rerank })
    signal?.throwIfAborted()
    const idOf = (ordinal: number): string => snapshot.row(ordinal).id
    if (!chosen) return { firstStage: 'exact', ids: Array.from(allowed.documents, idOf) }
    const wanted = candidatesWanted({ k, count }, chosen.suitability)
    const { ordinals, scores } = chosen.searcher.search(embeddings, wanted, allowed.documents)
    const others = rerank ? this.#untrusted(chosen, allowed, new Set(ordinals)) : []
    const ids = [...Array.from(ordinals, idOf), ...others.map(idOf)]
    if (others.length === 0) return { firstStage: chosen.name, ids, scores }
    const estimates = new Float32Array(ids.length).fill(-Infinity)
    estimates.set(scores)
    return { firstStage: chosen.name, ids, scores: estimates }
  }

  /** Documents added since the stage last learned, or found that what is new is like what is old. */
  #untrusted({ trusted }: Chosen, { documents }: Allowed, found: ReadonlySet<number>): number[] {
    const others: number[] = []
    let tokens = 0
    for (let ordinal = trusted; ordinal < this.#snapshot.total; ordinal++) {
      tokens += this.#snapshot.row(ordinal).tokens
      // The codes there are will have to do.
      if (tokens > UNTRUSTED_TOKENS) return []
      if (documents.has(ordinal) && !found.has(ordinal)) others.push(ordinal)
    }
    return others
  }

  async readTokens(ids: readonly string[], sink: TokenSink, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await readTokens(this.#snapshot, ids, sink, signal)
  }

  async get(
    ids: readonly string[],
    { text = true, onDamaged, checked = false }: GetOptions = {},
  ): Promise<(HashedDocument | undefined)[]> {
    const { stored } = this.#snapshot
    return ids.map((id) => {
      const ordinal = this.#snapshot.ordinalOf(id)
      if (ordinal === undefined) return undefined
      if (checked && !stored.isIntact(ordinal)) return { ...this.#document(ordinal, false), hash: '' }
      try {
        return this.#document(ordinal, text)
      } catch (error) {
        if (!onDamaged || !isDamage(error)) throw error
        onDamaged(id, error)
        return this.#document(ordinal, false)
      }
    })
  }

  async *scan({ filter, after, text = true, batchSize = BATCH, signal }: ScanOptions = {}): AsyncGenerator<
    readonly HashedDocument[]
  > {
    const passes = filter && filterPredicate(filter)
    const start = after === undefined ? -1 : this.#snapshot.ordinalOf(after)
    if (start === undefined) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `scan() was to go on after ${describe(after)}, which is not there. Begin again without after.`,
      )
    }
    const { collection } = this.#snapshot
    let batch: HashedDocument[] = []
    for (const ordinal of this.#snapshot.ordinals()) {
      if (ordinal <= start || (passes && !passes(collection.filtered(ordinal)))) continue
      batch.push(this.#document(ordinal, text))
      if (batch.length < batchSize) continue
      signal?.throwIfAborted()
      yield batch
      batch = []
    }
    signal?.throwIfAborted()
    if (batch.length > 0) yield batch
  }

  async count(filter?: Filter): Promise<number> {
    if (!filter) return this.#snapshot.size
    const passes = filterPredicate(filter)
    const { collection } = this.#snapshot
    let count = 0
    for (const ordinal of this.#snapshot.ordinals()) if (passes(collection.filtered(ordinal))) count++
    return count
  }

  async tokens(): Promise<number> {
    return this.#snapshot.tokens
  }

  #document(ordinal: number, withText: boolean): HashedDocument {
    const row = this.#snapshot.row(ordinal)
    const { id, tokens, hash } = row
    const text = withText ? this.#snapshot.stored.readText(ordinal) : undefined
    return { id, ...(text !== undefined && { text }), metadata: metadataOf(row), tokens, hash }
  }
}
