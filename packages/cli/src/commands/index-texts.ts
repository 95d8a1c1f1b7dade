import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import type { Command } from 'commander'
import { MultiVectorIndex, SerotineError } from '@serotine/core'
import type { ColBERT } from '@serotine/core'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { DEFAULT_INDEX, recordFor, readRecord, rootOf, writeRecord } from '../index-record.js'
import type { IndexRecord } from '../index-record.js'
import { Reading, Tracked, inScope } from '../indexing.js'
import { readFiles } from '../input/read-texts.js'
import type { Skipped } from '../input/read-texts.js'
import { EXTENSIONS, findFiles } from '../input/walk.js'
import type { Walk } from '../input/walk.js'
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
import { count, counted, duration } from '../output/numbers.js'
import { startProgress } from '../output/progress.js'

export interface IndexValues extends CommonValues {
  out: string
  model?: string
  passageTokens?: number
  overlap?: number
  split: boolean
  extensions?: string[]
  skipBadLines?: boolean
  prune: boolean
  rebuild?: boolean
  json?: boolean
}

/** What `--json` prints. Counts are passages, except in `skipped`. */
interface Summary {
  readonly index: string
  readonly model: string
  readonly files: number
  readonly passages: number
  readonly added: number
  readonly updated: number
  readonly unchanged: number
  readonly removed: number
  readonly skipped: {
    readonly binary: number
    readonly empty: number
    readonly badLines: number
    /** PDF and DOCX files whose package is not installed. */
    readonly noReader: number
    readonly unreadable: number
    readonly otherFiles: number
  }
  readonly seconds: number
}

export function indexCommand(): Command {
  const command = createCommand('index', {
    summary: 'make or update an index of texts',
    description:
      'Indexes files, and folders with everything in them: text, Markdown, HTML, PDF, DOCX and JSONL. Texts are split into passages. Running it again encodes only what changed and removes what is gone.',
    examples: [
      ['serotine index ./docs README.md', 'into ./.serotine'],
      ['serotine index corpus.jsonl --out ./birds', 'lines {"id", "text", "title"?, …}'],
      ['serotine index ./src --extensions .ts,.py', 'source code as plain text'],
      ['serotine index ./docs --rebuild -m org/name', 'with another model'],
    ],
  })
    .argument('<paths...>', 'files and folders')
    .option('-o, --out <folder>', 'folder of the index', DEFAULT_INDEX)
    .option('-m, --model <model>', 'folder or Hub id (default: as before, or built in)')
    .option('--no-prune', 'keep passages that are gone from the paths')
    .option('--rebuild', 'start over, e.g. with another model')
    .option('--json', 'print what was done as JSON')
  command.optionsGroup(GROUPS.passages)
  command
    .option('--passage-tokens <n>', 'longest passage in tokens (default: what the model takes)', (text) =>
      parseInteger(text, 8),
    )
    .option('--overlap <n>', 'tokens repeated from the previous passage (default: 0)', (text) => parseInteger(text, 0))
    .option('--no-split', 'keep each file and JSONL line whole')
    .option('--extensions <endings>', 'read these as plain text too, e.g. .ts,.py', parseWords)
    .option('--skip-bad-lines', 'skip bad JSONL lines')
  addOptions(command, INDEX_OPTIONS, GROUPS.index)
  addOptions(command, ENCODING_OPTIONS, GROUPS.encoding)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((paths: string[], values: IndexValues) =>
    runWith(values, (context) => indexTexts(context, paths, values)),
  )
}

async function indexTexts(context: Context, paths: readonly string[], values: IndexValues): Promise<void> {
  const { terminal, signal } = context
  const started = performance.now()
  const folder = values.out
  const found = await findFiles(paths, {
    exclude: [resolve(folder)],
    signal,
    ...(values.extensions && { extensions: values.extensions }),
  })
  if (found.files.length === 0) throw nothingFound(paths, found)

  const before = await readRecord(folder)
  const { record, settings } = recordFor(
    folder,
    values as unknown as Record<string, unknown>,
    values.rebuild ? undefined : before,
  )
  const model = await loadModel(
    context,
    record.model,
    forMuch(
      settings,
      found.files.reduce((sum, { bytes }) => sum + bytes, 0),
    ),
  )
  const isNew = !existsSync(folder)
  let index: MultiVectorIndex | undefined
  const bar = startProgress(terminal, 'Indexing')
  try {
    if (before && values.rebuild) await rm(folder, { recursive: true })
    index = await MultiVectorIndex.open(folder, {
      ...pickOptions(settings, INDEX_OPTIONS),
      model: withEncodeOptions(model, { query: {}, document: encodeOptions(settings) }),
      onWarning: warnOnce(context),
    }).catch((error: unknown) => {
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_MISMATCH') throw error
      throw new SerotineError('INDEX_MISMATCH', `${error.message} Or start over with --rebuild.`, { cause: error })
    })
    // Before the first passage: an index whose making is interrupted can be searched and gone on with.
    await writeRecord(folder, record)
    const skips = new Skips()
    const reading = new Reading(found.files)
    const texts = readFiles(found.files, {
      root: rootOf(folder, record),
      signal,
      ...passageOptions(model, record, settings),
      skipBadLines: values.skipBadLines === true,
      onSkip: (skipped) => skips.add(skipped),
      onBytes: (file, bytes, done) => reading.update(file, bytes, done),
    })
    const seen = new Tracked()
    const result = await index.upsert(seen.track(texts), {
      signal,
      onProgress: ({ stage, done, tokensPerSecond }) => {
        if (stage === 'build') return bar.update(undefined, 'building the graph')
        const speed = tokensPerSecond === undefined ? '' : ` · ${count(tokensPerSecond)} tokens/s`
        bar.update(reading.share(done / Math.max(1, seen.ids.size)), `${counted(done, 'passage')}${speed}`)
      },
    })
    const isInScope = inScope(paths, rootOf(folder, record))
    // A file that could not be read this time is not gone.
    const isGone = (source: unknown): boolean => isInScope(source) && !skips.unread.has(source)
    const removed = values.prune ? await removeGone(index, isGone, seen.ids) : 0
    if ((await index.stats()).deleted > index.count) await index.compact({ signal })
    bar.stop()
    const summary: Summary = {
      index: folder,
      model: model.name,
      files: found.files.length - skips.files,
      passages: index.count,
      ...result,
      removed,
      skipped: { ...skips.counts, otherFiles: found.otherFiles },
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
    }
    if (values.json) await terminal.out(`${JSON.stringify(summary)}\n`)
    report(context, summary, skips)
  } catch (error) {
    bar.stop()
    if (signal.aborted && index)
      terminal.note(`${folder} keeps ${counted(index.count, 'passage')}; run the same command again to continue.`)
    throw error
  } finally {
    bar.stop()
    const isEmpty = index?.count === 0
    await index?.close()
    await model.close()
    // A first run that failed at once leaves nothing behind.
    if (isNew && isEmpty) await rm(folder, { recursive: true, force: true })
  }
}

