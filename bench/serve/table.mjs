/** Requests per second and how long they take, a row for each route and number of clients. */
export function serveTable(result, { markdownTable, measuredOn, name }) {
  const short = (value) =>
    value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2)))
  const rows = result.rows.flatMap(({ name, requests, ndcg10 }) => {
    const quality = `${ndcg10.value.toFixed(3)} (${ndcg10.questions})`
    if (requests.length === 0) return [[name, '–', '–', '–', '–', '–', '–', quality]]
    return requests.map(({ clients, perSecond, ms, loopMs }, i) => [
      i === 0 ? name : '',
      String(clients),
      short(perSecond),
      ...[ms.p50, ms.p95, ms.p99].map(short),
      short(loopMs.p99),
      i === 0 ? quality : '',
    ])
  })
  const { dataset, model } = result
  return [
    ...markdownTable(
      ['', 'clients', 'requests a second', 'p50 ms', 'p95 ms', 'p99 ms', 'event loop p99 ms', 'nDCG@10 (questions)'],
      rows,
    ),
    '',
    `${dataset.name}, ${dataset.documents.toLocaleString('en')} documents; the passages to rerank are the best of BM25. ${model.name}, ${model.workers} workers, all on ` +
      `one machine, clients included. ${measuredOn(result, name)}`,
  ].join('\n')
}
