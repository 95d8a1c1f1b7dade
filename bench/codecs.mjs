// Codecs of token vectors compared: what each keeps of the quality of f32, its bytes, and its time.
//
//   node bench/codecs.mjs --data bench/data/scifact --data bench/data/xquad-en
//   node bench/codecs.mjs --data … --model embedded --model minilm=<folder>:int8
//
// Results of the models and collections named replace those in bench/results/codecs.json; others stay.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { evaluateRun, readCollection } from '@serotine/core/evaluation'
import { roundedToTwoBits, twoBitBytes } from './codecs/two-bits.mjs'
import { environment, round, saveResult } from './environment.mjs'
import { bytesOnDisk, cpuSeconds } from './large/measure.mjs'
import { importSource } from './source.mjs'
import { loadModel } from './stages/models.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['bench/data/scifact', 'bench/data/xquad-en'] },
    model: { type: 'string', multiple: true, default: ['embedded'] },
    queries: { type: 'string', default: '400' },
    name: { type: 'string', default: 'codecs' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/codecs.mjs [options]
  --data <folder>    a collection; may be repeated (default bench/data/scifact and bench/data/xquad-en)
  --model <model>    embedded, or label=folder, or label=folder:int8; may be repeated (default embedded)
  --queries <n>      at most so many (default 400)
  --name <name>      result goes to bench/results/<name>.json (default codecs; "" saves nothing)`)
  process.exit(0)
}

const TOP = 10
const BATCH = 256
const CODECS = ['f32', 'f16', 'int8', 'residual']
const { MultiVectorIndex, centroidsFor, trainCodebook, trainingTokens } = await importSource(
  new URL('codecs/sources.ts', import.meta.url),
)

for (const spec of options.model) {
  const { label, model, settings } = await loadModel(spec)
  try {
    for (const folder of options.data) {
      const run = {
        model: { label, dim: model.dim, settings },
        ...(await measure(model, await readCollection(folder))),
      }
      print(run)
      if (options.name) await save(run)
    }
  } finally {
    await model.close()
  }
}

async function measure(model, { name, documents, queries: all, qrels }) {
  const asked = all
    .filter(({ id }) => [...(qrels.get(id)?.values() ?? [])].some((grade) => grade > 0))
    .slice(0, Number(options.queries))
  const encoded = []
  for (let i = 0; i < documents.length; i += BATCH) {
    encoded.push(...(await model.encodeDocuments(documents.slice(i, i + BATCH).map(({ text }) => text))))
    process.stderr.write(`\r${name}: encoded ${encoded.length} of ${documents.length}`)
  }
  process.stderr.write('\n')
  const vectors = await model.encodeQueries(asked.map(({ text }) => text))
  const tokens = encoded.reduce((sum, { length }) => sum + length, 0)
  const queries = asked.map(({ id }, i) => ({ id, embeddings: vectors[i] }))
  const codecs = []
  let reference
  const add = (codec, found, sizes) => {
    reference ??= found.top
    const shares = found.top.map((ids, i) => reference[i].filter((id) => ids.includes(id)).length / reference[i].length)
    const run = new Map(
      queries.map(({ id }, i) => [id, found.top[i].map((each, rank) => ({ id: each, score: -rank }))]),
    )
    const judged = new Map(queries.map(({ id }) => [id, qrels.get(id)]))
    const ndcg = evaluateRun(judged, run, { metrics: ['ndcg@10'] }).metrics['ndcg@10']
    codecs.push({ codec, ndcg, exactTop10: mean(shares), ...sizes })
  }
  for (const codec of CODECS) {
    const { found, bytesPerToken, bytes } = await indexed(codec, documents, encoded, queries)
    add(codec, found, { bytesPerToken, bytes, cpuMs: found.cpuMs })
  }
  const codebook = await trainedOn(encoded, tokens, model.dim)
  const rounded = encoded.map((each) => roundedToTwoBits(codebook, each))
  const { found } = await indexed('f32', documents, rounded, queries)
  add('two bits', found, { bytesPerToken: twoBitBytes(model.dim), bytes: null, cpuMs: null })
  return { collection: { name, documents: documents.length, queries: queries.length, tokens }, codecs }
}

/** Exact MaxSim over what an index keeps, and what that takes. */
async function indexed(codec, documents, encoded, queries) {
  const folder = await mkdtemp(join(tmpdir(), 'serotine-codecs-'))
  // Compressed however small it is: by default that is left to indexes of 250,000 tokens and more.
  const index = await MultiVectorIndex.open(folder, { codec, firstStage: 'exact', compressTokens: 1 })
  try {
    await index.upsert(documents.map(({ id }, i) => ({ id, embeddings: encoded[i] })))
    await index.prepare()
    const stats = await index.stats()
    if (codec === 'residual' && stats.bytes.codebooks === 0) console.log('  not compressed: unsuitable')
    const { result: top, seconds } = await cpuSeconds(async () => {
      const found = []
      for (const { embeddings } of queries) found.push((await index.search(embeddings, { k: TOP })).map(({ id }) => id))
      return found
    })
    return {
      found: { top, cpuMs: (seconds * 1000) / queries.length },
      bytesPerToken: stats.bytes.tokens / stats.tokens,
      bytes: await bytesOnDisk(folder),
    }
  } finally {
    await index.close()
    await rm(folder, { recursive: true })
  }
}

async function trainedOn(encoded, tokens, dim) {
  const centroids = centroidsFor(tokens)
  const wanted = Math.min(tokens, trainingTokens(centroids))
  const rows = new Float32Array(wanted * dim)
  let [seen, taken] = [0, 0]
  for (const { data, length } of encoded) {
    for (let token = 0; token < length; token++, seen++) {
      if (Math.floor(((seen + 1) * wanted) / tokens) === taken) continue
      rows.set(data.subarray(token * dim, (token + 1) * dim), taken++ * dim)
    }
  }
  return trainCodebook(rows, dim, { centroids })
}

function print({ model, collection, codecs }) {
  console.log(
    `\n${model.label}, ${collection.name}: ${collection.tokens.toLocaleString('en-US')} tokens of ${model.dim}`,
  )
  console.table(
    codecs.map(({ codec, ndcg, exactTop10, bytesPerToken, bytes, cpuMs }) => ({
      codec,
      'nDCG@10': ndcg.toFixed(4),
      'top 10 of f32': exactTop10.toFixed(3),
      'bytes a token': bytesPerToken.toFixed(1),
      MB: bytes === null ? '' : (bytes / 1e6).toFixed(1),
      'CPU ms': cpuMs === null ? '' : cpuMs.toFixed(1),
    })),
  )
}

async function save(run) {
  const file = fileURLToPath(new URL(`results/${options.name}.json`, import.meta.url))
  const { runs: before } = JSON.parse(await readFile(file, 'utf8').catch(() => '{"runs":[]}'))
  const isSame = ({ model, collection }) => model.label === run.model.label && collection.name === run.collection.name
  const at = before.findIndex(isSame)
  const runs = at < 0 ? [...before, run] : before.with(at, run)
  // Folders are others on every machine.
  const labels = [...new Set(runs.map(({ model }) => model.label))]
  const names = [...new Set(runs.map(({ collection }) => collection.name))]
  const command = [
    'node bench/codecs.mjs',
    ...names.map((each) => `--data <${each}>`),
    ...labels.map((each) => `--model ${each === 'embedded' ? each : `${each}=<folder>`}`),
  ].join(' ')
  const digits = JSON.stringify({ kind: 'codecs', ...(await environment()), command, runs }, (key, value) => {
    if (typeof value !== 'number' || Number.isInteger(value)) return value
    return key === 'ndcg' || key === 'exactTop10' ? Number(value.toFixed(5)) : round(value)
  })
  await saveResult(options.name, JSON.parse(digits))
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
