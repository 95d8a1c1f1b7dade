import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '@serotine/core'
import {
  documentsFit,
  FdeEncoder,
  FIT_SAMPLE,
  learnFde,
  LEARNING_TOKENS,
  learningDue,
  stillFits,
  storeMeans,
} from '@serotine/core/muvera'
import { decodeRecord } from '@serotine/core/store'
import type { PrepareOptions } from '@serotine/core/store'
import { codeOf } from '../errors.js'
import { RECORD, recordOf } from '../reading/snapshot.js'
import type { Snapshot } from '../reading/snapshot.js'
import { saveCollection } from '../schema/collection.js'
import type { Collection, StageFacts } from '../schema/collection.js'
import { encodingsTable } from '../schema/migrations.js'
import { insertEncodings } from '../writing/upsert.js'
import { halfvecText } from '../schema/encoders.js'
import type { Learned } from '../schema/encoders.js'
import { keepGraph } from './graph.js'
import type { Upkeep } from './work.js'
import { keepSuitability } from './suitability.js'

/** Documents encoded in one transaction. */
const BATCH = 256
/** Encodings that others have replaced are kept for readers that began before. */
const RETIRED_MS = 60_000

/** Does what is due: learns, encodes, builds, measures, and drops what nobody needs any more. */
export async function prepareCollection(upkeep: Upkeep, options: PrepareOptions): Promise<void> {
  const { signal, onProgress } = options
  const collection = await upkeep.read(async ({ collection }) => collection)
  if (collection.spec.fde !== null && collection.tokens > 0) {
    await dropRetired(upkeep, collection)
    if (await isDue(upkeep)) await learnAndEncode(upkeep, options)
    signal?.throwIfAborted()
    await keepGraph(upkeep)
    signal?.throwIfAborted()
    await keepSuitability(upkeep, options)
  }
  onProgress?.({ phase: 'build', done: collection.documents, total: collection.documents })
}

async function isDue({ encoders, read }: Upkeep): Promise<boolean> {
  return read(async (snapshot) => {
    const { collection, session, names } = snapshot
    const { spec, tokens, encodings, stage } = collection
    const options = { ...spec.fde!.options, dim: spec.dim! }
    if (encodings === 0 || !stage) return learningDue(tokens, options, undefined) === 'always'
    const known = await encoders.of(session, names, collection)
    if (!known) return true
    const due = learningDue(tokens, options, stage)
    if (due !== 'unless it fits') return due === 'always'
    const since = await sample(snapshot, FIT_SAMPLE.tokens, stage.seq)
    return !stillFits(documentsFit(known.encoder, known.means, since), stage.similarity!)
  })
}

/** A new encoder, the encodings of all documents by it, and then, while nobody else changes the collection, the new in the place of the old. */
async function learnAndEncode(upkeep: Upkeep, { signal, onProgress }: PrepareOptions): Promise<void> {
  const { read, change } = upkeep
  const { spec, documents } = await read(async ({ collection }) => collection)
  const [before, examples] = await read(async (snapshot) => [
    snapshot.collection,
    await sample(snapshot, LEARNING_TOKENS),
  ])
  const { config, means, meanNorm } = await learnFde(examples, { ...spec.fde!.options, dim: spec.dim! }, { signal })
  const encoder = new FdeEncoder(config, {}, means)
  const similarity = config.partitioning === 'centroids' ? documentsFit(encoder, means, examples) : null
  const { names, vector } = upkeep
  const version = await begin(upkeep, { config, fingerprint: encoder.fingerprint, means: storeMeans(means) }, encoder)
  const table = names.encodings(before.id, version)
  let [last, done] = [0, 0]
  for (;;) {
    signal?.throwIfAborted()
    const list = await read((snapshot) => encodeAfter(snapshot, encoder, last))
    if (list.length > 0) {
      await upkeep.database.write((session) => insertEncodings({ session, vector }, table, list))
      last = list.at(-1)!.v
      onProgress?.({ phase: 'build', done: Math.min((done += list.length), documents), total: documents })
    }
    if (list.length < BATCH) break
    await nextTurn()
  }
  const stage: StageFacts = {
    config,
    meanNorm,
    similarity,
    tokens: before.tokens,
    seq: before.seq,
    suitability: null,
    graph: null,
    since: Date.now(),
  }
  await change(async (snapshot) => {
    const { session, collection } = snapshot
    // Another process may have been quicker; what it made is as good.
    if (collection.encodings >= version) return collection
    for (;;) {
      const list = await encodeAfter(snapshot, encoder, last)
      await insertEncodings(snapshot, table, list)
      if (list.length > 0) last = list.at(-1)!.v
      if (list.length < BATCH) break
    }
    const documents = names.documents(collection.id)
    await session.query(
      `delete from ${table} e where not exists (select 1 from ${documents} d where d.vectors = e.vectors)`,
    )
    await session.query(`analyze ${table}`)
    const after = { ...collection, encodings: version, stage }
    await saveCollection(session, names, after)
    return after
  })
}

