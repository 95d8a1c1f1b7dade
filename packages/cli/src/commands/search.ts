import { relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import type { MultiVectorIndex } from '@serotine/core'
import { commonWords } from '@serotine/core/highlight'
import type { ColBERT, Metadata, SearchOptions, SearchResult, SearchTimings } from '@serotine/core'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { DEFAULT_INDEX, readRecord, recordFor, requireIndex, rootOf } from '../index-record.js'
import { checkFields, parseWhere } from '../input/where.js'
import { readInput } from '../input/standard-input.js'
import { encodeOptions, loadModel, warnOnce, withEncodeOptions } from '../model.js'
import {
  ENCODING_OPTIONS,
  FIRST_STAGES,
  MODEL_OPTIONS,
  OVERRIDE_OPTIONS,
  addOptions,
  addStoreOption,
  pickOptions,
} from '../options.js'
import type { FirstStageChoice } from '../options.js'
import { hybridOf, parseInteger, parseWeight } from '../option-values.js'
import type { HybridValues } from '../option-values.js'
import { openIndexAt, shownPlace } from '../store-address.js'
import { formatHit } from '../output/hits.js'
import { shortFloat } from '../output/json.js'
import { count, counted, duration } from '../output/numbers.js'

export interface SearchValues extends CommonValues, HybridValues {
  index: string
  model?: string
  k: number
  offset?: number
  candidates?: number
  where?: SearchOptions['where']
  firstStage?: FirstStageChoice
  prompt?: string
  promptName?: string
  explain?: boolean
  json?: boolean
}

/** Passages looked at to find common words. */
const SAMPLE = 300

export function searchCommand(): Command {
  const command = createCommand('search', {
    summary: 'ask an index',
    description: 'Shows the passages that match best, where they are, and the words that matched.',
    examples: [
      ['serotine search how do I configure a proxy', ''],
      ['serotine search "flightless birds" --where lang=en --where "year>=2020" -k 3', ''],
      ['serotine search "flightless birds" --json | jq -r .hits[].source', ''],
      ['serotine search \'what throws "ERR_2041"\' --hybrid', 'words count, too'],
      ['serotine search - --json < queries.txt', 'one query per line'],
    ],
  })
    .argument('<query...>', 'what to ask; - reads one query per line from standard input')
    .option('-i, --index <folder>', 'folder of the index', DEFAULT_INDEX)
    .option('-k, --k <n>', 'how many hits', (text) => parseInteger(text, 1), 10)
    .option('--offset <n>', 'how many of the best to leave out, for the next page', (text) => parseInteger(text, 0))
    .option('--candidates <n>', 'candidates to score exactly (default: what the index needs)', (text) =>
      parseInteger(text, 1),
    )
    .option('--where <condition>', 'lang=en, year>=2020, tags~new; repeatable; or JSON', parseWhere)
    .option('--first-stage <stage>', `how candidates are found: ${FIRST_STAGES.join(', ')}`)
    .option('--hybrid', 'words count, too: identifiers, numbers, and "what is quoted" has to occur')
    .option('--hybrid-weight <n>', 'how much words count (default: 0.25); --hybrid is meant', parseWeight)
    .option('--json', 'one JSON object per query')
    .option('--explain', 'in JSON: which words matched')
  addStoreOption(command, 'index')
  command.option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: the index’s model)')
  addOptions(
    command,
    ENCODING_OPTIONS.filter(({ name }) => name === 'prompt' || name === 'promptName'),
    GROUPS.encoding,
  )
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((words: string[], values: SearchValues) => {
    if (values.firstStage !== undefined && !FIRST_STAGES.includes(values.firstStage)) {
      command.error(
        `error: --first-stage is one of ${FIRST_STAGES.join(', ')}, not ${JSON.stringify(values.firstStage)}.`,
        { exitCode: 2 },
      )
    }
    // Quotes are easily forgotten.
    return runWith(values, (context) => search(context, words.join(' '), values))
  })
}

