import { SerotineError } from '../../errors.js'
import type { Metadata } from '../../store/metadata.js'

/** What is known about one stored document without touching its vectors or its text. */
export interface DocumentRow {
  readonly id: string
  /** Metadata as stored JSON. */
  readonly metadata: string
  /** Of what its vectors were made from (text and model, or the embeddings given): equal hash, equal vectors. */
  readonly hash: string
  readonly tokens: number
  readonly tokenOffset: number
  readonly tokenBytes: number
  readonly tokenCrc: number
  /** −1 when the document came without a text. */
  readonly textOffset: number
  readonly textBytes: number
  readonly textCrc: number
  /** UTF-16LE instead of UTF-8: a text with lone surrogates, which UTF-8 cannot hold. */
  readonly textIsUtf16: boolean
}

/** Length of the fixed part of a row on disk. */
const HEAD = 72
const HASH_BYTES = 16
const NO_TEXT = 1
const UTF16_TEXT = 2

/**
 * One row as bytes: u32 length of the row, u32 flags, u32 tokens, u32 token bytes, f64 token offset, f64 text offset,
 * u32 text bytes, u32 token crc, u32 text crc, u32 bytes of the id, u32 bytes of the metadata, 4 bytes 0, 16 bytes hash;
 * then id and metadata as JSON.
 */
export function encodeRow(row: DocumentRow): Uint8Array {
  // JSON keeps lone surrogates, as escapes.
  const id = Buffer.from(JSON.stringify(row.id))
  const metadata = Buffer.from(row.metadata)
  const bytes = Buffer.alloc(HEAD + id.length + metadata.length)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE((row.textOffset < 0 ? NO_TEXT : 0) | (row.textIsUtf16 ? UTF16_TEXT : 0), 4)
  bytes.writeUInt32LE(row.tokens, 8)
  bytes.writeUInt32LE(row.tokenBytes, 12)
  bytes.writeDoubleLE(row.tokenOffset, 16)
  bytes.writeDoubleLE(row.textOffset, 24)
  bytes.writeUInt32LE(row.textBytes, 32)
  bytes.writeUInt32LE(row.tokenCrc, 36)
  bytes.writeUInt32LE(row.textCrc, 40)
  bytes.writeUInt32LE(id.length, 44)
  bytes.writeUInt32LE(metadata.length, 48)
  bytes.write(row.hash, 56, HASH_BYTES, 'hex')
  id.copy(bytes, HEAD)
  metadata.copy(bytes, HEAD + id.length)
  return bytes
}

/** All rows of a table whose checksum was right. @throws INDEX_CORRUPT when they do not add up all the same */
export function decodeRows(table: Uint8Array, name: string): DocumentRow[] {
  const bytes = Buffer.from(table.buffer, table.byteOffset, table.byteLength)
  const rows: DocumentRow[] = []
  for (let at = 0; at < bytes.length;) {
    const length = at + HEAD <= bytes.length ? bytes.readUInt32LE(at) : 0
    if (length < HEAD || at + length > bytes.length) {
      throw new SerotineError(
        'INDEX_CORRUPT',
        `${name}: row ${rows.length} does not fit the table. The file is damaged; restore it or build the index again.`,
      )
    }
    const flags = bytes.readUInt32LE(at + 4)
    const idEnd = at + HEAD + bytes.readUInt32LE(at + 44)
    rows.push({
      id: JSON.parse(bytes.toString('utf8', at + HEAD, idEnd)) as string,
      metadata: bytes.toString('utf8', idEnd, at + length),
      hash: bytes.toString('hex', at + 56, at + 56 + HASH_BYTES),
      tokens: bytes.readUInt32LE(at + 8),
      tokenOffset: bytes.readDoubleLE(at + 16),
      tokenBytes: bytes.readUInt32LE(at + 12),
      tokenCrc: bytes.readUInt32LE(at + 36),
      textOffset: flags & NO_TEXT ? -1 : bytes.readDoubleLE(at + 24),
      textBytes: bytes.readUInt32LE(at + 32),
      textCrc: bytes.readUInt32LE(at + 40),
      textIsUtf16: (flags & UTF16_TEXT) !== 0,
    })
    at += length
  }
  return rows
}

/** A text as bytes that give back exactly that text. */
export function encodeText(text: string): { bytes: Uint8Array; isUtf16: boolean } {
  const utf8 = Buffer.from(text, 'utf8')
  const isUtf16 = LONE_SURROGATE.test(text)
  return { bytes: isUtf16 ? Buffer.from(text, 'utf16le') : utf8, isUtf16 }
}

const LONE_SURROGATE = /\p{Surrogate}/u

export function decodeText(bytes: Uint8Array, isUtf16: boolean): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(isUtf16 ? 'utf16le' : 'utf8')
}

/** A fresh copy: what the caller does to it stays with the caller. */
export function metadataOf(row: DocumentRow): Metadata {
  return JSON.parse(row.metadata) as Metadata
}
