import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import type { Command } from 'commander'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import { evaluateRetrieval, indexStage, readCollection, writeTrecRun } from '@serotine/core/evaluation'
import type { RetrievalStage, StageEvaluation } from '@serotine/core/evaluation'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { encodeOptions, forMuch, loadModel, warnOnce, withEncodeOptions } from '../model.js'
import {
  ENCODING_OPTIONS,
  INDEX_OPTIONS,
  MODEL_OPTIONS,
  OVERRIDE_OPTIONS,
  addOptions,
  pickOptions,
} from '../options.js'
import { parseInteger, parseWords } from '../option-values.js'
import { PLOTTED_CANDIDATES, writeEvalReport } from '../output/eval-report.js'
import { count, counted, duration } from '../output/numbers.js'
import { startProgress } from '../output/progress.js'
import { formatTable } from '../output/table.js'

interface Values extends CommonValues {
  model?: string
  split?: string
  subset?: string
  index?: string
  candidates: number
  depth: number
  metrics: string[]
  stages: string[]
  runFile?: string
  report?: string
  json?: boolean
}

const STAGES = {
  exact: 'exact MaxSim',
  centroids: 'centroids + MaxSim',
  muvera: 'MUVERA + MaxSim',
  fde: 'MUVERA alone',
} as const
// What is given replaces the default rather than adding to it.
const words = (text: string): string[] => parseWords(text, undefined)
type StageName = keyof typeof STAGES

export function evalCommand(): Command {
  const command = createCommand('eval', {
    summary: 'measure retrieval on a collection with judgments',
    description:
      'Measures retrieval on a folder in the layout of BEIR (corpus.jsonl, queries.jsonl, qrels/<split>.tsv, .gz too), MTEB, ' +
      'NanoBEIR, LongEmbed or BRIGHT (JSON lines): exact MaxSim over everything, centroid codes and MUVERA with ' +
      'their best candidates scored exactly, and MUVERA alone. Metrics as in trec_eval.',
    examples: [
      ['serotine eval ./scifact', ''],
      ['serotine eval ./scifact --fde quality --candidates 200', ''],
      ['serotine eval ./scifact --report scifact.html', 'tables and plots'],
      ['serotine eval ./scifact --stages exact --run-file scifact.trec', 'for trec_eval'],
    ],
  })
    .argument('<folder>', 'collection with judgments')
    .option('-m, --model <model>', 'folder or Hub id (default: built in)')
    .option('--split <name>', 'which judgments to use (default: test, or the only ones)')
    .option('--subset <name>', 'BRIGHT domain')
    .option('--stages <stages>', `any of ${Object.keys(STAGES).join(', ')}`, words, Object.keys(STAGES))
    .option('--candidates <n>', 'candidates to score exactly', (text) => parseInteger(text, 1), 100)
    .option('--depth <n>', 'length of the rankings', (text) => parseInteger(text, 1), 100)
    .option('--metrics <names>', 'e.g. ndcg@10 recall@100 mrr@10 map@100', words, [
      'ndcg@10',
      'recall@100',
      'mrr@10',
      'map@100',
    ])
    .option('--index <folder>', 'keep the index there, and reuse it next time (default: in memory)')
    .option('--run-file <file>', 'write the rankings in TREC format; with several stages, one file each')
    .option('--report <file>', `write an HTML page, with ${PLOTTED_CANDIDATES.join(', ')} candidates too`)
    .option('--json', 'one JSON object on standard output')
  addOptions(
    command,
    INDEX_OPTIONS.filter(({ name }) => name !== 'firstStage'),
    GROUPS.index,
  )
  addOptions(command, ENCODING_OPTIONS, GROUPS.encoding)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((folder: string, values: Values) => {
    const unknown = values.stages.find((name) => !(name in STAGES))
    if (unknown !== undefined || values.stages.length === 0) {
      command.error(`error: --stages takes ${Object.keys(STAGES).join(', ')}, not ${JSON.stringify(unknown ?? '')}.`, {
        exitCode: 2,
      })
    }
    return runWith(values, (context) => evaluate(context, folder, values, command))
  })
}

