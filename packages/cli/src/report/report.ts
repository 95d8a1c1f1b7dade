import { SerotineError } from '@serotine/core'
import { checkOptions } from '@serotine/core/options'
import type { QueryReport } from '@serotine/core/evaluation'
import { escapeHtml, formatPlot } from './plot.js'
import type { Plot, PlotPoint } from './plot.js'
import { REPORT_STYLE } from './style.js'

/** One way of answering queries, as a report shows it. */
export interface ReportMethod {
  readonly name: string
  /** By metric name; the table shows `ndcg@10` and `recall@100` where they exist, else the first two. */
  readonly metrics: Readonly<Record<string, number>>
  /** Share of the exact top 10 that this method returned. */
  readonly exactTop10?: number
  /** Processor time per query, milliseconds. */
  readonly cpuMs?: number
  /** What the method stores per document: token vectors, FDE, or both. */
  readonly bytesPerDocument?: number
  /** Exact MaxSim over everything: what the others are compared with. Default: the first method whose `exactTop10` is 1. */
  readonly exact?: boolean
  /** Methods of one series differ only in `candidates`; a line joins them. */
  readonly series?: string
  /** Documents scored exactly. A method of a series and without this one ranks by its first stage alone. */
  readonly candidates?: number
  /** Numbers in an FDE. */
  readonly fdeLength?: number
}

export interface ReportCollection {
  readonly name: string
  readonly split?: string
  readonly documents: number
  readonly queries: number
  readonly model: string
  readonly methods: readonly ReportMethod[]
  /** Of methods that differ only in this, the one that the table shows. Default: the number nearest to 100. */
  readonly candidates?: number
  /** See `worstQueries`; `method` is the one whose answers are shown. */
  readonly worst?: { readonly method: string; readonly metric: string; readonly queries: readonly QueryReport[] }
  /** Where the numbers come from: machine, versions, command, settings. Shown as given, in this order. */
  readonly measured?: Readonly<Record<string, string>>
}

export interface EvaluationReport {
  /** Default `Retrieval, measured`. */
  readonly title?: string
  readonly collections: readonly ReportCollection[]
}

/**
 * An evaluation as one HTML page that needs nothing else: no script, no request, plots as SVG; light, dark and on paper. All
 * text is escaped.
 *
 * @throws INVALID_ARGUMENT without a collection, or for a collection without a method; UNKNOWN_OPTION
 */
export function formatReport(report: EvaluationReport): string {
  checkOptions('formatReport', report, ['title', 'collections'], { datasets: 'collections' })
  const { title = 'Retrieval, measured', collections } = report
  if (collections.length === 0)
    throw new SerotineError('INVALID_ARGUMENT', 'A report needs at least one collection; got none.')
  const empty = collections.find(({ methods }) => methods.length === 0)
  if (empty)
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The collection ${JSON.stringify(empty.name)} of the report has no methods.`,
    )
  const models = [...new Set(collections.map(({ model }) => model))].join(', ')
  const names = collections.map(({ name }) => name).join(', ')
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
${collections.map(formatCollection).join('\n')}
</body>
</html>
`
}

function formatCollection(collection: ReportCollection): string {
  const { name, split, documents, queries, model, methods, worst, measured } = collection
  const exact = methods.find((method) => method.exact) ?? methods.find(({ exactTop10 }) => exactTop10 === 1)
  const metric = mainMetric(methods)
  const focus = collection.candidates ?? nearestTo100(methods)
  const plots = [
    ...candidatePlots(methods, metric, exact),
    sizePlot(methods, metric, exact, focus),
    bytesPlot(methods, metric, exact, focus),
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
    methodTable(methods, metric, exact, focus),
    plots.length > 0 ? `<div class="plots">${plots.join('')}</div>` : '',
    candidateTable(methods, metric),
    worst && worst.queries.length > 0 ? queryTable(worst, exact, methods) : '',
    measured && Object.keys(measured).length > 0 ? `<h3>Measured</h3>${definitions(measured)}` : '',
    '</section>',
  ].join('\n')
}

