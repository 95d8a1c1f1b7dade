// SciFact in a folder and in Weaviate: the same vectors, the same first stage, the same number of candidates; and at half the collection, then grown.
//
//   npm run engines:up -- weaviate            prints the address of a server
//   node bench/weaviate.mjs --url <address> --grpc <host:port> [--native]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRun, readCollection } from '@serotine/core/evaluation'
import { EmbeddedStore, decodeRecord, recordBytes } from '@serotine/core/store'
import { WeaviateStore } from '@serotine/weaviate'
import { environment, saveResult } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: 'bench/data/scifact' },
    url: { type: 'string' },
    grpc: { type: 'string' },
    index: { type: 'string' },
    native: { type: 'boolean', default: false },
    candidates: { type: 'string', default: '100' },
    workers: { type: 'string', default: '2' },
    name: { type: 'string' },
  },
})
const { url, grpc, native } = options
const candidates = Number(options.candidates)
const scratch = await mkdtemp(join(tmpdir(), 'serotine-bench-'))
const collection = await readCollection(options.data)
const model = await ColBERT.load(undefined, { workers: Number(options.workers) })

const round = (value, digits = 1) => Number(value.toFixed(digits))

/** Vectors of all documents, encoded once and kept in a folder. */
async function encoded() {
  const folder = options.index ?? join(scratch, 'encoded')
  const index = await MultiVectorIndex.open(folder, { model, codec: 'int8' })
  await index.upsert(
    collection.documents.map(({ id, text, title }) => ({ id, text: title ? `${title} ${text}` : text })),
  )
  await index.close({ prepare: false })
  const store = await EmbeddedStore.open(folder, { readonly: true })
  const documents = []
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
    batch.forEach(({ id, text }, i) => documents.push({ id, text, embeddings: found.get(i) }))
  }
  await store.close()
  return documents
}

const documents = await encoded()
const judged = collection.queries.filter(({ id }) => collection.qrels.has(id))
const queries = await model.encodeQueries(judged.map(({ text }) => text))

async function run(index, search) {
  const [hits, times] = [[], []]
  for (const query of queries) {
    const started = performance.now()
    hits.push(await index.search(query, { k: 10, text: false, ...search }))
    times.push(performance.now() - started)
  }
  times.sort((a, b) => a - b)
  const scores = new Map(judged.map(({ id }, i) => [id, hits[i].map((hit) => ({ id: hit.id, score: hit.score }))]))
  return {
    hits,
    scores,
    p50: round(times[Math.floor(times.length / 2)], 1),
    p95: round(times[Math.floor(times.length * 0.95)], 1),
  }
}

const share = (found, exact) =>
  found.hits.reduce((sum, hits, i) => {
    const best = new Set(exact.hits[i].map(({ id }) => id))
    return sum + hits.filter(({ id }) => best.has(id)).length / best.size
  }, 0) / found.hits.length

const result = { documents: documents.length, queries: queries.length, candidates, stages: [] }
const name = `Bench${Date.now()}`
const embedded = await MultiVectorIndex.open(join(scratch, 'embedded'), {
  codec: 'int8',
  fde: 'compact',
  firstStage: 'muvera',
})
const engine = await MultiVectorIndex.open(await WeaviateStore.open({ url, grpc, collection: name }))
const own =
  native &&
  (await MultiVectorIndex.open(await WeaviateStore.open({ url, grpc, collection: `${name}n`, mode: 'native' })))
const half = Math.floor(documents.length / 2)
for (const [from, to] of [
  [0, half],
  [half, documents.length],
]) {
  const part = documents.slice(from, to)
  const took = {}
  for (const [what, index] of Object.entries({ embedded, weaviate: engine, ...(own && { native: own }) })) {
    const started = performance.now()
    await index.upsert(part)
    await index.prepare()
    took[what] = round((performance.now() - started) / 1000, 1)
  }
  const exact = await run(embedded, { firstStage: 'exact' })
  const rows = {
    exact,
    embedded: await run(embedded, { firstStage: 'muvera', candidates }),
    weaviate: await run(engine, { firstStage: 'fde', candidates }),
    ...(own && { native: await run(own, { candidates }) }),
  }
  const stage = { documents: to, seconds: took }
  for (const [what, found] of Object.entries(rows)) {
    const { metrics } = evaluateRun(collection.qrels, found.scores, { metrics: ['ndcg@10'] })
    stage[what] = {
      ndcg10: round(metrics['ndcg@10'], 4),
      shareOfExactTop10: round(share(found, exact), 4),
      p50: found.p50,
      p95: found.p95,
    }
  }
  console.log(JSON.stringify(stage))
  result.stages.push(stage)
}
if (options.name) await saveResult(options.name, { ...(await environment()), ...result })
for (const index of [embedded, engine, own]) if (index) await index.close()
await model.close()
await rm(scratch, { recursive: true })
