import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import { recordBytes } from '@serotine/core/store'
import type { Filter, GetOptions, HashedDocument, ScanOptions, StoreReader, TokenCodec } from '@serotine/core/store'
import type { Documents } from '../documents.js'
import { compileFilter } from '../filters/compile.js'
import { uuidOf } from '../ids.js'
import { documentOf, HEAD, RECORD, recordOf, TEXT } from '../rows.js'
import { passing } from './passing.js'

/** Documents whose records come in one answer. */
const RECORDS_AT_ONCE = 100

export interface ReadCollection {
  readonly documents: Documents
  readonly codec: TokenCodec
  readonly dim: number | null
}

export async function get(
  documents: Documents,
  ids: readonly string[],
  { text = true }: GetOptions = {},
): Promise<(HashedDocument | undefined)[]> {
  const found = await documents.byUuid([...new Set(ids.map(uuidOf))], [...HEAD, ...(text ? TEXT : [])])
  return ids.map((id) => {
    const object = found.get(uuidOf(id))
    return object && documentOf(object, text)
  })
}

export const readTokens = async (
  { documents, codec, dim }: ReadCollection,
  ids: Parameters<StoreReader['readTokens']>[0],
  sink: Parameters<StoreReader['readTokens']>[1],
  signal: AbortSignal | undefined,
): Promise<void> => {
  if (dim === null) return
  for (let at = 0; at < ids.length; at += RECORDS_AT_ONCE) {
    const asked = ids.slice(at, at + RECORDS_AT_ONCE)
    const uuids = [...new Set(asked.map(uuidOf))]
    const found = await documents.byUuid(uuids, ['tokens', RECORD], { signal, atOnce: RECORDS_AT_ONCE })
    asked.forEach((id, i) => {
      const object = found.get(uuidOf(id))
      if (!object) return
      const tokens = object.properties.tokens as number
      const record = recordOf(object, codec, dim)
      if (!record) {
        const wanted = recordBytes(codec, tokens, dim)
        const error = new SerotineError(
          'INDEX_CORRUPT',
          `The vectors of ${describe(id)} are not the ${wanted} bytes that ${tokens} tokens take. Add the document again.`,
        )
        if (!sink.damaged) throw error
        sink.damaged(at + i, error)
        return
      }
      sink.room(record.length).set(record)
      sink.record(at + i, 0, tokens)
    })
  }
}

export async function* scan(
  { documents }: ReadCollection,
  { filter, after, text = true, batchSize = 256, signal }: ScanOptions = {},
): AsyncGenerator<readonly HashedDocument[]> {
  signal?.throwIfAborted()
  if (after !== undefined && !(await documents.byUuid([uuidOf(after)], ['tokens'], { signal })).has(uuidOf(after))) {
    throw new SerotineError('INVALID_ARGUMENT', `A scan cannot begin after ${describe(after)}, which is not there.`)
  }
  const properties = [...HEAD, ...(text ? TEXT : [])]
  const page = Math.min(batchSize, 1000)
  let batch: HashedDocument[] = []
  for await (const found of passing(documents, filter, { after, properties, page, signal })) {
    for (const object of found) {
      batch.push(documentOf(object, text))
      if (batch.length < page) continue
      yield batch
      signal?.throwIfAborted()
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

export async function count({ documents }: ReadCollection, filter: Filter | undefined): Promise<number> {
  const { over, isExact } = compileFilter(filter)
  if (over === false) return 0
  if (isExact) return (await documents.aggregate([], over === true ? undefined : over)).count
  let passed = 0
  for await (const found of passing(documents, filter, { properties: ['key', 'metadata'] })) passed += found.length
  return passed
}