/** Every method, but of those that differ in the number of candidates only the ones with `focus`. */
function methodTable(
  methods: readonly ReportMethod[],
  metric: string,
  exact: ReportMethod | undefined,
  focus: number | undefined,
): string {
  const second =
    'recall@100' in methods[0]!.metrics
      ? 'recall@100'
      : Object.keys(methods[0]!.metrics).find((name) => name !== metric)
  const shown = methods.filter(({ candidates }) => candidates === undefined || candidates === focus)
  const best = exact?.metrics[metric] ?? 0
  const columns: [head: string, cell: (method: ReportMethod) => string | undefined][] = [
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
  const used = columns.filter(([, cell]) => shown.some((method) => cell(method) !== undefined))
  return table(
    ['', ...used.map(([head]) => head)],
    shown.map((method) => ({
      kind: method === exact ? 'exact' : '',
      cells: [escapeHtml(method.name), ...used.map(([, cell]) => escapeHtml(cell(method) ?? '–'))],
    })),
  )
}

function candidatePlots(methods: readonly ReportMethod[], metric: string, exact: ReportMethod | undefined): string[] {
  const counts = candidateCounts(methods)
  if (counts.length < 2) return []
  const plot = (
    what: string,
    value: (method: ReportMethod) => number | undefined,
    format: Plot['y']['format'],
  ): Plot => ({
    x: { label: 'candidates scored exactly', format: (n) => n.toLocaleString('en-US'), ticks: counts },
    y: { label: what, format },
    series: seriesOf(methods).map((series, tone) => ({
      tone: tone % 6,
      line: shortName(series),
      points: methods
        .filter((method) => method.series === series && method.candidates !== undefined && value(method) !== undefined)
        .map((method) => point(method, method.candidates!, value(method)!, what)),
    })),
  })
  const reference = exact && { y: exact.metrics[metric]!, label: 'exact' }
  const quality = plot(metricName(metric), ({ metrics }) => metrics[metric], decimals(methods, metric))
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
  methods: readonly ReportMethod[],
  metric: string,
  exact: ReportMethod | undefined,
  focus: number | undefined,
): string {
  const encoded = methods.filter(
    ({ fdeLength, candidates }) => fdeLength !== undefined && (candidates === undefined || candidates === focus),
  )
  const lengths = [...new Set(encoded.map(({ fdeLength }) => fdeLength!))].toSorted((a, b) => a - b)
  if (lengths.length < 2) return ''
  return figure(`${metricName(metric)} by FDE size`, `● ${focus ?? ''} candidates scored exactly   ○ FDE alone`, {
    x: { label: 'numbers in an FDE', format: (n) => n.toLocaleString('en-US'), ticks: lengths },
    y: { label: metricName(metric), format: decimals(methods, metric) },
    series: byKind(methods, encoded, (method) => method.fdeLength!, metric),
    ...(exact && { reference: { y: exact.metrics[metric]!, label: 'exact' } }),
  })
}

function bytesPlot(
  methods: readonly ReportMethod[],
  metric: string,
  exact: ReportMethod | undefined,
  focus: number | undefined,
): string {
  const stored = methods.filter(
    ({ bytesPerDocument, candidates }) =>
      (bytesPerDocument ?? 0) > 0 && (candidates === undefined || candidates === focus),
  )
  if (new Set(stored.map(({ bytesPerDocument }) => bytesPerDocument)).size < 2) return ''
  return figure(`${metricName(metric)} by bytes per document`, '● with token vectors   ○ first stage alone', {
    x: { label: 'bytes per document', format: bytes },
    y: { label: metricName(metric), format: decimals(methods, metric) },
    series: byKind(methods, stored, (method) => method.bytesPerDocument!, metric),
    ...(exact && !stored.includes(exact) && { reference: { y: exact.metrics[metric]!, label: 'exact' } }),
  })
}

/** A series for every method, in the colour of its line in the plots by candidates. */
function byKind(
  all: readonly ReportMethod[],
  shown: readonly ReportMethod[],
  x: (method: ReportMethod) => number,
  metric: string,
): Plot['series'] {
  const names = seriesOf(all)
  return shown.map((method) => ({
    tone: method.series === undefined ? 5 : names.indexOf(method.series) % 6,
    hollow: method.series !== undefined && method.candidates === undefined,
    points: [
      {
        ...point(method, x(method), method.metrics[metric]!, metricName(metric)),
        label: method.series ? shortName(method.series) : 'exact',
      },
    ],
  }))
}

/** The main metric by series and number of candidates. */
function candidateTable(methods: readonly ReportMethod[], metric: string): string {
  const counts = candidateCounts(methods)
  if (counts.length < 2) return ''
  const rows = seriesOf(methods).map((series) => ({
    kind: '',
    cells: [
      escapeHtml(series),
      ...counts.map(
        (n) => methods.find((s) => s.series === series && s.candidates === n)?.metrics[metric]?.toFixed(4) ?? '–',
      ),
    ],
  }))
  const head = ['', ...counts.map((n) => n.toLocaleString('en-US'))]
  return `<h3>${escapeHtml(metricName(metric))} by candidates</h3>${table(head, rows)}`
}

function queryTable(
  worst: NonNullable<ReportCollection['worst']>,
  exact: ReportMethod | undefined,
  methods: readonly ReportMethod[],
): string {
  const compared = [
    ...new Set([
      worst.method,
      ...(exact ? [exact.name] : []),
      ...methods.filter((s) => s.series === undefined).map((s) => s.name),
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
      i === 0 ? 'this method' : methods.find((s) => s.name === name) === exact ? 'exact' : name.split(' (')[0]!,
    ),
  ]
  return `<h3>Worst-answered queries</h3>
<p class="quiet">By “${escapeHtml(worst.method)}”; ${escapeHtml(metricName(worst.metric))} of each query. First relevant: its
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

function point(method: ReportMethod, x: number, y: number, what: string): PlotPoint {
  return { x, y, title: `${method.name}: ${what} ${y.toFixed(4)}` }
}

function candidateCounts(methods: readonly ReportMethod[]): number[] {
  return [
    ...new Set(methods.flatMap(({ candidates, series }) => (candidates === undefined || !series ? [] : [candidates]))),
  ].toSorted((a, b) => a - b)
}

function nearestTo100(methods: readonly ReportMethod[]): number | undefined {
  return candidateCounts(methods).toSorted((a, b) => Math.abs(a - 100) - Math.abs(b - 100))[0]
}

function seriesOf(methods: readonly ReportMethod[]): string[] {
  return [...new Set(methods.flatMap(({ series }) => (series === undefined ? [] : [series])))]
}

function mainMetric(methods: readonly ReportMethod[]): string {
  const names = Object.keys(methods[0]!.metrics)
  return names.includes('ndcg@10') ? 'ndcg@10' : (names[0] ?? '')
}

/** `ndcg@10` as people write it. */
function metricName(metric: string): string {
  return metric.replace(/^ndcg/, 'nDCG').replace(/^(mrr|map)/, (name) => name.toUpperCase())
}

/** As many decimals as the differences need. */
function decimals(methods: readonly ReportMethod[], metric: string): (value: number) => string {
  const values = methods.flatMap(({ metrics }) => metrics[metric] ?? [])
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
