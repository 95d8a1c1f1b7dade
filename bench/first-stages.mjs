// Where exact MaxSim, the FDE scan and the HNSW graph each answer fastest: what `firstStage: 'auto'` goes by.
//
//   node bench/first-stages.mjs [--sizes 2000,10000,50000] [--hnsw 10000] [--name first-stages]
//
// Synthetic tokens (seeded) around shared directions: times depend on sizes, not on what the vectors mean. A graph is built only
// up to --hnsw documents: adding a document takes milliseconds.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { environment, round, saveResult } from './environment.mjs'
import { indexFromSource } from './source.mjs'

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '2000,10000,50000' },
    hnsw: { type: 'string', default: '10000' },
    name: { type: 'string', default: 'first-stages' },
  },
})
const DIM = 128
const QUERY_TOKENS = 32
const ROUNDS = 20

const { MultiVectorIndex } = await indexFromSource()

let state = 42
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
const directions = Array.from({ length: 2000 }, () => Float32Array.from({ length: DIM }, random))

function tokens(length) {
  const data = new Float32Array(length * DIM)
  for (let token = 0; token < length; token++) {
    const direction = directions[Math.floor(((random() + 1) / 2) * directions.length)]
    let square = 0
    for (let k = 0; k < DIM; k++) square += (data[token * DIM + k] = direction[k] + 0.6 * random()) ** 2
    for (let k = 0; k < DIM; k++) data[token * DIM + k] /= Math.sqrt(square)
  }
  return { data, length, dim: DIM }
}

const queries = Array.from({ length: ROUNDS }, () => tokens(QUERY_TOKENS))

/** Wall time of the search without encoding, and CPU time: on a busy machine only the latter says what it costs. */
async function measure(index, search) {
  const times = []
  for (const query of queries.slice(0, 3)) await index.search(query, search)
  const cpu = process.cpuUsage()
  for (const query of queries) {
    const { timings } = await index.searchDetailed(query, search)
    times.push(timings.firstStage + timings.fetch + timings.rerank)
  }
  const { user, system } = process.cpuUsage(cpu)
  return { cpuMs: round((user + system) / 1000 / queries.length), minMs: round(Math.min(...times)) }
}

/** CPU milliseconds per document of what `work` does to so many. */
async function cost(count, work) {
  const started = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(started)
  return round((user + system) / 1000 / count)
}

async function fill(index, count, length) {
  for (let i = 0; i < count; i += 1000) {
    await index.upsert(
      Array.from({ length: Math.min(1000, count - i) }, (_, j) => ({ id: `${i + j}`, embeddings: tokens(length) })),
    )
  }
  await index.prepare()
}

const folder = await mkdtemp(join(tmpdir(), 'serotine-bench-'))
const rows = []
const add = (row) => {
  rows.push(row)
  console.log(
    Object.entries(row)
      .map(([key, value]) => `${key} ${value}`)
      .join('   '),
  )
}
try {
  const exact = await MultiVectorIndex.open(join(folder, 'exact'), { fde: 'compact', firstStage: 'exact' })
  const perDocument = await cost(2000, () => fill(exact, 2000, 130))
  add({ task: 'add embeddings, 130 tokens, with FDEs', documents: 2000, cpuMsPerDocument: perDocument })
  for (const count of [100, 500, 2000]) {
    const where = ({ id }) => Number(id) < count
    add({
      task: 'exact MaxSim',
      documents: count,
      tokens: count * 130,
      ...(await measure(exact, { firstStage: 'exact', ...(count < 2000 && { where }) })),
    })
  }
  add({ task: 'FDE scan, exact MaxSim of 100', documents: 2000, ...(await measure(exact, { firstStage: 'fde' })) })
  await exact.close()
  for (const documents of [2000, 10_000]) {
    const coded = await MultiVectorIndex.open(join(folder, `centroids-${documents}`), {
      fde: false,
      firstStage: 'exact',
    })
    const added = await cost(documents, () => fill(coded, documents, 130))
    add({ task: 'add embeddings, 130 tokens, no FDEs', documents, cpuMsPerDocument: added })
    const tokens = documents * 130
    const prepared = await cost(documents, () => coded.prepare({ firstStage: 'centroids' }))
    add({ task: 'centroids: train, code', documents, tokens, cpuMsPerDocument: prepared })
    add({
      task: 'centroid scan alone',
      documents,
      tokens,
      ...(await measure(coded, { firstStage: 'centroids', rerank: false, k: 100 })),
    })
    add({
      task: 'centroid scan, exact MaxSim of 100',
      documents,
      tokens,
      ...(await measure(coded, { firstStage: 'centroids' })),
    })
    await coded.close()
  }
  for (const documents of options.sizes.split(',').map(Number)) {
    // Few tokens per document: the FDE is as long as ever, and the collection is soon made.
    const index = await MultiVectorIndex.open(join(folder, `scan-${documents}`), { fde: 'compact', firstStage: 'fde' })
    await fill(index, documents, 8)
    add({ task: 'FDE scan alone', documents, ...(await measure(index, { firstStage: 'fde', rerank: false, k: 100 })) })
    if (documents <= Number(options.hnsw)) {
      const built = await cost(documents, () => index.prepare({ firstStage: 'hnsw' }))
      add({ task: 'build HNSW', documents, cpuMsPerDocument: built })
      add({ task: 'HNSW alone', documents, ...(await measure(index, { firstStage: 'hnsw', rerank: false, k: 100 })) })
      let kept = 0
      for (const query of queries) {
        const [scan, graph] = await Promise.all(
          ['fde', 'hnsw'].map((firstStage) => index.search(query, { firstStage, rerank: false, k: 100 })),
        )
        const found = new Set(graph.map(({ id }) => id))
        kept += scan.filter(({ id }) => found.has(id)).length / scan.length / queries.length
      }
      add({ task: 'HNSW: share of the scan’s 100', documents, share: round(kept) })
    }
    await index.close()
  }
} finally {
  await rm(folder, { recursive: true })
}
console.log(
  await saveResult(options.name, {
    kind: 'first-stages',
    ...(await environment()),
    seed: 42,
    dim: DIM,
    queryTokens: QUERY_TOKENS,
    preset: 'compact',
    rows,
  }),
)
