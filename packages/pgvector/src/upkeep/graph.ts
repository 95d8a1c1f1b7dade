import { saveCollection } from '../schema/collection.js'
import type { Upkeep } from './work.js'

/** Builds the graph over the encodings that serve, where there are enough of them and it is wanted. Searches and changes go on meanwhile where there are several connections. */
export async function keepGraph({ database, options, read, change }: Upkeep): Promise<void> {
  const { index, indexFrom, binaryQuantize: binary } = options
  const wanted = await read(async ({ session, collection, names, vector }) => {
    const { id, encodings, stage, documents } = collection
    if (encodings === 0 || !stage || index === 'none' || documents < indexFrom) return undefined
    if (stage.graph?.binary === binary) return undefined
    const name = names.index(id, encodings)
    const [row] = await session.query(
      'select i.indisvalid as valid from pg_index i where i.indexrelid = to_regclass($1::text)',
      [`${names.schema}.${name}`],
    )
    const length = await lengthOf()
    const table = names.encodings(id, encodings)
    const over = binary
      ? `(${vector.signs('fde', length)} ${vector.schema}.bit_hamming_ops)`
      : `(fde ${vector.schema}.halfvec_ip_ops)`
    return {
      encodings,
      isLeft: row !== undefined,
      qualified: `${names.schema}.${name}`,
      sql: `${name} on ${table} using hnsw ${over}`,
    }

    async function lengthOf(): Promise<number> {
      const [column] = await session.query(
        `select atttypmod as length from pg_attribute where attrelid = to_regclass($1::text) and attname = 'fde'`,
        [names.encodings(id, encodings)],
      )
      return Number(column!.length)
    }
  })
  if (!wanted) return
  const { encodings, isLeft, qualified, sql } = wanted
  // What was not finished, or is of the other kind.
  if (isLeft) await database.outside(`drop index if exists ${qualified}`)
  await database.outside(`create index ${database.concurrent ? 'concurrently ' : ''}${sql}`)
  await change(async ({ session, names, collection }) => {
    if (collection.encodings !== encodings || !collection.stage) return collection
    const after = { ...collection, stage: { ...collection.stage, graph: { binary } } }
    await saveCollection(session, names, after)
    return after
  })
}
