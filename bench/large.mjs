// First stages on a large collection of real passages, grown topic by topic and shuffled.
//
//   python bench/large/collect.py            collects the passages, see bench/large/README.md
//   node bench/large.mjs                     every stage and order; token vectors are kept, so a second run begins with the index
//   node bench/large.mjs --stages default --orders topical --passages 5000 --name ""      a quick look, nothing saved
//   node bench/large.mjs --plaid python      also PLAID, where `pip install fast-plaid` was run
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ColBERT } from '@serotine/core'
import { environment, round, saveResult } from './environment.mjs'
import { encodedLargeCollection, readLargeCollection } from './large/collection.mjs'
import { answers, bytesOnDisk, cpuSeconds, quality, searchesWhileCompacting } from './large/measure.mjs'
import { plaid } from './large/plaid.mjs'
import { indexFromSource } from './source.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: fileURLToPath(new URL('.cache/large', import.meta.url)) },
    stages: { type: 'string', default: 'default,compact,quality' },
    orders: { type: 'string', default: 'topical,shuffled' },
    candidates: { type: 'string', default: '100,200,300,500,1000' },
    queries: { type: 'string', default: '200' },
    passages: { type: 'string' },
    plaid: { type: 'string' },
    compaction: { type: 'boolean', default: true },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
    name: { type: 'string', default: 'large' },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
})
if (options.help) {
  console.log(`node bench/large.mjs [options]
  --data <folder>      what bench/large/collect.py wrote (default bench/.cache/large)
  --stages a,b         ${Object.keys(stages()).join(', ')} (default default,compact,quality);
                       compact:topical is asked in that order only
  --orders a,b         topical, shuffled (default both)       --candidates a,b   scored exactly (default 100,200,300,500,1000)
  --queries <n>        default 200                            --passages <n>     only so many, of all topics
  --plaid <python>     an interpreter that has fast-plaid
  --no-compaction      no searches while the index compacts   --workers <n>      encoding threads
  --name <name>        result goes to bench/results/<name>.json (default large; "" saves nothing)`)
  process.exit(0)
}

const BATCH = 512
/** Parts of the collection in the order in which it grew: the first third, the second, the last. */
const PARTS = 3
/** One of so many documents is deleted before the index is compacted. */
const DELETED = 50

/** How the index of each stage is opened, and which stage of `stats()` then answers. */
function stages() {
  return {
    default: { name: 'what the index does by itself', open: {} },
    residual: { name: 'the same, with vectors as residual codes', open: { codec: 'residual' } },
    compact: { name: 'MUVERA compact, scanned', open: { fde: 'compact', firstStage: 'fde' } },
    quality: { name: 'MUVERA quality, scanned', open: { fde: 'quality', firstStage: 'fde' } },
    hnsw: { name: 'MUVERA compact in hnswlib', open: { fde: 'compact', firstStage: 'hnsw' } },
  }
}

const { MultiVectorIndex } = await indexFromSource()
const collection = await readLargeCollection(options.data, {
  ...(options.passages && { passages: Number(options.passages) }),
})
const model = await ColBERT.load(undefined, { workers: Number(options.workers) })
const scratch = await mkdtemp(join(tmpdir(), 'serotine-large-'))
try {
  await main()
} finally {
  await model.close()
  await rm(scratch, { recursive: true })
}

async function main() {
  const { passages } = collection
  const encoded = await encodedLargeCollection(options.data, model, collection, (done) =>
    process.stderr.write(`\rencoded ${done} of ${passages.length} passages${done === passages.length ? '\n' : ''}`),
  )
  const queries = collection.queries
    .map((query, i) => ({ ...query, embeddings: encoded.queries[i] }))
    .slice(0, Number(options.queries))
  console.log(
    `${passages.length} passages, ${encoded.about.tokens.toLocaleString('en-US')} tokens; ${queries.length} queries`,
  )
  const runs = []
  let exact
  for (const order of options.orders.split(',')) {
    const growth = orderOf(order, passages.length)
    for (const asked of options.stages.split(',')) {
      const [stage, only = order] = asked.split(':')
      if (only !== order) continue
      const { run, reference } = await measure(stage, order, growth, queries, encoded, exact)
      exact ??= reference
      runs.push(run)
      print(run, exact)
    }
  }
  if (options.plaid) {
    const peer = await plaid(options.plaid, encoded.place, join(scratch, 'plaid'), queries.length)
    const top = peer.top.map((positions) => positions.map((at) => passages[at].id))
    const { mrr, exactTop10 } = quality(queries, top, exact.top)
    runs.push({ ...peer.run, rows: [{ candidates: null, mrr, exactTop10, cpuMs: peer.cpuMs }] })
    console.log(
      `\n${peer.run.name}: MRR@10 ${mrr.toFixed(4)}, exact top 10 ${exactTop10.toFixed(3)}, ${peer.cpuMs.toFixed(1)} CPU ms`,
    )
  }
  await encoded.close()
  if (options.name === '') return
  const { top: _, ...reference } = exact
  console.log(`written to ${await saveResult(options.name, await result(encoded.about, queries, reference, runs))}`)
}

/** Positions of passages in the order in which they are added. */
function orderOf(order, count) {
  const positions = Array.from({ length: count }, (_, i) => i)
  if (order === 'topical') return positions
  if (order !== 'shuffled') throw new Error(`--orders takes topical and shuffled, got ${order}.`)
  let state = 42
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const j = Math.floor((state / 2 ** 32) * (i + 1))
    ;[positions[i], positions[j]] = [positions[j], positions[i]]
  }
  return positions
}

