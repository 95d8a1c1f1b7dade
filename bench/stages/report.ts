import { escapeHtml, formatPlot } from '../../packages/cli/src/report/plot.js'
import type { Plot, PlotSeries } from '../../packages/cli/src/report/plot.js'
import { REPORT_STYLE } from '../../packages/cli/src/report/style.js'
import type { Comparison, StageResult } from './compare.js'

export interface ComparisonRun extends Comparison {
  readonly model: { readonly label: string; readonly settings: string }
  readonly collection: { readonly name: string; readonly documents: number; readonly queries: number }
}

export interface StagesResult {
  readonly date: string
  readonly command: string
  readonly machine: { readonly cpu: string; readonly cores: number; readonly os: string; readonly loadAverage: number }
  readonly versions: Readonly<Record<string, string>>
  readonly runs: readonly ComparisonRun[]
}

interface StageSummary {
  readonly name: string
  readonly group: string
  readonly models: ReadonlyMap<string, { readonly worst: number; readonly mean: number; readonly collection: string }>
}

/** See `summarise` in table.mjs. */
export type Summarise = (runs: readonly ComparisonRun[]) => {
  models: readonly string[]
  stages: readonly StageSummary[]
}

/** In the order of their colours. */
const GROUPS = ['published', 'sphere', 'learned', 'LEMUR', 'centroid scan', 'baseline'] as const
const GROUP_NAMES: Readonly<Record<string, string>> = {
  published: 'MUVERA as published',
  sphere: 'FDE of hyperplanes',
  learned: 'FDE of learned partitions',
  baseline: 'token search, mean vector, BM25',
}
const CANDIDATES = '100'
/** Plots show what keeps at least this much: far worse stages would press the rest into a line. */
const SHOWN_FROM = 0.9

const STYLE = `${REPORT_STYLE}
.key span { margin-right: 1rem; white-space: nowrap; font-weight: 600 }
${GROUPS.map((_, tone) => `.key .tone-${tone} { color: var(--tone-${tone}) }`).join('\n')}
td:first-child { min-width: 17rem }
td.over { color: var(--tone-1) } td.good { color: var(--tone-2) }
`

