import { decodeRecord, recordBytes } from '@serotine/core/store'
import type { StoreProblem } from '@serotine/core/store'
import { fromDatabase } from '../escaping.js'
import { RECORD, recordOf } from '../reading/snapshot.js'
import type { Snapshot } from '../reading/snapshot.js'
import type { Collection } from '../schema/collection.js'
import { insertEncodings } from '../writing/upsert.js'
import { halfvecText } from '../schema/encoders.js'
import type { Encoders } from '../schema/encoders.js'

const BATCH = 256

/** Records that have not the length that their tokens come to, and documents without an encoding. What bytes say is the database's to check. */
export async function findProblems({ session, collection, names }: Snapshot): Promise<StoreProblem[]> {
  const { id, spec, encodings } = collection
  const { codec, dim } = spec
  if (dim === null) return []
  const lengths = await session.query(
    `select distinct tokens, octet_length(record) as bytes from ${names.documents(id)}`,
  )
  const wrong = lengths.filter(({ tokens, bytes }) => Number(bytes) !== recordBytes(codec, Number(tokens), dim))
  const problems: StoreProblem[] = []
  for (const { tokens, bytes } of wrong) {
    const rows = await session.query(
      `select id from ${names.documents(id)} where tokens = $1::text::int and octet_length(record) = $2::text::int`,
      [String(tokens), String(bytes)],
    )
    for (const row of rows) {
      const document = fromDatabase(row.id as string)
      const message = `The vectors of document ${JSON.stringify(document)} have ${Number(bytes)} bytes; ${Number(tokens)} tokens have ${recordBytes(codec, Number(tokens), dim)}.`
      problems.push({ id: document, section: 'vectors', message })
    }
  }
  if (encodings === 0) return problems
  const missing = await session.query(
    `select d.id from ${names.documents(id)} d where d.tokens > 0
      and not exists (select 1 from ${names.encodings(id, encodings)} e where e.vectors = d.vectors)`,
  )
  for (const row of missing) {
    const document = fromDatabase(row.id as string)
    problems.push({
      id: document,
      section: 'encodings',
      message: `The document ${JSON.stringify(document)} has no FDE, so searches do not find it.`,
    })
  }
  return problems
}

/** Makes the encodings that are missing, of documents whose vectors are whole. */
export async function mendEncodings(snapshot: Snapshot, encoders: Encoders): Promise<Collection> {
  const { session, collection, names } = snapshot
  const { id, spec, encodings } = collection
  const known = await encoders.of(session, names, collection)
  if (!known) return collection
  const table = names.encodings(id, encodings)
  for (let last = 0; ;) {
    const rows = await session.query(
      `select d.vectors, d.tokens, ${RECORD} from ${names.documents(id)} d where d.tokens > 0 and d.vectors > $1::text::bigint
        and not exists (select 1 from ${table} e where e.vectors = d.vectors) order by d.vectors limit ${BATCH}`,
      [String(last)],
    )
    const list = rows.flatMap((row) => {
      const [record, tokens] = [recordOf(row), Number(row.tokens)]
      if (record.length !== recordBytes(spec.codec, tokens, spec.dim!)) return []
      const embeddings = decodeRecord(spec.codec, record, tokens, spec.dim!)
      return [{ v: Number(row.vectors), f: halfvecText(known.encoder.encodeDocument(embeddings)) }]
    })
    await insertEncodings(snapshot, table, list)
    if (rows.length < BATCH) return collection
    last = Number(rows.at(-1)!.vectors)
  }
}
