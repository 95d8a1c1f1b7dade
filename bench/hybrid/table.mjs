/** The tables of docs/hybrid.md: quality by model and collection, and what words cost. */
export function hybridSearchTable(result, name) {
  const ways = result.runs[0].ways.map((way) => way.name)
  // Words of other kinds are in the means only.
  const shown = ways.filter((way) => way === 'BM25 alone' || way.startsWith('BM25 ×') || way.startsWith('×'))
  const rows = result.runs.map(({ model, collection, maxSim, ways: measured }) => [
    model.label,
    collection.name,
    maxSim.toFixed(3),
    ...shown.map((way) => cell(measured.find((other) => other.name === way))),
  ])
  const changes = ways.map((way) => {
    const all = result.runs.map(({ ways: measured }) => measured.find((other) => other.name === way).difference)
    const means = all.map(({ mean }) => mean)
    const beyondChance = (sign) => all.filter(({ mean, error }) => sign * mean > 2 * error).length
    return [
      way,
      signed(means.reduce((sum, value) => sum + value, 0) / means.length),
      signed(Math.min(...means)),
      beyondChance(1),
      beyondChance(-1),
    ]
  })
  const costs = result.runs.filter(({ model }) => model.label === result.runs[0].model.label)
  return [
    ...table(['model', 'collection', 'MaxSim', ...shown], rows, 2),
    '',
    ...table([`change over these ${result.runs.length}`, 'mean', 'worst', 'better', 'worse'], changes, 1),
    '',
    ...table(
      [
        'what words cost',
        'documents',
        'bytes a document',
        'in memory',
        'ms to list a document',
        'ms of the first search',
        'ms a query',
      ],
      costs.map(({ collection, cost }) => [
        collection.name,
        collection.documents.toLocaleString('en-US'),
        cost.bytesPerDocument.toFixed(0),
        cost.memoryPerDocument.toFixed(0),
        cost.listMs.toFixed(2),
        cost.firstMs.toFixed(0),
        cost.queryMs.toFixed(2),
      ]),
      1,
    ),
    '',
    '▲ ▼, better and worse: than MaxSim alone by more than two standard errors of the difference, over queries. Both sides give 100 candidates, ' +
      `which are all scored by both. Times are of the processor but for the first search. ${measuredOn(result, name)}`,
  ].join('\n')
}

function cell({ ndcg, difference }) {
  const mark = Math.abs(difference.mean) > 2 * difference.error ? (difference.mean > 0 ? ' ▲' : ' ▼') : ''
  return `${ndcg.toFixed(3)}${mark}`
}

const signed = (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`

function table(header, rows, left) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map((_, i) => (i < left ? '---' : '---:'))), ...rows.map(line)]
}

function measuredOn({ machine, versions, date }, name) {
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  return `${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`
}
