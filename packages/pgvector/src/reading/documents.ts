import { SerotineError } from '@serotine/core'
import type { Metadata } from '@serotine/core'
import { describe } from '@serotine/core/options'
import type { Filter, HashedDocument, ScanOptions, TokenSink } from '@serotine/core/store'
import { fromDatabase, jsonFromDatabase } from '../escaping.js'
import type { Row } from '../database/connection.js'
import { filterSql } from './filter-sql.js'
import { Parameters } from './parameters.js'
import { keyOf, keysOf, keysSql, RECORD, recordOf } from './snapshot.js'
import type { Snapshot } from './snapshot.js'

/** Records of one answer: some megabytes of long documents. */
const RECORDS = 128

export async function getDocuments(
  { session, collection, names }: Snapshot,
  ids: readonly string[],
  withText: boolean,
): Promise<(HashedDocument | undefined)[]> {
  const found: (HashedDocument | undefined)[] = ids.map(() => undefined)
  if (ids.length === 0) return found
  const rows = await session.query(
    `select k.position, ${columns(withText)} from ${keysSql('$1')} k join ${names.documents(collection.id)} d on d.key = k.key`,
    [keysOf(ids)],
  )
  for (const row of rows) found[Number(row.position)] = documentOf(row)
  return found
}

/** Batches in the order of the changes; each is a statement of its own. */
export async function* scanDocuments(
  snapshot: <T>(work: (snapshot: Snapshot) => Promise<T>) => Promise<T>,
  { filter, after, text = true, batchSize = 256, signal }: ScanOptions,
): AsyncGenerator<readonly HashedDocument[]> {
  signal?.throwIfAborted()
  let last = after === undefined ? 0 : await snapshot((at) => placeOf(at, after))
  for (;;) {
    const rows = await snapshot(({ session, collection, names }) => {
      const parameters = new Parameters()
      const passes = filter ? ` and ${filterSql(filter, parameters)}` : ''
      return session.until(signal).query(
        `select d.seq, ${columns(text)} from ${names.documents(collection.id)} d
          where d.seq > ${parameters.integer(last)}${passes} order by d.seq limit ${parameters.integer(batchSize)}`,
        parameters.values,
      )
    })
    if (rows.length > 0) yield rows.map(documentOf)
    if (rows.length < batchSize) return
    last = Number(rows.at(-1)!.seq)
    signal?.throwIfAborted()
  }
}

async function placeOf({ session, collection, names }: Snapshot, id: string): Promise<number> {
  const [row] = await session.query(
    `select seq from ${names.documents(collection.id)} where key = decode($1::text, 'hex')`,
    [keyOf(id)],
  )
  if (row) return Number(row.seq)
  throw new SerotineError('INVALID_ARGUMENT', `There is no document ${describe(id)} to go on after.`)
}

export async function countDocuments(
  { session, collection, names }: Snapshot,
  filter: Filter | undefined,
  what = 'count(*)',
): Promise<number> {
  const parameters = new Parameters()
  const passes = filter ? filterSql(filter, parameters) : 'true'
  const [row] = await session.query(
    `select ${what} as number from ${names.documents(collection.id)} d where ${passes}`,
    parameters.values,
  )
  return Number(row!.number)
}

/** Hands over records, a piece at a time: an answer is in memory once beside the sink. */
export async function readRecords(
  { session, collection, names }: Snapshot,
  ids: readonly string[],
  sink: TokenSink,
): Promise<void> {
  for (let from = 0; from < ids.length; from += RECORDS) {
    const rows = await session.query(
      `select k.position, d.tokens, ${RECORD} from ${keysSql('$1')} k join ${names.documents(collection.id)} d on d.key = k.key`,
      [keysOf(ids.slice(from, from + RECORDS))],
    )
    const records = rows.map(recordOf)
    const room = sink.room(records.reduce((sum, record) => sum + record.length, 0))
    const places: number[] = []
    let end = 0
    for (const record of records) {
      room.set(record, end)
      places.push(end)
      end += record.length
    }
    rows.forEach(({ position, tokens }, i) => sink.record(from + Number(position), places[i]!, Number(tokens)))
  }
}

function columns(withText: boolean): string {
  return `d.id, d.tokens, d.hash, d.metadata::text as metadata${withText ? ', d.text' : ''}`
}

function documentOf({ id, text, metadata, tokens, hash }: Row): HashedDocument {
  return {
    id: fromDatabase(id as string),
    ...(typeof text === 'string' && { text: fromDatabase(text) }),
    metadata: jsonFromDatabase(metadata as string) as Metadata,
    tokens: Number(tokens),
    hash: hash as string,
  }
}
