// One HTML page of committed results: tables, plots, the queries answered worst.
//
//   node bench/report.mjs                                     bench/results/*-sweep.json → bench/results/report.html
//   node bench/report.mjs --check                             only says whether that page would change (exit code 1)
//   node bench/report.mjs result.json … --out report.html --title 'My collections'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { formatReport } from 'serotine'

const folder = fileURLToPath(new URL('results', import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: join(folder, 'report.html') },
    title: { type: 'string' },
    check: { type: 'boolean' },
  },
})

async function sweeps() {
  const names = (await readdir(folder)).filter((name) => name.endsWith('-sweep.json')).sort()
  return names.map((name) => join(folder, name))
}

/** A result of bench/retrieval.mjs as the report takes it. */
function collectionOf(
  { kind, dataset, model, index, methods, worst, machine, versions, command, date, encodeQueryMs },
  file,
) {
  if (kind !== 'retrieval')
    throw new Error(`${file} is of kind ${JSON.stringify(kind)}; the report shows results of bench/retrieval.mjs.`)
  const settings = `${model.dtype}, documents cut at ${model.documentLength} tokens`
  return {
    ...dataset,
    model: model.name,
    methods,
    ...(worst && { worst }),
    measured: {
      machine: `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB, ${machine.os}, load ${machine.loadAverage}`,
      versions: Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
      index: `${index.tokens.toLocaleString('en-US')} token vectors as ${index.codec}, built in ${index.buildSeconds} s`,
      model: settings,
      query: `${encodeQueryMs} ms to encode, not counted above`,
      date,
      command,
    },
  }
}

const files = positionals.length > 0 ? positionals : await sweeps()
const collections = []
for (const file of files) collections.push(collectionOf(JSON.parse(await readFile(file, 'utf8')), file))
const html = formatReport({ collections, ...(values.title && { title: values.title }) })
if (values.check) {
  if ((await readFile(values.out, 'utf8')) !== html) {
    console.log(`${relative('.', values.out)} differs from its results`)
    process.exitCode = 1
  }
} else {
  await writeFile(values.out, html)
  console.log(`${relative('.', values.out)} written, ${(html.length / 1000).toFixed(0)} kB`)
}
