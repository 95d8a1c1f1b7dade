// Questions a user asks of a documentation folder: how often is the first passage that would be cited from a section that answers?
//
//   npm pack fastify@5.12.8 && tar xf fastify-5.12.8.tgz          its docs/ (MIT), 41 pages; questions and sections in bench/answers
//   node bench/answers.mjs --docs package/docs --minilm <folder>  a folder as bench/single-vector.mjs wants it
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { environment, round, saveResult } from './environment.mjs'
import { FeatureExtraction, nearest, TRANSFORMERS_VERSION } from './feature-extraction.mjs'
import { rightPassages } from './answers/sections.mjs'

const { values: options } = parseArgs({
  options: {
    docs: { type: 'string' },
    minilm: { type: 'string' },
    questions: { type: 'string', default: fileURLToPath(new URL('answers/questions.json', import.meta.url)) },
    name: { type: 'string', default: 'answers' },
    misses: { type: 'boolean', default: false },
  },
})
if (options.docs === undefined || options.minilm === undefined) {
  console.error(
    'node bench/answers.mjs --docs <folder> --minilm <folder> [--questions <file>] [--misses] [--name <result>]',
  )
  process.exit(1)
}
/** Citations of an answer. */
const CITED = 5
/** What a reranker is given. */
const RERANKED = 40
/** Words alone: MaxSim decides between equals only. */
const WORDS_ALONE = 1e6

const questions = JSON.parse(await readFile(options.questions, 'utf8'))
const scratch = await mkdtemp(join(tmpdir(), 'serotine-answers-'))
try {
  await main()
} finally {
  await rm(scratch, { recursive: true })
}

async function main() {
  const folder = join(scratch, 'index')
  const cli = fileURLToPath(new URL('../packages/cli/dist/cli.js', import.meta.url))
  await promisify(execFile)(process.execPath, [cli, 'index', resolve(options.docs), '--out', folder, '--quiet'])
  const model = await ColBERT.load()
  const index = await MultiVectorIndex.open(folder, { model, readonly: true })
  const extraction = await FeatureExtraction.load(options.minilm)
  try {
    const passages = []
    for await (const { id, text, metadata } of index.scan()) passages.push({ id, text, metadata })
    const placed = passages.map(({ id, text, metadata }) => ({
      id,
      path: relative(resolve(options.docs), resolve(metadata.source)),
      from: metadata.line,
      to: metadata.line + text.split('\n').length - 1,
    }))
    const right = await rightPassages(options.docs, questions, placed)
    const ids = passages.map(({ id }) => id)
    const vectors = await extraction.embed(passages.map(({ text }) => text))
    const asked = await extraction.embed(questions.map(({ question }) => question))
    const single = asked.map((vector) => nearest(vector, ids, vectors, RERANKED).map(({ id }) => id))
    const textOf = new Map(passages.map(({ id, text }) => [id, text]))
    const search = (how) => (question) => index.search(question, { k: CITED, ...how }).then(idsOf)
    const methods = {
      'one vector a passage (all-MiniLM-L6-v2)': (_, i) => single[i],
      'its best 40, reranked by MaxSim': async (question, i) => {
        const ranked = await model.rerank(
          question,
          single[i].map((id) => textOf.get(id)),
        )
        return ranked.map(({ index: at }) => single[i][at])
      },
      'words (BM25)': search({ hybrid: { weight: WORDS_ALONE } }),
      'MaxSim (@serotine/model-micro)': search({}),
      'MaxSim and words (hybrid)': search({ hybrid: true }),
    }
    const pageOf = new Map(placed.map(({ id, path }) => [id, path]))
    const rows = []
    for (const [method, answer] of Object.entries(methods)) {
      const places = []
      let rightPage = 0
      for (const [i, { question, sections }] of questions.entries()) {
        const cited = (await answer(question, i)).slice(0, CITED)
        places.push(cited.findIndex((id) => right[i].has(id)))
        if (sections.some((section) => section.startsWith(`${pageOf.get(cited[0])}#`))) rightPage++
      }
      rows.push({ method, ...measured(places), page: round(rightPage / questions.length) })
      if (options.misses)
        places.forEach((at, i) => at !== 0 && console.log(`${method}: ${at} ${questions[i].question}`))
    }
    console.table(rows)
    if (options.name === '') return
    const result = {
      kind: 'answers',
      ...(await environment()),
      command: 'node bench/answers.mjs --docs <folder> --minilm <folder>',
      docs: { name: 'fastify 5.12.8, docs/', passages: passages.length },
      vectors: { name: 'all-MiniLM-L6-v2', dtype: 'q8', 'transformers.js': TRANSFORMERS_VERSION },
      questions: questions.length,
      rows,
    }
    console.log(`written: ${await saveResult(options.name, result)}; now node bench/table.mjs`)
  } finally {
    await index.close()
    await extraction.close()
    await model.close()
  }
}

function idsOf(hits) {
  return hits.map(({ id }) => id)
}

/** @param places of the first right citation of each question, from 0; -1 where none is right */
function measured(places) {
  const share = (holds) => round(places.filter(holds).length / places.length)
  return {
    first: share((at) => at === 0),
    firstThree: share((at) => at >= 0 && at < 3),
    mrr: round(places.reduce((sum, at) => sum + (at < 0 ? 0 : 1 / (at + 1)), 0) / places.length),
  }
}
