// One of the servers that bench/serve.mjs measures, told by its parent when to begin to count and when to say what it counted.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { round } from '../environment.mjs'

const [kind, settings] = process.argv.slice(2)
const url = await (kind === 'serotine' ? serotine : crossEncoder)(JSON.parse(settings))
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let cpu = process.cpuUsage()
process.on('message', (what) => {
  if (what === 'reset') {
    delay.reset()
    cpu = process.cpuUsage()
    return process.send({})
  }
  const { user, system } = process.cpuUsage(cpu)
  // The timer's own interval is no delay.
  const ms = (nanoseconds) => round(Math.max(0, nanoseconds / 1e6 - 10))
  process.send({
    loopMs: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
    cpuSeconds: (user + system) / 1e6,
    rssMB: Math.round(process.memoryUsage.rss() / 1e6),
  })
})
process.on('disconnect', () => process.exit())
process.send({ url })

/** As `serotine serve` sets it up. */
async function serotine({ folder, workers }) {
  const { ColBERT, MultiVectorIndex } = await import('@serotine/core')
  const { createServer } = await import('@serotine/server')
  const model = await ColBERT.load(undefined, { workers })
  const index = await MultiVectorIndex.open(folder, { model, readonly: true })
  return (await createServer({ model, index }).listen({ port: 0 })).url
}

/** A cross-encoder reads query and passage together: nothing of a passage can be kept. Batches of passages of like length, one after the other. */
async function crossEncoder({ folder }) {
  const { createServer } = await import('node:http')
  const { AutoModelForSequenceClassification, AutoTokenizer, env } = await import('@huggingface/transformers')
  env.allowRemoteModels = false
  const tokenizer = await AutoTokenizer.from_pretrained(folder)
  const model = await AutoModelForSequenceClassification.from_pretrained(folder, { dtype: 'q8' })
  const score = async (query, documents) => {
    const scores = []
    const order = documents.map((_, i) => i).sort((a, b) => documents[a].length - documents[b].length)
    for (let at = 0; at < order.length; at += 8) {
      const batch = order.slice(at, at + 8)
      const pairs = batch.map((i) => documents[i])
      const input = tokenizer(
        pairs.map(() => query),
        { text_pair: pairs, padding: true, truncation: true },
      )
      const { logits } = await model(input)
      batch.forEach((i, row) => (scores[i] = logits.data[row]))
    }
    return scores
  }
  let last = Promise.resolve()
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const { query, documents } = JSON.parse(body)
    const scores = await (last = last.then(() => score(query, documents)))
    const results = scores.map((value, index) => ({ index, relevance_score: 1 / (1 + Math.exp(-value)) }))
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ results: results.sort((a, b) => b.relevance_score - a.relevance_score) }))
  })
  server.requestTimeout = 0
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return `http://127.0.0.1:${server.address().port}`
}
