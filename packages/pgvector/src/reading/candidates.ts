import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'
import { candidatesWanted, checkFirstStage, constantAnswer } from '@serotine/core/store'
import type { CandidateQuery, Candidates, FirstStage } from '@serotine/core/store'
import { fromDatabase } from '../escaping.js'
import { halfvecText } from '../schema/encoders.js'
import type { Encoders } from '../schema/encoders.js'
import { checkVisible } from '../schema/visible.js'
import { filterSql } from './filter-sql.js'
import { Parameters } from './parameters.js'
import type { Snapshot } from './snapshot.js'

export const FIRST_STAGES = ['exact', 'fde', 'hnsw', 'muvera'] as const
/** Up to this many tokens all records are fetched and scored: 1.3 MB with 128 components as int8, some milliseconds. */
export const EXACT_TOKENS = 10_000
/** `hnsw.ef_search` may not be larger. */
const LARGEST_SEARCH = 1000
/** The graph is walked for so many times the candidates: for just as many it kept .82 of the exact top 10, for twice as many .83, where a scan kept .87 (`bench/engines.mjs`). */
const BREADTH = 2
/** Of so many times the candidates, ranked by signs, the best by FDE are taken. */
const BY_SIGNS = 4

/** How candidates are found: by everything, by a scan of FDEs, or by a graph over them. */
export function plan(
  asked: FirstStage,
  { encodings, documents, tokens, stage }: Snapshot['collection'],
  count: number,
  rerank: boolean,
): 'exact' | 'fde' | 'hnsw' {
  if (asked === 'exact' || encodings === 0) return 'exact'
  if (rerank && (asked === 'auto' || asked === 'muvera') && documents <= count) return 'exact'
  if (rerank && asked === 'auto' && tokens <= EXACT_TOKENS) return 'exact'
  return asked === 'fde' || !stage?.graph ? 'fde' : 'hnsw'
}

/** Documents worth scoring. @throws INVALID_ARGUMENT for a first stage that the collection has not */
export async function findCandidates(
  snapshot: Snapshot,
  encoders: Encoders,
  query: CandidateQuery,
): Promise<Candidates> {
  const { collection } = snapshot
  const { embeddings, filter, rerank = true } = query
  const asked = checkFirstStage(query.firstStage ?? 'auto', FIRST_STAGES)
  if (asked !== 'auto' && asked !== 'exact' && collection.spec.fde === null) throw withoutFdes(asked)
  if (filter && constantAnswer(filter) === false) return { firstStage: 'none', ids: [] }
  const count = candidatesWanted(query, collection.stage?.suitability)
  const planned = plan(asked, collection, count, rerank)
  if (planned === 'exact') return everything(snapshot, query)
  if (filter && rerank && (asked === 'auto' || asked === 'muvera')) {
    const few = await everything(snapshot, query, count + 1)
    if (few.ids.length <= count) return few
  }
  const found = await encoders.of(snapshot.session, snapshot.names, collection)
  // This build's arithmetic would give others, until they are made again.
  if (!found) return everything(snapshot, query)
  const fde = halfvecText(found.encoder.encodeQuery(embeddings))
  const { length, config } = { length: found.encoder.outputDim, config: found.encoder.config }
  const narrowed = filter !== undefined || collection.secured
  let firstStage = planned
  let rows = planned === 'hnsw' ? await walk(snapshot, query, { fde, length, count, narrowed }) : undefined
  // Filters may let through less than the graph came by.
  if (!rows || rows.length < count) {
    firstStage = 'fde'
    rows = await scan(snapshot, query, { fde, count, narrowed })
  }
  if (rows.length === 0) {
    await checkVisible(snapshot, snapshot.names.encodings(collection.id, collection.encodings))
    return { firstStage: 'none', ids: [] }
  }
  return {
    firstStage,
    ids: rows.map(({ id }) => fromDatabase(id as string)),
    scores: Float32Array.from(rows, ({ product }) => -Number(product) / config.repetitions),
  }
}

