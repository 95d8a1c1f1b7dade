// SciFact in every store: the same vectors, the same encodings, the same number of candidates; at half the collection, then grown. The stores have to agree.
//
//   node bench/stores.mjs                                              a folder, PGlite, and PostgreSQL, which is started here
//   npm run engines:up -- weaviate                                     prints the addresses of a server
//   node bench/stores.mjs --url <address> --grpc <host:port>           with Weaviate; --native: its own MaxSim, too
//   node bench/stores.mjs --stores weaviate --url … --default          Weaviate only, and also as a search without options does
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRun, readCollection } from '@serotine/core/evaluation'
import { EmbeddedStore, decodeRecord, recordBytes } from '@serotine/core/store'
import { PgvectorStore } from '@serotine/pgvector'
import { WeaviateStore } from '@serotine/weaviate'
import { Pool } from 'pg'
import { freePort, install, PostgresServer } from '../scripts/engines/postgres.mjs'
import { environment, saveResult } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: 'bench/data/scifact' },
    stores: { type: 'string', default: 'pglite,postgres,weaviate' },
    url: { type: 'string' },
    grpc: { type: 'string' },
    quantizer: { type: 'string' },
    native: { type: 'boolean', default: false },
    index: { type: 'string' },
    candidates: { type: 'string', default: '100' },
    default: { type: 'boolean', default: false },
    queries: { type: 'string' },
    workers: { type: 'string', default: '2' },
    name: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/stores.mjs [options]
  --data <folder>      a collection as BEIR has them (default bench/data/scifact)
  --stores a,b         beside the folder (default pglite,postgres,weaviate; Weaviate where there is a --url)
  --url, --grpc        of a Weaviate server                 --quantizer none   as the store's option
  --native             Weaviate's own MaxSim, too           --default          also a search without options, by as many candidates as the store chose
  --candidates <n>     (default 100)                        --queries <n>      at most (default all)
  --index <folder>     where the vectors are kept, so that they are encoded once
  --workers <n>        that encode (default 2)              --name <name>      result goes to bench/results/<name>.json`)
  process.exit(0)
}
const { url, grpc, quantizer } = options
const candidates = Number(options.candidates)
const scratch = await mkdtemp(join(tmpdir(), 'serotine-bench-'))
// PostgreSQL may run as somebody else.
await chmod(scratch, 0o755)
const collection = await readCollection(options.data)
const model = await ColBERT.load(undefined, { workers: Number(options.workers) })
const documents = await encoded()
const judged = collection.queries.filter(({ id }) => collection.qrels.has(id)).slice(0, Number(options.queries ?? 1e9))
const qrels = new Map(judged.map(({ id }) => [id, collection.qrels.get(id)]))
const queries = await model.encodeQueries(judged.map(({ text }) => text))
await model.close()

/** How each store is opened: the index, and what closes what is below it. */
const OPEN = {
  pglite: async () => {
    const database = await PGlite.create({ extensions: { vector } })
    return { index: await MultiVectorIndex.open(await PgvectorStore.open(database)), end: () => database.close() }
  },
  postgres: async () => {
    const server = new PostgresServer(await install(), join(scratch, 'postgres'), await freePort())
    await server.create()
    await server.start()
    const pool = new Pool({ connectionString: server.url(), max: 4 })
    const end = async () => {
      await pool.end()
      await server.stop('immediate')
    }
    return { index: await MultiVectorIndex.open(await PgvectorStore.open(pool)), end }
  },
  weaviate: () => weaviate({ quantizer }),
  'weaviate-native': () => weaviate({ mode: 'native' }),
}
const wanted = options.stores.split(',').filter((store) => store !== 'weaviate' || url !== undefined)
const unknown = wanted.find((store) => OPEN[store] === undefined)
if (unknown) throw new Error(`There is no store ${unknown}. Stores: ${Object.keys(OPEN).join(', ')}.`)
if (options.native && url !== undefined) wanted.push('weaviate-native')

const folder = join(scratch, 'embedded')
const embedded = await MultiVectorIndex.open(folder, { codec: 'int8', fde: 'compact', firstStage: 'muvera' })
const opened = { embedded: { index: embedded, end: async () => {} } }
const stages = []
try {
  for (const store of wanted) opened[store] = await OPEN[store]()
  const half = Math.floor(documents.length / 2)
  for (const [from, to] of [
    [0, half],
    [half, documents.length],
  ]) {
    stages.push(await measure(from, to))
  }
  if (options.name) console.log(`written to ${await save()}`)
} finally {
  for (const { index, end } of Object.values(opened)) {
    await index.close().catch(() => {})
    await end().catch(() => {})
  }
  await rm(scratch, { recursive: true, force: true })
}

async function weaviate(given) {
  const store = await WeaviateStore.open({ url, grpc, collection: `Bench${Date.now()}`, ...given })
  return { index: await MultiVectorIndex.open(store), end: async () => {} }
}

/** Adds documents to every store, and asks each the same. */
async function measure(from, to) {
  const stage = { documents: to, seconds: {}, suitability: {}, rows: [] }
  for (const [store, { index }] of Object.entries(opened)) {
    const started = performance.now()
    // At once: what is learned in the background is learned from all of it, every time.
    await index.upsert(documents.slice(from, to))
    await index.prepare()
    stage.seconds[store] = round((performance.now() - started) / 1000, 1)
    const { firstStages } = await index.stats()
    stage.suitability[store] = (firstStages.fde ?? firstStages.native)?.suitability ?? null
    process.stderr.write(`${store}: ${to} documents after ${stage.seconds[store]} s\n`)
  }
  const exact = await run(embedded, { firstStage: 'exact' })
  stage.rows.push({ store: 'exact', ...rowOf(exact, exact) })
  for (const [store, { index }] of Object.entries(opened)) {
    const firstStage = { embedded: 'muvera', 'weaviate-native': 'native' }[store] ?? 'fde'
    stage.rows.push({ store, ...rowOf(await run(index, { firstStage, candidates }), exact) })
    // Weaviate's own MaxSim does not say how many it takes.
    if (options.default && store !== 'weaviate-native')
      stage.rows.push({ store: `${store}, by default`, ...rowOf(await run(index, {}), exact) })
  }
  console.log(`${to} documents, ${queries.length} queries`)
  console.table(stage.rows)
  console.log(`suitability measured by each: ${JSON.stringify(stage.suitability)}`)
  const apart = (figure) => {
    const values = stage.rows.filter(({ store }) => store in opened && store !== 'weaviate-native')
    return round(Math.max(...values.map((row) => row[figure])) - Math.min(...values.map((row) => row[figure])), 4)
  }
  stage.apart = { ndcg10: apart('ndcg10'), shareOfExactTop10: apart('shareOfExactTop10') }
  console.log(`stores apart: nDCG@10 ${stage.apart.ndcg10}, share of the exact top 10 ${stage.apart.shareOfExactTop10}`)
  return stage
}

async function run(index, search) {
  const [found, times] = [[], []]
  let taken = 0
  for (const query of queries) {
    const started = performance.now()
    // A ranking of Weaviate's own has no first stage to choose.
    const given = search.firstStage === 'native' ? { candidates } : search
    const { hits, candidates: count } = await index.searchDetailed(query, { k: 10, text: false, ...given })
    times.push(performance.now() - started)
    taken += (count ?? 0) / queries.length
    found.push(hits.map(({ id, score }) => ({ id, score })))
  }
  times.sort((a, b) => a - b)
  const at = (share) => round(times[Math.min(times.length - 1, Math.floor(times.length * share))], 1)
  return { found, candidates: Math.round(taken), p50: at(0.5), p95: at(0.95) }
}

function rowOf({ found, candidates: count, p50, p95 }, exact) {
  const scores = new Map(judged.map(({ id }, i) => [id, found[i]]))
  const { metrics } = evaluateRun(qrels, scores, { metrics: ['ndcg@10'] })
  const shares = found.map((hits, i) => {
    const best = new Set(exact.found[i].map(({ id }) => id))
    return hits.filter(({ id }) => best.has(id)).length / best.size
  })
  const share = shares.reduce((sum, each) => sum + each, 0) / shares.length
  return {
    candidates: count,
    ndcg10: round(metrics['ndcg@10'], 4),
    shareOfExactTop10: round(share, 4),
    p50Ms: p50,
    p95Ms: p95,
  }
}

/** Vectors of all documents, encoded once and kept in a folder. */
async function encoded() {
  const kept = options.index ?? join(scratch, 'encoded')
  const index = await MultiVectorIndex.open(kept, { model, codec: 'int8' })
  await index.upsert(
    collection.documents.map(({ id, text, title }) => ({ id, text: title ? `${title} ${text}` : text })),
  )
  await index.close({ prepare: false })
  const store = await EmbeddedStore.open(kept, { readonly: true })
  const all = []
  for await (const batch of store.scan()) {
    const ids = batch.map(({ id }) => id)
    const found = new Map()
    let room
    await store.readTokens(ids, {
      room: (bytes) => (room = new Uint8Array(bytes)),
      record: (position, at, tokens) => {
        const record = room.slice(at, at + recordBytes('int8', tokens, store.spec.dim))
        found.set(position, decodeRecord('int8', record, tokens, store.spec.dim))
      },
    })
    batch.forEach(({ id, text }, i) => all.push({ id, text, embeddings: found.get(i) }))
  }
  await store.close()
  return all
}

/** Without addresses and folders, which are of one machine. */
async function save() {
  const { name, data: _data, url: _url, grpc: _grpc, index: _index, ...asked } = options
  const { command: _command, ...where } = await environment()
  return saveResult(name, { ...where, command: 'node bench/stores.mjs', asked, documents: documents.length, stages })
}

function round(value, digits) {
  return Number(value.toFixed(digits))
}
