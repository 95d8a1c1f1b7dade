import { randomUUID } from 'node:crypto'
import type { StoreProblem } from '@serotine/core/store'
import { documentOf, HEAD, idOf, RECORD, recordOf, TEXT } from '../rows.js'
import type { FoundObject } from '../protocol/search.js'
import { written } from './changes.js'
import type { Collection } from './changes.js'
import type { FdeVersion } from '../fde.js'
import { ABANDONED_MS } from './changes.js'
import { untilIndexed } from './indexed.js'
import { rewriting } from './rewriting.js'
import { CHANGE, REACHED, unreached } from './verify.js'
import type { Verified } from './verify.js'

const PAGE = 100
/** A server that is catching up may miss what is put once. */
const ROUNDS = 5

/**
 * Puts documents that searches do not reach into the index again. Weaviate passes over an object that is put as it was, so that their encodings are
 * longer or shorter by some millionths afterwards. Nothing is deleted first: a document is there all the time.
 */
export async function mend(
  verified: Verified,
  problems: readonly StoreProblem[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { documents, catalog, fdes } = verified
  const by = randomUUID()
  const sections = new Set(problems.map(({ section }) => section))
  for (let round = 0; sections.has(REACHED) && round < ROUNDS; round++) {
    const version = await fdes.toWrite()
    let lost = 0
    for await (const page of documents.list([...HEAD, 'size', 'fde'], { page: PAGE, signal })) {
      const lostHere = (await unreached(verified, page, signal)).map(({ object }) => object)
      lost += lostHere.length
      if (lostHere.length === 0) continue
      const all = lostHere.map((object) => ({ id: idOf(object), uuid: object.uuid }))
      await rewriting(catalog, by, all, (uuids) => putAgain(verified, version, uuids, signal))
    }
    if (lost === 0) break
    await untilIndexed(verified.cluster, signal)
  }
  if (!sections.has(CHANGE)) return
  for (const { uuid, change } of await catalog.unfinished('change', { signal })) {
    if (Date.now() - change.at > ABANDONED_MS) await catalog.endChange(uuid)
  }
}

async function putAgain(
  collection: Verified,
  version: FdeVersion | undefined,
  uuids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { documents } = collection
  const found = await documents.byUuid(uuids, [...HEAD, ...TEXT, RECORD], { atOnce: PAGE, signal })
  const objects = [...found.values()].flatMap((object) => rewritten(object, version, collection, collection.dim!) ?? [])
  const factor = 1 + (1 + Math.floor(Math.random() * 64)) * 2 ** -20
  await documents.put(objects, factor)
}

/** A document as it is, with the encoding of a version. Undefined: its vectors cannot be read. */
export function rewritten(
  object: FoundObject,
  version: FdeVersion | undefined,
  { codec }: Pick<Collection, 'codec'>,
  dim: number,
) {
  const record = recordOf(object, codec, dim)
  if (!record) return undefined
  const { text, tokens, hash } = documentOf(object, true)
  // As it was written: the order of its fields is kept.
  const metadata = object.properties.metadata as string
  const document = { id: idOf(object), text, metadata, hash, embeddings: undefined }
  return written({ document, stored: { record, tokens } }, version, codec, dim)
}
