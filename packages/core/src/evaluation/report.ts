import { SerotineError } from '../errors.js'
import { checkOptions } from '../options.js'
import { escapeHtml, formatPlot } from './plot.js'
import type { Plot, PlotPoint } from './plot.js'
import { REPORT_STYLE } from './report-style.js'
import type { QueryReport } from './worst-queries.js'

/** One way of searching, as a report shows it. */
export interface ReportStage {
  readonly name: string
  /** By metric name; the table shows `ndcg@10` and `recall@100` where they exist, else the first two. */
  readonly metrics: Readonly<Record<string, number>>
  /** Share of the exact top 10 that this stage returned. */
  readonly exactTop10?: number
  /** Processor time per query, milliseconds. */
  readonly cpuMs?: number
  /** What the stage stores per document: token vectors, FDE, or both. */
  readonly bytesPerDocument?: number
  /** Exact MaxSim over everything: what the others are compared with. Default: the first stage whose `exactTop10` is 1. */
  readonly exact?: boolean
  /** Stages of one series differ only in `candidates`; a line joins them. */
  readonly series?: string
  /** Documents scored exactly. A stage with `fdeLength` and without this one ranks by FDE alone. */
  readonly candidates?: number
  /** Numbers in an FDE. */
  readonly fdeLength?: number
}

export interface ReportDataset {
  readonly name: string
  readonly split?: string
  readonly documents: number
  readonly queries: number
  readonly model: string
  readonly stages: readonly ReportStage[]
  /** Of stages that differ only in this, the one that the table shows. Default: the number nearest to 100. */
  readonly candidates?: number
  /** See `worstQueries`; `stage` is the one whose answers are shown. */
  readonly worst?: { readonly stage: string; readonly metric: string; readonly queries: readonly QueryReport[] }
  /** Where the numbers come from: machine, versions, command, settings. Shown as given, in this order. */
  readonly measured?: Readonly<Record<string, string>>
}

export interface EvaluationReport {
  /** Default `Retrieval, measured`. */
  readonly title?: string
  readonly datasets: readonly ReportDataset[]
}

/**
 * An evaluation as one HTML page that needs nothing else: no script, no request, plots as SVG; light, dark and on paper. All
 * text is escaped.
 *
 * @throws INVALID_ARGUMENT without a dataset, or for a dataset without a stage; UNKNOWN_OPTION
 */
