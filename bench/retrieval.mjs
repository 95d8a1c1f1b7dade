// Quality and speed, for every way of searching one collection.
//
//   node bench/retrieval.mjs                                     SciFact, the embedded model
//   node bench/retrieval.mjs --presets compact,quality,paper --hnsw      the table of README
//   node bench/retrieval.mjs --presets small,compact,quality,paper --candidates 10,20,50,100,200,400 --name scifact-sweep
//                                                                for the plots of node bench/report.mjs
//   node bench/retrieval.mjs --data <BEIR folder> --model <folder or Hub id> --presets compact,quality --candidates 50,100
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRetrieval, indexMethod, readCollection, worstQueries, writeTrecRun } from '@serotine/core/evaluation'
import { BM25 } from '../examples/demo/bm25.mjs'
import { environment, round, saveResult, spread } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: 'bench/data/scifact' },
    split: { type: 'string' },
    subset: { type: 'string' },
    model: { type: 'string' },
    dtype: { type: 'string', default: 'fp32' },
    presets: { type: 'string', default: 'compact,quality' },
    codec: { type: 'string' },
    candidates: { type: 'string', default: '100' },
    hnsw: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
    name: { type: 'string' },
    runs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/retrieval.mjs [options]
  --data <folder>        BEIR, MTEB, NanoBEIR, LongEmbed or BRIGHT folder (default bench/data/scifact)
  --split <name>         default test, or the only one              --subset <name>     domain of BRIGHT
  --model <id|folder>    default: the embedded model                --dtype fp32|int8   default fp32
  --presets a,b          FDE presets (default compact,quality)      --candidates a,b    reranked exactly (default 100)
  --codec f32|f16|int8   how token vectors are stored               --hnsw              also MUVERA in hnswlib-node
  --workers <n>          encoding threads                           --runs <folder>     write TREC run files there
  --name <name>          result goes to bench/results/<name>.json (default: the collection's name)`)
  process.exit(0)
}

const { split, subset } = options
const collection = await readCollection(options.data, { ...(split && { split }), ...(subset && { subset }) })
const model = await ColBERT.load(options.model, { workers: Number(options.workers), dtype: options.dtype })
const presets = options.presets.split(',')
const candidateCounts = options.candidates.split(',').map(Number)
const scratch = await mkdtemp(join(tmpdir(), 'serotine-bench-'))
try {
  await main()
} finally {
  await model.close()
  await rm(scratch, { recursive: true })
}

async function main() {
  const indexes = new Map()
  for (const preset of presets) {
    indexes.set(preset, await open(preset, 'fde', preset))
  }
  // An index of its own, so that building time and size of the first preset's are those without a graph.
  const graph = options.hnsw ? await open(presets[0], 'hnsw', 'hnsw') : undefined
  // Its codes are kept up to date while the collection grows, as those of an index with firstStage: 'auto' are.
  const centroids = await MultiVectorIndex.open(join(scratch, 'centroids'), {
    model,
    fde: false,
    firstStage: 'centroids',
    ...(options.codec && { codec: options.codec }),
  })
  const all = [...indexes.values(), centroids, ...(graph ? [graph] : [])]
  const times = await fill(all)
  const first = indexes.get(presets[0])
  const bm25 = new BM25(collection.documents)
  const { tokens: tokenBytes } = await bytesPerDocument(first)
  const methods = [
    { name: 'BM25 (k1 0.9, b 0.4, stemmed)', search: ({ text }, k) => ({ documents: bm25.search(text, k) }) },
    indexMethod('exact MaxSim over all', first, { firstStage: 'exact' }),
  ]
  // What a report plots, by method.
  const facts = new Map([[methods[1].name, { bytesPerDocument: tokenBytes }]])
  const add = (method, about) => {
    methods.push(method)
    facts.set(method.name, about)
  }
  const codeBytes = await bytesPerDocument(centroids)
  for (const candidates of candidateCounts) {
    const about = { series: 'centroids', candidates, bytesPerDocument: codeBytes.tokens + codeBytes.centroids }
    add(
      indexMethod(`centroid codes, exact MaxSim of ${candidates}`, centroids, { firstStage: 'centroids', candidates }),
      about,
    )
  }
  for (const [preset, index] of indexes) {
    const { length } = (await index.stats()).firstStages.fde.facts
    // So few tokens that the index made no FDEs: everything is scored exactly.
    if (length === null) continue
    const muvera = `MUVERA ${preset} (${length.toLocaleString('en-US')} numbers)`
    const kinds = [{ kind: 'fde', in: '', searched: index }]
    if (graph && index === first) kinds.push({ kind: 'hnsw', in: ' in hnswlib', searched: graph })
    for (const { kind, in: where, searched } of kinds) {
      const bytes = await bytesPerDocument(searched)
      for (const candidates of candidateCounts) {
        add(
          indexMethod(`${muvera}${where}, exact MaxSim of ${candidates}`, searched, { firstStage: kind, candidates }),
          {
            series: `MUVERA ${preset}${where}`,
            candidates,
            fdeLength: length,
            bytesPerDocument: bytes.tokens + bytes.fde + bytes.hnsw,
          },
        )
      }
    }
    const bytes = await bytesPerDocument(index)
    const alone = { series: `MUVERA ${preset}`, fdeLength: length, bytesPerDocument: bytes.fde }
    add(indexMethod(`${muvera} alone`, index, { firstStage: 'fde', rerank: false }), alone)
  }
  // Once unmeasured: the first calls run code that is not compiled yet.
  const few = { ...collection, queries: collection.queries.slice(0, 5) }
  await evaluateRetrieval({ collection: few, model, methods })
  const result = await evaluateRetrieval({ collection, model, methods })
  const saved = await report(result, first, times, facts)
  for (const { name, run } of options.runs ? result.methods : []) {
    await writeTrecRun(join(options.runs, `${name.replaceAll(/[^\w.]+/g, '-')}.trec`), run)
  }
  print(result, saved)
  for (const index of all) await index.close()
}