interface Asked {
  readonly fde: string
  readonly count: number
  /** Not every encoding is of a document that may be found. */
  readonly narrowed: boolean
}

/** All that pass, or the first so many. */
async function everything(
  { session, collection, names }: Snapshot,
  { filter }: CandidateQuery,
  most?: number,
): Promise<Candidates> {
  const parameters = new Parameters()
  const passes = filter ? ` and ${filterSql(filter, parameters)}` : ''
  const limit = most === undefined ? '' : ` limit ${parameters.integer(most)}`
  const rows = await session.query(
    `select d.id from ${names.documents(collection.id)} d where d.tokens > 0${passes}${limit}`,
    parameters.values,
  )
  const ids = rows.map(({ id }) => fromDatabase(id as string))
  return { firstStage: ids.length > 0 ? 'exact' : 'none', ids }
}

/** The inner product with every encoding, or with those of documents that pass. `+ 0` keeps a graph out of it. */
function scan(snapshot: Snapshot, { filter }: CandidateQuery, { fde, count, narrowed }: Asked) {
  const { session, collection, names, vector } = snapshot
  const parameters = new Parameters()
  const product = `(e.fde ${vector.product} ${parameters.text(fde)}::${vector.halfvec})`
  const documents = `join ${names.documents(collection.id)} d on d.vectors = e.vectors`
  const passes = filter ? ` where ${filterSql(filter, parameters)}` : ''
  const best =
    `select e.vectors, ${product} as product from ${names.encodings(collection.id, collection.encodings)} e ` +
    `${narrowed ? documents + passes : ''} order by ${product} + 0 limit ${parameters.integer(count)}`
  return session.query(
    `select d.id, e.product from (${best}) e ${documents} order by e.product, d.vectors`,
    parameters.values,
  )
}

/** By the graph: over FDEs, or over their signs and then by the FDEs of the best of these. */
async function walk(
  snapshot: Snapshot,
  { filter }: CandidateQuery,
  { fde, length, count, narrowed }: Asked & { readonly length: number },
) {
  const { session, collection, names, vector } = snapshot
  const { binary } = collection.stage!.graph!
  const wanted = binary ? count * BY_SIGNS : count
  if (wanted > LARGEST_SEARCH && !vector.iterates) return undefined
  const settings: [string, string][] = [
    ['hnsw.ef_search', String(Math.min(LARGEST_SEARCH, Math.max(40, BREADTH * wanted)))],
    ...(vector.iterates
      ? [['hnsw.iterative_scan', narrowed || wanted > LARGEST_SEARCH ? 'strict_order' : 'off'] as [string, string]]
      : []),
    // With a filter the planner may know better.
    ['enable_seqscan', narrowed ? 'on' : 'off'],
  ]
  await session.query(
    `select ${settings.map((_, i) => `set_config($${2 * i + 1}::text, $${2 * i + 2}::text, true)`).join(', ')}`,
    settings.flat(),
  )
  const parameters = new Parameters()
  const query = `${parameters.text(fde)}::${vector.halfvec}`
  const product = `(e.fde ${vector.product} ${query})`
  const distance = binary
    ? `${vector.signs('e.fde', length)} ${vector.hamming} ${vector.signs(query, length)}`
    : product
  const documents = `join ${names.documents(collection.id)} d on d.vectors = e.vectors`
  const passes = filter ? ` where ${filterSql(filter, parameters)}` : ''
  const near =
    `select e.vectors, ${product} as product from ${names.encodings(collection.id, collection.encodings)} e ` +
    `${narrowed ? documents + passes : ''} order by ${distance} limit ${parameters.integer(wanted)}`
  const rows = await session.query(
    `select d.id, e.product from (${near}) e ${documents} order by e.product, d.vectors limit ${parameters.integer(count)}`,
    parameters.values,
  )
  await session.query(`select set_config('enable_seqscan', 'on', true)`)
  return rows
}

function withoutFdes(asked: FirstStage): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    `The collection was made without FDEs and cannot be searched by ${describe(asked)}. Leave firstStage at 'auto', or make a collection with fde: 'compact'.`,
  )
}
