// Writes the tables of README and docs from committed result files.
//
//   node bench/table.mjs            fills every <!-- bench:NAME --> … <!-- /bench:NAME --> from bench/results/NAME.json
//                                   (<!-- bench:NAME brief --> leaves out all but the main rows)
//   node bench/table.mjs --check    only says whether something would change (exit code 1)
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answersTable } from './answers/table.mjs'
import { codecsTable } from './codecs/table.mjs'
import { hybridSearchTable } from './hybrid/table.mjs'
import { largeTable } from './large/table.mjs'
import { modelsTable } from './models/table.mjs'
import { serveTable } from './serve/table.mjs'
import { hybridTable, stagesTable } from './stages/table.mjs'

const BLOCK = /<!-- bench:([\w-]+)( brief)? -->\n([\s\S]*?)<!-- \/bench:\1 -->/g

/** The text with every block filled in. `results` maps a block's name to its result. */
export function fillTables(text, results, where = 'the text') {
  return text.replace(BLOCK, (block, name, brief = '', content) => {
    const result = results[name]
    // Not measured yet.
    if (result === undefined && content === '') return block
    if (result === undefined)
      throw new Error(`${where} asks for bench:${name}, but there is no bench/results/${name}.json.`)
    const render = RENDERERS[result.kind]
    if (render === undefined)
      throw new Error(`bench/results/${name}.json is of kind ${JSON.stringify(result.kind)}, which no table shows.`)
    return `<!-- bench:${name}${brief} -->\n${render(result, name, brief !== '')}\n<!-- /bench:${name} -->`
  })
}

const RENDERERS = {
  answers: answersTable,
  retrieval: retrievalTable,
  encode: encodeTable,
  frameworks: frameworksTable,
  'long-embed': longEmbedTable,
  'single-vector': singleVectorTable,
  stages: stagesTable,
  'stages-hybrid': hybridTable,
  hybrid: hybridSearchTable,
  'first-stages': firstStagesTable,
  large: largeTable,
  codecs: codecsTable,
  models: modelsTable,
  serve: serveTable,
  readers: readersTable,
  'install-matrix': installMatrixTable,
  'install-managers': installManagersTable,
  templates: templatesTable,
  deployment: deploymentTable,
  chunking: chunkingTable,
  comparison: comparisonTable,
}

function readersTable(result, name) {
  const row = (what, { files, equal, different, against }) => {
    const reasons = [...new Set(different.map((one) => one.why))]
    const why = reasons.map((reason) => `${different.filter((one) => one.why === reason).length}: ${reason}`).join('; ')
    return [what, against, count(files), count(equal), different.length === 0 ? '0' : why]
  }
  const rows = [row('words of HTML pages', result.html), row('headings and sections of Markdown', result.markdown)]
  return [
    ...markdownTable(['', 'compared with', 'files', 'equal', 'different, and why'], rows),
    '',
    `Files of installed npm packages, each once. ${measuredOn(result, name)}`,
  ].join('\n')
}

function retrievalTable(result, name, brief) {
  const { dataset, model, index, methods } = result
  const firstMuvera = methods.find(({ name }) => name.startsWith('MUVERA'))
  const shown = brief
    ? methods.filter(
        (method) => !method.name.startsWith('MUVERA') || method === firstMuvera || /hnswlib/.test(method.name),
      )
    : methods
  const rows = shown.map(({ name, metrics, exactTop10, cpuMs }) => [
    name,
    metrics['ndcg@10'].toFixed(4),
    metrics['recall@100'].toFixed(3),
    exactTop10 === undefined ? '–' : exactTop10.toFixed(3),
    milliseconds(cpuMs),
  ])
  return [
    ...markdownTable(['', 'nDCG@10', 'recall@100', 'exact top 10 found', 'CPU ms per query'], rows),
    '',
    `${model.name}, ${count(dataset.documents)} documents, ${count(dataset.queries)} queries; index of ` +
      `${(index.bytes / 1e6).toFixed(0)} MB (${index.codec} tokens) built in ${index.buildSeconds.toFixed(0)} s. Encoding a query ` +
      `adds ${milliseconds(result.encodeQueryMs)} ms. ${measuredOn(result, name)}`,
  ].join('\n')
}

function encodeTable(result, name) {
  const rows = result.runs.map((run) => [
    run.name,
    count(run.textsPerSecond.max),
    count(run.tokensPerSecond.max),
    count(run.tokensPerCpuSecond),
    run.maxDifference === undefined ? '–' : run.maxDifference === 0 ? '0' : run.maxDifference.toExponential(1),
  ])
  return [
    ...markdownTable(['', 'texts/s', 'tokens/s', 'tokens per CPU second', 'largest difference'], rows),
    '',
    `${count(result.texts)} documents of ${result.dataset}, best of ${result.rounds} rounds. ${measuredOn(result, name)}`,
  ].join('\n')
}