function open(preset, firstStage, folder) {
  return MultiVectorIndex.open(join(scratch, folder), {
    model,
    fde: { preset },
    firstStage,
    ...(options.codec && { codec: options.codec }),
  })
}

/** Encodes every document once and hands it to all indexes. */
async function fill(indexes) {
  let [encodeSeconds, indexSeconds, tokens] = [0, 0, 0]
  for (let i = 0; i < collection.documents.length; i += 512) {
    const batch = collection.documents.slice(i, i + 512)
    let started = performance.now()
    const embeddings = await model.encodeDocuments(batch.map(({ text }) => text))
    encodeSeconds += (performance.now() - started) / 1000
    tokens += embeddings.reduce((sum, { length }) => sum + length, 0)
    for (const [position, index] of indexes.entries()) {
      started = performance.now()
      await index.upsert(batch.map(({ id }, j) => ({ id, embeddings: embeddings[j] })))
      // What first stages need is made in the background: here, so that it does not slow down the next batch.
      await index.prepare()
      if (position === 0) indexSeconds += (performance.now() - started) / 1000
    }
    process.stderr.write(
      `\rencoded ${Math.min(i + 512, collection.documents.length)} of ${collection.documents.length} documents`,
    )
  }
  process.stderr.write('\n')
  return { encodeSeconds, indexSeconds, tokens }
}

/** Of what grows with the collection: not what FDEs learned from it. */
async function bytesPerDocument(index) {
  const { bytes, documents, firstStages } = await index.stats()
  const each = (part) => Math.round((bytes[part] ?? 0) / documents)
  const fde = firstStages.fde?.facts.bytesPerDocument ?? 0
  return { tokens: each('tokens'), fde, hnsw: each('hnsw'), centroids: each('centroids') }
}

async function report(result, index, { encodeSeconds, indexSeconds, tokens }, facts) {
  const folder = join(scratch, presets[0])
  const entries = await Promise.all(
    (await readdir(folder, { recursive: true })).map((name) => stat(join(folder, name))),
  )
  const stats = await index.stats()
  const looked = methodToLookAt(facts)
  return {
    kind: 'retrieval',
    ...(await environment()),
    dataset: {
      name: collection.name,
      split: collection.split,
      documents: collection.documents.length,
      queries: result.queries,
    },
    model: {
      name: model.name,
      dim: model.dim,
      dtype: options.dtype,
      documentLength: model.config.documentLength,
      workers: Number(options.workers),
    },
    index: {
      codec: stats.codec,
      firstStages: stats.firstStages,
      tokens,
      bytes: entries.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0),
      buildSeconds: round(encodeSeconds + indexSeconds),
      encodeSeconds: round(encodeSeconds),
      tokensPerSecond: Math.round(tokens / encodeSeconds),
    },
    encodeQueryMs: round(result.encodeQueriesMs / result.queries),
    methods: result.methods.map(({ name, metrics, exactTop10, searchMs, cpuMs, partsMs }) => ({
      name,
      ...facts.get(name),
      metrics: Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, Number(value.toFixed(5))])),
      exactTop10: Number(exactTop10.toFixed(4)),
      cpuMs: round(cpuMs),
      searchMs: spread(searchMs),
      partsMs: Object.fromEntries(Object.entries(partsMs).map(([part, ms]) => [part, spread(ms)])),
    })),
    worst: {
      method: looked,
      metric: 'ndcg@10',
      queries: worstQueries(collection, result, { method: looked, metric: 'ndcg@10' }),
    },
  }
}

/** What a user of the defaults would get: about 100 candidates by centroid codes. */
function methodToLookAt(facts) {
  const ranked = [...facts].filter(([, { candidates }]) => candidates !== undefined)
  const usual = ranked.filter(([, { series }]) => series === 'centroids')
  const nearest = (usual.length > 0 ? usual : ranked).toSorted(
    ([, a], [, b]) => Math.abs(a.candidates - 100) - Math.abs(b.candidates - 100),
  )[0]
  return nearest?.[0] ?? 'exact MaxSim over all'
}

function print(result, saved) {
  console.log(
    `\n${saved.dataset.name}, ${saved.model.name}: ${saved.index.tokens.toLocaleString('en-US')} token vectors`,
  )
  const rows = saved.methods.map(({ name, metrics, exactTop10, searchMs, cpuMs }) => ({
    method: name,
    'nDCG@10': metrics['ndcg@10'].toFixed(4),
    'recall@100': metrics['recall@100'].toFixed(3),
    'exact top 10': exactTop10.toFixed(3),
    'CPU ms': cpuMs,
    'ms min': searchMs.min,
    median: searchMs.median,
    'mean ± sd': `${searchMs.mean} ± ${searchMs.sd}`,
  }))
  console.table(rows)
  return saveResult(options.name ?? collection.name, saved).then((file) => console.log(`written to ${file}`))
}
