// The tables of docs/research/first-stages-compared.md, from bench/results/stages.json.

/** Documents scored exactly, in the tables. */
const CANDIDATES = 100
/** Stages that the page shows and the tables leave out: int8 is as good as f32. */
const ROUNDED_AWAY = /^sphere.*f32$/
/** What the second table leaves to the page. */
const DETAIL = /f32$|1 bit$|prepare/
/** The collection whose times and bytes the first table shows: the largest. */
const LARGEST = 'scifact'

/**
 * What the runs say of each stage: a run is one model on one collection.
 *
 * Collections of no more documents than there are candidates are left out: there, every stage finds everything.
 *
 * @returns `{ models, stages: [{ name, group, cost, models }], costRun }`, where `models` of a stage maps a label to
 *   `{ worst, mean, collection, found, foundWorst }`; losses are shares of exact MaxSim's nDCG@10, negative where the candidates
 *   did better
 */
export function summarise(runs, candidates = CANDIDATES) {
  const telling = runs.filter(({ collection }) => collection.documents > candidates)
  const models = [...new Set(telling.map(({ model }) => model.label))]
  const names = [...new Set(telling.flatMap(({ stages }) => stages.map(({ name }) => name)))]
  const costRun = telling.find(({ collection }) => collection.name === LARGEST) ?? telling[0]
  const stages = names.map((name) => {
    const found = telling.flatMap((run) => {
      const stage = run.stages.find((other) => other.name === name)
      return stage ? [{ run, stage, kept: stage.candidates[candidates] }] : []
    })
    const byModel = models.flatMap((label) => {
      const own = found.filter(({ run }) => run.model.label === label)
      if (own.length === 0) return []
      const losses = own.map(({ run, kept }) => 1 - kept.ndcg / run.exact.ndcg)
      const shares = own.map(({ kept }) => kept.exactTop10)
      const worst = Math.max(...losses)
      const summary = {
        worst,
        mean: mean(losses),
        collection: own[losses.indexOf(worst)].run.collection.name,
        found: mean(shares),
        foundWorst: Math.min(...shares),
      }
      return [[label, summary]]
    })
    const cost = costRun?.stages.find((other) => other.name === name)
    return { name, group: found[0].stage.group, cost, models: new Map(byModel) }
  })
  return { models, stages, costRun }
}

export function stagesTable(result, name) {
  const { models, stages, costRun } = summarise(result.runs)
  const exactRow = [
    'exact MaxSim of every document',
    '0',
    milliseconds(costRun.exact.cpuMs),
    '–',
    ...models.map(() => '0'),
  ]
  const rows = stages
    .filter(({ name: stage }) => !ROUNDED_AWAY.test(stage))
    .map((stage) => [
      stage.name,
      count(stage.cost?.bytesPerDocument),
      milliseconds(stage.cost?.cpuMs),
      seconds(stage.cost?.buildSeconds),
      ...models.map((label) => lossCell(stage.models.get(label))),
    ])
  const foundRows = stages
    .filter(({ name: stage }) => !DETAIL.test(stage))
    .map((stage) => [stage.name, ...models.map((label) => foundCell(stage.models.get(label)))])
  return [
    '**Loss of nDCG@10 in %, worst collection (mean)**, 100 candidates scored exactly. Negative: better than exact MaxSim.',
    '',
    ...markdownTable(['', 'bytes per document', 'CPU ms', 'build, s', ...models], [exactRow, ...rows]),
    '',
    `Bytes on top of the token vectors, times and building: ${costRun.model.label}, ${costRun.collection.name}, ` +
      `${count(costRun.collection.documents)} documents. CPU ms: finding the candidates; exact MaxSim of 100 takes ` +
      `${milliseconds(costRun.rerank100Ms)} more.`,
    '',
    '**Share of the exact top 10 among 100 candidates, mean over collections (worst)**',
    '',
    ...markdownTable(['', ...models], foundRows),
    '',
    `${modelList(result.runs)} ${collectionList(result.runs)} ${measuredOn(result, name)}`,
  ].join('\n')
}

/** nDCG@10 of MaxSim alone and with BM25. */
export function hybridTable(result, name) {
  const ways = result.runs[0].hybrid.map((way) => way.name)
  const rows = result.runs.map(({ model, collection, exact, hybrid }) => [
    model.label,
    collection.name,
    exact.ndcg.toFixed(3),
    ...ways.map((way) => {
      const { ndcg, difference } = hybrid.find((other) => other.name === way)
      // Beyond two standard errors of the difference a query, it is more than chance.
      const mark = Math.abs(difference.mean) > 2 * difference.error ? (difference.mean > 0 ? ' ▲' : ' ▼') : ''
      return `${ndcg.toFixed(3)}${mark}`
    }),
  ])
  return [
    ...markdownTable(['model', 'collection', 'MaxSim', ...ways], rows, 2),
    '',
    '▲ ▼ better or worse than MaxSim alone by more than two standard errors of the difference, over queries. ' +
      `Both sides give 100 candidates; exact MaxSim scores all of them. ${measuredOn(result, name)}`,
  ].join('\n')
}

const percent = (share) => (Math.abs(share) < 5e-4 ? '0' : (share * 100).toFixed(1).replace('-', '−'))
const lossCell = (summary) => (summary ? `${percent(summary.worst)} (${percent(summary.mean)})` : '–')
const foundCell = (summary) => (summary ? `${summary.found.toFixed(3)} (${summary.foundWorst.toFixed(2)})` : '–')
const count = (value) => (value === undefined ? '–' : Math.round(value).toLocaleString('en-US'))
const milliseconds = (value) => (value === undefined ? '–' : value < 10 ? value.toFixed(1) : value.toFixed(0))
const seconds = (value) => (value === undefined ? '–' : value < 10 ? value.toFixed(1) : value.toFixed(0))
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length

function modelList(runs) {
  const models = new Map(runs.map(({ model }) => [model.label, model.settings]))
  return `${[...models].map(([label, settings]) => `${label}: ${settings}`).join('. ')}.`
}

function collectionList(runs) {
  const collections = new Map(runs.map(({ collection }) => [collection.name, collection]))
  const parts = [...collections.values()].map(
    ({ name, documents, queries }) => `${name} (${count(documents)} documents, ${count(queries)} queries)`,
  )
  return `Collections: ${parts.join(', ')}; those of 100 documents or fewer are not counted, as all of them are candidates.`
}

function measuredOn({ machine, versions, date }, name) {
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  return `${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`
}

function markdownTable(head, rows, textColumns = 1) {
  const rule = head.map((_, i) => (i < textColumns ? '---' : '---:'))
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`)
}
