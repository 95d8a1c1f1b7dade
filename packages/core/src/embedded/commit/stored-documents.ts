import type { TokenEmbeddings } from '../../embeddings.js'
import { SerotineError } from '../../errors.js'
import { decodeRecord } from '../../store/records.js'
import type { TokenCodec } from '../../store/records.js'
import { isDamage, isLost } from '../format/checked.js'
import type { DocumentRow } from '../format/document-table.js'
import type { Segment } from '../format/segment.js'

/** A run of records that lie one after the other in one segment. */
export interface Run {
  readonly segment: Segment
  /** Rows of the segment. */
  readonly from: number
  readonly to: number
}

/**
 * Rows, vectors and texts of documents by their ordinals, in the segments of one moment. It grows with the index; where compaction puts other
 * segments in the place of some, there is another one, and whoever has this one reads on.
 */
export class StoredDocuments {
  readonly segments: Segment[]
  /** First ordinal of each segment. */
  readonly #starts: number[]
  readonly #rows: DocumentRow[]

  constructor(segments: Segment[] = [], starts: number[] = [], rows: DocumentRow[] = []) {
    this.segments = segments
    this.#starts = starts
    this.#rows = rows
  }

  /** Ordinals are below it. */
  get total(): number {
    return this.#rows.length
  }

  row(ordinal: number): DocumentRow {
    return this.#rows[ordinal]!
  }

  /** First ordinal of the segment at a position. */
  startOf(position: number): number {
    return this.#starts[position]!
  }

  addSegment(segment: Segment): void {
    this.segments.push(segment)
    this.#starts.push(this.#rows.length)
  }

  /** A row of the last segment. */
  add(row: DocumentRow): void {
    this.#rows.push(row)
  }

  /** With other segments that hold the rows of these, which follow each other. */
  with(replaced: readonly Segment[], by: readonly Segment[]): StoredDocuments {
    const position = this.segments.indexOf(replaced[0]!)
    const segments = this.segments.toSpliced(position, replaced.length, ...by)
    const [starts, rows] = [this.#starts.slice(0, position), this.#rows.slice()]
    let at = this.startOf(position)
    for (const segment of segments.slice(position)) {
      starts.push(at)
      if (by.includes(segment)) for (const [i, row] of segment.rows.entries()) rows[at + i] = row
      at += segment.rows.length
    }
    return new StoredDocuments(segments, starts, rows)
  }

  readText(ordinal: number): string | undefined {
    const { segment, from } = this.locate(ordinal)
    return segment.readText(from)
  }

  /** @throws INDEX_CORRUPT also for a deleted document whose bytes are gone */
  readRecord(ordinal: number): Uint8Array {
    const { segment, from, to } = this.locate(ordinal)
    const { id, tokens, tokenBytes } = segment.rows[from]!
    if (tokens > 0 && tokenBytes === 0) {
      const message = `The token vectors of ${JSON.stringify(id)}, which was deleted, are gone. Upsert the document once more.`
      throw new SerotineError('INDEX_CORRUPT', message)
    }
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
      const next = this.locate(ordinal)
      if (last && last.segment === next.segment && last.to === next.from) last.to = next.to
      else runs.push((last = next))
    }
    return runs
  }

  /** The run of one document. */
  locate(ordinal: number): { segment: Segment; from: number; to: number } {
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
