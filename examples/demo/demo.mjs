// The main job on real input: index SciFact, answer claims, measure the answers. Downloads nothing.
import { rm, readdir, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ColBERT, MultiVectorIndex, SerotineError } from '@serotine/core'
import { evaluateRetrieval, indexMethod, readBeir } from '@serotine/core/evaluation'
import { BM25 } from './bm25.mjs'
import { HNSWLIB_MISSING, hnswMethod } from './hnsw.mjs'
import { bestPassage, matchedSpans } from './snippet.mjs'
import {
  count,
  duration,
  heading,
  markWords,
  megabytes,
  paint,
  paragraph,
  print,
  progressBar,
  say,
  table,
} from './terminal.mjs'

const DATA = fileURLToPath(new URL('scifact', import.meta.url))
const INDEX = fileURLToPath(new URL('.index', import.meta.url))
const SHOWN_INDEX = relative(process.cwd(), INDEX)
const CANDIDATES = 100
const UNUSABLE = ['INDEX_MISMATCH', 'INDEX_FORMAT', 'INDEX_VERSION', 'INDEX_CORRUPT']
const SAMPLE_CLAIMS = ['641', '115', '539']

const started = performance.now()
const collection = await readBeir(DATA)

heading('Serotine', 'late-interaction retrieval, offline')
const abstracts = count(collection.documents.length)
say(`SciFact: ${abstracts} abstracts, and ${collection.queries.length} claims that some of them support or refute.`)
const workers = Math.min(availableParallelism(), 8)
const model = await ColBERT.load(undefined, { workers })
say(
  `${model.name}: one ${model.dim}-dimensional vector per token, encoded in ${workers} worker thread${workers > 1 ? 's' : ''}.`,
)

const index = await openIndex()
await fill(index)
for (const id of SAMPLE_CLAIMS) await answer(collection.queries.find((query) => query.id === id))
await evaluate()
await index.close()
await model.close()
print()
const took = duration(performance.now() - started)
say(`All of it took ${took}. The index stays in ${SHOWN_INDEX}; the next run starts from it.`, {
  style: paint.dim,
})
print()

/** Opens the index of an earlier run, or starts a new one when the model or the format is another. */
async function openIndex() {
  try {
    return await MultiVectorIndex.open(INDEX, { model, fde: 'compact' })
  } catch (error) {
    if (!SerotineError.isInstance(error) || !UNUSABLE.includes(error.code)) throw error
    print(paint.dim(`The index of an earlier run does not fit (${error.code}) and is built again.`))
    await rm(INDEX, { recursive: true })
    return MultiVectorIndex.open(INDEX, { model, fde: 'compact' })
  }
}

async function fill(target) {
  heading('1  Index')
  const present = new Set(await target.ids())
  const missing = collection.documents.filter(({ id }) => !present.has(id))
  if (missing.length === 0) {
    const size = megabytes(await folderSize(INDEX))
    const again = `Delete ${SHOWN_INDEX} to build it again.`
    say(`${count(present.size)} abstracts are in the index of an earlier run (${size}). ${again}`, { mark: '✓' })
    return
  }
  if (missing.length < collection.documents.length)
    print(`${count(present.size)} abstracts are there already; going on.`)
  const bar = progressBar('abstracts')
  const begun = performance.now()
  await target.upsert(missing, {
    onProgress: ({ done, total = missing.length }) =>
      bar.update(done, total, `${count((done / (performance.now() - begun)) * 1000)}/s`),
  })
  bar.stop()
  // Goes on by itself; the times below are to be those of searches only.
  await target.prepare()
  const { tokens } = await target.stats()
  const took = duration(performance.now() - begun)
  const size = megabytes(await folderSize(INDEX))
  say(`${count(missing.length)} abstracts, ${count(tokens)} token vectors, in ${took}; ${size} on disk.`, { mark: '✓' })
}

