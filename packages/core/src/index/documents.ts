import type { TokenEmbeddings } from '../embeddings.js'
import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { fieldNames } from '../store/metadata.js'
import { decodeRecord, recordBytes } from '../store/records.js'
import type { HashedDocument, Store, StoredDocument } from '../store/store.js'
import { checkId } from './input.js'
import { checkBoolean } from './search/options.js'

/** What `get` gives of documents. */
export interface GetDocumentOptions {
  /** False leaves texts out. Default true. */
  text?: boolean
}

/** Documents by their ids, in that order. */
export async function documentsOf(
  store: Store,
  ids: unknown,
  options: GetDocumentOptions,
): Promise<(StoredDocument | undefined)[]> {
  checkOptions('get()', options, ['text'], { withText: 'text', includeText: 'text' })
  const text = checkBoolean('text', options.text ?? true)
  if (typeof ids !== 'string' && !Array.isArray(ids)) {
    throw new SerotineError('INVALID_ARGUMENT', `get() takes an id or an array of ids, got ${describe(ids)}.`)
  }
  const list = typeof ids === 'string' ? [ids] : (ids as readonly unknown[])
  const found = await store.get(
    list.map((id) => checkId(id, 'The id')),
    { text },
  )
  return found.map((document) => document && withoutHash(document))
}

/** All ids, those added or changed last at the end. */
export async function idsOf(store: Store): Promise<string[]> {
  const ids: string[] = []
  for await (const batch of store.scan({ text: false })) for (const { id } of batch) ids.push(id)
  return ids
}

/** Names of the metadata fields that documents have. */
export async function fieldsOf(store: Store): Promise<string[]> {
  const names = new Set<string>()
  for await (const batch of store.scan({ text: false })) {
    for (const name of fieldNames(batch.map(({ metadata }) => metadata))) names.add(name)
  }
  return [...names].sort()
}

export function withoutHash({ hash: _hash, ...document }: HashedDocument): StoredDocument {
  return document
}

/** A document's token vectors, as precisely as the codec keeps them. */
export async function embeddingsOf(store: Store, id: string): Promise<TokenEmbeddings | undefined> {
  const { codec, dim } = store.spec
  let room = new Uint8Array()
  let found: TokenEmbeddings | undefined
  await store.readTokens([checkId(id, 'The id')], {
    room: (bytes) => (room = new Uint8Array(bytes)),
    record: (_position, offset, tokens) => {
      const record = room.subarray(offset, offset + recordBytes(codec, tokens, dim!))
      found = decodeRecord(codec, record, tokens, dim!)
    },
  })
  return found
}
