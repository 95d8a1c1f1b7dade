// Search in PostgreSQL beside search in a folder: the same passages, queries and candidates, one query here, then there.
//
//   python bench/large/collect.py            collects the passages, see bench/large/README.md
//   node bench/engines.mjs                   1,000 and 10,000 of them
//   node bench/engines.mjs --sizes 1000 --name ""      a quick look, nothing saved
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { PgvectorStore } from '@serotine/pgvector'
import { Pool } from 'pg'
import { freePort, install, PostgresServer } from '../scripts/engines/postgres.mjs'
import { environment, round, saveResult } from './environment.mjs'
import { encodedLargeCollection, readLargeCollection } from './large/collection.mjs'
import { cpuSeconds } from './large/measure.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: fileURLToPath(new URL('.cache/large', import.meta.url)) },
    sizes: { type: 'string', default: '1000,10000' },
    queries: { type: 'string', default: '100' },
    folder: { type: 'string', default: tmpdir() },
    name: { type: 'string', default: 'engines' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/engines.mjs [options]
  --data <folder>      what bench/large/collect.py wrote (default bench/.cache/large)
  --sizes a,b          passages (default 1000,10000)      --queries <n>    at most (default 100)
  --folder <folder>    of the database (default that for temporary files)
  --name <name>        result goes to bench/results/<name>.json (default engines; "" saves nothing)`)
  process.exit(0)
}

const BATCH = 256
const TOP = 10
const collection = await readLargeCollection(options.data, {})
const model = await ColBERT.load()
const encoded = await encodedLargeCollection(options.data, model, collection)
const scratch = await mkdtemp(join(options.folder, 'serotine-engines-'))
// The server may run as somebody else.
await chmod(scratch, 0o755)
const server = new PostgresServer(await install(), join(scratch, 'postgres'), await freePort())
const runs = []
try {
  await server.create()
  await server.start({ shared_buffers: '1GB', maintenance_work_mem: '1GB' })
  for (const size of options.sizes.split(',').map(Number)) {
    const run = await measure(size)
    runs.push(run)
    print(run)
    if (options.name !== '') await save()
  }
} finally {
  await server.stop('immediate').catch(() => {})
  await encoded.close()
  await model.close()
  await rm(scratch, { recursive: true, force: true })
}

async function save() {
  const { about } = encoded
  const result = {
    ...(await environment()),
    data: { passages: collection.passages.length, tokens: about.tokens, model: about.model.name },
    server: { version: '16, pgvector 0.8', settings: { shared_buffers: '1GB', maintenance_work_mem: '1GB' } },
    runs,
  }
  console.log(`written to ${await saveResult(options.name, result)}`)
}

async function measure(size) {
  const { passages } = collection
  // As many of each topic as its share of all.
  const chosen = Array.from({ length: Math.min(size, passages.length) }, (_, i) =>
    Math.floor(((i + 0.5) * passages.length) / size),
  )
  const there = new Set(chosen.map((at) => passages[at].id))
  const queries = collection.queries
    .map((query, i) => ({ ...query, embeddings: encoded.queries[i] }))
    .filter(({ relevant }) => relevant.some((id) => there.has(id)))
    .slice(0, Number(options.queries))
  const sockets = new Set()
  const pool = new Pool({ connectionString: server.url(), max: 4 })
  pool.on('connect', (client) => sockets.add(client.connection.stream))
  const store = await PgvectorStore.open(pool, { collection: `passages-${size}` })
  const ways = {
    embedded: await MultiVectorIndex.open(join(scratch, `embedded-${size}`)),
    muvera: await MultiVectorIndex.open(join(scratch, `muvera-${size}`), { fde: 'compact', firstStage: 'muvera' }),
    postgres: await MultiVectorIndex.open(store),
  }
  try {
    const build = {}
    for (const [name, index] of Object.entries(ways)) build[name] = await fill(index, name, chosen)
    const exact = []
    for (const { embeddings } of queries)
      exact.push(idsOf(await ways.embedded.search(embeddings, { k: TOP, firstStage: 'exact' })))
    const asked = [
      { way: 'embedded', search: {} },
      { way: 'muvera', search: { candidates: 100 } },
      { way: 'postgres', search: { candidates: 100, firstStage: 'fde' } },
      { way: 'postgres', search: { candidates: 100 } },
      { way: 'postgres', search: {} },
    ].map((each) => ({
      ...each,
      ms: [],
      parts: [],
      shares: [],
      reciprocal: [],
      moved: 0,
      firstStage: undefined,
      candidates: 0,
    }))
    const moved = () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, 0)
    for (const { embeddings } of queries.slice(0, 5))
      for (const { way, search } of asked) await ways[way].search(embeddings, { k: TOP, ...search })
    for (const [i, { embeddings, relevant }] of queries.entries()) {
      for (const one of asked) {
        const [before, started] = [moved(), performance.now()]
        const { hits, timings, firstStage, candidates } = await ways[one.way].searchDetailed(embeddings, {
          k: TOP,
          ...one.search,
        })
        one.ms.push(performance.now() - started)
        one.moved += moved() - before
        one.parts.push(timings)
        one.firstStage = firstStage
        one.candidates = candidates
        const ids = idsOf(hits)
        one.shares.push(exact[i].filter((id) => ids.includes(id)).length / exact[i].length)
        const rank = ids.findIndex((id) => relevant.includes(id))
        one.reciprocal.push(rank < 0 ? 0 : 1 / (rank + 1))
      }
    }
    const rows = asked.map(({ way, search, ms, parts, shares, reciprocal, moved: bytes, firstStage, candidates }) => ({
      way,
      asked: search,
      firstStage,
      candidates,
      p50Ms: round(percentile(ms, 0.5), 1),
      p95Ms: round(percentile(ms, 0.95), 1),
      firstStageMs: round(
        percentile(
          parts.map((part) => part.firstStage),
          0.5,
        ),
        1,
      ),
      fetchMs: round(
        percentile(
          parts.map((part) => part.fetch),
          0.5,
        ),
        1,
      ),
      rerankMs: round(
        percentile(
          parts.map((part) => part.rerank),
          0.5,
        ),
        1,
      ),
      bytesPerQuery: Math.round(bytes / ms.length),
      exactTop10: round(mean(shares), 3),
      mrr: round(mean(reciprocal), 3),
    }))
    const { bytes, firstStages } = await store.stats()
    return {
      passages: chosen.length,
      queries: queries.length,
      loadAverage: round(loadavg()[0], 1),
      build,
      rows,
      postgresBytes: bytes,
      firstStages,
    }
  } finally {
    for (const index of Object.values(ways)) await index.close()
    await pool.end()
  }
}

async function fill(index, name, chosen) {
  const started = performance.now()
  const { seconds } = await cpuSeconds(async () => {
    for (let i = 0; i < chosen.length; i += BATCH) {
      const batch = []
      for (const at of chosen.slice(i, i + BATCH)) {
        const { id, topic, text } = collection.passages[at]
        batch.push({ id, text, embeddings: await encoded.passage(at), metadata: { topic } })
      }
      await index.upsert(batch)
      process.stderr.write(`\r${name}: ${Math.min(i + BATCH, chosen.length)} of ${chosen.length}`)
    }
    await index.prepare()
    process.stderr.write('\n')
  })
  return { seconds: round((performance.now() - started) / 1000, 1), cpuSecondsHere: round(seconds, 1) }
}

function print({ passages, queries, rows, loadAverage }) {
  console.log(`${passages} passages, ${queries} queries, load ${loadAverage}`)
  console.table(rows.map(({ asked, ...row }) => ({ ...row, asked: JSON.stringify(asked) })))
}

function idsOf(hits) {
  return hits.map(({ id }) => id)
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}
