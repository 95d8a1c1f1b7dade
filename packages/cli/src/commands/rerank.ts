import type { Command } from 'commander'
import { stringify } from 'lossless-json'
import { SerotineError } from '@serotine/core'
import { commonWords } from '@serotine/core/highlight'
import type { Json } from '@serotine/core'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { kindOf } from '../input/walk.js'
import { readInput } from '../input/standard-input.js'
import { readRecords } from '../input/jsonl.js'
import type { Line } from '../input/lines.js'
import { encodeOptions, loadModel } from '../model.js'
import { ENCODING_OPTIONS, MODEL_OPTIONS, OVERRIDE_OPTIONS, addOptions } from '../options.js'
import { parseInteger } from '../option-values.js'
import { formatHit } from '../output/hits.js'
import { shortFloat } from '../output/json.js'
import { counted, duration } from '../output/numbers.js'
import { startProgress } from '../output/progress.js'

interface Values extends CommonValues {
  model?: string
  topN?: number
  json?: boolean
  format?: string
}

interface Candidate {
  readonly id?: string | number | bigint
  readonly text: string
  readonly title?: string
  readonly place: string
  readonly fields?: Readonly<Record<string, Json>>
}

export function rerankCommand(): Command {
  const command = createCommand('rerank', {
    summary: 'rank texts for a query, no index needed',
    description:
      'Ranks texts by exact MaxSim: the lines of files or of standard input, or JSONL records {"id", "text"}.',
    examples: [
      ['grep -rh proxy docs | serotine rerank "configure a proxy" --top-n 5', ''],
      ['serotine rerank "flightless birds" birds.jsonl --json | jq .hits[0]', ''],
    ],
  })
    .argument('<query>', 'what to ask')
    .argument('[files...]', 'texts, one per line, or JSONL; - or nothing: standard input')
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: micro)')
    .option('-n, --top-n <n>', 'how many to show (default: all)', (text) => parseInteger(text, 1))
    .option('--format <format>', 'lines or jsonl (default: by file name, or by the first character)')
    .option('--json', 'one JSON object on standard output')
  addOptions(
    command,
    ENCODING_OPTIONS.filter(({ name }) => name === 'prompt' || name === 'promptName'),
    GROUPS.encoding,
  )
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((query: string, files: string[], values: Values) => {
    if (values.format !== undefined && values.format !== 'lines' && values.format !== 'jsonl') {
      command.error(`error: --format is lines or jsonl, not ${JSON.stringify(values.format)}.`, { exitCode: 2 })
    }
    return runWith(values, (context) => rerank(context, query, files, values))
  })
}

async function rerank(context: Context, query: string, files: readonly string[], values: Values): Promise<void> {
  const { terminal, signal } = context
  const candidates: Candidate[] = []
  for (const file of files.length > 0 ? files : ['-'])
    for (const candidate of await readCandidates(file, values.format, context)) candidates.push(candidate)
  if (candidates.length === 0) {
    throw new SerotineError(
      'INPUT_FORMAT',
      'There is nothing to rank: give texts, one per line, as a file or on standard input.',
    )
  }
  const model = await loadModel(context, values.model, values as Record<string, unknown>)
  const bar = startProgress(terminal, 'Ranking')
  const started = performance.now()
  try {
    const prompts = encodeOptions(values as Record<string, unknown>)
    const ranked = await model.rerank(query, candidates, {
      ...prompts,
      ...(values.topN !== undefined && { topN: values.topN }),
      signal,
      onProgress: ({ done, total }) => bar.update(total ? done / total : undefined, counted(done, 'text')),
    })
    bar.stop()
    const milliseconds = performance.now() - started
    if (values.json) {
      const hits = ranked.map(({ rank, index, score, meanSimilarity, document }) => ({
        rank,
        index,
        ...(document.id !== undefined && { id: document.id }),
        score: shortFloat(score),
        meanSimilarity,
        text: document.text,
        ...(document.title && { title: document.title }),
        ...(document.fields && Object.keys(document.fields).length > 0 && { metadata: document.fields }),
      }))
      // Not JSON.stringify, which refuses ids beyond 2^53.
      await terminal.out(`${stringify({ query, model: model.name, hits })}\n`)
      return
    }
    const common = commonWords(candidates.map(({ text }) => text))
    for (const { rank, score, meanSimilarity, document } of ranked) {
      const matches = await model.explain(query, document.text, { ...prompts, signal })
      await terminal.out(
        (rank > 1 ? '\n' : '') +
          formatHit(
            {
              rank,
              score,
              meanSimilarity,
              query,
              matches,
              text: document.text,
              place: () => String(document.id ?? document.place),
            },
            terminal,
            common,
          ),
      )
    }
    terminal.aside(`\n${counted(candidates.length, 'text')} ranked in ${duration(milliseconds)}`)
  } finally {
    bar.stop()
    await model.close()
  }
}

async function readCandidates(file: string, format: string | undefined, context: Context): Promise<Candidate[]> {
  const input = await readInput(file, context)
  const candidates: Candidate[] = []
  const name = file === '-' ? '' : file
  const lines: Line[] = []
  for await (const line of input.lines) if (line.text.trim() !== '') lines.push(line)
  const jsonl = format ? format === 'jsonl' : kindOf(file) === 'jsonl' || lines[0]?.text.trimStart().startsWith('{"')
  if (!jsonl) return lines.map((line) => ({ text: line.text, place: `${name}:${line.number}`.replace(/^:/, 'line ') }))
  for await (const { id, text, title, fields, line } of readRecords(each(lines), input.name)) {
    candidates.push({
      ...(id !== undefined && { id }),
      ...(title && { title }),
      fields,
      text: title ? `${title} ${text}` : text,
      place: `${name}:${line}`.replace(/^:/, 'line '),
    })
  }
  return candidates
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
