import { extname } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import { checkTrecIds, evaluateRetrieval, evaluateRun, readCollection, writeTrecRun } from '@serotine/core/evaluation'
import type { MethodEvaluation, TestCollection } from '@serotine/core/evaluation'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { encodeOptions, forMuch, loadModel, warnAtEnd, withEncodeOptions } from '../model.js'
import {
  ENCODING_OPTIONS,
  FIRST_STAGES,
  INDEX_OPTIONS,
  MODEL_OPTIONS,
  OVERRIDE_OPTIONS,
  addOptions,
  pickOptions,
} from '../options.js'
import type { FirstStageChoice } from '../options.js'
import { hybridOf, parseInteger, parseList, parseWeight, parseWords } from '../option-values.js'
import type { HybridValues } from '../option-values.js'
import { count, counted, duration } from '../output/numbers.js'
import { startProgress } from '../output/progress.js'
import type { ProgressLine } from '../output/progress.js'
import { formatTable } from '../output/table.js'
import {
  COMPARED_FIRST_STAGES,
  fdesToCompare,
  isExactInstead,
  methodLabel,
  methodName,
  methodOf,
  methodsAsked,
  methodsPlotted,
  needsFdes,
  requireHnswlib,
} from '../eval-methods.js'
import type { MethodToRun } from '../eval-methods.js'
import { PLOTTED_CANDIDATES, fdeLengthOf, writeEvalReport } from '../report/eval-report.js'

interface Values extends CommonValues, HybridValues {
  model?: string
  split?: string
  subset?: string
  index?: string
  candidates: number
  depth: number
  metrics: string[]
  ignoreIdenticalIds?: boolean
  firstStages: FirstStageChoice[]
  alone?: boolean
  runFile?: string
  report?: string
  json?: boolean
}

const METRICS = ['ndcg@10', 'recall@100', 'mrr@10', 'map@100']
/** Here `--first-stages` says it. */
const EVAL_INDEX_OPTIONS = INDEX_OPTIONS.filter(({ name }) => name !== 'firstStage')

export function evalCommand(): Command {
  const command = createCommand('eval', {
    summary: 'measure retrieval on a collection with judgments',
    description:
      'Measures retrieval on a folder in the layout of BEIR (corpus.jsonl, queries.jsonl, qrels/<split>.tsv, .gz too), MTEB, ' +
      'NanoBEIR, LongEmbed or BRIGHT (JSON lines): exact MaxSim over everything, what the index chooses by itself (auto), ' +
      'centroid codes and MUVERA, with their best candidates scored exactly. Metrics as trec_eval has them.',
    examples: [
      ['serotine eval ./scifact', ''],
      ['serotine eval ./scifact --fde quality --candidates 200', ''],
      ['serotine eval ./scifact --report scifact.html', 'tables and plots'],
      ['serotine eval ./scifact --first-stages exact,muvera --alone', 'MUVERA without exact MaxSim, too'],
      ['serotine eval ./scifact --hybrid', 'do words help here?'],
      ['serotine eval ./scifact --first-stages exact --run-file scifact.trec', 'for trec_eval'],
    ],
  })
    .argument('<folder>', 'collection with judgments')
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: micro)')
    .option('--split <name>', 'judgments to use (default: test, or the only ones)')
    .option('--subset <name>', 'domain of BRIGHT')
    .option('--first-stages <stages>', `which of ${FIRST_STAGES.join(', ')}`, ...parseList(COMPARED_FIRST_STAGES))
    .option('--alone', 'also what each of them finds without exact MaxSim')
    .option('--hybrid', 'also a hybrid search, in which words count, too')
    .option('--hybrid-weight <n>', 'how much words count in it (default: 0.25); --hybrid is meant', parseWeight)
    .addOption(new Option('--stages <stages>').argParser(refuseStages).hideHelp())
    .option('--candidates <n>', 'candidates that are scored exactly', (text) => parseInteger(text, 1), 100)
    .option('--depth <n>', 'length of the rankings', (text) => parseInteger(text, 1), 100)
    .option('--metrics <names>', 'e.g. ndcg@10 accuracy@1', ...parseList(METRICS))
    .option('--ignore-identical-ids', 'leave out documents with the query’s id (default: in ArguAna and Quora)')
    .addOption(new Option('--no-ignore-identical-ids').hideHelp())
    .option('--index <folder>', 'keep the index there, and go on from it next time (default: in memory)')
    .option('--run-file <file>', 'write the rankings in TREC’s form; with several first stages, one file each')
    .option('--report <file>', `write an HTML page, with ${PLOTTED_CANDIDATES.join(', ')} candidates too`)
    .option('--json', 'one JSON object on standard output')
  addOptions(command, EVAL_INDEX_OPTIONS, GROUPS.index)
  addOptions(command, ENCODING_OPTIONS, GROUPS.encoding)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((folder: string, values: Values) => {
    const unknown = values.firstStages.find((name) => !FIRST_STAGES.includes(name))
    if (unknown !== undefined || values.firstStages.length === 0) {
      const what = JSON.stringify(unknown ?? '')
      command.error(`error: --first-stages takes ${FIRST_STAGES.join(', ')}, not ${what}.`, { exitCode: 2 })
    }
    return runWith(values, (context) => evaluate(context, folder, values, command))
  })
}

