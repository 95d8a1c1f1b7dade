import type { FilteredDocument } from '../../store/filter.js'
import type { DocumentRow } from '../format/document-table.js'
import { Bitset } from './bitset.js'
import type { Collection } from './collection.js'

/** The documents a search may return. */
export interface Allowed {
  readonly documents: Bitset
  readonly count: number
  readonly tokens: number
}

/**
 * One state of a collection: what is deleted, replaced or added afterwards does not show. Costs a bit per document to make, and an
 * entry for each document deleted while it is in use.
 */
export class Snapshot {
  readonly collection: Collection
  /** Ordinals below it are in it. */
  readonly total: number
  /** Documents that live. */
  readonly size: number
  readonly tokens: number
  readonly #living: Bitset
  readonly #searchable: Bitset
  readonly #searchableCount: number
  /** Documents deleted since, by id. */
  readonly #gone = new Map<string, number>()

  constructor(collection: Collection) {
    this.collection = collection
    this.total = collection.total
    this.size = collection.size
    this.tokens = collection.tokens
    this.#living = collection.living()
    this.#searchable = collection.searchable()
    this.#searchableCount = collection.searchableCount
  }

  /** A document is about to be deleted from the collection. */
  remember(id: string, ordinal: number): void {
    if (ordinal < this.total && this.#living.has(ordinal)) this.#gone.set(id, ordinal)
  }

  ordinalOf(id: string): number | undefined {
    const ordinal = this.#gone.get(id) ?? this.collection.ordinalOf(id)
    return ordinal !== undefined && ordinal < this.total ? ordinal : undefined
  }

  row(ordinal: number): DocumentRow {
    return this.collection.row(ordinal)
  }

  /** Ordinals of documents that live, in the order of insertion. */
  ordinals(): Iterable<number> {
    return this.#living
  }

  get living(): Bitset {
    return this.#living
  }

  /** Documents with tokens that pass. */
  allowed(passes: ((document: FilteredDocument) => boolean) | undefined, signal?: AbortSignal): Allowed {
    if (!passes) return { documents: this.#searchable, count: this.#searchableCount, tokens: this.tokens }
    const documents = new Bitset(this.total)
    let [count, tokens] = [0, 0]
    for (const ordinal of this.#searchable) {
      if (!passes(this.collection.filtered(ordinal))) continue
      documents.add(ordinal)
      count++
      tokens += this.row(ordinal).tokens
    }
    signal?.throwIfAborted()
    return { documents, count, tokens }
  }
}
