import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '@serotine/core'
import { decodeRecord, exactScores } from '@serotine/core/store'
import type { PrepareOptions, StoreReader, Suitability } from '@serotine/core/store'
import { fromDatabase } from '../escaping.js'
import { findCandidates } from '../reading/candidates.js'
import { readRecords } from '../reading/documents.js'
import { RECORD, recordOf } from '../reading/snapshot.js'
import { saveCollection } from '../schema/collection.js'
import type { Upkeep } from './work.js'

/** As the embedded store measures: from so many documents on, again when they are twice as many, with so many pieces of documents as queries. */
const FIRST_AT = 1000
const GROWTH = 2
const QUERIES = 24
const QUERY_WORDS = 10
const TOP = 10
const CANDIDATES = [100, 200, 300, 500, 1000]
const ENOUGH = 0.985
const UNSUITABLE_BELOW = 0.5
/** Up to this many tokens the truth is MaxSim of everything; of more, MaxSim of the first so many candidates. */
const TRUTH_TOKENS = 300_000
const TRUTH_CANDIDATES = 2000
const BATCH = 512

/** A piece of a document. */
interface Piece {
  readonly origin: string
  readonly query: TokenEmbeddings
}

/** Measures how much of the exact top 10 the candidates keep, where that is due, and keeps what was found with the collection. */
export async function keepSuitability(
  upkeep: Upkeep,
  { signal, encodeQueries, onWarning }: Pick<PrepareOptions, 'signal' | 'encodeQueries' | 'onWarning'>,
): Promise<void> {
  const collection = await upkeep.read(async (snapshot) => snapshot.collection)
  const { stage, documents, encodings } = collection
  if (!stage || documents < Math.max(FIRST_AT, (stage.suitability?.collection ?? 0) * GROWTH)) return
  const pieces = await piecesOf(upkeep, encodeQueries)
  const firstStage = stage.graph ? 'hnsw' : 'fde'
  const most = collection.tokens > TRUTH_TOKENS ? TRUTH_CANDIDATES : CANDIDATES.at(-1)!
  const found: (readonly string[])[] = []
  for (const { origin, query } of pieces) {
    const asked = { embeddings: query, count: most + 1, firstStage, rerank: false } as const
    const { ids } = await upkeep.read((snapshot) => findCandidates(snapshot, upkeep.encoders, asked))
    found.push(ids.filter((id) => id !== origin))
    signal?.throwIfAborted()
  }
  const isWhole = collection.tokens <= TRUTH_TOKENS
  const truths = isWhole
    ? await bestOfAll(upkeep, pieces, signal)
    : await bestOfCandidates(upkeep, pieces, found, signal)
  const recallOf = (candidates: number): number => {
    const shares = truths.map((best, i) => {
      const kept = new Set(found[i]!.slice(0, candidates))
      return best.filter((id) => kept.has(id)).length / Math.max(1, best.length)
    })
    return shares.reduce((sum, share) => sum + share, 0) / shares.length
  }
  const candidates = CANDIDATES.find((count) => recallOf(count) >= ENOUGH) ?? CANDIDATES.at(-1)!
  const suitability: Suitability = {
    recall: recallOf(candidates),
    candidates,
    queries: pieces.length,
    collection: documents,
  }
  await upkeep.change(async ({ session, names, collection: now }) => {
    if (now.encodings !== encodings || !now.stage) return now
    const after = { ...now, stage: { ...now.stage, suitability } }
    await saveCollection(session, names, after)
    return after
  })
  const usual = recallOf(CANDIDATES[0]!)
  if (usual >= UNSUITABLE_BELOW) return
  onWarning?.({
    code: 'FDE_UNSUITABLE',
    message:
      `The FDEs keep ${Math.round(usual * 100)} % of the exact top ${TOP} among ${CANDIDATES[0]} candidates (${pieces.length} pieces of text against all documents), so ` +
      `searches take ${candidates}. Search with firstStage: 'exact', or make a collection whose FDEs have up to 4,000 numbers: fde: { finalDim: 4000 }.`,
  })
}

