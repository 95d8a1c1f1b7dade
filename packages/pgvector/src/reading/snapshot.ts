import { createHash } from 'node:crypto'
import type { Row } from '../database/connection.js'
import type { Session } from '../database/database.js'
import type { Collection } from '../schema/collection.js'
import type { Names, VectorNames } from '../schema/names.js'

/** A collection at one time, and the transaction it is read in. */
export interface Snapshot {
  readonly session: Session
  readonly collection: Collection
  readonly names: Names
  readonly vector: VectorNames
}

/** The record of a document, in the shortest form that every driver reads without a loss: `pg` has bytes in hexadecimal digits, which are twice as long. */
export const RECORD = `encode(d.record, 'base64') as record`

/** What `RECORD` gives. */
export function recordOf({ record }: Row): Uint8Array {
  return Buffer.from(record as string, 'base64')
}

/** What documents are looked up by: an id may be longer than an index takes, and hold what text of a database cannot. In hexadecimal digits. */
export function keyOf(id: string): string {
  return createHash('sha256').update(Buffer.from(id, 'utf16le')).digest('hex')
}

/** A parameter that holds the keys of ids in their order, for `keysSql`. */
export function keysOf(ids: readonly string[]): Uint8Array {
  const keys = Buffer.alloc(32 * ids.length)
  ids.forEach((id, i) =>
    createHash('sha256')
      .update(Buffer.from(id, 'utf16le'))
      .digest()
      .copy(keys, 32 * i),
  )
  return keys
}

/** Keys and their positions from 0 on, of the parameter that `keysOf` made. */
export function keysSql(place: string): string {
  return `(select n as position, substring(${place}::bytea from 32 * n + 1 for 32) as key
    from generate_series(0, octet_length(${place}::bytea) / 32 - 1) n)`
}
