import { SerotineError } from '../errors.js'
import { describe } from '../options.js'
import { filterPredicate } from '../store/filter-predicate.js'
import type { Filter } from '../store/filter.js'
import type {
  CandidateQuery,
  Candidates,
  FirstStage,
  HashedDocument,
  ScanOptions,
  StoreReader,
  TokenSink,
} from '../store/store.js'
import { readTokens } from './commit/read-tokens.js'
import type { Allowed, Snapshot } from './commit/snapshot.js'
import { metadataOf } from './format/document-table.js'
import type { Searcher } from './stages/stage.js'

/** What `plan` says and what there is for it; undefined: everything is scored exactly. */
export type Choose = (
  snapshot: Snapshot,
  allowed: Allowed,
  how: { readonly firstStage: FirstStage | undefined; readonly candidates: number; readonly rerank: boolean },
) => Promise<{ readonly name: string; readonly searcher: Searcher } | undefined>

/** Documents per batch of `scan`. */
const BATCH = 256

/** One state of an embedded collection. */
export class SnapshotReader implements StoreReader {
  readonly #snapshot: Snapshot
  readonly #choose: Choose

  constructor(snapshot: Snapshot, choose: Choose) {
    this.#snapshot = snapshot
    this.#choose = choose
  }

  async candidates(query: CandidateQuery): Promise<Candidates> {
    const { embeddings, count, filter, firstStage, rerank = true, signal } = query
    signal?.throwIfAborted()
    const snapshot = this.#snapshot
    const allowed = snapshot.allowed(filter && filterPredicate(filter), signal)
    if (allowed.count === 0 || embeddings.length === 0) return { firstStage: 'none', ids: [] }
    const chosen = await this.#choose(snapshot, allowed, { firstStage, candidates: count, rerank })
    signal?.throwIfAborted()
    const idOf = (ordinal: number): string => snapshot.row(ordinal).id
    if (!chosen) return { firstStage: 'exact', ids: Array.from(allowed.documents, idOf) }
    const { ordinals, scores } = chosen.searcher.search(embeddings, count, allowed.documents)
    return { firstStage: chosen.name, ids: Array.from(ordinals, idOf), scores }
  }

  async readTokens(ids: readonly string[], sink: TokenSink, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await readTokens(this.#snapshot, ids, sink, signal)
  }

  async get(
    ids: readonly string[],
    { text = true }: { readonly text?: boolean } = {},
  ): Promise<(HashedDocument | undefined)[]> {
    return ids.map((id) => {
      const ordinal = this.#snapshot.ordinalOf(id)
      return ordinal === undefined ? undefined : this.#document(ordinal, text)
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
    const text = withText ? this.#snapshot.collection.readText(ordinal) : undefined
    return { id, ...(text !== undefined && { text }), metadata: metadataOf(row), tokens, hash }
  }
}
