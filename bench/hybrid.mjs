// Hybrid search: what words add to MaxSim, for several models, collections and weights, and what keeping them costs.
//
//   node bench/hybrid.mjs --data bench/data/scifact --model embedded
//   node bench/hybrid.mjs --data … --model embedded --model minilm=<folder>:int8
//
// Results of the models and collections named replace those in bench/results/hybrid.json; others stay.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readCollection } from '@serotine/core/evaluation'
import { environment, round, saveResult } from './environment.mjs'
import { importSource } from './source.mjs'
import { loadModel } from './stages/models.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['bench/data/scifact', 'bench/data/xquad-en'] },
    model: { type: 'string', multiple: true, default: ['embedded'] },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/hybrid.mjs [options]
  --data <folder>      a collection; may be repeated (default bench/data/scifact and bench/data/xquad-en)
  --model <model>      embedded, or label=folder, or label=folder:int8; may be repeated (default embedded)`)
  process.exit(0)
}
const results = fileURLToPath(new URL('results', import.meta.url))
/** Token vectors are those of bench/stages.mjs. */
const cache = fileURLToPath(new URL('.cache/stages', import.meta.url))
const { compareWays, EmbeddedStore, encodedCollection, loadStemmer, MultiVectorIndex, wordsOf } = await importSource(
  new URL('hybrid/index.ts', import.meta.url),
)

for (const spec of options.model) {
  const { label, model, settings } = await loadModel(spec)
  try {
    for (const folder of options.data) {
      const dataset = await readCollection(folder)
      console.log(`\n${label} on ${dataset.name}`)
      await save({ model: { label, dim: model.dim, settings }, ...(await measure(label, model, dataset)) })
    }
  } finally {
    await model.close()
  }
}

async function measure(label, model, { name, documents, queries: all, qrels }) {
  const judged = all.filter(({ id }) => [...(qrels.get(id)?.values() ?? [])].some((grade) => grade > 0))
  const texts = documents.map(({ text }) => text)
  const encoded = await encodedCollection(
    cache,
    `${name}-${label}`,
    model,
    texts,
    judged.map(({ text }) => text),
  )
  const queries = judged.map((query, i) => ({ ...query, embeddings: encoded.queries[i] }))
  const embeddings = embeddingsOf(encoded.documents)
  const withVectors = documents.map(({ id, text }, i) => ({ id, text, embeddings: embeddings[i] }))
  const encoder = lookUp(model, queries)
  const without = await filled(withVectors, encoder, false)
  const { store, index, cpuMs } = await filled(withVectors, encoder, true)
  await without.index.close()
  await index.prepare()
  const [firstMs] = await timed(() => store.keywords({ text: queries[0].text, count: 100 }))
  const [, , queryCpu] = await timed(async () => {
    for (const { text } of queries) await store.keywords({ text, count: 100 })
  })
  const searched = []
  for (const { text } of queries) searched.push(await index.search(text, { hybrid: true, candidates: 100 }))
  const { maxSim, ways } = await compareWays(
    store,
    queries,
    qrels,
    { 'search, hybrid: true': searched },
    otherTerms(model, await loadStemmer('english'), documents, queries),
  )
  const { keywords } = await index.stats()
  await index.close()
  console.log(`MaxSim ${maxSim.toFixed(4)}`)
  for (const { name: way, ndcg, difference } of ways)
    console.log(
      `  ${way.padEnd(22)} ${ndcg.toFixed(4)}  ${difference.mean.toFixed(4)} ± ${difference.error.toFixed(4)}`,
    )
  const cost = {
    bytesPerDocument: keywords.bytes / documents.length,
    memoryPerDocument: keywords.memory / documents.length,
    terms: keywords.terms,
    listMs: Math.max(0, cpuMs - without.cpuMs) / documents.length,
    firstMs,
    queryMs: queryCpu / queries.length,
  }
  console.log(cost)
  return { collection: { name, documents: documents.length, queries: queries.length }, maxSim, ways, cost }
}

/** An index in memory of documents whose vectors are given, and the processor's time to add them. */
async function filled(documents, model, keywords) {
  const store = await EmbeddedStore.open(undefined, { keywords })
  const index = await MultiVectorIndex.open(store, { model })
  const [, , cpuMs] = await timed(() => index.upsert(documents))
  return { store, index, cpuMs }
}

/** The model's own token ids instead of words, and both. */
function otherTerms(model, stem, documents, queries) {
  const stems = (text) => Array.from(wordsOf(text, stem), ({ term, isExtra }) => (isExtra ? '' : term)).join(' ')
  const tokens = (text) => Array.from(model.documentInput(text).ids, (id) => `t${id}`).join(' ')
  const of = (termsOf) => ({
    documents: new Map(documents.map(({ id, text }) => [id, termsOf(text)])),
    queries: queries.map(({ text }) => termsOf(text)),
  })
  return {
    'token ids × 0.25': of(tokens),
    'stems and token ids × 0.25': of((text) => `${stems(text)} ${tokens(text)}`),
    'words without stems × 0.25': of((text) => text),
  }
}

/** Queries were encoded before. */
function lookUp({ name, fingerprint, dim }, queries) {
  const known = new Map(queries.map(({ text, embeddings }) => [text, embeddings]))
  const encodeQueries = async (texts) => texts.map((text) => known.get(text) ?? queries[0].embeddings)
  return { name, fingerprint, dim, encodeQueries, encodeDocuments: encodeQueries }
}

function embeddingsOf({ codes, scales, lengths, dim }) {
  let token = 0
  return Array.from(lengths, (length) => {
    const data = new Float32Array(length * dim)
    for (let i = 0; i < length; i++, token++)
      for (let j = 0; j < dim; j++) data[i * dim + j] = codes[token * dim + j] * scales[token]
    return { data, length, dim }
  })
}

/** Milliseconds, what came of it, and milliseconds of the processor. */
async function timed(work) {
  const [started, before] = [performance.now(), process.cpuUsage()]
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return [performance.now() - started, result, (user + system) / 1000]
}

async function save(run) {
  const before = JSON.parse(await readFile(`${results}/hybrid.json`, 'utf8').catch(() => '{"runs":[]}'))
  const same = ({ model, collection }) => model.label === run.model.label && collection.name === run.collection.name
  const at = before.runs.findIndex(same)
  const runs = at < 0 ? [...before.runs, shortened(run)] : before.runs.with(at, shortened(run))
  const labels = [...new Set(runs.map(({ model }) => model.label))]
  const names = [...new Set(runs.map(({ collection }) => collection.name))]
  const command = [
    'node bench/hybrid.mjs',
    ...names.map((name) => `--data <${name}>`),
    // Folders are others on every machine.
    ...labels.map((label) => `--model ${label === 'embedded' ? label : `${label}=<folder>`}`),
  ].join(' ')
  await saveResult('hybrid', { kind: 'hybrid', ...(await environment()), command, runs })
}

/** Digits that a measurement can carry. */
function shortened(run) {
  const quality = new Set(['maxSim', 'ndcg', 'mean', 'error'])
  return JSON.parse(
    JSON.stringify(run, (key, value) => {
      if (typeof value !== 'number' || Number.isInteger(value)) return value
      return quality.has(key) ? Number(value.toFixed(5)) : round(value)
    }),
  )
}
