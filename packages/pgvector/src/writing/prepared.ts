import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodeRecord } from '@serotine/core/store'
import type { NewDocument, Stemmer, TokenCodec } from '@serotine/core/store'
import { jsonToDatabase, toDatabase } from '../escaping.js'
import { keyOf } from '../reading/snapshot.js'
import { halfvecText } from '../schema/encoders.js'
import type { VersionedEncoder } from '../schema/encoders.js'
import { termsOf, tsvectorText } from '../reading/terms.js'

/** Documents prepared before timers and sockets get their turn. */
const SLICE = 32

/** A document as it is written, all that can be made of it before the collection is locked. */
export interface PreparedDocument {
  readonly id: string
  /** SHA-256 of the id in hexadecimal digits. */
  readonly key: string
  readonly text: string | null
  readonly metadata: string
  readonly hash: string
  /** Undefined: it keeps its vectors. */
  readonly tokens: number | undefined
  readonly dim: number | undefined
  readonly record: Uint8Array | undefined
  /** Words of its text, and its terms as a `tsvector`; null without keywords. */
  readonly length: number
  readonly terms: string | null
  readonly lexemes: Iterable<string>
}

export interface Prepared {
  readonly documents: readonly PreparedDocument[]
  /** FDEs by the version they are of; of documents that come with tokens. */
  readonly encodings: Encoded | undefined
}

/** FDEs as pgvector reads them, by key. */
export interface Encoded {
  readonly version: number
  readonly fdes: ReadonlyMap<string, string>
}

/** @throws INVALID_ARGUMENT when a component does not fit the codec */
export async function prepareDocuments(
  documents: readonly NewDocument[],
  codec: TokenCodec,
  stem: Stemmer | undefined,
): Promise<PreparedDocument[]> {
  const prepared: PreparedDocument[] = []
  for (const document of documents) {
    const { id, text, metadata, hash, embeddings } = document
    const terms = stem && termsOf(text, stem)
    prepared.push({
      id,
      key: keyOf(id),
      text: text === undefined ? null : toDatabase(text),
      metadata: jsonToDatabase(metadata),
      hash,
      tokens: embeddings?.length,
      // Without tokens there is nothing to have a dimension.
      dim: embeddings && embeddings.length > 0 ? embeddings.dim : undefined,
      record: embeddings && encodeRecord(codec, embeddings),
      length: terms?.length ?? 0,
      terms: terms ? tsvectorText(terms) : null,
      lexemes: terms?.counts.keys() ?? [],
    })
    if (prepared.length % SLICE === 0) await nextTurn()
  }
  return prepared
}

export async function encodeDocuments(
  documents: readonly NewDocument[],
  { version, encoder }: VersionedEncoder,
): Promise<Encoded> {
  const fdes = new Map<string, string>()
  for (const { id, embeddings } of documents) {
    if (!embeddings || embeddings.length === 0 || embeddings.dim !== encoder.config.dim) continue
    fdes.set(keyOf(id), halfvecText(encoder.encodeDocument(embeddings)))
    if (fdes.size % SLICE === 0) await nextTurn()
  }
  return { version, fdes }
}