async function search(context: Context, query: string, values: SearchValues): Promise<void> {
  const { signal } = context
  const folder = values.index
  requireIndex(folder)
  const before = await readRecord(folder)
  // The flags of a search say how to ask; the record says how documents were encoded.
  const { prompt, promptName, ...rest } = values
  const { record, settings } = recordFor(folder, rest as unknown as Record<string, unknown>, before)
  const model = await loadModel(context, record.model, settings)
  const prompts = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
  const root = rootOf(folder, record)
  let index: MultiVectorIndex | undefined
  try {
    index = await openIndexAt(folder, {
      readonly: true,
      model: withEncodeOptions(model, { query: prompts, document: encodeOptions(before?.options ?? {}) }),
      onWarning: warnOnce(context),
    })
    if (values.where) checkFields(values.where, await index.fields())
    await checkFirstStage(index, values)
    const options: SearchOptions = {
      k: values.k,
      signal,
      ...pickOptions(values as unknown as Record<string, unknown>, [
        { name: 'offset', help: '' },
        { name: 'candidates', help: '' },
        { name: 'where', help: '' },
      ]),
      ...(values.firstStage !== undefined && { firstStage: values.firstStage }),
      ...hybridOf(values),
    }
    const common = values.json ? new Set<string>() : await wordsOf(index)
    const passages = await index.count()
    for await (const text of queries(query, context)) {
      const result = await index.searchDetailed(text, options)
      await show(context, {
        query: text,
        result,
        passages,
        common,
        model,
        values,
        prompts,
        many: query === '-',
        root,
      })
    }
  } finally {
    await index?.close()
    await model.close()
  }
}

/** A search only reads: what a first stage looks at has been made before. @throws INVALID_ARGUMENT */
async function checkFirstStage(index: MultiVectorIndex, { index: folder, firstStage }: SearchValues): Promise<void> {
  if (firstStage === undefined || firstStage === 'auto' || firstStage === 'exact') return
  const { firstStages } = await index.stats()
  if (firstStages[firstStage === 'muvera' ? 'fde' : firstStage] !== undefined) return
  const rebuild = firstStage !== 'centroids' && firstStages.fde === undefined ? ' --rebuild' : ''
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `The index ${shownPlace(folder)} keeps nothing that --first-stage ${firstStage} could look at. Make it with: ` +
      `serotine index <paths> --out ${folder}${rebuild} --first-stage ${firstStage}`,
  )
}

/** Common words, from a sample spread over the index. */
async function wordsOf(index: MultiVectorIndex): Promise<ReadonlySet<string>> {
  const ids = await index.ids()
  const step = Math.max(1, Math.floor(ids.length / SAMPLE))
  const stored = await index.get(ids.filter((_, i) => i % step === 0).slice(0, SAMPLE))
  return commonWords(stored.flatMap((document) => document?.text ?? []))
}

async function* queries(query: string, context: Context): AsyncGenerator<string> {
  if (query !== '-') {
    yield query
    return
  }
  const { lines } = await readInput('-', context)
  for await (const { text } of lines) if (text.trim() !== '') yield text
}

interface Answer {
  readonly query: string
  readonly result: SearchResult
  /** Passages in the index. */
  readonly passages: number
  /** Words that say little in this index. */
  readonly common: ReadonlySet<string>
  readonly model: ColBERT
  /** Folder that sources are relative to. */
  readonly root: string
  /** More than one query may come. */
  readonly many: boolean
  readonly values: SearchValues
  readonly prompts: { prompt?: string; promptName?: string }
}

