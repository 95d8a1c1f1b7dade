// The table of bench/large.mjs for docs.

export function largeTable({ dataset, exact, model, runs, machine, versions, date }, name) {
  const rows = runs.flatMap((run) => {
    const { suitability } = run.firstStages?.[run.firstStage] ?? {}
    return run.rows.map((row, i) => [
      i === 0 ? `${run.name}, ${run.order}` : '',
      row.candidates === null ? 'by default' : count(row.candidates),
      row.mrr.toFixed(4),
      row.exactTop10.toFixed(3),
      suitability?.candidates === row.candidates ? suitability.recall.toFixed(3) : '',
      milliseconds(row.cpuMs),
      i === 0 ? (run.bytes.onDisk / 1e6).toFixed(0) : '',
      i === 0 ? run.build.cpuSeconds.toFixed(0) : '',
      i === 0 && run.compaction ? milliseconds(run.compaction.longestMs) : '',
      i === 0 && run.compacted ? (run.compacted.onDisk / 1e6).toFixed(0) : '',
    ])
  })
  const head = ['', 'candidates', 'MRR@10', 'exact top 10 found', 'as reported', 'CPU ms', 'MB', 'build, CPU s']
  const columns = [...head, 'longest search while compacting, ms', 'MB then']
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  return [
    ...[columns, columns.map((_, i) => (i < 2 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`),
    '',
    `${model.name}, ${count(dataset.passages)} passages of ${dataset.topics} topics, ${count(dataset.tokens)} tokens, ` +
      `${count(dataset.queries)} known-item queries, 512 passages a batch; exact MaxSim over all: MRR@10 ${exact.mrr.toFixed(4)}, ` +
      `${milliseconds(exact.cpuMs)} CPU ms. ${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ` +
      `([result](bench/results/${name}.json)).`,
  ].join('\n')
}

const count = (value) => value.toLocaleString('en-US')
const milliseconds = (value) => (value < 10 ? value.toFixed(1) : count(Math.round(value)))
