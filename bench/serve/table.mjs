/** Requests per second and how long they take, a row for each route and number of clients. */
export function serveTable({ rows: measured, dataset, model, machine, versions, date }, name) {
  const short = (value) =>
    value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2)))
  const rows = measured.flatMap(({ name: route, requests, ndcg10 }) => {
    const quality = ndcg10.map(({ value, questions }) => `${value.toFixed(3)} (${questions})`).join(', ')
    if (requests.length === 0) return [[route, '–', '–', '–', '–', '–', '–', '–', quality]]
    return requests.map(({ clients, perSecond, ms, loopMs, cpuMsPerRequest }, i) => [
      i === 0 ? route : '',
      String(clients),
      short(perSecond),
      ...[ms.p50, ms.p95, ms.p99].map(short),
      short(cpuMsPerRequest),
      short(loopMs.p99),
      i === 0 ? quality : '',
    ])
  })
  const columns = [
    '',
    'clients',
    'requests a second',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'CPU ms a request',
    'event loop p99 ms',
    'nDCG@10 (questions)',
  ]
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  return [
    ...[columns, columns.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`),
    '',
    `${dataset.name}, ${dataset.documents.toLocaleString('en')} documents; the passages to rerank are the best of BM25. ${model.name}, ${model.workers} workers; servers and ` +
      `clients on one machine. ${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`,
  ].join('\n')
}
