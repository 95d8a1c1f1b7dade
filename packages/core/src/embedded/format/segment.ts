import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../errors.js'
import { recordBytes, scaleOffset } from '../../store/records.js'
import { checksum } from '../files/byte-log.js'
import type { ByteLog } from '../files/byte-log.js'
import type { Storage } from '../files/folder.js'
import { corrupt, readChecked } from './checked.js'
import type { CodebookFile } from './codebook-file.js'
import { decodeRows, decodeText, encodeRow, encodeText } from './document-table.js'
import type { DocumentRow } from './document-table.js'
import { fileName, SEGMENT_KINDS } from './file-names.js'
import type { SegmentManifest } from './manifest.js'

/** Rows written before timers and sockets get their turn. */
const ROWS_AT_ONCE = 512

/** For a document that is damaged. */
const REMEDY = 'Upsert the document once more, or restore the file.'

/** A document as it is written: its vectors as a record. */
export interface RecordedDocument {
  readonly id: string
  readonly metadata: string
  readonly hash: string
  readonly text: string | undefined
  readonly tokens: number
  /** What the segment is to hold of its vectors: in the index's codec, or codes by the segment's codebook. */
  readonly record: Uint8Array
  /** Checksums of what should be there, of a document that is damaged and stays so. */
  readonly damaged?: Partial<Pick<DocumentRow, 'tokenCrc' | 'textCrc'>>
}

/**
 * One group of append-only files: records of token vectors, texts, and a table that says where each document's are. Appending changes nothing a
 * reader of an earlier commit sees. Where it has a codebook, records are stored as residual codes by it, and made vectors again when read.
 */
export class Segment {
  readonly id: number
  readonly rows: DocumentRow[] = []
  /** What its vectors are compressed by. */
  readonly codebook: CodebookFile | undefined
  readonly #tokens: ByteLog
  readonly #texts: ByteLog
  readonly #table: ByteLog
  #committed: SegmentManifest
  #tableCrc: number
  /** Rows whose vectors passed their checksum in this process. */
  readonly #checked: boolean[] = []