function frameworksTable(result, name) {
  const { machine, versions, date, dataset, model } = result
  const rows = result.rows.map((row) => [
    row.name,
    row.metrics['ndcg@10'].toFixed(3),
    row.metrics['recall@10'].toFixed(3),
    milliseconds(row.median),
  ])
  return [
    ...markdownTable(['', 'nDCG@10', 'recall@10', 'ms per question'], rows),
    '',
    `${dataset.name}, ${count(dataset.documents)} documents, ${count(dataset.queries)} questions, ${model.name}. Times are medians of ` +
      `\`invoke()\` from text to documents, encoding included. ${machine.cpu}, ${machine.cores} cores, load ${machine.loadAverage}, ` +
      `Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`,
  ].join('\n')
}

function longEmbedTable(result, name) {
  const lengths = Object.keys(result.rows[0]['accuracy@1'])
  const rows = result.rows.map((row) => [row.task, ...lengths.map((length) => row['accuracy@1'][length].toFixed(2))])
  const { model, queries, documents } = result
  return [
    ...markdownTable(['accuracy@1 at tokens', ...lengths.map(count)], rows),
    '',
    `${model.name}, which cuts documents at ${count(model.documentLength)} tokens; exact MaxSim, ${queries} queries and ${documents} ` +
      `documents of each length. ${measuredOn(result, name)}`,
  ].join('\n')
}

function singleVectorTable(result, name) {
  const { collections, vectors, model } = result
  const rows = collections.flatMap((collection) =>
    collection.methods.map((method) => [
      collection.name,
      method.name,
      method.metrics['ndcg@10'].toFixed(4),
      method.metrics['recall@100'].toFixed(3),
    ]),
  )
  const sizes = collections.map(
    ({ name, documents, queries }) => `${name}: ${count(documents)} documents, ${count(queries)} queries`,
  )
  return [
    ...markdownTable(['', '', 'nDCG@10', 'recall@100'], rows, 2),
    '',
    `${vectors.label}, ${vectors.pooling} of its token vectors, compared by cosine; MaxSim by ${model.name}. ${sizes.join('; ')}. ` +
      measuredOn(result, name),
  ].join('\n')
}

/** What each stage of an index costs, by the number of documents. */
function firstStagesTable(result, name) {
  const { rows, dim, queryTokens, preset } = result
  const sizes = [...new Set(rows.map(({ documents }) => documents))].sort((a, b) => a - b)
  const cell = (task, documents) => {
    const row = rows.find((row) => row.task === task && row.documents === documents)
    return row ? `${milliseconds(row.cpuMs ?? row.cpuMsPerDocument)} ms` : ''
  }
  const tasks = {
    'exact MaxSim': 'exact MaxSim',
    'centroid scan': 'centroid scan alone',
    'FDE scan': 'FDE scan alone',
    HNSW: 'HNSW alone',
    'adding a document, no FDEs': 'add embeddings, 130 tokens, no FDEs',
    'adding a document, with FDEs': 'add embeddings, 130 tokens, with FDEs',
    'coding a document as centroids, training included': 'centroids: train, code',
    'building the graph, per document': 'build HNSW',
  }
  return [
    ...markdownTable(
      ['documents', ...sizes.map(count)],
      Object.entries(tasks).map(([label, task]) => [label, ...sizes.map((size) => cell(task, size))]),
    ),
    '',
    `CPU time of one core: the first four rows per query, without encoding it; the others per document, without encoding it. ` +
      `Random vectors of ${dim} dimensions, ${queryTokens} query tokens, 130 tokens per document (a scan of FDEs and a graph do not depend on them), preset \`${preset}\`. ` +
      `Adding with FDEs includes learning the partitions and measuring what they keep. ${measuredOn(result, name)}`,
  ].join('\n')
}

function installManagersTable(result, name) {
  const cells = result.rows.map(({ name: manager, packages, runtime, bytes, installSeconds, firstHitSeconds }) => [
    manager,
    packages.map((one) => `\`${one}\``).join(', '),
    runtime,
    megabytes(bytes),
    installSeconds.toFixed(0),
    firstHitSeconds.toFixed(1),
  ])
  return [
    ...markdownTable(
      ['', 'packages', 'runs on', 'MB installed', 'seconds to install', 'seconds to the first hit'],
      cells,
    ),
    '',
    `Packed packages from a local registry, others from npm's; caches as they were. ${measuredOn(result, name)}`,
  ].join('\n')
}

function templatesTable(result, name) {
  const cells = result.rows.map(({ name: template, createSeconds, answerSeconds }) => [
    `\`${template}\``,
    createSeconds.toFixed(0),
    answerSeconds.toFixed(0),
  ])
  return [
    ...markdownTable(['template', 'seconds until installed', 'seconds until the first cited answer'], cells),
    '',
    `From nothing, with \`npm create serotine\`; npm's cache was empty before \`chatbot\` and before \`nextjs\`. ${measuredOn(result, name)}`,
  ].join('\n')
}

