// The table of bench/answers.mjs for docs.

export function answersTable({ docs, questions, rows, vectors, machine, versions, date }, name) {
  const percent = (share) => `${Math.round(100 * share)} %`
  const head = ['', 'right section first', 'in the first three', 'right page first', 'MRR@5']
  return [
    ...[
      head,
      head.map((_, i) => (i === 0 ? '---' : '---:')),
      ...rows.map((row) => [
        row.method,
        percent(row.first),
        percent(row.firstThree),
        percent(row.page),
        row.mrr.toFixed(3),
      ]),
    ].map((row) => `| ${row.join(' | ')} |`),
    '',
    `${questions} questions, ${docs.passages.toLocaleString('en-US')} passages of ${docs.name}, cut alike for all. ${vectors.name} as int8 (${vectors.dtype}, 23 MB) by ` +
      `transformers.js ${vectors['transformers.js']}; @serotine/model-micro 5 MB. ${machine.cpu}, Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`,
  ].join('\n')
}
