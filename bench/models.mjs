// The models that come in packages, beside BM25 and a plain encoder: what each takes, and what it finds.
//
//   node bench/models.mjs --data shared/scifact --model micro --model small
//   node bench/models.mjs --data … --plain <folder of all-MiniLM-L6-v2>     the mean of its token vectors, and MaxSim of them
//   node bench/models.mjs --data … --static <folder>    wordllama/ of the unpacked PyPI wheel wordllama 0.4.0.post1: the mean of its words' vectors
//
// Results of the models and collections named replace those in bench/results/models.json; others stay.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRetrieval, indexMethod, readCollection } from '@serotine/core/evaluation'
import { BM25 } from '../examples/demo/bm25.mjs'
import { environment, round, saveResult } from './environment.mjs'
import { nearest } from './feature-extraction.mjs'
import { FILES, StaticVectors } from './models/static.mjs'
import { loadModel } from './stages/models.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['bench/data/scifact', 'bench/data/xquad-en'] },
    model: { type: 'string', multiple: true, default: [] },
    plain: { type: 'string' },
    static: { type: 'string' },
    dtype: { type: 'string', default: 'fp32' },
    workers: { type: 'string', default: '1' },
  },
})
const RESULT = fileURLToPath(new URL('results/models.json', import.meta.url))
const CANDIDATES = 100
const BATCH = 256

for (const folder of options.data) {
  const collection = await readCollection(folder)
  for (const name of options.model) await keep(collection, await packaged(name, collection))
  if (options.plain) await keep(collection, await plain(options.plain, collection))
  if (options.static) await keep(collection, await still(options.static, collection))
}

/** A model by its name: exact MaxSim, with MUVERA before it, and MUVERA alone. BM25 is asked the same questions. */
async function packaged(name, collection) {
  const model = await ColBERT.load(name, { dtype: options.dtype, workers: Number(options.workers) })
  const index = await MultiVectorIndex.open(undefined, { model, fde: 'compact', firstStage: 'fde' })
  try {
    const indexed = await fill(index, collection, (texts) => model.encodeDocuments(texts))
    const bm25 = new BM25(collection.documents)
    const muvera = { firstStage: 'fde', candidates: CANDIDATES }
    const found = await measure(collection, model, [
      { name: 'BM25', search: ({ text }, k) => ({ documents: bm25.search(text, k) }) },
      indexMethod('exact', index, { firstStage: 'exact' }),
      indexMethod('muvera', index, muvera),
      indexMethod('alone', index, { firstStage: 'fde', rerank: false }),
    ])
    const { BM25: words, exact, ...others } = found
    return [
      { model: 'BM25', megabytes: 0, ndcg: words },
      {
        model: name,
        dtype: options.dtype,
        megabytes: await megabytes(model.folder),
        ...indexed,
        ndcg: exact,
        ...others,
      },
    ]
  } finally {
    await index.close()
    await model.close()
  }
}

/** An encoder without a projection: the mean of a text's vectors, by cosine, and MaxSim of those that are no punctuation. */
async function plain(folder, collection) {
  const { model, settings } = await loadModel('plain=' + folder + ':int8')
  const index = await MultiVectorIndex.open(undefined, { model, fde: false })
  try {
    const means = []
    const indexed = await fill(index, collection, async (texts) => {
      const vectors = await model.encodeDocuments(texts)
      means.push(...vectors.map(meanOf))
      return vectors
    })
    const ids = collection.documents.map(({ id }) => id)
    const found = await measure(collection, model, [
      indexMethod('exact', index, { firstStage: 'exact' }),
      { name: 'mean', search: ({ embeddings }, k) => ({ documents: nearest(meanOf(embeddings), ids, means, k) }) },
    ])
    const one = { dtype: 'int8', megabytes: await megabytes(folder), settings }
    return [
      { model: 'plain, mean vector', ...one, bytesPerDocument: 4 * model.dim, ndcg: found.mean },
      { model: 'plain, MaxSim', ...one, ...indexed, ndcg: found.exact },
    ]
  } finally {
    await index.close()
    await model.close()
  }
}

/** Vectors of words that no text changes: their mean, by cosine. */
async function still(folder, collection) {
  const words = await StaticVectors.load(folder)
  const ids = collection.documents.map(({ id }) => id)
  const means = collection.documents.map(({ text }) => words.embed(text))
  const method = { name: 'mean', search: ({ embeddings }, k) => ({ documents: nearest(embeddings, ids, means, k) }) }
  const encoder = { encodeQueries: async (texts) => texts.map((text) => words.embed(text)) }
  const { mean } = await measure(collection, encoder, [method])
  const sizes = await Promise.all(Object.values(FILES).map((file) => stat(join(folder, file))))
  const megabytes = round(sizes.reduce((sum, { size }) => sum + size, 0) / 1e6, 1)
  return [{ model: 'wordllama, mean vector', megabytes, bytesPerDocument: 4 * words.dim, ndcg: mean }]
}

async function fill(index, { name, documents }, encode) {
  for (let i = 0; i < documents.length; i += BATCH) {
    const batch = documents.slice(i, i + BATCH)
    const vectors = await encode(batch.map(({ text }) => text))
    await index.upsert(batch.map(({ id }, j) => ({ id, embeddings: vectors[j] })))
    process.stderr.write(`\r${name}: ${Math.min(i + BATCH, documents.length)} of ${documents.length} documents`)
  }
  process.stderr.write('\n')
  await index.prepare()
  const { tokens, bytes } = await index.stats()
  return { bytesPerToken: bytes.tokens / tokens, bytesPerDocument: round(bytes.tokens / documents.length, 0) }
}

/** nDCG@10 by method. */
async function measure(collection, model, methods) {
  const { methods: results } = await evaluateRetrieval({ collection, model, methods, depth: CANDIDATES })
  return Object.fromEntries(results.map(({ name, metrics }) => [name, round(metrics['ndcg@10'], 4)]))
}

function meanOf({ data, length, dim }) {
  const mean = new Float32Array(dim)
  for (let i = 0; i < length * dim; i++) mean[i % dim] += data[i] / length
  const norm = Math.hypot(...mean)
  return mean.map((value) => value / norm)
}

/** Of the weights and the tokenizer, as they lie on disk. */
async function megabytes(folder) {
  const files = await readdir(folder, { recursive: true })
  const sizes = await Promise.all(files.map((file) => stat(join(folder, file))))
  return round(sizes.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0) / 1e6, 1)
}

async function keep({ name, documents }, rows) {
  console.table(rows)
  const before = await readFile(RESULT, 'utf8').then(JSON.parse, () => ({ rows: [] }))
  const added = rows.map((row) => ({ collection: name, documents: documents.length, ...row }))
  const same = (a, b) => a.collection === b.collection && a.model === b.model && a.dtype === b.dtype
  const others = before.rows.filter((row) => !added.some((each) => same(each, row)))
  await saveResult('models', {
    kind: 'models',
    ...(await environment()),
    candidates: CANDIDATES,
    rows: [...others, ...added],
  })
}
