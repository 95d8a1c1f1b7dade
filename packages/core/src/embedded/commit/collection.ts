import type { FilteredDocument } from '../../store/filter.js'
import type { Metadata } from '../../store/metadata.js'
import type { TokenEmbeddings } from '../../embeddings.js'
import { Bitset } from './bitset.js'
import type { TokenCodec } from '../../store/records.js'
import type { DocumentRow } from '../format/document-table.js'
import { metadataOf } from '../format/document-table.js'
import type { Segment } from '../format/segment.js'
import { StoredDocuments } from './stored-documents.js'

/** Bytes of a row, its hash and its places in lists and maps, beside its characters: 320 in the heap of Node 20, of 100,000 documents. */
const ROW_BYTES = 320

/**
 * What is in the index, as of the last commit: which documents there are, which live, and where each is. Ordinals count
 * the documents in the order of insertion, deleted ones included, until compaction has come to its end.
 */
export class Collection {
  #stored = new StoredDocuments()
  readonly #ordinals = new Map<string, number>()
  readonly #metadata: (Metadata | undefined)[] = []
  readonly #living = new Bitset()
  /** Documents that live and have tokens: what a search can return. */
  readonly #searchable = new Bitset()
  #searchableCount = 0
  #tokens = 0
  /** Of ids and metadata. */
  #characters = 0

  constructor(segments: Segment[], deleted: Iterable<number>) {
    const dead = new Set(deleted)
    for (const segment of segments) {
      this.addSegment(segment)
      for (const row of segment.rows) this.#add(row, dead.has(this.total))
    }
  }

  /** What there is to read, as of now: another one after each step of a compaction. */
  get stored(): StoredDocuments {
    return this.#stored
  }

  get segments(): Segment[] {
    return this.#stored.segments
  }

  /** Documents that live. */
  get size(): number {
    return this.#ordinals.size
  }

  /** Documents that take up room: living and deleted. */
  get total(): number {
    return this.#stored.total
  }

  /** Deleted documents that still take up room. */
  get deletedCount(): number {
    return this.total - this.size
  }

  /** Living documents that have tokens. */
  get searchableCount(): number {
    return this.#searchableCount
  }

  /** Tokens of living documents. */
  get tokens(): number {
    return this.#tokens
  }

  /** Tokens of the documents with ordinals `from` to `to`, deleted ones included. */
  tokensOf(from: number, to = this.total): number {
    let tokens = 0
    for (let ordinal = from; ordinal < to; ordinal++) tokens += this.row(ordinal).tokens
    return tokens
  }

  /** The first so many have codes in the place of vectors: their records are what those stand for. */
  get compressed(): number {
    return this.segments.reduce((sum, { codebook, rows }) => sum + (codebook ? rows.length : 0), 0)
  }

  /** Deleted documents of which a compaction has freed the bytes, and their rows not yet. */
  get goneCount(): number {
    let count = 0
    for (let ordinal = 0; ordinal < this.total; ordinal++) {
      const { tokenBytes, textBytes } = this.row(ordinal)
      if (tokenBytes + textBytes === 0 && !this.#living.has(ordinal)) count++
    }
    return count
  }

  /** Bytes of memory that the rows take, about; with metadata that filters have looked at, somewhat more. */
  get memory(): number {
    return this.total * ROW_BYTES + this.#characters
  }

  /** A copy: what is deleted while somebody reads does not disturb him. */
  living(): Bitset {
    return this.#living.clone()
  }

  /** A copy, of those that have tokens. */
  searchable(): Bitset {
    return this.#searchable.clone()
  }

  ordinalOf(id: string): number | undefined {
    return this.#ordinals.get(id)
  }

  /** Ordinals of living documents, in the order of insertion. */
  ordinals(): Iterable<number> {
    return this.#ordinals.values()
  }

  row(ordinal: number): DocumentRow {
    return this.#stored.row(ordinal)
  }

  /** What filters see of a document. Its metadata are parsed once and kept, frozen; callers get `metadataOf(row)` instead. */
  filtered(ordinal: number): FilteredDocument {
    const row = this.row(ordinal)
    return { id: row.id, metadata: (this.#metadata[ordinal] ??= freeze(metadataOf(row))) }
  }

  readText(ordinal: number): string | undefined {
    return this.#stored.readText(ordinal)
  }

  readRecord(ordinal: number): Uint8Array {
    return this.#stored.readRecord(ordinal)
  }

  readEmbeddings(ordinal: number, codec: TokenCodec, dim: number): TokenEmbeddings {
    return this.#stored.readEmbeddings(ordinal, codec, dim)
  }

  isIntact(ordinal: number): boolean {
    return this.#stored.isIntact(ordinal)
  }

  damage(ordinal: number): unknown[] {
    return this.#stored.damage(ordinal)
  }

  /** Takes in what was just committed: documents appended to the last segments, and the ordinals they replace. */
  apply(added: readonly { segment: Segment; row: DocumentRow }[], deleted: Iterable<number>): void {
    for (const ordinal of deleted) this.#delete(ordinal)
    for (const { segment, row } of added) {
      if (this.segments.at(-1) !== segment) throw new Error('documents are appended to the last segment')
      this.#add(row, false)
    }
  }

  addSegment(segment: Segment): void {
    this.#stored.addSegment(segment)
  }

  /** Other segments hold the same rows from now on, without the bytes of some that are deleted. */
  replace(replaced: readonly Segment[], by: readonly Segment[]): void {
    this.#stored = this.#stored.with(replaced, by)
  }

  #add(row: DocumentRow, isDeleted: boolean): void {
    const ordinal = this.total
    this.#stored.add(row)
    this.#characters += row.id.length + row.metadata.length
    if (isDeleted) return
    this.#ordinals.set(row.id, ordinal)
    this.#living.add(ordinal)
    if (row.tokens === 0) return
    this.#searchable.add(ordinal)
    this.#searchableCount++
    this.#tokens += row.tokens
  }

  #delete(ordinal: number): void {
    const row = this.row(ordinal)
    if (this.#ordinals.get(row.id) !== ordinal) return
    this.#ordinals.delete(row.id)
    this.#living.delete(ordinal)
    this.#metadata[ordinal] = undefined
    if (row.tokens === 0) return
    this.#searchable.delete(ordinal)
    this.#searchableCount--
    this.#tokens -= row.tokens
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  Object.values(value).forEach(freeze)
  return Object.freeze(value)
}
