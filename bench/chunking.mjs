// How long passages should be: the same long texts cut in several ways, each text as good as its best passage.
//
//   node bench/chunking.mjs                                          articles of XQuAD, the embedded model
//   node bench/chunking.mjs --collection scifact --model <folder or Hub id>
import { parseArgs } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { evaluateRun, readCollection } from '@serotine/core/evaluation'
import { splitPassages } from 'serotine'
import { environment, saveResult } from './environment.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    collection: { type: 'string', multiple: true, default: ['xquad-articles'] },
    name: { type: 'string', default: 'chunking' },
  },
})
const WAYS = {
  'xquad-articles': [
    { split: false },
    { maxTokens: 32 },
    { maxTokens: 64 },
    { maxTokens: 128 },
    { maxTokens: 128, overlap: 32 },
    { maxTokens: 128, title: true },
    { maxTokens: 200 },
    { maxTokens: 280 },
  ],
  scifact: [{ split: false }, { maxTokens: 64 }, { maxTokens: 64, title: true }, { maxTokens: 128, title: true }],
}
const model = await ColBERT.load(options.model)
const tokensOf = (text) => {
  const { ids, cut } = model.documentInput(text)
  return ids.length + cut
}
const overhead = tokensOf('')
const countTokens = (text) => tokensOf(text) - overhead

/** Texts with a title, questions with what answers them, and where in its text that stands. */
async function load(name) {
  const { documents, queries, qrels } = await readCollection(`bench/data/${name.replace('-articles', '-en')}`)
  const bodies = documents.map(({ id, text, metadata: { title = '' } }) => ({
    id,
    title,
    text: text.slice(title && title.length + 1),
  }))
  if (name !== 'xquad-articles') return { texts: bodies, queries, qrels }
  // Paragraphs of an article, one below the other.
  const articles = new Map()
  const places = new Map()
  for (const { id, title, text } of bodies) {
    const article = articles.get(title) ?? { id: title, title, text: '' }
    const start = article.text.length + (article.text ? 2 : 0)
    articles.set(title, { ...article, text: article.text ? `${article.text}\n\n${text}` : text })
    places.set(id, { article: title, start, end: start + text.length })
  }
  const answers = new Map([...qrels].map(([query, judged]) => [query, places.get([...judged.keys()][0])]))
  const articleQrels = new Map([...answers].map(([query, { article }]) => [query, new Map([[article, 1]])]))
  return { texts: [...articles.values()], queries, qrels: articleQrels, answers }
}

async function measure({ texts, queries, qrels, answers }, way) {
  const index = await MultiVectorIndex.open(undefined, { model, firstStage: 'exact' })
  const cut = ({ text }) =>
    way.split === false
      ? [{ text, charStart: 0, charEnd: text.length }]
      : splitPassages(text, { maxTokens: way.maxTokens, overlap: way.overlap ?? 0, countTokens })
  const passages = texts.flatMap((whole) =>
    cut(whole).map(({ text, charStart, charEnd }, i) => ({
      id: `${whole.id}#${i}`,
      text: way.title || way.split === false ? `${whole.title} ${text}`.trim() : text,
      metadata: { of: whole.id, charStart, charEnd },
    })),
  )
  await index.upsert(passages)
  const { tokens } = await index.stats()
  const run = new Map()
  let inPlace = 0
  const started = process.cpuUsage()
  for (const { id, text } of queries.filter(({ id }) => qrels.has(id))) {
    const hits = await index.search(text, { k: 100, text: false })
    const best = new Map()
    for (const { score, metadata } of hits) if (!best.has(metadata.of)) best.set(metadata.of, score)
    run.set(
      id,
      [...best].map(([id, score]) => ({ id, score })),
    )
    const answer = answers?.get(id)
    const { of, charStart, charEnd } = hits[0].metadata
    const middle = (charStart + charEnd) / 2
    if (answer && of === answer.article && middle >= answer.start && middle < answer.end) inPlace++
  }
  const { user, system } = process.cpuUsage(started)
  const { metrics } = evaluateRun(qrels, run, { metrics: ['ndcg@10', 'accuracy@1'] })
  await index.close()
  return {
    ...way,
    passages: passages.length,
    tokens,
    metrics: { 'ndcg@10': metrics['ndcg@10'], 'accuracy@1': metrics['accuracy@1'] },
    ...(answers && { inPlace: inPlace / run.size }),
    cpuMs: (user + system) / 1e3 / run.size,
  }
}

const collections = []
for (const name of options.collection) {
  const collection = await load(name)
  const ways = []
  for (const way of WAYS[name]) {
    ways.push(await measure(collection, way))
    console.log(name, JSON.stringify(ways.at(-1)))
  }
  const tokens = collection.texts.map(({ text }) => countTokens(text))
  collections.push({
    name,
    texts: tokens.length,
    queries: collection.queries.length,
    meanTokens: tokens.reduce((sum, n) => sum + n, 0) / tokens.length,
    ways,
  })
}
const file = await saveResult(options.name, {
  kind: 'chunking',
  ...(await environment()),
  model: { name: model.name, documentLength: model.config.documentLength },
  collections,
})
console.log(`written to ${file}`)
await model.close()
