// Search libraries for Node on the same questions, each as it comes: no tuning, no model of another's.
//
//   node bench/comparison.mjs                               XQuAD and SciFact
//   node bench/comparison.mjs --data bench/data/xquad-en
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect, Index } from '@lancedb/lancedb'
import { create, insertMultiple, search } from '@orama/orama'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRun, readCollection } from '@serotine/core/evaluation'
import MiniSearch from 'minisearch'
import { environment, saveResult } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['bench/data/xquad-en', 'bench/data/scifact'] },
    name: { type: 'string', default: 'comparison' },
  },
})
const K = 100
const model = await ColBERT.load()

/** Ways to search documents: what makes a function of them that answers a question with scored ids. */
const WAYS = {
  'Orama, full text': async (documents) => {
    const db = create({ schema: { text: 'string' } })
    await insertMultiple(
      db,
      documents.map(({ id, text }) => ({ id, text })),
    )
    return async (term) => (await search(db, { term, limit: K })).hits
  },
  MiniSearch: async (documents) => {
    const index = new MiniSearch({ fields: ['text'] })
    index.addAll(documents.map(({ id, text }) => ({ id, text })))
    return async (query) => index.search(query).slice(0, K)
  },
  'LanceDB, full text': async (documents, folder) => {
    const db = await connect(folder)
    const table = await db.createTable(
      'texts',
      documents.map(({ id, text }) => ({ id, text })),
    )
    await table.createIndex('text', { config: Index.fts() })
    return async (query) => {
      const rows = await table.search(query, 'fts', 'text').limit(K).toArray()
      return rows.map(({ id, _score: score }) => ({ id, score }))
    }
  },
  'Serotine, embedded model': async (documents) => {
    const index = await MultiVectorIndex.open(undefined, { model })
    await index.upsert(documents)
    await index.prepare()
    return (query) => index.search(query, { k: K, text: false })
  },
  'Serotine, embedded model, hybrid': async (documents) => {
    const index = await MultiVectorIndex.open(undefined, { model })
    await index.upsert(documents)
    await index.prepare()
    return (query) => index.search(query, { k: K, hybrid: true, text: false })
  },
}

const collections = []
for (const path of options.data) {
  const { documents, queries, qrels } = await readCollection(path)
  const ways = []
  for (const [name, make] of Object.entries(WAYS)) {
    const folder = await mkdtemp(join(tmpdir(), 'serotine-comparison-'))
    const indexing = process.cpuUsage()
    const ask = await make(
      documents.map(({ id, text }) => ({ id, text })),
      folder,
    )
    const indexed = process.cpuUsage(indexing)
    const run = new Map()
    const asking = process.cpuUsage()
    for (const { id, text } of queries) {
      // Quotes mean something to some; these questions are not written for that.
      const hits = await ask(text.replaceAll('"', ' '))
      run.set(
        id,
        hits.map(({ id, score }) => ({ id: String(id), score })),
      )
    }
    const asked = process.cpuUsage(asking)
    const { metrics } = evaluateRun(qrels, run, { metrics: ['ndcg@10', 'recall@100'] })
    const ms = ({ user, system }) => (user + system) / 1e3
    ways.push({ name, metrics, indexCpuMs: ms(indexed), cpuMs: ms(asked) / queries.length })
    console.log(basename(path), JSON.stringify(ways.at(-1)))
    await rm(folder, { recursive: true, force: true })
  }
  collections.push({ name: basename(path), documents: documents.length, queries: queries.length, ways })
}
const file = await saveResult(options.name, {
  kind: 'comparison',
  ...(await environment()),
  model: { name: model.name },
  collections,
})
console.log(`written to ${file}`)
await model.close()