function installMatrixTable(result, name) {
  const { install, platform, rows } = result
  const cells = rows.map(({ name: cell, error, runtime, bytes, seconds }) =>
    error === undefined
      ? [cell, runtime, bytes === undefined ? '–' : megabytes(bytes), seconds.toFixed(1)]
      : [cell, 'fails', '–', '–'],
  )
  return [
    ...markdownTable(['', 'runs on', 'MB built', 'seconds to the first hit'], cells),
    '',
    `${platform}, packed packages installed with npm (${megabytes(install.bytes)} MB in ` +
      `node_modules). macOS and Windows: not tried. ${measuredOn(result, name)}`,
  ].join('\n')
}

function deploymentTable(result, name) {
  const rows = result.rows.map(({ packages, runtime, files, bytes, compressed }) => [
    packages.map((name) => `\`${name}\``).join(', '),
    runtime,
    count(files),
    megabytes(bytes),
    megabytes(compressed),
  ])
  return [
    ...markdownTable(['installed', 'runs on', 'files', 'MB', 'MB compressed'], rows, 2),
    '',
    `Packed packages, installed with npm; the files that @vercel/nft finds, compressed one by one. ${measuredOn(result, name)}`,
  ].join('\n')
}

function chunkingTable(result, name) {
  return [
    ...result.collections.flatMap(({ name, texts, queries, meanTokens, ways }) => {
      const rows = ways.map(({ split, maxTokens, overlap, title, passages, tokens, metrics, inPlace }) => [
        split === false
          ? 'whole, with its title'
          : `${maxTokens} tokens${overlap ? `, ${overlap} of them repeated` : ''}${title ? ', each with the title' : ''}`,
        count(passages),
        count(tokens),
        metrics['ndcg@10'].toFixed(3),
        ...(inPlace === undefined ? [] : [inPlace.toFixed(2)]),
      ])
      const hasPlace = ways[0].inPlace !== undefined
      const head = [name, 'passages', 'vectors', 'nDCG@10', ...(hasPlace ? ['best hit in the right paragraph'] : [])]
      const about = `${count(texts)} texts of ${count(meanTokens)} tokens on average, ${count(queries)} questions.`
      return [...markdownTable(head, rows), '', about, '']
    }),
    `${result.model.name}, which reads ${result.model.documentLength} tokens. ${measuredOn(result, name)}`,
  ].join('\n')
}

function comparisonTable({ collections, model, ...result }, name) {
  const head = ['', ...collections.flatMap(({ name }) => [`${name}: nDCG@10`, 'recall@100', 'CPU ms a question'])]
  const rows = collections[0].ways.map(({ name: way }) => [
    way,
    ...collections.flatMap(({ ways }) => {
      const { metrics, cpuMs } = ways.find(({ name }) => name === way)
      return [metrics['ndcg@10'].toFixed(3), metrics['recall@100'].toFixed(3), milliseconds(cpuMs)]
    }),
  ])
  const sizes = collections.map(
    ({ name, documents, queries }) => `${name} ${count(documents)} texts, ${count(queries)} questions`,
  )
  return [...markdownTable(head, rows), '', `${model.name}; ${sizes.join('; ')}. ${measuredOn(result, name)}`].join(
    '\n',
  )
}

/** Machine, versions and date, and whether other work slowed the measurement down. */
function measuredOn({ machine, versions, date }, name) {
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  return `${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`
}

/** @param names how many columns are not numbers */
function markdownTable(head, rows, names = 1) {
  return [head, head.map((_, i) => (i < names ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`)
}

const count = (value) => Math.round(value).toLocaleString('en-US')
const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)
const milliseconds = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0))

async function main() {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const check = process.argv.includes('--check')
  const results = {}
  for (const file of await readdir(join(root, 'bench/results'))) {
    if (file.endsWith('.json'))
      results[file.slice(0, -5)] = JSON.parse(await readFile(join(root, 'bench/results', file), 'utf8'))
  }
  // Pages that are made (docs/reference) and the site's own files have no tables.
  const docs = (await readdir(join(root, 'docs'), { recursive: true }))
    .filter((file) => file.endsWith('.md') && !/^(reference|\.vitepress)\b/.test(file))
    .map((file) => join(root, 'docs', file))
  for (const file of [join(root, 'README.md'), join(root, 'bench/README.md'), ...docs]) {
    const before = await readFile(file, 'utf8')
    // Links in a result block are written as seen from the root.
    const up = relative(join(file, '..'), root)
    const after = fillTables(before, results, relative(root, file)).replaceAll(
      '](bench/results/',
      `](${up ? `${up}/` : ''}bench/results/`,
    )
    if (after === before) continue
    if (check) process.exitCode = 1
    else await writeFile(file, after)
    console.log(`${relative(root, file)} ${check ? 'differs from its result files' : 'written'}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