/** The comparison as one HTML page that needs nothing else: no script, no request; light, dark and on paper. */
export function formatStagesReport(result: StagesResult, summarise: Summarise): string {
  const { models, stages } = summarise(result.runs)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>First stages compared</title>
<style>${STYLE}</style>
</head>
<body>
<h1>First stages compared</h1>
<p class="quiet">A first stage finds candidates, exact MaxSim ranks them. Loss is what that costs against exact MaxSim of every
document, in nDCG@10. Collections with no more documents than candidates are left out of every mean and maximum.</p>
${models
  .map((label) =>
    modelSection(
      label,
      result.runs.filter(({ model }) => model.label === label),
      stages,
    ),
  )
  .join('\n')}
${hybridSection(result.runs)}
<section><h2>Measured</h2>${definitions(result)}</section>
</body>
</html>
`
}

function modelSection(label: string, runs: readonly ComparisonRun[], stages: readonly StageSummary[]): string {
  const largest = runs.reduce((a, b) => (b.collection.documents > a.collection.documents ? b : a))
  return [
    `<section><h2>${escapeHtml(label)}</h2>`,
    `<p class="quiet">${escapeHtml(runs[0]!.model.settings)}. Mean token of ${escapeHtml(largest.collection.name)}: `,
    `${largest.meanNorm.toFixed(2)} of a token’s length.</p>`,
    `<p class="key">${GROUPS.map((group, tone) => `<span class="tone-${tone}">${groupName(group)}</span>`).join('')}</p>`,
    '<div class="plots">',
    keptPlot('Quality against bytes', 'bytes per document, on top of its token vectors', label, stages, largest, {
      of: ({ bytesPerDocument }) => bytesPerDocument,
      format: bytes,
    }),
    keptPlot(
      `Quality against time, ${largest.collection.name}`,
      'CPU ms per query to find candidates',
      label,
      stages,
      largest,
      {
        of: ({ cpuMs }) => cpuMs,
        format: (ms) => `${ms}`,
      },
    ),
    foundPlot(largest),
    candidatesPlot(largest),
    '</div>',
    runsTable(runs),
    '</section>',
  ].join('\n')
}

/** Share of exact MaxSim's nDCG@10 kept on the worst collection, against a cost on the largest one. */
function keptPlot(
  title: string,
  xLabel: string,
  label: string,
  stages: readonly StageSummary[],
  largest: ComparisonRun,
  cost: { of: (stage: StageResult) => number; format: (value: number) => string },
): string {
  let hidden = 0
  const series = stages.flatMap(({ name, group, models }): PlotSeries[] => {
    const [summary, stage] = [models.get(label), largest.stages.find((other) => other.name === name)]
    if (!summary || !stage || !isPlotted(name)) return []
    const kept = 1 - summary.worst
    if (kept < SHOWN_FROM) hidden++
    if (kept < SHOWN_FROM) return []
    const what = `${name}: keeps ${(kept * 100).toFixed(1)} % on ${summary.collection}`
    const point = { x: Math.max(cost.of(stage), 1e-2), y: kept * 100, title: what, label: shortName(name) }
    return [{ tone: toneOf(group), points: [point], hollow: name.endsWith('1 bit') }]
  })
  const below = hidden > 0 ? `; ${hidden} below ${SHOWN_FROM * 100} % not shown` : ''
  return figure(title, `nDCG@10 kept on the worst collection, 100 candidates; ○ 1 bit a number${below}`, {
    x: { label: xLabel, format: cost.format },
    y: { label: 'nDCG@10 kept, %', format: (value) => `${value}` },
    series,
    reference: { y: 99, label: '1 % lost' },
  })
}

/** Share of the exact top 10 against bytes, on the largest collection. */
function foundPlot(run: ComparisonRun): string {
  const plotted = run.stages.filter(({ name }) => isPlotted(name))
  const series = plotted.map(({ name, group, bytesPerDocument, candidates }): PlotSeries => {
    const y = candidates[CANDIDATES]!.exactTop10
    const point = { x: Math.max(bytesPerDocument, 1), y, title: `${name}: ${y.toFixed(3)}`, label: shortName(name) }
    return { tone: toneOf(group), points: [point], hollow: name.endsWith('1 bit') }
  })
  return figure(
    `Exact top 10 against bytes, ${run.collection.name}`,
    'share found among 100 candidates; ○ 1 bit a number',
    {
      x: { label: 'bytes per document, on top of its token vectors', format: bytes },
      y: { label: 'exact top 10 found', format: (value) => value.toFixed(2) },
      series,
    },
  )
}

/** Share of the exact top 10 against the number of candidates, on the largest collection: a line a stage, few of each idea. */
function candidatesPlot(run: ComparisonRun): string {
  const counts = Object.keys(run.stages[0]!.candidates).map(Number)
  if (counts.length < 2) return ''
  const series = run.stages
    .filter(({ name }) => isPlotted(name) && !/1 bit|small|5,120|1,024|token search/.test(name))
    .map(({ name, group, candidates }): PlotSeries => ({
      tone: toneOf(group),
      line: name.replace(/MUVERA as |, int8|centroid scan, |compact, |quality, /g, '').replace('sphere', 'planes'),
      points: counts.map((count) => {
        const { exactTop10 } = candidates[count]!
        return { x: count, y: exactTop10, title: `${name}: ${exactTop10.toFixed(3)}` }
      }),
    }))
  return figure(`Exact top 10 among the candidates, ${run.collection.name}`, 'share of what exact MaxSim ranks first', {
    x: { label: 'candidates', format: String, ticks: counts },
    y: { label: 'exact top 10 found', format: (value) => value.toFixed(2) },
    series,
  })
}

/** Storage in f32 equals int8, and preparations are for the table. */
function isPlotted(name: string): boolean {
  return !/prepare|f32|deflated/.test(name)
}

/** What tells stages of one colour apart. */
function shortName(name: string): string {
  const parts = name.split(', ')
  const size = /^(K=.+|[\d,]+)$/.exec(parts[1] ?? '')?.[1]
  if (name.startsWith('token search')) return 'tokens'
  return size ?? name
}

function runsTable(all: readonly ComparisonRun[]): string {
  // Where every document is a candidate, there is nothing to see.
  const runs = all.filter(({ collection }) => collection.documents > Number(CANDIDATES))
  const largest = runs.reduce((a, b) => (b.collection.documents > a.collection.documents ? b : a))
  const head = [
    '',
    'bytes',
    'CPU ms',
    'build, s',
    ...runs.flatMap(({ collection }) => [`${collection.name}: loss, %`, 'top 10']),
  ]
  const exact = [
    'exact MaxSim',
    '0',
    largest.exact.cpuMs.toFixed(0),
    '–',
    ...runs.flatMap(({ exact: { ndcg } }) => [`${ndcg.toFixed(4)}`, '1']),
  ]
  const rows = largest.stages.map((stage) => {
    const cells = runs.flatMap(({ stages, exact: { ndcg } }) => {
      const kept = stages.find(({ name }) => name === stage.name)?.candidates[CANDIDATES]
      if (!kept) return ['<td>–</td>', '<td>–</td>']
      const loss = (1 - kept.ndcg / ndcg) * 100
      const kind = loss > 1 ? ' class="over"' : ' class="good"'
      const shown = loss
        .toFixed(1)
        .replace(/^-(?=0\.0$)/, '')
        .replace('-', '−')
      return [`<td${kind}>${shown}</td>`, `<td>${kept.exactTop10.toFixed(3)}</td>`]
    })
    const cost = [
      Math.round(stage.bytesPerDocument).toLocaleString('en-US'),
      stage.cpuMs.toFixed(1),
      stage.buildSeconds.toFixed(1),
    ]
    return `<tr><td>${escapeHtml(stage.name)}</td>${cost.map((cell) => `<td>${cell}</td>`).join('')}${cells.join('')}</tr>`
  })
  return `<h3>Every stage, 100 candidates</h3>
<p class="quiet">Bytes, times and building on ${escapeHtml(largest.collection.name)}; in the first row nDCG@10 of exact MaxSim
instead of a loss. Exact MaxSim of 100 candidates takes ${largest.rerank100Ms.toFixed(1)} ms more.</p>
<div class="wide"><table><thead><tr>${head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')}</tr></thead>
<tbody><tr class="exact">${exact.map((cell) => `<td>${cell}</td>`).join('')}</tr>
${rows.join('\n')}</tbody></table></div>`
}

function hybridSection(runs: readonly ComparisonRun[]): string {
  const ways = runs[0]!.hybrid.map(({ name }) => name)
  const rows = runs.map(({ model, collection, exact, hybrid }) => {
    const cells = hybrid.map(({ ndcg, difference }) => {
      const certain = Math.abs(difference.mean) > 2 * difference.error
      const kind = !certain ? '' : difference.mean > 0 ? ' class="good"' : ' class="over"'
      return `<td${kind} title="${difference.mean.toFixed(4)} ± ${difference.error.toFixed(4)}">${ndcg.toFixed(3)}</td>`
    })
    const first = `${escapeHtml(model.label)} <small>${escapeHtml(collection.name)}</small>`
    return `<tr><td>${first}</td><td>${exact.ndcg.toFixed(3)}</td>${cells.join('')}</tr>`
  })
  const head = ['', 'MaxSim', ...ways].map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`)
  return `<section><h2>With BM25</h2>
<p class="quiet">nDCG@10. Coloured where it differs from MaxSim alone by more than two standard errors of the difference, over
queries: green better, orange worse.</p>
<div class="wide"><table><thead><tr>${head.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div></section>`
}

function definitions({ machine, versions, date, command }: StagesResult): string {
  const rows = {
    machine: `${machine.cpu}, ${machine.cores} cores, ${machine.os}, load ${machine.loadAverage}`,
    versions: Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
    date,
    command,
  }
  return `<dl>${Object.entries(rows)
    .map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('\n')}</dl>`
}

function figure(title: string, note: string, plot: Plot): string {
  return `<figure><figcaption>${escapeHtml(title)}<small>${escapeHtml(note)}</small></figcaption>${formatPlot(plot)}</figure>`
}

const groupName = (group: string): string => GROUP_NAMES[group] ?? group
const toneOf = (group: string): number => (GROUPS as readonly string[]).indexOf(group)
const bytes = (value: number): string =>
  value < 1000 ? `${value}` : value < 1e6 ? `${value / 1000} kB` : `${value / 1e6} MB`
