// First stages compared: what each keeps of exact MaxSim, its bytes and its time, for several models and collections; and whether
// BM25 alongside MaxSim helps.
//
//   node bench/stages.mjs --data bench/data/scifact --data bench/data/xquad-en --model embedded
//   node bench/stages.mjs --data … --model embedded --model minilm=<folder>:int8
//
// Results of the models and collections named replace those in bench/results/stages.json; others stay. --check only says whether
// the page bench/results/stages.html is made of that file.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readCollection } from '@serotine/core/evaluation'
import { BM25, words } from '../examples/demo/bm25.mjs'
import { environment, round, saveResult } from './environment.mjs'
import { loadModel } from './stages/models.mjs'
import { importSource } from './source.mjs'
import { summarise } from './stages/table.mjs'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['bench/data/scifact', 'bench/data/xquad-en'] },
    model: { type: 'string', multiple: true, default: ['embedded'] },
    candidates: { type: 'string', default: '50,100,200' },
    only: { type: 'string' },
    name: { type: 'string', default: 'stages' },
    report: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/stages.mjs [options]
  --data <folder>      a collection; may be repeated (default bench/data/scifact and bench/data/xquad-en)
  --model <model>      embedded, or label=folder, or label=folder:int8; may be repeated (default embedded)
  --candidates a,b     documents scored exactly (default 50,100,200)
  --only <regexp>      stages whose name matches; nothing is saved
  --name <name>        result goes to bench/results/<name>.json and .html (default stages)
  --report             measures nothing; makes the page again from the result
  --check              the same, but only says whether the page would change (exit code 1)`)
  process.exit(0)
}
const results = fileURLToPath(new URL('results', import.meta.url))
const cache = fileURLToPath(new URL('.cache/stages', import.meta.url))
const { compareStages, encodedCollection, formatStagesReport, KeywordStage } = await importSource(
  new URL('stages/index.ts', import.meta.url),
)

if (options.check) await check()
else {
  if (!options.report) for (const spec of options.model) await measureModel(spec)
  if (!options.only) await writeReport()
}

async function measureModel(spec) {
  const { label, model, settings } = await loadModel(spec)
  try {
    for (const folder of options.data) {
      const dataset = await readCollection(folder)
      console.log(`\n${label} on ${dataset.name}`)
      const run = await measure(label, model, dataset)
      const measured = { model: { label, dim: model.dim, settings }, ...run }
      if (!options.only) await save(measured)
    }
  } finally {
    await model.close()
  }
}

async function measure(label, model, dataset) {
  const { documents } = dataset
  const queries = dataset.queries.filter(({ id }) =>
    [...(dataset.qrels.get(id)?.values() ?? [])].some((grade) => grade > 0),
  )
  const ids = documents.map(({ id }) => id)
  const encoded = await encodedCollection(
    cache,
    `${dataset.name}-${label}`,
    model,
    documents.map(({ text }) => text),
    queries.map(({ text }) => text),
    (done) =>
      process.stderr.write(
        `\rencoded ${done} of ${documents.length} documents${done === documents.length ? '\n' : ''}`,
      ),
  )
  const postings = documents.reduce((sum, { text }) => sum + new Set(words(text)).size, 0)
  const keywords = new KeywordStage(() => new BM25(documents), ids, postings)
  const comparison = await compareStages({ documents: ids, queries, qrels: dataset.qrels }, encoded, keywords, {
    candidates: options.candidates.split(',').map(Number),
    ...(options.only && { only: new RegExp(options.only) }),
    onStage: printStage,
  })
  console.log(`exact MaxSim ${comparison.exact.ndcg.toFixed(4)}; with BM25:`)
  for (const { name, ndcg, difference } of comparison.hybrid) {
    console.log(
      `  ${name.padEnd(26)} ${ndcg.toFixed(4)}  ${difference.mean.toFixed(4)} ± ${difference.error.toFixed(4)}`,
    )
  }
  const collection = { name: dataset.name, documents: documents.length, queries: queries.length }
  return { collection, ...shortened(comparison) }
}

function printStage({ name, bytesPerDocument, cpuMs, buildSeconds, candidates }) {
  const kept = Object.entries(candidates).map(
    ([count, { exactTop10, ndcg }]) => `${count}: ${exactTop10.toFixed(3)} ${ndcg.toFixed(4)}`,
  )
  const number = (value, digits) => value.toFixed(digits).padStart(6)
  const cost = `${number(bytesPerDocument, 0)} B ${number(cpuMs, 1)} ms ${number(buildSeconds, 1)} s`
  console.log(`${name.padEnd(44)} ${cost}   ${kept.join('   ')}`)
}

/** Digits that a measurement can carry: four of times and sizes, five places of qualities. */
function shortened(comparison) {
  const quality = new Set(['ndcg', 'exactTop10', 'mean', 'error'])
  const text = JSON.stringify(comparison, (key, value) => {
    if (typeof value !== 'number' || Number.isInteger(value)) return value
    return quality.has(key) ? Number(value.toFixed(5)) : round(value)
  })
  return JSON.parse(text)
}

async function save(run) {
  const before = await result()
  const same = ({ model, collection }) => model.label === run.model.label && collection.name === run.collection.name
  const at = before.runs.findIndex(same)
  const runs = at < 0 ? [...before.runs, run] : before.runs.with(at, run)
  const about = { ...(await environment()), command: commandOf(runs) }
  const stages = runs.map(({ hybrid: _, ...rest }) => rest)
  const hybrid = runs.map(({ model, collection, exact, hybrid: ways }) => ({ model, collection, exact, hybrid: ways }))
  await saveResult(options.name, { kind: 'stages', ...about, runs: stages })
  await saveResult(`${options.name}-hybrid`, { kind: 'stages-hybrid', ...about, runs: hybrid })
}

/** Both result files as one, or nothing yet. */
async function result() {
  const read = async (name) =>
    JSON.parse(await readFile(join(results, `${name}.json`), 'utf8').catch(() => '{"runs":[]}'))
  const [stages, { runs: hybrid }] = await Promise.all([read(options.name), read(`${options.name}-hybrid`)])
  return { ...stages, runs: stages.runs.map((run, i) => ({ ...run, hybrid: hybrid[i].hybrid })) }
}

/** Folders are others on every machine. */
function commandOf(runs) {
  const labels = [...new Set(runs.map(({ model }) => model.label))].map((label) =>
    label === 'embedded' ? label : `${label}=<folder>`,
  )
  const collections = [...new Set(runs.map(({ collection }) => collection.name))].map((name) => `<${name}>`)
  return ['node bench/stages.mjs', ...collections.map((c) => `--data ${c}`), ...labels.map((l) => `--model ${l}`)].join(
    ' ',
  )
}

async function writeReport() {
  const html = formatStagesReport(await result(), summarise)
  await writeFile(join(results, `${options.name}.html`), html)
  console.log(
    `\nbench/results/${options.name}.html written, ${(html.length / 1000).toFixed(0)} kB; now node bench/table.mjs`,
  )
}

async function check() {
  const committed = await readFile(join(results, `${options.name}.html`), 'utf8').catch(() => '')
  if (formatStagesReport(await result(), summarise) === committed) return
  console.log(`bench/results/${options.name}.html differs from its result`)
  process.exitCode = 1
}
