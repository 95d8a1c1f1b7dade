import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import { checkSameModel } from '@serotine/core/store'
import type { CollectionSpec } from '@serotine/core/store'
import type { Session } from '../database/database.js'
import { toDatabase } from '../escaping.js'
import { checkFdeLength } from '../options.js'
import { saveCollection } from '../schema/collection.js'
import type { Collection } from '../schema/collection.js'
import type { Snapshot } from '../reading/snapshot.js'
import type { Encoded, PreparedDocument } from './prepared.js'

/** Bytes of one statement, about: of records, texts and FDEs. */
const STATEMENT_BYTES = 8_000_000
const FDE_BYTES = 20_000

/** A row that is there. */
interface Before {
  readonly vectors: number
  readonly tokens: number
  readonly length: number
}

/**
 * Writes documents in the place of those with their ids, and deletes others. The collection is locked: `snapshot` is its newest state.
 *
 * @param encode FDEs of the version that serves
 * @throws DIM_MISMATCH, INDEX_MISMATCH; INVALID_ARGUMENT where there are no vectors to keep
 */
export async function writeDocuments(
  snapshot: Snapshot,
  documents: readonly PreparedDocument[],
  adopt: Pick<CollectionSpec, 'dim' | 'model'>,
  gone: readonly string[],
  store: string,
  encoded: Encoded | undefined,
): Promise<Collection> {
  const { session, collection, names } = snapshot
  const spec = adopted(collection.spec, documents, adopt, store)
  const before = await rowsBefore(snapshot, [...documents.map(({ key }) => key), ...gone])
  for (const { id, key, tokens } of documents) {
    if (tokens !== undefined || before.has(key)) continue
    throw new SerotineError('INVALID_ARGUMENT', `Document ${describe(id)} is new and has no embeddings.`)
  }
  let { seq, tokens, words } = collection
  const rows = documents.map((document) => {
    const old = before.get(document.key)
    seq++
    tokens += (document.tokens ?? old!.tokens) - (old?.tokens ?? 0)
    words += document.length - (old?.length ?? 0)
    return { document, seq, vectors: document.tokens === undefined ? old!.vectors : seq }
  })
  const deleted = gone.flatMap((key) => before.get(key) ?? [])
  for (const old of deleted) {
    tokens -= old.tokens
    words -= old.length
  }
  const replaced = documents.flatMap(({ key }) => before.get(key) ?? [])
  if (collection.language !== null) {
    await countWords(session, snapshot, documents, [...replaced, ...deleted])
  }
  const left = [...documents.filter(({ record }) => record).flatMap(({ key }) => before.get(key) ?? []), ...deleted]
  await deleteEncodings(snapshot, left)
  await deleteRows(snapshot, deleted)
  for (const part of parts(rows)) await putRows(session, names.documents(collection.id), part)
  if (collection.encodings > 0 && encoded) await putEncodings(snapshot, rows, encoded)
  const isNew = documents.filter(({ key }) => !before.has(key)).length
  const after: Collection = {
    ...collection,
    spec,
    seq,
    tokens,
    words,
    documents: collection.documents + isNew - deleted.length,
    generation: collection.generation + 1,
  }
  await saveCollection(session, names, after)
  return after
}

/** Deletes rows by their vectors' numbers. */
export async function deleteDocuments(snapshot: Snapshot, rows: readonly Before[]): Promise<Collection> {
  const { session, collection, names } = snapshot
  if (rows.length === 0) return collection
  if (collection.language !== null) await countWords(session, snapshot, [], rows)
  await deleteEncodings(snapshot, rows)
  await deleteRows(snapshot, rows)
  const sum = (of: 'tokens' | 'length'): number => rows.reduce((total, row) => total + row[of], 0)
  const after: Collection = {
    ...collection,
    documents: collection.documents - rows.length,
    tokens: collection.tokens - sum('tokens'),
    words: collection.words - sum('length'),
    generation: collection.generation + 1,
  }
  await saveCollection(session, names, after)
  return after
}

/** Rows of these keys, those that are there. */
export async function rowsBefore(
  { session, collection, names }: Snapshot,
  keys: readonly string[],
): Promise<Map<string, Before>> {
  if (keys.length === 0) return new Map()
  const rows = await session.query(
    `select encode(key, 'hex') as key, vectors, tokens, length from ${names.documents(collection.id)}
      where key in (select decode(json_array_elements_text($1::text::json), 'hex'))`,
    [JSON.stringify(keys)],
  )
  return new Map(rows.map((row) => [row.key as string, beforeOf(row)]))
}

export function beforeOf(row: Readonly<Record<string, unknown>>): Before {
  return { vectors: Number(row.vectors), tokens: Number(row.tokens), length: Number(row.length) }
}

/** Once more, as others may have written since the caller compared. */
function adopted(
  spec: CollectionSpec,
  documents: readonly PreparedDocument[],
  { dim, model }: Pick<CollectionSpec, 'dim' | 'model'>,
  store: string,
): CollectionSpec {
  const found = spec.dim ?? dim
  for (const document of documents) {
    if (document.dim === undefined || document.dim === found) continue
    throw new SerotineError(
      'DIM_MISMATCH',
      `The collection ${store} has ${found ?? 'no'} components per token, document ${describe(document.id)} has ${document.dim}. Use the model it was built with.`,
    )
  }
  checkSameModel(store, spec.model, model)
  if (spec.dim === null && found !== null && spec.fde) checkFdeLength(spec.fde.options, found)
  return { ...spec, dim: found, model: spec.model ?? model }
}

type NewRow = { readonly document: PreparedDocument; readonly seq: number; readonly vectors: number }