/** Half from all over the collection, half from its last sixteenth: texts through the model where there are both, else their vectors. */
async function piecesOf(upkeep: Upkeep, encodeQueries: PrepareOptions['encodeQueries']): Promise<Piece[]> {
  const { rows, spec } = await upkeep.read(async ({ session, collection, names }) => {
    const table = names.documents(collection.id)
    const chosen = await session.query(
      `with numbered as (select key, row_number() over (order by seq) - 1 as n, count(*) over () as total from ${table} where tokens > 0),
        places as (
          select floor((i + 0.5) * total / ${QUERIES / 2}) as n from (select max(total) as total from numbered) t, generate_series(0, ${QUERIES / 2 - 1}) i
          union select total - 1 - floor((i + 0.5) * greatest(1, total / 16) / ${QUERIES / 2}) from (select max(total) as total from numbered) t,
            generate_series(0, ${QUERIES / 2 - 1}) i
        )
        select d.id, d.text, d.tokens, ${RECORD} from places p join numbered using (n) join ${table} d using (key)`,
    )
    return { rows: chosen, spec: collection.spec }
  })
  const texts = rows.flatMap(({ text }) => middleWords(text === null ? undefined : fromDatabase(text as string)) ?? [])
  const encoded = encodeQueries && spec.model && texts.length === rows.length ? await encodeQueries(texts) : undefined
  return rows.map((row, i) => ({
    origin: fromDatabase(row.id as string),
    query: encoded?.[i] ?? middleTokens(decodeRecord(spec.codec, recordOf(row), Number(row.tokens), spec.dim!)),
  }))
}

/** The best by MaxSim of every document, which are read once. */
async function bestOfAll(
  upkeep: Upkeep,
  pieces: readonly Piece[],
  signal: AbortSignal | undefined,
): Promise<string[][]> {
  const best = pieces.map((): [string, number][] => [])
  for (let last = 0; ;) {
    const { rows, spec } = await upkeep.read(async ({ session, collection, names }) => ({
      rows: await session.query(
        `select d.id, d.vectors, d.tokens, ${RECORD} from ${names.documents(collection.id)} d
          where d.tokens > 0 and d.vectors > $1::text::bigint order by d.vectors limit ${BATCH}`,
        [String(last)],
      ),
      spec: collection.spec,
    }))
    const ids = rows.map(({ id }) => fromDatabase(id as string))
    const records = rows.map(recordOf)
    const reader: Pick<StoreReader, 'readTokens'> = {
      readTokens: async (_ids, sink) => {
        for (const [i, record] of records.entries()) {
          sink.room(record.length).set(record)
          sink.record(i, 0, Number(rows[i]!.tokens))
        }
      },
    }
    for (const [i, { origin, query }] of pieces.entries()) {
      const { scores } = await exactScores(reader, spec.codec, query, ids, signal)
      ids.forEach((id, n) => id !== origin && best[i]!.push([id, scores[n]!]))
      best[i]!.sort(([, a], [, b]) => b - a).splice(TOP)
      await nextTurn()
    }
    signal?.throwIfAborted()
    if (rows.length < BATCH) return best.map((list) => list.map(([id]) => id))
    last = Number(rows.at(-1)!.vectors)
  }
}

async function bestOfCandidates(
  upkeep: Upkeep,
  pieces: readonly Piece[],
  found: readonly (readonly string[])[],
  signal: AbortSignal | undefined,
): Promise<string[][]> {
  const best: string[][] = []
  for (const [i, { query }] of pieces.entries()) {
    const ids = found[i]!
    const { scores } = await upkeep.read((snapshot) => {
      const reader: Pick<StoreReader, 'readTokens'> = { readTokens: (some, sink) => readRecords(snapshot, some, sink) }
      return exactScores(reader, snapshot.collection.spec.codec, query, ids, signal)
    })
    const order = ids.map((id, n): [string, number] => [id, scores[n]!]).sort(([, a], [, b]) => b - a)
    best.push(order.slice(0, TOP).map(([id]) => id))
    signal?.throwIfAborted()
  }
  return best
}

function middleWords(text: string | undefined): string | undefined {
  const words = text?.slice(0, 10_000).split(/\s+/).filter(Boolean) ?? []
  const start = Math.max(0, (words.length - QUERY_WORDS) >> 1)
  return words.length === 0 ? undefined : words.slice(start, start + QUERY_WORDS).join(' ')
}

function middleTokens({ data, length, dim }: TokenEmbeddings): TokenEmbeddings {
  const start = Math.max(0, (length - QUERY_WORDS) >> 1)
  const count = Math.min(QUERY_WORDS, length)
  return { data: data.slice(start * dim, (start + count) * dim), length: count, dim }
}