async function show({ terminal, signal }: Context, answer: Answer): Promise<void> {
  const {
    query,
    result: { hits, firstStage, candidates, timings },
    values,
    model,
    prompts,
  } = answer
  const explain = (text: string | undefined) =>
    text === undefined ? Promise.resolve([]) : model.explain(query, text, { ...prompts, signal })
  if (values.json) {
    const shown = []
    for (const { rank, id, score, meanSimilarity, maxSim, keywords, text, metadata } of hits) {
      shown.push({
        rank,
        id,
        score: shortFloat(score),
        meanSimilarity: shortFloat(meanSimilarity),
        ...(maxSim !== undefined && { maxSim: shortFloat(maxSim) }),
        ...(keywords && { keywords: { ...keywords, score: shortFloat(keywords.score) } }),
        ...place(metadata, answer.root),
        text,
        metadata,
        ...(values.explain && { matches: await explain(text) }),
      })
    }
    await terminal.out(
      `${JSON.stringify({ query, firstStage, candidates, milliseconds: rounded(timings), hits: shown })}\n`,
    )
    return
  }
  if (answer.many) await terminal.out(`${terminal.colors.bold(query)}\n\n`)
  for (const [i, { rank, id, score, meanSimilarity, text, metadata }] of hits.entries()) {
    const heading =
      typeof metadata.heading === 'string'
        ? metadata.heading
        : typeof metadata.title === 'string'
          ? metadata.title
          : undefined
    await terminal.out(
      `${i > 0 ? '\n' : ''}${formatHit(
        {
          rank,
          score,
          meanSimilarity,
          query,
          text: text ?? '',
          matches: await explain(text),
          place: (offset) => placeOf(metadata, answer.root, text ?? '', offset) ?? id,
          ...(heading && { heading }),
        },
        terminal,
        answer.common,
      )}`,
    )
  }
  if (hits.length === 0) terminal.note(nothingFound(answer))
  const milliseconds = Object.values(timings).reduce((sum, part) => sum + part, 0)
  const among = `${counted(answer.passages, 'passage')} in ${duration(milliseconds)} (${describeFirstStage(firstStage, candidates)})`
  if (answer.many) await terminal.out('\n')
  terminal.aside(`\n${hits.length === 0 ? 'searched' : `${counted(hits.length, 'hit')} among`} ${among}`)
}

function nothingFound({ query, passages, values }: Answer): string {
  const what = `Nothing found for ${JSON.stringify(query)}`
  if (passages === 0) return `${what}: the index is empty.`
  if (values.offset) return `${what} after the first ${counted(values.offset, 'hit')}.`
  return values.where ? `${what}: none of ${counted(passages, 'passage')} fits the --where.` : `${what}.`
}

/** `path:line` of an offset of a passage. It is the passage's own line where its text is not the file's, as in HTML. */
function placeOf(metadata: Metadata, root: string, text: string, offset: number): string | undefined {
  const { source, line } = place(metadata, root)
  if (source === undefined || line === undefined) return source
  const linesBefore = (end: number): number => text.slice(0, end).split('\n').length - 1
  const isVerbatim = metadata.lineEnd === line + linesBefore(text.length)
  return `${source}:${isVerbatim ? line + linesBefore(offset) : line}`
}

/** Where a passage stands, as a path from here; nothing for documents that were not read from files. */
function place(metadata: Metadata, root: string): { source?: string; line?: number } {
  const { source, line } = metadata
  if (typeof source !== 'string') return {}
  return { source: relative(process.cwd(), resolve(root, source)), ...(typeof line === 'number' && { line }) }
}

function describeFirstStage(firstStage: string, candidates: number): string {
  if (firstStage === 'exact') return 'exact MaxSim of all'
  const found = { centroids: 'centroid scan', fde: 'FDE scan', hnsw: 'HNSW' }[firstStage]
  return found === undefined ? 'nothing to search' : `${found}, then exact MaxSim of ${count(candidates)}`
}

function rounded(timings: SearchTimings): Record<string, number> {
  // Words take no time where they are not looked at.
  const parts = Object.entries(timings).filter(([part, time]) => part !== 'keywords' || time > 0)
  return Object.fromEntries(parts.map(([part, time]) => [part, Number((time as number).toFixed(2))]))
}