async function evaluate(context: Context, folder: string, values: Values, command: Command): Promise<void> {
  const { terminal, signal } = context
  const settings = values as unknown as Record<string, unknown>
  const collection = await readCollection(folder, {
    ...(values.split !== undefined && { split: values.split }),
    ...(values.subset !== undefined && { subset: values.subset }),
    onWarning: ({ message }) => terminal.warn(message),
  })
  checkBeforeEncoding(collection, values)
  if (values.firstStages.includes('hnsw')) await requireHnswlib()
  const warnings = warnAtEnd(context)
  const model = await loadModel(
    context,
    values.model,
    forMuch(
      settings,
      collection.documents.reduce((sum, { text }) => sum + text.length, 0),
    ),
    warnings.onWarning,
  )
  const own = encodeOptions(settings)
  const { poolFactor: _pool, protectedTokens: _protected, ...query } = own
  const encoder = withEncodeOptions(model, { query, document: own })
  let bar = startProgress(terminal, 'Encoding ')
  let index: MultiVectorIndex | undefined
  try {
    index = await MultiVectorIndex.open(values.index, {
      ...fdesToCompare(values.firstStages, values.index, settings.fde),
      ...pickOptions(settings, EVAL_INDEX_OPTIONS),
      model: encoder,
      onWarning: warnings.onWarning,
    })
    const { firstStages, keywords } = await index.stats()
    if (!firstStages.fde) withoutFdes(values, command)
    const { hybrid } = hybridOf(values)
    if (hybrid && !keywords) withoutWords()
    const present = new Set(await index.ids())
    const missing = collection.documents.filter(({ id }) => !present.has(id))
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
    bar = startProgress(terminal, 'Preparing')
    await prepare(index, values.firstStages, signal, bar)
    bar.stop()
    bar = startProgress(terminal, 'Answering')
    const stats = await index.stats()
    const asked = methodsAsked(values.firstStages, {
      candidates: values.candidates,
      alone: values.alone === true,
      hybrid,
    })
    // Of few documents there are no FDEs: whatever the number of candidates, everything is scored exactly.
    const plotted = asked.filter(({ firstStage }) => !needsFdes(firstStage) || fdeLengthOf(stats) !== undefined)
    const methods = [...asked, ...(values.report === undefined ? [] : methodsPlotted(plotted, PLOTTED_CANDIDATES))]
    const evaluation = await evaluateRetrieval({
      collection,
      model: encoder,
      methods: methods.map((method) => methodOf(method, index!)),
      depth: values.depth,
      metrics: values.metrics,
      ...(values.ignoreIdenticalIds !== undefined && { ignoreIdenticalIds: values.ignoreIdenticalIds }),
      signal,
      onProgress: ({ done, total }) => bar.update(total ? done / total : undefined, counted(done, 'answer')),
    })
    bar.stop()
    // What was asked for comes first; what only a report shows, after it.
    const result = { ...evaluation, methods: evaluation.methods.slice(0, asked.length) }
    if (values.report !== undefined) {
      await writeEvalReport(values.report, {
        collection,
        model: model.name,
        stats,
        methods,
        evaluation,
        version: command.parent?.version() ?? '',
        command: commandLine(folder, command),
      })
    }
    if (values.runFile !== undefined) {
      for (const [i, { run }] of result.methods.entries()) {
        const name = methodName(asked[i]!)
        const file = asked.length === 1 ? values.runFile : withSuffix(values.runFile, name)
        await writeTrecRun(file, run, `serotine-${name}`)
      }
    }
    const documents = collection.documents.length
    if (values.json) {
      await terminal.out(
        `${JSON.stringify({
          collection: collection.name,
          split: collection.split,
          model: model.name,
          documents,
          queries: result.queries,
          ignoreIdenticalIds: result.ignoreIdenticalIds,
          indexing: { documents: missing.length, seconds: Number((encodeMs / 1000).toFixed(3)) },
          encodeQueriesMs: Number(result.encodeQueriesMs.toFixed(2)),
          methods: result.methods.map(({ foundBy, metrics, exactTop10, searchMs, partsMs }, i) => ({
            ...asked[i]!,
            foundBy,
            metrics,
            ...(exactTop10 !== undefined && { exactTop10 }),
            searchMs: { mean: mean(searchMs), p50: percentile(searchMs, 0.5), p95: percentile(searchMs, 0.95) },
            partsMs: Object.fromEntries(Object.entries(partsMs).map(([part, times]) => [part, mean(times)])),
          })),
        })}\n`,
      )
      return
    }
    const { bold, dim } = terminal.colors
    const left = result.ignoreIdenticalIds ? ', documents with the query’s id left out' : ''
    await terminal.out(
      `${bold(collection.name)} ${dim(`${collection.split}, ${counted(documents, 'document')}, ${counted(result.queries, 'query', 'queries')}, ${model.name}${left}`)}\n\n`,
    )
    await terminal.out(
      formatTable(
        ['', ...values.metrics, 'of exact top 10', 'a query'],
        result.methods.map((method, i) => row(asked[i]!, method, values.metrics)),
        terminal.colors,
      ),
    )
    const encoded =
      missing.length > 0
        ? `${counted(missing.length, 'document')} indexed in ${duration(encodeMs)}`
        : 'the index was there already'
    if (result.methods.some(({ foundBy }, i) => isExactInstead(asked[i]!, foundBy)))
      terminal.aside(
        '\nhere exact MaxSim: there are too few tokens to learn a first stage from, so all were scored exactly',
      )
    terminal.aside(
      `\n${encoded}; encoding a query takes ${duration(result.encodeQueriesMs / Math.max(1, result.queries))} more`,
    )
  } finally {
    bar.stop()
    warnings.tell()
    await index?.close({ prepare: !signal.aborted })
    await model.close()
  }
}