export function formatReport(report: EvaluationReport): string {
  checkOptions('formatReport', report, ['title', 'datasets'])
  const { title = 'Retrieval, measured', datasets } = report
  if (datasets.length === 0)
    throw new SerotineError('INVALID_ARGUMENT', 'A report needs at least one dataset; got none.')
  const empty = datasets.find(({ stages }) => stages.length === 0)
  if (empty)
    throw new SerotineError('INVALID_ARGUMENT', `Dataset ${JSON.stringify(empty.name)} of the report has no stages.`)
  const models = [...new Set(datasets.map(({ model }) => model))].join(', ')
  const names = datasets.map(({ name }) => name).join(', ')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="quiet">${escapeHtml(`${models} on ${names}`)}. Metrics as in trec_eval. “Exact” is MaxSim over every
document: what a first stage is there to approach at less cost.</p>
${datasets.map(formatDataset).join('\n')}
</body>
</html>
`
}

function formatDataset(dataset: ReportDataset): string {
  const { name, split, documents, queries, model, stages, worst, measured } = dataset
  const exact = stages.find((stage) => stage.exact) ?? stages.find(({ exactTop10 }) => exactTop10 === 1)
  const metric = mainMetric(stages)
  const focus = dataset.candidates ?? nearestTo100(stages)
  const plots = [
    ...candidatePlots(stages, metric, exact),
    sizePlot(stages, metric, exact, focus),
    bytesPlot(stages, metric, exact, focus),
  ].filter((plot) => plot !== '')
  const about = [
    count(documents, 'document'),
    count(queries, 'query', 'queries'),
    model,
    ...(split ? [`split ${split}`] : []),
  ]
  return [
    `<section><h2>${escapeHtml(name)}</h2>`,
    `<p class="quiet">${escapeHtml(about.join(' · '))}</p>`,
    stageTable(stages, metric, exact, focus),
    plots.length > 0 ? `<div class="plots">${plots.join('')}</div>` : '',
    candidateTable(stages, metric),
    worst && worst.queries.length > 0 ? queryTable(worst, exact, stages) : '',
    measured && Object.keys(measured).length > 0 ? `<h3>Measured</h3>${definitions(measured)}` : '',
    '</section>',
  ].join('\n')
}

/** Every stage, but of those that differ in the number of candidates only the ones with `focus`. */
function stageTable(
  stages: readonly ReportStage[],
  metric: string,
  exact: ReportStage | undefined,
  focus: number | undefined,
): string {
  const second =
    'recall@100' in stages[0]!.metrics ? 'recall@100' : Object.keys(stages[0]!.metrics).find((name) => name !== metric)
  const shown = stages.filter(({ candidates }) => candidates === undefined || candidates === focus)
  const best = exact?.metrics[metric] ?? 0
  const columns: [head: string, cell: (stage: ReportStage) => string | undefined][] = [
    [metricName(metric), ({ metrics }) => metrics[metric]?.toFixed(4)],
    [
      'of exact',
      ({ metrics }) =>
        best > 0 && metrics[metric] !== undefined ? `${((metrics[metric] / best) * 100).toFixed(1)} %` : undefined,
    ],
    ...(second ? [[metricName(second), ({ metrics }) => metrics[second]?.toFixed(3)] as (typeof columns)[number]] : []),
    ['exact top 10 found', ({ exactTop10 }) => exactTop10?.toFixed(3)],
    ['CPU ms per query', ({ cpuMs }) => (cpuMs === undefined ? undefined : milliseconds(cpuMs))],
    [
      'bytes per document',
      ({ bytesPerDocument }) =>
        bytesPerDocument === undefined ? undefined : Math.round(bytesPerDocument).toLocaleString('en-US'),
    ],
  ]
  const used = columns.filter(([, cell]) => shown.some((stage) => cell(stage) !== undefined))
  return table(
    ['', ...used.map(([head]) => head)],
    shown.map((stage) => ({
      kind: stage === exact ? 'exact' : '',
      cells: [escapeHtml(stage.name), ...used.map(([, cell]) => escapeHtml(cell(stage) ?? '–'))],
    })),
  )
}

function candidatePlots(stages: readonly ReportStage[], metric: string, exact: ReportStage | undefined): string[] {
  const counts = candidateCounts(stages)
  if (counts.length < 2) return []
  const plot = (
    what: string,
    value: (stage: ReportStage) => number | undefined,
    format: Plot['y']['format'],
  ): Plot => ({
    x: { label: 'candidates scored exactly', format: (n) => n.toLocaleString('en-US'), ticks: counts },
    y: { label: what, format },
    series: seriesOf(stages).map((series, tone) => ({
      tone: tone % 6,
      line: shortName(series),
      points: stages
        .filter((stage) => stage.series === series && stage.candidates !== undefined && value(stage) !== undefined)
        .map((stage) => point(stage, stage.candidates!, value(stage)!, what)),
    })),
  })
  const reference = exact && { y: exact.metrics[metric]!, label: 'exact' }
  const quality = plot(metricName(metric), ({ metrics }) => metrics[metric], decimals(stages, metric))
  const found = plot(
    'exact top 10 found',
    ({ exactTop10 }) => exactTop10,
    (value) => value.toFixed(2),
  )
  return [
    figure(`${metricName(metric)} by candidates`, 'The best candidates of a first stage, scored by exact MaxSim', {
      ...quality,
      ...(reference && { reference }),
    }),
    figure('Exact top 10 among the candidates', 'share of what exact MaxSim ranks first', found),
  ]
}

function sizePlot(
  stages: readonly ReportStage[],
  metric: string,
  exact: ReportStage | undefined,
  focus: number | undefined,
): string {
  const encoded = stages.filter(
    ({ fdeLength, candidates }) => fdeLength !== undefined && (candidates === undefined || candidates === focus),
  )
  const lengths = [...new Set(encoded.map(({ fdeLength }) => fdeLength!))].toSorted((a, b) => a - b)
  if (lengths.length < 2) return ''
  return figure(`${metricName(metric)} by FDE size`, `● ${focus ?? ''} candidates scored exactly   ○ FDE alone`, {
    x: { label: 'numbers in an FDE', format: (n) => n.toLocaleString('en-US'), ticks: lengths },
    y: { label: metricName(metric), format: decimals(stages, metric) },
    series: byKind(stages, encoded, (stage) => stage.fdeLength!, metric),
    ...(exact && { reference: { y: exact.metrics[metric]!, label: 'exact' } }),
  })
}

function bytesPlot(
  stages: readonly ReportStage[],
  metric: string,
  exact: ReportStage | undefined,
  focus: number | undefined,
): string {
  const stored = stages.filter(
    ({ bytesPerDocument, candidates }) =>
      (bytesPerDocument ?? 0) > 0 && (candidates === undefined || candidates === focus),
  )
  if (new Set(stored.map(({ bytesPerDocument }) => bytesPerDocument)).size < 2) return ''
  return figure(`${metricName(metric)} by bytes per document`, `● with token vectors   ○ FDE alone`, {
    x: { label: 'bytes per document', format: bytes },
    y: { label: metricName(metric), format: decimals(stages, metric) },
    series: byKind(stages, stored, (stage) => stage.bytesPerDocument!, metric),
    ...(exact && !stored.includes(exact) && { reference: { y: exact.metrics[metric]!, label: 'exact' } }),
  })
}

/** A series for every stage, in the colour of its line in the plots by candidates. */
function byKind(
  all: readonly ReportStage[],
  shown: readonly ReportStage[],
  x: (stage: ReportStage) => number,
  metric: string,
): Plot['series'] {
  const names = seriesOf(all)
  return shown.map((stage) => ({
    tone: stage.series === undefined ? 5 : names.indexOf(stage.series) % 6,
    hollow: stage.fdeLength !== undefined && stage.candidates === undefined,
    points: [
      {
        ...point(stage, x(stage), stage.metrics[metric]!, metricName(metric)),
        label: stage.series ? shortName(stage.series) : 'exact',
      },
    ],
  }))
}

/** The main metric by series and number of candidates. */
function candidateTable(stages: readonly ReportStage[], metric: string): string {
  const counts = candidateCounts(stages)
  if (counts.length < 2) return ''
  const rows = seriesOf(stages).map((series) => ({
    kind: '',
    cells: [
      escapeHtml(series),
      ...counts.map(
        (n) => stages.find((s) => s.series === series && s.candidates === n)?.metrics[metric]?.toFixed(4) ?? '–',
      ),
    ],
  }))
  const head = ['', ...counts.map((n) => n.toLocaleString('en-US'))]
  return `<h3>${escapeHtml(metricName(metric))} by candidates</h3>${table(head, rows)}`
}

function queryTable(
  worst: NonNullable<ReportDataset['worst']>,
  exact: ReportStage | undefined,
  stages: readonly ReportStage[],
): string {
  const compared = [
    ...new Set([
      worst.stage,
      ...(exact ? [exact.name] : []),
      ...stages.filter((s) => s.series === undefined).map((s) => s.name),
    ]),
  ]
  const rows = worst.queries.map(({ id, text, values, firstRelevantRank, relevant, top }) => ({
    kind: '',
    cells: [
      `${escapeHtml(text)} <small>${escapeHtml(id)}</small>`,
      ...compared.map((name) => values[name]?.toFixed(3) ?? '–'),
      `${firstRelevantRank ?? '–'} <small>of ${relevant}</small>`,
      `<ol>${top.map(formatHit).join('')}</ol>`,
    ],
  }))
  const head = [
    'query',
    ...compared.map((name, i) =>
      i === 0 ? 'this stage' : stages.find((s) => s.name === name) === exact ? 'exact' : name.split(' (')[0]!,
    ),
  ]
  return `<h3>Worst-answered queries</h3>
<p class="quiet">By “${escapeHtml(worst.stage)}”; ${escapeHtml(metricName(worst.metric))} of each query. First relevant: its
rank, and how many documents are relevant. ✓ marks relevant ones among the first returned.</p>
${table([...head, 'first relevant', 'returned first'], rows, 'queries')}`
}

function formatHit({ id, title, grade }: QueryReport['top'][number]): string {
  const [kind, mark] = grade > 0 ? [' class="relevant"', '✓ '] : ['', '']
  return `<li${kind}>${mark}${escapeHtml(title)} <small>${escapeHtml(id)}</small></li>`
}

/** @param rows cells are HTML already */
function table(
  head: readonly string[],
  rows: readonly { kind: string; cells: readonly string[] }[],
  kind = '',
): string {
  const classOf = (name: string): string => (name ? ` class="${name}"` : '')
  const top = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')
  const body = rows.map((row) => `<tr${classOf(row.kind)}>${row.cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`)
  return `<div class="wide"><table${classOf(kind)}><thead><tr>${top}</tr></thead>
<tbody>${body.join('\n')}</tbody></table></div>`
}

function figure(title: string, note: string, plot: Plot): string {
  return `<figure><figcaption>${escapeHtml(title)}<small>${escapeHtml(note)}</small></figcaption>${formatPlot(plot)}</figure>`
}

function definitions(entries: Readonly<Record<string, string>>): string {
  const rows = Object.entries(entries).map(([name, value]) => {
    const text = escapeHtml(value)
    return `<dt>${escapeHtml(name)}</dt><dd>${name === 'command' ? `<code>${text}</code>` : text}</dd>`
  })
  return `<dl>${rows.join('\n')}</dl>`
}

function point(stage: ReportStage, x: number, y: number, what: string): PlotPoint {
  return { x, y, title: `${stage.name}: ${what} ${y.toFixed(4)}` }
}

function candidateCounts(stages: readonly ReportStage[]): number[] {
  return [
    ...new Set(stages.flatMap(({ candidates, series }) => (candidates === undefined || !series ? [] : [candidates]))),
  ].toSorted((a, b) => a - b)
}

function nearestTo100(stages: readonly ReportStage[]): number | undefined {
  return candidateCounts(stages).toSorted((a, b) => Math.abs(a - 100) - Math.abs(b - 100))[0]
}

function seriesOf(stages: readonly ReportStage[]): string[] {
  return [...new Set(stages.flatMap(({ series }) => (series === undefined ? [] : [series])))]
}

function mainMetric(stages: readonly ReportStage[]): string {
  const names = Object.keys(stages[0]!.metrics)
  return names.includes('ndcg@10') ? 'ndcg@10' : (names[0] ?? '')
}

/** `ndcg@10` as people write it. */
function metricName(metric: string): string {
  return metric.replace(/^ndcg/, 'nDCG').replace(/^(mrr|map)/, (name) => name.toUpperCase())
}

/** As many decimals as the differences need. */
function decimals(stages: readonly ReportStage[], metric: string): (value: number) => string {
  const values = stages.flatMap(({ metrics }) => metrics[metric] ?? [])
  const range = Math.max(...values) - Math.min(...values)
  return (value) => value.toFixed(range < 0.02 ? 4 : range < 0.1 ? 3 : 2)
}

const shortName = (series: string): string => series.replace(/^MUVERA /, '')
const milliseconds = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0))
const bytes = (value: number): string =>
  value < 1000 ? `${value}` : value < 1e6 ? `${value / 1000} kB` : `${value / 1e6} MB`

function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString('en-US')} ${value === 1 ? one : many}`
}