async function measure(stage, order, growth, queries, encoded, known) {
  const about = stages()[stage]
  if (!about) throw new Error(`--stages takes ${Object.keys(stages()).join(', ')}; got ${stage}.`)
  const folder = join(scratch, `${stage}-${order}`)
  const index = await MultiVectorIndex.open(folder, { model, ...about.open })
  try {
    const build = await grow(index, growth, encoded, `${about.name}, ${order}`)
    const reference = known ?? (await exactly(index, queries))
    const place = new Map(growth.map((at, position) => [collection.passages[at].id, position]))
    const parts = queries.map(({ relevant }) =>
      Math.floor((PARTS * place.get(relevant.find((id) => place.has(id)))) / growth.length),
    )
    const rows = []
    for (const candidates of [undefined, ...options.candidates.split(',').map(Number)]) {
      const { top, cpuMs } = await answers(index, queries, candidates ? { candidates } : {})
      rows.push({ candidates: candidates ?? null, ...quality(queries, top, reference.top, parts), cpuMs })
    }
    const stats = await index.stats()
    const bytes = { onDisk: await bytesOnDisk(folder), ...stats.bytes }
    const deleted = growth.filter((_, i) => i % DELETED === 0).map((at) => collection.passages[at].id)
    const compaction = options.compaction ? await searchesWhileCompacting(index, queries, deleted) : undefined
    const compacted = compaction && {
      onDisk: await bytesOnDisk(folder),
      firstStages: (await index.stats()).firstStages,
    }
    const { firstStage, firstStages } = stats
    const run = { stage, name: about.name, order, build, bytes, firstStage, firstStages, rows, compaction, compacted }
    return { run, reference }
  } finally {
    await index.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Batch after batch, with what stages learn and code after each, so that when they learn does not depend on how busy the machine is. */
async function grow(index, growth, encoded, label) {
  const started = performance.now()
  const { seconds } = await cpuSeconds(async () => {
    for (let i = 0; i < growth.length; i += BATCH) {
      const batch = []
      for (const at of growth.slice(i, i + BATCH)) {
        const { id, topic, text } = collection.passages[at]
        batch.push({ id, text, embeddings: await encoded.passage(at), metadata: { topic } })
      }
      await index.upsert(batch)
      await index.prepare()
      process.stderr.write(`\r${label}: added ${Math.min(i + BATCH, growth.length)} of ${growth.length}`)
    }
  })
  process.stderr.write('\n')
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: seconds }
}

async function exactly(index, queries) {
  const { top, cpuMs } = await answers(index, queries, { firstStage: 'exact' })
  const { mrr } = quality(queries, top, top)
  return { top, mrr, cpuMs }
}

function print({ name, order, build, bytes, rows, firstStages, compaction, compacted }, exact) {
  const percent = (value) => `${(100 * value).toFixed(1)} %`
  console.log(
    `\n${name}, ${order}: built in ${build.cpuSeconds.toFixed(0)} CPU s, ${(bytes.onDisk / 1e6).toFixed(0)} MB; exact MRR@10 ` +
      `${exact.mrr.toFixed(4)}, ${exact.cpuMs.toFixed(0)} CPU ms`,
  )
  console.table(
    rows.map(({ candidates, mrr, exactTop10, exactTop10ByPart, cpuMs }) => ({
      candidates: candidates ?? 'default',
      'MRR@10': mrr.toFixed(4),
      loss: percent(1 - mrr / exact.mrr),
      'exact top 10': exactTop10.toFixed(3),
      'by third': exactTop10ByPart.map((share) => share.toFixed(3)).join(' '),
      'CPU ms': cpuMs.toFixed(1),
    })),
  )
  for (const [stage, { suitability, facts }] of Object.entries(firstStages)) {
    console.log(`  ${stage} reports ${reported(suitability)}; ${JSON.stringify(facts)}`)
  }
  if (compaction) {
    const { seconds, searches, longestMs, medianMs } = compaction
    console.log(
      `  compacting and learning ${seconds.toFixed(1)} s: ${searches} searches, longest ${longestMs.toFixed(0)} ms, median ${medianMs.toFixed(0)} ms`,
    )
    const stages = Object.entries(compacted.firstStages).map(
      ([stage, { suitability }]) => `${stage} reports ${reported(suitability)}`,
    )
    console.log(`  then ${(compacted.onDisk / 1e6).toFixed(0)} MB; ${stages.join(', ')}`)
  }
}

function reported(suitability) {
  return suitability ? `${suitability.recall.toFixed(3)} at ${suitability.candidates} candidates` : 'nothing'
}

async function result({ dim, tokens, encodeSeconds, encodeCpuSeconds }, queries, exact, runs) {
  const { passages } = collection
  const raw = {
    kind: 'large',
    ...(await environment()),
    dataset: {
      name: 'passages of packages',
      passages: passages.length,
      topics: new Set(passages.map(({ topic }) => topic)).size,
      tokens,
      queries: queries.length,
    },
    model: { name: model.name, dim, encodeSeconds, encodeCpuSeconds },
    exact,
    // As they are listed, in whatever order they were asked.
    runs: Object.keys({ ...stages(), plaid }).flatMap((stage) => runs.filter((run) => run.stage === stage)),
  }
  // Digits that a measurement can carry.
  return JSON.parse(
    JSON.stringify(raw, (_, value) => (typeof value === 'number' && !Number.isInteger(value) ? round(value) : value)),
  )
}