async function answer(claim) {
  const begun = performance.now()
  const hits = await index.search(claim.text, { k: 2, candidates: CANDIDATES })
  const took = performance.now() - begun
  if (claim.id === SAMPLE_CLAIMS[0]) heading('2  Search', 'the words that answered the claim are marked')
  else print()
  say(`“${claim.text}”`, { style: paint.bold })
  const judged = collection.qrels.get(claim.id)
  for (const hit of hits) {
    const relevant = judged.has(hit.id) ? paint.green('  ✓ the abstract the experts cite') : ''
    const score = `MaxSim ${hit.score.toFixed(2)}, ${hit.meanSimilarity.toFixed(2)} per token`
    print(`\n  ${hit.rank}  ${paint.dim(score)}${relevant}`)
    const title = hit.metadata.title
    const spans = matchedSpans(await model.explain(claim.text, hit.text), claim.text, hit.text)
    paragraph(
      markWords(
        title,
        spans.filter(({ end }) => end <= title.length),
      ),
      { indent: 5, style: paint.bold },
    )
    const offset = title.length + 1
    const inText = spans
      .filter(({ start }) => start >= offset)
      .map((span) => ({ ...span, start: span.start - offset, end: span.end - offset }))
    const passage = bestPassage(hit.text.slice(offset), inText, 240)
    const words = markWords(passage.text, passage.spans)
    if (passage.cut) words.unshift({ word: '…', marked: false })
    paragraph(words, { indent: 5, lines: 3 })
  }
  print(paint.dim(`\n  ${duration(took)} with encoding the claim`))
}

async function evaluate() {
  heading('3  Evaluate', `${collection.queries.length} claims, expert judgments, trec_eval's nDCG`)
  const inHnswlib = `MUVERA in hnswlib, exact MaxSim of ${CANDIDATES}`
  await index.prepare({ firstStage: 'centroids' })
  const hnsw = await hnswMethod(inHnswlib, index, { candidates: CANDIDATES })
  if (hnsw) say(`MUVERA's encodings are in an HNSW graph (${duration(hnsw.ms)}).`, { mark: '✓' })
  const bar = progressBar('answers')
  const bm25 = new BM25(collection.documents)
  const { methods, encodeQueriesMs, queries } = await evaluateRetrieval({
    collection,
    model,
    methods: [
      { name: 'BM25, stemmed words', search: ({ text }, k) => ({ documents: bm25.search(text, k) }) },
      indexMethod('Exact MaxSim over all', index, { firstStage: 'exact' }),
      indexMethod(`Centroid codes, exact MaxSim of ${CANDIDATES}`, index, {
        firstStage: 'centroids',
        candidates: CANDIDATES,
      }),
      indexMethod(`MUVERA, exact MaxSim of ${CANDIDATES}`, index, { firstStage: 'fde', candidates: CANDIDATES }),
      ...(hnsw ? [hnsw.method] : []),
      indexMethod('MUVERA alone', index, { firstStage: 'fde', rerank: false }),
    ],
    depth: CANDIDATES,
    onProgress: ({ done, total }) => bar.update(done, total),
  })
  bar.stop()
  const rows = methods.map(({ name, metrics, exactTop10 }) => [
    name,
    metrics['ndcg@10'].toFixed(4),
    metrics['recall@100'].toFixed(3),
    exactTop10.toFixed(3),
  ])
  if (!hnsw) rows.push([inHnswlib, '–', '–', '–'])
  table(['', 'nDCG@10', 'recall@100', 'exact top 10 found'], rows)
  if (!hnsw) {
    print()
    say(HNSWLIB_MISSING)
  }
  const [, exact, centroids, muvera] = methods
  const kept = (method) => `${((100 * method.metrics['ndcg@10']) / exact.metrics['ndcg@10']).toFixed(1)} %`
  const claim = `With exact MaxSim of ${CANDIDATES}, centroid codes keep ${kept(centroids)} of exact MaxSim's nDCG@10, MUVERA ${kept(muvera)}.`
  print(paint.dim(`\n  ${claim}\n`))

  const median = (values) => values?.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
  const time = (ms) => (ms < 0.1 ? '–' : duration(ms))
  table(
    ['Median time of a claim', 'encode', 'first stage', 'fetch', 'MaxSim', 'all'],
    methods.map(({ name, searchMs, partsMs }, i) => {
      const encode = i === 0 ? 0 : encodeQueriesMs / queries
      const firstStage = i === 0 ? median(searchMs) : median(partsMs.firstStage)
      return [
        name,
        ...[encode, firstStage, median(partsMs.fetch), median(partsMs.rerank), encode + median(searchMs)].map(time),
      ]
    }),
  )
}

async function folderSize(folder) {
  const sizes = await Promise.all((await readdir(folder, { recursive: true })).map((name) => stat(join(folder, name))))
  return sizes.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0)
}
