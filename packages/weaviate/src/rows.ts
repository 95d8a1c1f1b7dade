import type { Metadata } from '@serotine/core'
import { encodeRecord, recordBytes } from '@serotine/core/store'
import type { HashedDocument, NewDocument, TokenCodec } from '@serotine/core/store'
import { TERMS } from './filters/compile.js'
import { termsOf } from './filters/terms.js'
import { isUnicode, uuidOf } from './ids.js'
import type { ServerObject } from './protocol/batch.js'
import type { FoundObject } from './protocol/search.js'
import type { NamedVector } from './protocol/vectors.js'

/** Properties that say what a document is, without what it holds. */
export const HEAD = ['key', 'metadata', 'hash', 'tokens'] as const
/** The property of token vectors, where they are bytes of ours and no multi-vector of the server's. */
export const RECORD = 'record'
export const TEXT = ['text', 'textJson'] as const

/** Token vectors as they are stored. */
export interface StoredTokens {
  readonly record: Uint8Array
  readonly tokens: number
}

/** The encoding of a document, and the version of what it was made by; 0: none. */
export interface StoredFde {
  readonly version: number
  readonly vectors: readonly NamedVector[]
}

export const NO_FDE: StoredFde = { version: 0, vectors: [] }

/** A document as the server keeps it. Strings that are no Unicode are written as JSON, which every string can be. */
export function objectOf(
  { id, text, metadata, hash }: NewDocument,
  { record, tokens }: StoredTokens,
  { version, vectors }: StoredFde,
  dim: number | null,
): ServerObject {
  const isPlain = text !== undefined && isUnicode(text) && !text.includes('\0')
  const size = record.length + Buffer.byteLength(text ?? '') + Buffer.byteLength(metadata)
  return {
    uuid: uuidOf(id),
    properties: {
      key: JSON.stringify(id),
      ...(text !== undefined && (isPlain ? { text } : { textJson: JSON.stringify(text) })),
      metadata,
      hash,
      [TERMS]: termsOf(JSON.parse(metadata) as Metadata),
      tokens,
      size,
      fde: version,
      ...(record.length > 0 && { [RECORD]: record }),
    },
    vectors,
    ...(dim !== null && { dim }),
  }
}

/** @throws INVALID_ARGUMENT when a component does not fit the codec */
export function tokensOf(codec: TokenCodec, embeddings: NonNullable<NewDocument['embeddings']>): StoredTokens {
  const { length } = embeddings
  return { record: length === 0 ? new Uint8Array() : encodeRecord(codec, embeddings), tokens: length }
}

export function idOf({ properties }: FoundObject): string {
  return JSON.parse(properties.key as string) as string
}

export function documentOf(found: FoundObject, withText: boolean): HashedDocument {
  const { text, textJson, metadata, hash, tokens } = found.properties
  const written = typeof textJson === 'string' ? (JSON.parse(textJson) as string) : text
  return {
    id: idOf(found),
    ...(withText && typeof written === 'string' && { text: written }),
    metadata: JSON.parse(metadata as string) as Metadata,
    tokens: tokens as number,
    hash: hash as string,
  }
}

/** The record that came along. Undefined: there is none, or it has not the bytes that its tokens take. */
export function recordOf({ properties }: FoundObject, codec: TokenCodec, dim: number): Uint8Array | undefined {
  const { record, tokens } = properties
  if (tokens === 0) return new Uint8Array()
  if (!(record instanceof Uint8Array)) return undefined
  return record.length === recordBytes(codec, tokens as number, dim) ? record : undefined
}