function* parts(rows: readonly NewRow[]): Generator<NewRow[]> {
  let [part, bytes]: [NewRow[], number] = [[], 0]
  for (const row of rows) {
    const { record, text, metadata, terms } = row.document
    const size = (record?.length ?? 0) + (text?.length ?? 0) + metadata.length + (terms?.length ?? 0)
    if (part.length > 0 && bytes + size > STATEMENT_BYTES) {
      yield part
      ;[part, bytes] = [[], 0]
    }
    part.push(row)
    bytes += size
  }
  if (part.length > 0) yield part
}

const COLUMNS = 'r(k text, i text, s bigint, v bigint, n int, h text, m jsonb, t text, l int, w text, o int, b int)'

async function putRows(session: Session, table: string, rows: readonly NewRow[]): Promise<void> {
  const records: Uint8Array[] = []
  let offset = 0
  const written = rows.map(({ document, seq, vectors }) => {
    const { key, id, tokens, hash, metadata, text, length, terms, record } = document
    const bytes = record?.length ?? 0
    if (record) records.push(record)
    offset += bytes
    const given = { k: key, i: toDatabase(id), s: seq, v: vectors, n: tokens, h: hash, t: text, l: length, w: terms }
    // Metadata are JSON text already.
    const json = JSON.stringify({ ...given, o: offset - bytes, b: bytes })
    return { isKept: record === undefined, json: `${json.slice(0, -1)},"m":${metadata}}` }
  })
  const list = (kept: boolean): string =>
    `[${written
      .filter(({ isKept }) => isKept === kept)
      .map(({ json }) => json)
      .join(',')}]`
  if (written.some(({ isKept }) => !isKept)) {
    await session.query(
      `insert into ${table} (key, id, seq, vectors, tokens, hash, metadata, text, length, terms, record)
        select decode(r.k, 'hex'), r.i, r.s, r.v, r.n, r.h, r.m, r.t, r.l, r.w::tsvector, substring($2::bytea from r.o + 1 for r.b)
        from json_to_recordset($1::text::json) as ${COLUMNS}
        on conflict (key) do update set seq = excluded.seq, vectors = excluded.vectors, tokens = excluded.tokens, hash = excluded.hash,
          metadata = excluded.metadata, text = excluded.text, length = excluded.length, terms = excluded.terms, record = excluded.record`,
      [list(false), Buffer.concat(records)],
    )
  }
  if (written.some(({ isKept }) => isKept)) {
    await session.query(
      `update ${table} d set seq = r.s, hash = r.h, metadata = r.m, text = r.t, length = r.l, terms = r.w::tsvector
        from json_to_recordset($1::text::json) as ${COLUMNS} where d.key = decode(r.k, 'hex')`,
      [list(true)],
    )
  }
}

async function putEncodings(snapshot: Snapshot, rows: readonly NewRow[], { fdes }: Encoded): Promise<void> {
  const { collection, names } = snapshot
  const list = rows.flatMap(({ document, vectors }) => {
    const f = fdes.get(document.key)
    return f === undefined ? [] : [{ v: vectors, f }]
  })
  await insertEncodings(snapshot, names.encodings(collection.id, collection.encodings), list)
}

/** @param list numbers of vectors, and FDEs as pgvector reads them */
export async function insertEncodings(
  { session, vector }: Pick<Snapshot, 'session' | 'vector'>,
  table: string,
  list: readonly { readonly v: number; readonly f: string }[],
): Promise<void> {
  const most = Math.floor(STATEMENT_BYTES / FDE_BYTES)
  for (let from = 0; from < list.length; from += most) {
    await session.query(
      `insert into ${table} (vectors, fde) select r.v, r.f::${vector.halfvec}
        from json_to_recordset($1::text::json) as r(v bigint, f text) on conflict (vectors) do nothing`,
      [JSON.stringify(list.slice(from, from + most))],
    )
  }
}

async function deleteEncodings({ session, collection, names }: Snapshot, rows: readonly Before[]): Promise<void> {
  if (collection.encodings === 0 || rows.length === 0) return
  await deleteByVectors(session, names.encodings(collection.id, collection.encodings), rows)
}

async function deleteRows({ session, collection, names }: Snapshot, rows: readonly Before[]): Promise<void> {
  if (rows.length > 0) await deleteByVectors(session, names.documents(collection.id), rows)
}

async function deleteByVectors(session: Session, table: string, rows: readonly Before[]): Promise<void> {
  await session.query(
    `delete from ${table} where vectors in (select json_array_elements_text($1::text::json)::bigint)`,
    [JSON.stringify(rows.map(({ vectors }) => vectors))],
  )
}

/** How many documents hold each word: one more for words of new texts, one less for those of texts that go. In the order of the words, as all do. */
async function countWords(
  session: Session,
  { collection, names }: Snapshot,
  documents: readonly PreparedDocument[],
  going: readonly Before[],
): Promise<void> {
  const added = new Map<string, number>()
  for (const { lexemes } of documents) for (const term of lexemes) added.set(term, (added.get(term) ?? 0) + 1)
  const words = names.words(collection.id)
  await session.query(
    `insert into ${words} as w (term, documents)
      select term, sum(n) from (
        select r.t as term, r.n as n from json_to_recordset($1::text::json) as r(t text, n int)
        union all select u.lexeme, -1 from ${names.documents(collection.id)} d cross join lateral unnest(d.terms) u
          where d.vectors in (select json_array_elements_text($2::text::json)::bigint)
      ) changes group by term having sum(n) <> 0 order by term
      on conflict (term) do update set documents = w.documents + excluded.documents`,
    [JSON.stringify(Array.from(added, ([t, n]) => ({ t, n }))), JSON.stringify(going.map(({ vectors }) => vectors))],
  )
}