async function evaluate(context: Context, folder: string, values: Values, command: Command): Promise<void> {
  const { terminal, signal } = context
  const settings = values as unknown as Record<string, unknown>
  const dataset = await readCollection(folder, {
    ...(values.split !== undefined && { split: values.split }),
    ...(values.subset !== undefined && { subset: values.subset }),
  })
  const model = await loadModel(
    context,
    values.model,
    forMuch(
      settings,
      dataset.documents.reduce((sum, { text }) => sum + text.length, 0),
    ),
  )
  const own = encodeOptions(settings)
  const { poolFactor: _pool, protectedTokens: _protected, ...query } = own
  const encoder = withEncodeOptions(model, { query, document: own })
  let bar = startProgress(terminal, 'Encoding ')
  let index: MultiVectorIndex | undefined
  try {
    index = await MultiVectorIndex.open(values.index, {
      ...fdesToCompare(values, settings),
      ...pickOptions(settings, INDEX_OPTIONS),
      model: encoder,
      onWarning: warnOnce(context),
    })
    const missing = dataset.documents.filter(({ id }) => !index!.has(id))
    const started = performance.now()
    await index.upsert(missing, {
      signal,
      onProgress: ({ done, total, tokensPerSecond }) =>
        bar.update(
          done / (total ?? missing.length),
          `${counted(done, 'document')}${tokensPerSecond ? ` · ${count(tokensPerSecond)} tokens/s` : ''}`,
        ),
    })
    const encodeMs = performance.now() - started
    bar.stop()
    bar = startProgress(terminal, 'Answering')
    const { fde } = await index.stats()
    if (!fde) withoutFdes(values, command)
    const hasFdes = fde?.length != null
    const kinds = stagesToRun(values, hasFdes)
    const first = dataset.queries[0]
    // Where there are no codes yet, the first search that needs them makes them: seconds that should not count as a query's.
    if (first && values.stages.includes('centroids'))
      await index.search(first.text, { stage: 'centroids', k: 1, signal })
    const evaluation = await evaluateRetrieval({
      dataset,
      model: encoder,
      stages: kinds.map(({ kind, candidates }) => stageOf(kind, index!, candidates ?? values.candidates)),
      depth: values.depth,
      metrics: values.metrics,
      signal,
      onProgress: ({ done, total }) => bar.update(total ? done / total : undefined, counted(done, 'answer')),
    })
    bar.stop()
    // What was asked for comes first, then what only a report shows.
    const result = { ...evaluation, stages: evaluation.stages.slice(0, values.stages.length) }
    if (values.report !== undefined) {
      await writeEvalReport(values.report, {
        dataset,
        model: model.name,
        stats: await index.stats(),
        kinds,
        evaluation,
        version: command.parent?.version() ?? '',
        command: commandLine(folder, command),
      })
    }
    if (values.runFile !== undefined) {
      for (const [i, stage] of result.stages.entries()) {
        const name = values.stages[i]!
        await writeTrecRun(
          result.stages.length === 1 ? values.runFile : withSuffix(values.runFile, name),
          stage.run,
          `serotine-${name}`,
        )
      }
    }
    const documents = dataset.documents.length
    if (values.json) {
      await terminal.out(
        `${JSON.stringify({
          dataset: dataset.name,
          split: dataset.split,
          model: model.name,
          documents,
          queries: result.queries,
          indexing: { documents: missing.length, seconds: Number((encodeMs / 1000).toFixed(3)) },
          encodeQueriesMs: Number(result.encodeQueriesMs.toFixed(2)),
          stages: result.stages.map((stage, i) => ({
            name: values.stages[i],
            metrics: stage.metrics,
            ...(stage.exactTop10 !== undefined && { exactTop10: stage.exactTop10 }),
            searchMs: {
              mean: mean(stage.searchMs),
              p50: percentile(stage.searchMs, 0.5),
              p95: percentile(stage.searchMs, 0.95),
            },
            partsMs: Object.fromEntries(Object.entries(stage.partsMs).map(([part, times]) => [part, mean(times)])),
          })),
        })}\n`,
      )
      return
    }
    const { bold, dim } = terminal.colors
    await terminal.out(
      `${bold(dataset.name)} ${dim(`${dataset.split}, ${counted(documents, 'document')}, ${counted(result.queries, 'query', 'queries')}, ${model.name}`)}\n\n`,
    )
    await terminal.out(
      formatTable(
        ['', ...values.metrics, 'of exact top 10', 'a query'],
        result.stages.map((stage, i) => row(stage, values, i)),
        terminal.colors,
      ),
    )
    const encoded =
      missing.length > 0
        ? `${counted(missing.length, 'document')} indexed in ${duration(encodeMs)}`
        : 'the index already existed'
    terminal.aside(
      `\n${encoded}; encoding a query takes ${duration(result.encodeQueriesMs / Math.max(1, result.queries))} more`,
    )
  } finally {
    bar.stop()
    await index?.close()
    await model.close()
  }
}

