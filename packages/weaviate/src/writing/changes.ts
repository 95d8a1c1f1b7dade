import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import { decodeRecord } from '@serotine/core/store'
import type { NewDocument, TokenCodec } from '@serotine/core/store'
import type { Catalog } from '../catalog.js'
import type { Documents } from '../documents.js'
import { encodingOf } from '../fde.js'
import type { FdeVersion, FdeVersions } from '../fde.js'
import { uuidOf } from '../ids.js'
import { NO_FDE, objectOf, RECORD, recordOf, tokensOf } from '../rows.js'
import type { StoredTokens } from '../rows.js'
import { pause } from '../client/pause.js'

/** An encoding of documents anew that has not ended by then has no longer anybody who makes it. */
export const ABANDONED_MS = 60_000
const RECORDS_AT_ONCE = 100

export interface Collection {
  readonly documents: Documents
  readonly catalog: Catalog
  readonly fdes: FdeVersions
  readonly codec: TokenCodec
}

/** A document to be written, and its vectors as they are stored. */
export interface Prepared {
  readonly document: NewDocument
  readonly stored: StoredTokens
}

/**
 * The vectors of documents: their own, or those that are there where they come without.
 *
 * @throws INVALID_ARGUMENT when one has neither, or does not fit the codec
 */
export async function prepared(
  { documents, codec }: Collection,
  given: readonly NewDocument[],
  dim: number | null,
): Promise<Prepared[]> {
  const without = given.filter(({ embeddings }) => !embeddings).map(({ id }) => uuidOf(id))
  const found = await documents.byUuid(without, ['tokens', RECORD], { atOnce: RECORDS_AT_ONCE })
  return given.map((document) => {
    const { id, embeddings } = document
    if (embeddings) return { document, stored: tokensOf(codec, embeddings) }
    const object = found.get(uuidOf(id))
    if (!object || dim === null) {
      throw new SerotineError('INVALID_ARGUMENT', `Document ${describe(id)} is new and has no embeddings.`)
    }
    const record = recordOf(object, codec, dim)
    if (!record) {
      throw new SerotineError(
        'INDEX_CORRUPT',
        `The vectors of ${describe(id)} cannot be read, so that it cannot keep them. Add it with its text or its embeddings.`,
      )
    }
    return { document, stored: { record, tokens: object.properties.tokens as number } }
  })
}

/**
 * Writes documents and deletes others. Each is there as a whole or not at all; Weaviate has no change of several at once, so that a record of the
 * change is kept while it goes on, by which `verify()` finds one that did not end.
 */
export async function change(
  collection: Collection,
  coming: readonly Prepared[],
  gone: readonly string[],
  dim: number | null,
): Promise<void> {
  const { documents, catalog, fdes } = collection
  const ids = coming.map(({ document }) => document.id)
  const { end } = await catalog.beginChange(ids, gone)
  await untilNobodyEncodes(catalog, [...ids, ...gone])
  for (let version = await fdes.toWrite(); ;) {
    await documents.put(coming.map((one) => written(one, version, collection.codec, dim)))
    const now = await fdes.toWrite()
    if (now === version) break
    // Others are learned meanwhile.
    version = now
  }
  await documents.remove(gone.map(uuidOf))
  await end()
}

export function written(
  { document, stored }: Prepared,
  version: FdeVersion | undefined,
  codec: TokenCodec,
  dim: number | null,
) {
  const { record, tokens } = stored
  // Of what is kept, not of what was given: they stay the same when they are made again.
  const encoding = version ? encodingOf(version, decodeRecord(codec, record, tokens, dim!)) : NO_FDE
  return objectOf(document, stored, encoding, dim)
}

/** Waits while one of these is being written with another encoding: what it was would come in the place of what it becomes. */
async function untilNobodyEncodes(catalog: Catalog, ids: readonly string[]): Promise<void> {
  const wanted = new Set(ids)
  for (;;) {
    const encoding = await catalog.unfinished('encoding')
    const busy = encoding.some(({ change: { at, ids: theirs = [] } }) => {
      return Date.now() - at < ABANDONED_MS && theirs.some((id) => wanted.has(id))
    })
    if (!busy) return
    await pause(50)
  }
}
