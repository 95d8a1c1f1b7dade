import type { FilteredDocument } from '../../store/filter.js'
import type { DocumentRow } from '../format/document-table.js'
import { Bitset } from './bitset.js'
import type { Collection } from './collection.js'
import type { StoredDocuments } from './stored-documents.js'

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
  /** Bytes of its documents, also of those that are deleted and given up since. */
  readonly stored: StoredDocuments
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
    this.stored = collection.stored
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
    return this.stored.row(ordinal)
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

/** What some readers still need of files that a compaction replaced. */
interface Retired {
  readonly files: readonly { close(): void }[]
  readonly names: readonly string[]
  readonly readers: readonly Snapshot[]
}

/** The snapshots that are in use, and files that nobody else needs any more. */
export class Snapshots {
  readonly #open = new Set<Snapshot>()
  readonly #remove: (names: readonly string[]) => void
  #retired: Retired[] = []

  /** @param remove files of these names, which are closed by then */
  constructor(remove: (names: readonly string[]) => void) {
    this.#remove = remove
  }

  begin(collection: Collection): Snapshot {
    const snapshot = new Snapshot(collection)
    this.#open.add(snapshot)
    return snapshot
  }

  end(snapshot: Snapshot): void {
    this.#open.delete(snapshot)
    this.#removeRetired()
  }

  /** A document is about to be deleted from a collection. */
  remember(collection: Collection, id: string, ordinal: number): void {
    // A snapshot from before a compaction has other ordinals, in a collection that no longer changes.
    for (const snapshot of this.#open) if (snapshot.collection === collection) snapshot.remember(id, ordinal)
  }

  /** Closes and removes files as soon as those who read them now have ended. */
  retire(files: readonly { close(): void }[], names: readonly string[]): void {
    this.#retired.push({ files, names, readers: [...this.#open] })
    this.#removeRetired()
  }

  /** All of them have ended. */
  close(): void {
    this.#open.clear()
    this.#removeRetired()
  }

  #removeRetired(): void {
    const retired = this.#retired
    this.#retired = []
    for (const each of retired) {
      if (each.readers.some((reader) => this.#open.has(reader))) this.#retired.push(each)
      else {
        for (const file of each.files) file.close()
        this.#remove(each.names)
      }
    }
  }
}