  private constructor(
    manifest: SegmentManifest,
    codebook: CodebookFile | undefined,
    files: [ByteLog, ByteLog, ByteLog],
  ) {
    this.id = manifest.id
    this.codebook = codebook
    this.#committed = manifest
    this.#tableCrc = manifest.table.crc
    ;[this.#tokens, this.#texts, this.#table] = files
  }

  static create(storage: Storage, id: number, codebook?: CodebookFile): Segment {
    const none = { bytes: 0, crc: 0 }
    const manifest = { id, documents: 0, tokenBytes: 0, textBytes: 0, table: none }
    const files: ByteLog[] = []
    try {
      for (const kind of SEGMENT_KINDS) files.push(storage.create(fileName(id, kind)))
    } catch (error) {
      for (const file of files) file.close()
      throw error
    }
    return new Segment(manifest, codebook, files as [ByteLog, ByteLog, ByteLog])
  }

  /** Some of the rows of a segment over the same vectors and texts, which are not copied where the file system has hard links. */
  static async over(storage: Storage, id: number, from: Segment, rows: readonly number[]): Promise<Segment> {
    const { tokenBytes, textBytes } = from.manifest
    const lengths = { tokens: tokenBytes, texts: textBytes, table: 0 }
    const files: ByteLog[] = []
    try {
      for (const kind of SEGMENT_KINDS) {
        const name = fileName(id, kind)
        if (kind !== 'table') await storage.link(fileName(from.id, kind), name)
        files.push(kind === 'table' ? storage.create(name) : storage.open(name, lengths[kind]))
      }
      const manifest = { ...from.manifest, id, documents: 0, table: { bytes: 0, crc: 0 } }
      const segment = new Segment(manifest, from.codebook, files as [ByteLog, ByteLog, ByteLog])
      for (const i of rows) {
        if (from.#checked[i]) segment.#checked[segment.rows.length] = true
        segment.#add(from.rows[i]!)
        if (segment.rows.length % ROWS_AT_ONCE === 0) await nextTurn()
      }
      return segment
    } catch (error) {
      for (const file of files) file.close()
      throw error
    }
  }

  /** @throws INDEX_CORRUPT when a file is missing or short, or the table fails its checksum */
  static open(storage: Storage, manifest: SegmentManifest, codebooks: readonly CodebookFile[]): Segment {
    const files: ByteLog[] = []
    try {
      for (const [kind, length] of [
        ['tokens', manifest.tokenBytes],
        ['texts', manifest.textBytes],
        ['table', manifest.table.bytes],
      ] as const)
        files.push(storage.open(fileName(manifest.id, kind), length))
      const codebook = codebooks.find((each) => each.manifest.file === manifest.codebook)
      const segment = new Segment(manifest, codebook, files as [ByteLog, ByteLog, ByteLog])
      const table = readChecked(segment.#table, manifest.table, 'document table')
      for (const row of decodeRows(table, segment.#table.name)) segment.rows.push(row)
      if (segment.rows.length !== manifest.documents) {
        throw new SerotineError(
          'INDEX_CORRUPT',
          `${segment.#table.name} has ${segment.rows.length} rows, the manifest ${manifest.documents}. Restore the index ` +
            'or build it again.',
        )
      }
      return segment
    } catch (error) {
      for (const file of files) file.close()
      throw error
    }
  }

  /** State to put into the manifest. Includes everything appended. */
  get manifest(): SegmentManifest {
    return {
      id: this.id,
      documents: this.rows.length,
      tokenBytes: this.#tokens.length,
      textBytes: this.#texts.length,
      table: { bytes: this.#table.length, crc: this.#tableCrc },
      ...(this.codebook && { codebook: this.codebook.manifest.file }),
    }
  }

  get committedDocuments(): number {
    return this.#committed.documents
  }

  get tokenBytes(): number {
    return this.#tokens.length
  }

  append(document: RecordedDocument): DocumentRow {
    const text = document.text === undefined ? undefined : encodeText(document.text)
    const row: DocumentRow = {
      id: document.id,
      metadata: document.metadata,
      hash: document.hash,
      tokens: document.tokens,
      tokenOffset: this.#tokens.length,
      tokenBytes: document.record.length,
      tokenCrc: checksum(document.record),
      textOffset: text ? this.#texts.length : -1,
      textBytes: text?.bytes.length ?? 0,
      textCrc: text ? checksum(text.bytes) : 0,
      textIsUtf16: text?.isUtf16 ?? false,
      ...document.damaged,
    }
    this.#tokens.append(document.record)
    if (text) this.#texts.append(text.bytes)
    return this.#add(row)
  }

  /** Adds the row of a deleted document without its vectors and its text, so that the ordinals of those after it stay as they are. */
  appendGone(row: DocumentRow): void {
    this.#add({
      ...row,
      // Codes in the place of vectors lie as the tokens of the rows say; those that a stage keeps elsewhere stay until ordinals change.
      tokens: this.codebook ? 0 : row.tokens,
      tokenOffset: this.#tokens.length,
      tokenBytes: 0,
      tokenCrc: 0,
      textOffset: -1,
      textBytes: 0,
      textCrc: 0,
      textIsUtf16: false,
    })
  }

  #add(row: DocumentRow): DocumentRow {
    const bytes = encodeRow(row)
    this.#table.append(bytes)
    this.#tableCrc = checksum(bytes, this.#tableCrc)
    this.rows.push(row)
    return row
  }

  /** Cuts off what an interrupted commit left behind. */
  trim(): void {
    for (const file of [this.#tokens, this.#texts, this.#table]) file.trim()
  }

  /** Resolves when everything appended survives a power cut. */
  async sync(): Promise<void> {
    await Promise.all([this.#tokens.sync(), this.#texts.sync(), this.#table.sync()])
  }

  /** What was appended is part of the index now. */
  commit(): void {
    this.#committed = this.manifest
  }

  /** Forgets what was appended since the last commit. */
  rollback(): void {
    const { documents, tokenBytes, textBytes, table } = this.#committed
    this.rows.length = documents
    this.#checked.length = Math.min(this.#checked.length, documents)
    this.#tableCrc = table.crc
    this.#tokens.truncate(tokenBytes)
    this.#texts.truncate(textBytes)
    this.#table.truncate(table.bytes)
  }

  /** Reads the records of rows `from` to `to` into `target`, one after the other: vectors, whatever the segment holds of them. */
  readRecords(from: number, to: number, target: Uint8Array): void {
    if (!this.codebook) return this.readStored(from, to, target)
    const { codec, dim } = this.codebook
    const stored = new Uint8Array(this.storedLength(from, to))
    this.readStored(from, to, stored)
    let [at, next] = [0, 0]
    for (let i = from; i < to; i++) {
      const { tokens, tokenBytes } = this.rows[i]!
      const record = target.subarray(next, next + this.recordBytes(i))
      record.fill(0, tokens * dim)
      codec.decompress(stored.subarray(at, at + tokenBytes), tokens, record, scaleOffset(tokens, dim))
      at += tokenBytes
      next += record.length
    }
  }

  /** Reads what the segment holds of rows `from` to `to` (they lie one after the other) into `target`, checking each once. */
  readStored(from: number, to: number, target: Uint8Array): void {
    const start = this.rows[from]!.tokenOffset
    this.#tokens.read(target, start)
    for (let i = from; i < to; i++) {
      if (this.#checked[i]) continue
      const { id, tokenOffset, tokenBytes, tokenCrc } = this.rows[i]!
      const at = tokenOffset - start
      if (checksum(target.subarray(at, at + tokenBytes)) !== tokenCrc) {
        throw corrupt(this.#tokens.name, `the token vectors of document ${JSON.stringify(id)}`, REMEDY)
      }
      this.#checked[i] = true
    }
  }

  /** Bytes of the records of rows `from` to `to`. */
  recordsLength(from: number, to: number): number {
    if (!this.codebook) return this.storedLength(from, to)
    let bytes = 0
    for (let i = from; i < to; i++) bytes += this.recordBytes(i)
    return bytes
  }

  /** Bytes of the record of one row. */
  recordBytes(index: number): number {
    const { tokens, tokenBytes } = this.rows[index]!
    return this.codebook ? recordBytes('residual', tokens, this.codebook.dim) : tokenBytes
  }

  /** Bytes that the segment holds of the vectors of rows `from` to `to`. */
  storedLength(from: number, to: number): number {
    if (from === to) return 0
    const last = this.rows[to - 1]!
    return last.tokenOffset + last.tokenBytes - this.rows[from]!.tokenOffset
  }

  readText(index: number): string | undefined {
    const row = this.rows[index]!
    if (row.textOffset < 0) return undefined
    const bytes = new Uint8Array(row.textBytes)
    this.#texts.read(bytes, row.textOffset)
    if (checksum(bytes) !== row.textCrc)
      throw corrupt(this.#texts.name, `the text of document ${JSON.stringify(row.id)}`, REMEDY)
    return decodeText(bytes, row.textIsUtf16)
  }

  close(): void {
    for (const file of [this.#tokens, this.#texts, this.#table]) file.close()
  }
}
