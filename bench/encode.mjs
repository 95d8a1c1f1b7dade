// How fast texts become token embeddings: one session on this thread, worker threads, WebAssembly. Every run is checked against the first.
//
//   node bench/encode.mjs [--data bench/data/scifact] [--model <folder or id>] [--texts 512] [--rounds 3] [--workers 1,2]
import { parseArgs } from 'node:util'
import { ColBERT } from '@serotine/core'
import { readBeir } from '@serotine/core/evaluation'
import { environment, round, saveResult } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: 'bench/data/scifact' },
    model: { type: 'string' },
    texts: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '3' },
    workers: { type: 'string', default: '1,2' },
    dtypes: { type: 'string', default: 'fp32,int8' },
    name: { type: 'string', default: 'encode' },
  },
})
const { documents, name: dataset } = await readBeir(options.data)
// Every n-th document, so that lengths are as in the collection.
const step = Math.max(1, Math.floor(documents.length / Number(options.texts)))
const texts = documents
  .filter((_, i) => i % step === 0)
  .slice(0, Number(options.texts))
  .map(({ text }) => text)

const setups = options.dtypes.split(',').flatMap((dtype) => [
  { name: `${dtype}, this thread`, dtype, workers: 0, threads: 1 },
  { name: `${dtype}, this thread, ONNX Runtime's threads`, dtype, workers: 0 },
  ...options.workers
    .split(',')
    .map(Number)
    .map((workers) => ({ name: `${dtype}, workers: ${workers}`, dtype, workers })),
  { name: `${dtype}, this thread, WebAssembly`, dtype, workers: 0, runtime: 'wasm' },
])
let reference
const runs = []
for (const { name, ...load } of setups) {
  const model = await ColBERT.load(options.model, load)
  let embeddings = await model.encodeDocuments(texts)
  const tokens = embeddings.reduce((sum, { length }) => sum + length, 0)
  const seconds = []
  const cpuBefore = process.cpuUsage()
  for (let i = 0; i < Number(options.rounds); i++) {
    const started = performance.now()
    embeddings = await model.encodeDocuments(texts)
    seconds.push((performance.now() - started) / 1000)
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  await model.close()
  reference ??= embeddings
  const mean = seconds.reduce((sum, value) => sum + value, 0) / seconds.length
  const rate = (amount) => ({ max: round(amount / Math.min(...seconds)), mean: round(amount / mean) })
  const [textsPerSecond, tokensPerSecond] = [rate(texts.length), rate(tokens)]
  // What a busy machine inflates less.
  const tokensPerCpuSecond = round((tokens * seconds.length * 1e6) / (user + system))
  const maxDifference = largestDifference(reference, embeddings)
  runs.push({ name, ...load, tokens, textsPerSecond, tokensPerSecond, tokensPerCpuSecond, maxDifference })
  const speed = Math.round(tokensPerSecond.max).toLocaleString('en-US').padStart(9)
  console.log(`${name.padEnd(42)} ${speed} tokens/s   largest difference ${maxDifference.toExponential(1)}`)
}
const result = {
  kind: 'encode',
  ...(await environment()),
  dataset,
  texts: texts.length,
  rounds: Number(options.rounds),
  runs,
}
console.log(`written to ${await saveResult(options.name, result)}`)

/** Between components of the same text's vectors. */
function largestDifference(a, b) {
  let largest = 0
  a.forEach(({ data }, i) => data.forEach((value, j) => (largest = Math.max(largest, Math.abs(value - b[i].data[j])))))
  return largest
}
