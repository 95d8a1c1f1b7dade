import type { TokenEmbeddings } from '@serotine/core'
import {
  decodeRecord,
  measureSuitability,
  pieceOrigins,
  piecesAsQueries,
  recordsOf,
  suitabilityIsDue,
  unsuitable,
} from '@serotine/core/store'
import type { Piece, PrepareOptions, ReadableDocuments } from '@serotine/core/store'
import { fromDatabase } from '../escaping.js'
import { findCandidates } from '../reading/candidates.js'
import { readRecords } from '../reading/documents.js'
import { RECORD, recordOf } from '../reading/snapshot.js'
import { saveCollection } from '../schema/collection.js'
import type { Upkeep } from './work.js'

const BATCH = 512

/** Measures how much of the exact top 10 the candidates keep, where that is due, and keeps what was found with the collection. */
export async function keepSuitability(
  upkeep: Upkeep,
  { signal, encodeQueries, onWarning }: Pick<PrepareOptions, 'signal' | 'encodeQueries' | 'onWarning'>,
): Promise<void> {
  const { stage, documents, tokens, encodings, spec } = await upkeep.read(async ({ collection }) => collection)
  if (!stage || !suitabilityIsDue(documents, stage.suitability)) return
  const pieces = await piecesOf(upkeep, encodeQueries)
  if (pieces.length === 0) return
  const firstStage = stage.graph ? 'hnsw' : 'fde'
  const measured = await measureSuitability(
    {
      codec: spec.codec,
      documents,
      tokens,
      pieces,
      candidates: async (embeddings, count) => {
        const asked = { embeddings, count, firstStage, rerank: false } as const
        return (await upkeep.read((snapshot) => findCandidates(snapshot, upkeep.encoders, asked))).ids
      },
      all: () => allRecords(upkeep),
      reading: (work) =>
        upkeep.read((snapshot) => work({ readTokens: (some, sink) => readRecords(snapshot, some, sink) })),
    },
    signal,
  )
  await upkeep.change(async ({ session, names, collection: now }) => {
    if (now.encodings !== encodings || !now.stage) return now
    const after = { ...now, stage: { ...now.stage, suitability: measured.suitability } }
    await saveCollection(session, names, after)
    return after
  })
  const remedy =
    "Search with firstStage: 'exact', or make a collection whose FDEs have up to 4,000 numbers: fde: { finalDim: 4000 }."
  const warning = unsuitable('FDE', measured, remedy)
  if (warning) onWarning?.(warning)
}

/** As texts through the model where there are both, else by their vectors. */
async function piecesOf(upkeep: Upkeep, encodeQueries: PrepareOptions['encodeQueries']): Promise<Piece[]> {
  const { rows, spec } = await upkeep.read(async ({ session, collection, names }) => {
    const table = names.documents(collection.id)
    const [counted] = await session.query(`select count(*) as documents from ${table} where tokens > 0`)
    const places = pieceOrigins(Number(counted!.documents))
    const chosen = await session.query(
      `with numbered as (select key, row_number() over (order by seq) - 1 as n from ${table} where tokens > 0)
        select n.n, d.id, d.text, d.tokens, ${RECORD} from numbered n join ${table} d using (key)
          where n.n in (select value::bigint from jsonb_array_elements_text($1::text::jsonb))`,
      [JSON.stringify(places)],
    )
    const byPlace = new Map(chosen.map((row) => [Number(row.n), row]))
    return { rows: places.map((place) => byPlace.get(place)).filter((row) => row !== undefined), spec: collection.spec }
  })
  const { codec, dim, model } = spec
  const documents = rows.map((row) => ({
    text: row.text === null ? undefined : fromDatabase(row.text as string),
    embeddings: (): TokenEmbeddings => decodeRecord(codec, recordOf(row), Number(row.tokens), dim!),
  }))
  const queries = await piecesAsQueries(documents, model ? encodeQueries : undefined)
  return rows.map((row, i) => ({ origin: fromDatabase(row.id as string), query: queries[i]! }))
}

async function* allRecords(upkeep: Upkeep): AsyncGenerator<ReadableDocuments> {
  for (let last = 0; ;) {
    const rows = await upkeep.read(({ session, collection, names }) =>
      session.query(
        `select d.id, d.vectors, d.tokens, ${RECORD} from ${names.documents(collection.id)} d
          where d.tokens > 0 and d.vectors > $1::text::bigint order by d.vectors limit ${BATCH}`,
        [String(last)],
      ),
    )
    const documents = rows.map((row): [string, { record: Uint8Array; tokens: number }] => [
      fromDatabase(row.id as string),
      { record: recordOf(row), tokens: Number(row.tokens) },
    ])
    yield recordsOf(new Map(documents))
    if (rows.length < BATCH) return
    last = Number(rows.at(-1)!.vectors)
  }
}