async function removeGone(
  index: MultiVectorIndex,
  isGone: (source: unknown) => boolean,
  seen: ReadonlySet<string>,
): Promise<number> {
  return index.delete({ where: ({ id, metadata }) => isGone(metadata.source) && !seen.has(id) })
}

function report({ terminal }: Context, summary: Summary, skips: Skips): void {
  const { green, dim, bold } = terminal.errColors
  const changes = [
    [summary.added, 'new'],
    [summary.updated, 'changed'],
    [summary.unchanged, 'unchanged'],
    [summary.removed, 'removed'],
  ] as const
  const words = changes.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`)
  terminal.note(
    `${green('✓')} ${bold(summary.index)} holds ${counted(summary.passages, 'passage')}: ${words.join(', ') || 'nothing to index'}`,
  )
  terminal.note(dim(`  ${counted(summary.files, 'file')} in ${duration(summary.seconds * 1000)} with ${summary.model}`))
  for (const line of skips.lines(summary.skipped.otherFiles)) terminal.note(dim(`  ${line}`))
}

/** Passages as long as the model's documents may be, counted by its own tokenizer. */
function passageOptions(model: ColBERT, record: IndexRecord, settings: Readonly<Record<string, unknown>>): object {
  const { prompt, promptName } = encodeOptions(settings)
  const prompts = { ...(prompt !== undefined && { prompt }), ...(promptName !== undefined && { promptName }) }
  const tokensOf = (text: string): number => {
    const { ids, cut } = model.documentInput(text, prompts)
    return ids.length + cut
  }
  const overhead = tokensOf('')
  return {
    countTokens: (text: string) => tokensOf(text) - overhead,
    maxTokens: record.passages.maxTokens ?? Math.max(1, model.config.documentLength - overhead),
    ...(record.passages.overlap !== undefined && { overlap: record.passages.overlap }),
    ...(record.passages.split !== undefined && { split: record.passages.split }),
  }
}

function nothingFound(paths: readonly string[], { otherFiles }: Walk): SerotineError {
  const others = otherFiles > 0 ? `, only ${counted(otherFiles, 'other file')}` : ''
  return new SerotineError(
    'INPUT_FORMAT',
    `There are no texts in ${paths.join(', ')}${others}. Supported: ${EXTENSIONS.join(' ')}; add others with --extensions.`,
  )
}

/** What was skipped, for the summary. */
class Skips {
  readonly counts = { binary: 0, empty: 0, badLines: 0, noReader: 0, unreadable: 0 }
  readonly #messages: string[] = []
  readonly #missing = new Set<string>()
  /** Files that a reader may still read another time, as their `source`. */
  readonly unread = new Set<unknown>()

  /** Files nothing was read of. */
  get files(): number {
    return this.counts.binary + this.counts.noReader + this.counts.unreadable
  }

  add({ reason, place, message }: Skipped): void {
    if (reason === 'binary') this.counts.binary++
    else if (reason === 'empty') this.counts.empty++
    else if (reason === 'bad-line') this.counts.badLines++
    else if (reason === 'no-reader') this.counts.noReader++
    else if (reason === 'unreadable') this.counts.unreadable++
    if (reason === 'no-reader' || reason === 'unreadable') this.unread.add(place)
    if (reason === 'no-reader') {
      // The remedy is the same for all files of a kind.
      const ending = extname(place).toLowerCase()
      if (this.#missing.has(ending)) return
      this.#missing.add(ending)
    }
    if (reason !== 'binary' && reason !== 'empty') this.#messages.push(message)
  }

  lines(otherFiles: number): string[] {
    const { binary, empty, badLines, noReader, unreadable } = this.counts
    const passedOver = [
      [binary, counted(binary, 'binary file')],
      [noReader, counted(noReader, 'file without a reader', 'files without a reader')],
      [unreadable, counted(unreadable, 'damaged file')],
      [empty, counted(empty, 'empty text')],
      [badLines, counted(badLines, 'bad line')],
      [otherFiles, counted(otherFiles, 'file of another kind', 'files of other kinds')],
    ]
      .filter(([n]) => (n as number) > 0)
      .map(([, words]) => words)
    const shown = this.#messages.slice(0, 5)
    const more = this.#messages.length - shown.length
    return [
      ...(passedOver.length > 0 ? [`${passedOver.join(', ')} skipped`] : []),
      ...shown,
      ...(more > 0 ? [`… and ${count(more)} more like these`] : []),
    ]
  }
}