/** Takes the next version's number and makes its table. */
async function begin(upkeep: Upkeep, learned: Learned, encoder: FdeEncoder): Promise<number> {
  let version = 0
  await upkeep.change(async ({ session, names, vector, collection }) => {
    const [row] = await session.query(
      `select coalesce(max(version), 0) + 1 as next from ${names.partitions} where collection = $1::text::int`,
      [String(collection.id)],
    )
    version = Number(row!.next)
    await session.query(`insert into ${names.partitions} values ($1::text::int, $2::text::int, $3::text)`, [
      String(collection.id),
      String(version),
      JSON.stringify(learned),
    ])
    const table = names.encodings(collection.id, version)
    for (const statement of encodingsTable(table, vector.halfvec, encoder.outputDim)) await session.query(statement)
    return collection
  })
  return version
}

/** FDEs of the next documents, by the numbers of their vectors. */
async function encodeAfter({ session, collection, names }: Snapshot, encoder: FdeEncoder, last: number) {
  const { codec, dim } = collection.spec
  const rows = await session.query(
    `select d.vectors, d.tokens, ${RECORD} from ${names.documents(collection.id)} d
      where d.tokens > 0 and d.vectors > $1::text::bigint order by d.vectors limit ${BATCH}`,
    [String(last)],
  )
  return rows.map((row) => ({
    v: Number(row.vectors),
    f: halfvecText(encoder.encodeDocument(decodeRecord(codec, recordOf(row), Number(row.tokens), dim!))),
  }))
}

/** Documents from all over the collection, or from those changed after `seq`, with about so many tokens together. */
export async function sample(
  { session, collection, names }: Snapshot,
  tokens: number,
  seq = 0,
): Promise<TokenEmbeddings[]> {
  const { codec, dim } = collection.spec
  const rows = await session.query(
    `with numbered as (
        select key, row_number() over (order by seq) as n, sum(tokens) over () as total, count(*) over () as documents
          from ${names.documents(collection.id)} where tokens > 0 and vectors > $1::text::bigint
      )
      select d.tokens, ${RECORD} from numbered n join ${names.documents(collection.id)} d using (key)
        where (n.n - 1) % greatest(1, ceil(n.total / $2::text::numeric))::bigint = 0`,
    [String(seq), String(tokens)],
  )
  return rows.map((row) => decodeRecord(codec, recordOf(row), Number(row.tokens), dim!))
}

/** Tables of versions that others have replaced, and of those that were never finished. Where somebody still reads one, it is left for the next time. */
async function dropRetired(upkeep: Upkeep, { encodings, stage }: Collection): Promise<void> {
  if (encodings === 0 || Date.now() - (stage?.since ?? 0) < RETIRED_MS) return
  const retired = await upkeep.read(async ({ session, names, collection }) => {
    const rows = await session.query(
      `select version from ${names.partitions} where collection = $1::text::int and version < $2::text::int`,
      [String(collection.id), String(encodings)],
    )
    return rows.map(({ version }) => Number(version))
  })
  for (const version of retired) {
    try {
      await upkeep.change(async ({ session, names, collection }) => {
        await session.query(`set local lock_timeout = '1s'`)
        await session.query(`drop table if exists ${names.encodings(collection.id, version)}`)
        await session.query(
          `delete from ${names.partitions} where collection = $1::text::int and version = $2::text::int`,
          [String(collection.id), String(version)],
        )
        return collection
      })
    } catch (error) {
      if (codeOf((error as { cause?: unknown }).cause) !== '55P03') throw error
    }
  }
}