/** A new index gets FDEs, which it would not have by default, when stages that use them are measured. */
function fdesToCompare({ stages, index }: Values, settings: Record<string, unknown>): { fde?: 'compact' } {
  const isNew = index === undefined || !existsSync(index)
  return settings.fde === undefined && isNew && stages.some((name) => name === 'muvera' || name === 'fde')
    ? { fde: 'compact' }
    : {}
}

/** Leaves out what an index without FDEs cannot do, unless it was asked for. */
function withoutFdes(values: Values, command: Command): void {
  const left = values.stages.filter((name) => name !== 'muvera' && name !== 'fde')
  if (left.length < values.stages.length && command.getOptionValueSource('stages') === 'cli') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `--stages ${values.stages.join(',')} needs FDEs, but the index has none (--fde none). Leave out one of the two options.`,
    )
  }
  values.stages = left
}

interface StageToRun {
  readonly kind: StageName
  readonly candidates?: number
}

/** The stages asked for, then, for a report that can plot them, those with candidates with other numbers of them. */
function stagesToRun(values: Values, hasFdes: boolean): StageToRun[] {
  const { candidates } = values
  const asked = values.stages.map((name) => ({ kind: name as StageName, ...(isReranked(name) && { candidates }) }))
  const plotted = asked.filter(({ kind }) => isReranked(kind) && (hasFdes || kind !== 'muvera'))
  if (values.report === undefined) return asked
  const others = PLOTTED_CANDIDATES.filter((other) => other !== candidates)
  return [...asked, ...plotted.flatMap(({ kind }) => others.map((other) => ({ kind, candidates: other })))]
}

function isReranked(name: string): boolean {
  return name === 'muvera' || name === 'centroids'
}

/** What was typed, without what must not be passed on. */
function commandLine(folder: string, command: Command): string {
  const given = command.options.flatMap((option) => {
    const name = option.attributeName()
    if (name === 'token' || command.getOptionValueSource(name) !== 'cli') return []
    const value: unknown = command.getOptionValue(name)
    return typeof value !== 'boolean' ? [option.long!, String(value)] : value === option.negate ? [] : [option.long!]
  })
  return ['serotine', 'eval', folder, ...given].join(' ')
}

function row(stage: StageEvaluation, values: Values, i: number): string[] {
  const share = stage.exactTop10 === undefined ? '' : stage.exactTop10.toFixed(3)
  return [
    STAGES[values.stages[i] as StageName],
    ...values.metrics.map((name) => stage.metrics[name]!.toFixed(4)),
    share,
    duration(mean(stage.searchMs)),
  ]
}

function withSuffix(path: string, suffix: string): string {
  const ending = extname(path)
  return `${path.slice(0, path.length - ending.length)}.${suffix}${ending}`
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : Number((values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3))
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(3))
}

function stageOf(name: StageName, index: MultiVectorIndex, candidates: number): RetrievalStage {
  const how = {
    exact: { stage: 'exact' },
    centroids: { stage: 'centroids', candidates },
    muvera: { stage: 'fde', candidates },
    fde: { stage: 'fde', rerank: false },
  } as const
  return indexStage(name, index, how[name])
}
