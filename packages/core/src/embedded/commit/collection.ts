import type { FilteredDocument } from '../../store/filter.js'
import type { Metadata } from '../../store/metadata.js'
import type { TokenEmbeddings } from '../../embeddings.js'
import { Bitset } from './bitset.js'
import { decodeRecord } from '../../store/records.js'
import type { TokenCodec } from '../../store/records.js'
import type { DocumentRow } from '../format/document-table.js'
import { metadataOf } from '../format/document-table.js'
import { isDamage, isLost } from '../format/checked.js'
import type { Segment } from '../format/segment.js'

/** A run of records that lie one after the other in one segment. */
export interface Run {
  readonly segment: Segment
  /** Rows of the segment. */
  readonly from: number
  readonly to: number
}

/** Bytes of a row, its hash and its places in lists and maps, beside its characters: 320 in the heap of Node 20, of 100,000 documents. */
const ROW_BYTES = 320

/**
 * What is in the index, as of the last commit: which documents there are, which live, and where each is. Ordinals count
 * the documents in the order of insertion, deleted ones included, until `compact()`.
 */
export class Collection {
  readonly segments: Segment[]
  /** First ordinal of each segment. */
  readonly #starts: number[] = []
  readonly #rows: DocumentRow[] = []
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
    this.segments = segments
    const dead = new Set(deleted)
    for (const segment of segments) {
      this.#starts.push(this.#rows.length)
      for (const row of segment.rows) this.#add(row, dead.has(this.#rows.length))
    }
  }

  /** Documents that live. */
  get size(): number {
    return this.#ordinals.size
  }

  /** Documents that take up room: living and deleted. */
  get total(): number {
    return this.#rows.length
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
    for (let ordinal = from; ordinal < to; ordinal++) tokens += this.#rows[ordinal]!.tokens
    return tokens
  }

  /** The first so many have codes in the place of vectors: their records are what those stand for. */
  get compressed(): number {
    return this.segments.reduce((sum, { codebook, rows }) => sum + (codebook ? rows.length : 0), 0)
  }

  /** Bytes of memory that the rows take, about; with metadata that filters have looked at, somewhat more. */
  get memory(): number {
    return this.#rows.length * ROW_BYTES + this.#characters
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
    return this.#rows[ordinal]!
  }

  /** What filters see of a document. Its metadata are parsed once and kept, frozen; callers get `metadataOf(row)` instead. */
  filtered(ordinal: number): FilteredDocument {
    const row = this.row(ordinal)
    return { id: row.id, metadata: (this.#metadata[ordinal] ??= freeze(metadataOf(row))) }
  }

  readText(ordinal: number): string | undefined {
    const { segment, from } = this.#locate(ordinal)
    return segment.readText(from)
  }

  readRecord(ordinal: number): Uint8Array {
    const { segment, from, to } = this.#locate(ordinal)
    const record = new Uint8Array(segment.recordBytes(from))
    segment.readRecords(from, to, record)
    return record
  }

  /** A document's token vectors, as precisely as the codec kept them. Zeros where they are lost: no search returns it, whatever is made of them. */
  readEmbeddings(ordinal: number, codec: TokenCodec, dim: number): TokenEmbeddings {
    const { tokens: length } = this.row(ordinal)
    try {
      return decodeRecord(codec, this.readRecord(ordinal), length, dim)
    } catch (error) {
      if (!isLost(error)) throw error
      return { data: new Float32Array(length * dim), length, dim }
    }
  }

  /** Whether a document's vectors and text can be read. */
  isIntact(ordinal: number): boolean {
    return this.damage(ordinal).length === 0
  }

  /** Why a document's vectors or text cannot be read. */
  damage(ordinal: number): unknown[] {
    const read = [() => this.readRecord(ordinal), () => this.readText(ordinal)]
    return read.flatMap((each) => {
      try {
        each()
        return []
      } catch (error) {
        if (!isDamage(error)) throw error
        return [error]
      }
    })
  }

  /** Cuts ascending ordinals into runs that can be read with one call each. */
  runs(ordinals: Iterable<number>): Run[] {
    const runs: { segment: Segment; from: number; to: number }[] = []
    let last: (typeof runs)[number] | undefined
    for (const ordinal of ordinals) {
      const next = this.#locate(ordinal)
      if (last && last.segment === next.segment && last.to === next.from) last.to = next.to
      else runs.push((last = next))
    }
    return runs
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
    this.segments.push(segment)
    this.#starts.push(this.#rows.length)
  }

  #add(row: DocumentRow, isDeleted: boolean): void {
    const ordinal = this.#rows.length
    this.#rows.push(row)
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

  #locate(ordinal: number): { segment: Segment; from: number; to: number } {
    let low = 0
    for (let high = this.#starts.length - 1; low < high;) {
      const middle = (low + high + 1) >> 1
      if (this.#starts[middle]! <= ordinal) low = middle
      else high = middle - 1
    }
    const from = ordinal - this.#starts[low]!
    return { segment: this.segments[low]!, from, to: from + 1 }
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  Object.values(value).forEach(freeze)
  return Object.freeze(value)
}
