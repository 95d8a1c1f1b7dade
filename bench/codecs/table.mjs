// The table of bench/codecs.mjs for docs.

const NAMES = { f32: 'f32', f16: 'f16', int8: 'int8', residual: 'residual', 'two bits': 'two bits (trial)' }

export function codecsTable({ runs, machine, versions, date }, name) {
  const rows = runs.flatMap(({ model, collection, codecs }) =>
    codecs.map(({ codec, ndcg, exactTop10, bytesPerToken, bytes, cpuMs }, i) => [
      i === 0 ? `${model.label}, ${collection.name}` : '',
      NAMES[codec],
      ndcg.toFixed(4),
      i === 0 ? '' : percent(1 - ndcg / codecs[0].ndcg),
      exactTop10.toFixed(3),
      count(bytesPerToken),
      bytes === null ? '' : (bytes / 1e6).toFixed(1),
      cpuMs === null ? '' : milliseconds(cpuMs),
    ]),
  )
  const columns = ['', 'codec', 'nDCG@10', 'loss', 'top 10 of f32', 'bytes a token', 'MB', 'CPU ms']
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  const sizes = [...new Map(runs.map(({ collection: c }) => [c.name, c])).values()].map(
    (c) => `${c.name} ${count(c.documents)} documents, ${count(c.queries)} queries`,
  )
  const models = [...new Map(runs.map(({ model }) => [model.label, model])).values()].map(
    ({ label, settings }) => `${label}: ${settings}`,
  )
  return [
    ...[columns, columns.map((_, i) => (i < 2 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`),
    '',
    `${models.join('. ')}. ${sizes.join('; ')}. ${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ` +
      `([result](bench/results/${name}.json)).`,
  ].join('\n')
}

const count = (value) => Math.round(value).toLocaleString('en-US')
const milliseconds = (value) => (value < 10 ? value.toFixed(1) : count(value))
const percent = (share) =>
  `${(100 * share)
    .toFixed(1)
    .replace(/^-0\.0$/, '0.0')
    .replace('-', '−')} %`