/** What `--stages` was. */
function refuseStages(text: string): never {
  const words = parseWords(text, undefined)
  const now = words.map((word) => (word === 'default' ? 'auto' : word === 'fde' ? 'muvera' : word))
  const alone = words.includes('fde') ? ' --alone' : ''
  throw new InvalidArgumentError(
    `It is --first-stages now, with the words of --first-stage: --first-stages ${[...new Set(now)].join(',')}${alone}.`,
  )
}

/** What would otherwise be found after hours of encoding. @throws INVALID_ARGUMENT */
function checkBeforeEncoding(collection: TestCollection, { runFile, metrics }: Values): void {
  if (runFile !== undefined) checkTrecIds(collection)
  evaluateRun(collection.qrels, new Map([...collection.qrels.keys()].slice(0, 1).map((id) => [id, []])), { metrics })
}

/** Makes what is compared, and waits for what is made in the background: neither is the time of a query. */
async function prepare(
  index: MultiVectorIndex,
  firstStages: readonly FirstStageChoice[],
  signal: AbortSignal,
  bar: ProgressLine,
): Promise<void> {
  for (const firstStage of new Set(['auto', ...firstStages.filter((name) => name !== 'exact')])) {
    await index.prepare({
      firstStage,
      signal,
      onProgress: ({ done, total }) => bar.update(total ? done / total : undefined, counted(done, 'document')),
    })
  }
}

/** Leaves out what an index without FDEs cannot do, unless it was asked for. */
function withoutFdes(values: Values, command: Command): void {
  const left = values.firstStages.filter((firstStage) => !needsFdes(firstStage))
  if (left.length < values.firstStages.length && command.getOptionValueSource('firstStages') === 'cli') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `--first-stages ${values.firstStages.join(',')} needs FDEs, and the index has none (--fde none). Omit one of the two options.`,
    )
  }
  values.firstStages = left
}

function withoutWords(): never {
  throw new SerotineError(
    'INVALID_ARGUMENT',
    '--hybrid needs words, and the index keeps none (--keywords off). Omit --hybrid, or keep words with --keywords english.',
  )
}

/** What was typed, less what must not be passed on. */
function commandLine(folder: string, command: Command): string {
  const given = command.options.flatMap((option) => {
    const name = option.attributeName()
    if (name === 'token' || command.getOptionValueSource(name) !== 'cli') return []
    const value: unknown = command.getOptionValue(name)
    return typeof value !== 'boolean' ? [option.long!, String(value)] : value === option.negate ? [] : [option.long!]
  })
  return ['serotine', 'eval', folder, ...given].join(' ')
}

function row(method: MethodToRun, measured: MethodEvaluation, metrics: readonly string[]): string[] {
  const { foundBy, exactTop10, searchMs } = measured
  return [
    methodLabel(method, foundBy),
    ...metrics.map((name) => measured.metrics[name]!.toFixed(4)),
    exactTop10 === undefined ? '' : exactTop10.toFixed(3),
    duration(mean(searchMs)),
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
