import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import type { MultiVectorIndex } from '@serotine/core'
import { GROUPS, Incomplete, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { DEFAULT_INDEX, recordFor, readRecord, rootOf, settleRecord, writeRecord } from '../index-record.js'
import { Reading, Tracked, inScope, nothingFound, openIndex, passageOptions } from '../indexing.js'
import { readFiles } from '../input/read-texts.js'
import { sourceName } from '../input/skipped.js'
import type { Skipped } from '../input/skipped.js'
import { findFiles } from '../input/walk.js'
import { forMuch, loadModel } from '../model.js'
import {
  ENCODING_OPTIONS,
  INDEX_OPTIONS,
  MODEL_OPTIONS,
  OVERRIDE_OPTIONS,
  addOptions,
  addReadingOptions,
  addStoreOption,
} from '../options.js'
import { count, counted, duration } from '../output/numbers.js'
import { startProgress } from '../output/progress.js'
import { Skips } from '../output/skips.js'
import { Rebuild, hasIndex, removeLeftovers } from '../rebuild.js'
import { isAddress, openIndexAt, shownPlace } from '../store-address.js'

export interface IndexValues extends CommonValues {
  out: string
  model?: string
  passageTokens?: number
  overlap?: number
  split: boolean
  extensions?: string[]
  skipBadLines?: boolean
  exclude?: string[]
  gitignore?: boolean
  listSkipped?: boolean
  prune: boolean
  rebuild?: boolean
  json?: boolean
}

/** What `--json` prints. Counts are passages, except in `skipped`. */
export interface Summary {
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
    readonly otherFiles: number
    readonly ignored: number
    readonly excluded: number
    readonly unreadable: number
  }
  /** Files and folders that could not be read. */
  readonly unreadable: readonly string[]
  /** With `--list-skipped`. */
  readonly skippedList?: readonly Skipped[]
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
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: as before, or micro)')
    .option('--no-prune', 'keep passages that are gone from the paths')
    .option('--rebuild', 'start over, e.g. with another model; until it is done the old index stays')
  addStoreOption(command, 'out')
  addReadingOptions(command)
    .option('--list-skipped', 'print what was skipped, and why')
    .option('--json', 'print what was done as JSON')
  addOptions(command, INDEX_OPTIONS, GROUPS.index)
  addOptions(command, ENCODING_OPTIONS, GROUPS.encoding)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((paths: string[], values: IndexValues) =>
    runWith(values, (context) => indexTexts(context, paths, values)),
  )
}

export async function indexTexts(context: Context, paths: readonly string[], values: IndexValues): Promise<void> {
  const { terminal, signal } = context
  const started = performance.now()
  const folder = values.out
  if (values.rebuild && isAddress(folder)) throw notRebuilt(folder)
  const before = await readRecord(folder)
  const { record, settings } = recordFor(
    folder,
    values as unknown as Record<string, unknown>,
    values.rebuild ? undefined : before,
  )
  const root = rootOf(folder, record)
  const skips = new Skips()
  const reading = { root, signal, skipUnreadable: true, onSkip: (skipped: Skipped) => skips.add(skipped) }
  const { files } = await findFiles(paths, { ...reading, ...record.reading }, resolve(folder)).catch(goneFrom(folder))
  const scope = inScope(paths, root)
  if (files.length === 0 && (!values.prune || values.rebuild || !(await holdsAny(folder, scope)))) {
    await listSkipped(context, skips, values)
    for (const message of skips.warnings()) terminal.warn(message)
    throw nothingFound(paths, skips)
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const model = await loadModel(context, record.model, forMuch(settings, bytes))
  const isNew = !isAddress(folder) && !existsSync(folder)
  let index: MultiVectorIndex | undefined
  let rebuild: Rebuild | undefined
  const bar = startProgress(terminal, 'Indexing')
  try {
    if (values.rebuild && hasIndex(folder)) rebuild = await Rebuild.begin(folder)
    index = await openIndex(context, rebuild?.folder ?? folder, model, settings)
    if (!rebuild) {
      await settleRecord(folder)
      await removeLeftovers(folder)
      // Before the first passage: an index whose making is interrupted can be searched and gone on with.
      await writeRecord(folder, record)
    }
    const progress = new Reading(files)
    const texts = readFiles(files, {
      ...reading,
      ...passageOptions(model, record, settings),
      skipBadLines: values.skipBadLines === true,
      onBytes: (file, done, finished) => progress.update(file, done, finished),
    })
    const seen = new Tracked()
    const result = await index.upsert(seen.track(texts), {
      signal,
      onProgress: ({ done, tokensPerSecond }) => {
        const speed = tokensPerSecond === undefined ? '' : ` · ${count(tokensPerSecond)} tokens/s`
        bar.update(progress.share(done / Math.max(1, seen.ids.size)), `${counted(done, 'passage')}${speed}`)
      },
    })
    const removed = values.prune ? await removeGone(index, scope, seen.ids, skips) : 0
    const { deleted, documents: passages } = await index.stats()
    if (deleted > passages) await index.compact({ signal })
    if (rebuild) await checkNothingLost(rebuild, skips, folder)
    await index.prepare({
      signal,
      onProgress: ({ done, total }) =>
        bar.update(total ? done / total : undefined, `${counted(done, 'passage')} made ready for searches`),
    })
    if (rebuild) {
      signal.throwIfAborted()
      await index.close()
      await rebuild.finish(record)
    }
    bar.stop()
    const summary: Summary = {
      index: shownPlace(folder),
      model: model.name,
      files: files.length - skips.filesAmong(files.map(({ path }) => sourceName(path, root))),
      passages,
      ...result,
      removed,
      skipped: {
        binary: skips.count('binary'),
        empty: skips.count('empty'),
        badLines: skips.count('bad-line'),
        noReader: skips.count('no-reader'),
        otherFiles: skips.count('other-kind'),
        ignored: skips.count('ignored'),
        excluded: skips.count('excluded'),
        unreadable: skips.count('unreadable'),
      },
      unreadable: skips.of('unreadable').map(({ place }) => place),
      ...(values.listSkipped && { skippedList: skips.all }),
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
    }
    if (values.json) await terminal.out(`${JSON.stringify(summary)}\n`)
    await listSkipped(context, skips, values)
    report(context, summary, skips)
  } catch (error) {
    bar.stop()
    if (signal.aborted && rebuild) {
      const old = rebuild.passages === undefined ? '' : `, ${counted(rebuild.passages, 'passage')}`
      terminal.note(`${folder} stays as it was${old}; nothing of the rebuild is kept.`)
    } else if (signal.aborted && index) {
      terminal.note(
        `${shownPlace(folder)} keeps ${counted(await index.count(), 'passage')}; run the same command again to continue.`,
      )
    }
    throw error
  } finally {
    bar.stop()
    // A rebuilt index is closed by now, and not new.
    const isEmpty = isNew && index !== undefined && (await index.count()) === 0
    await index?.close({ prepare: !signal.aborted })
    await rebuild?.abandon()
    await model.close()
    // A first run that failed at once leaves nothing behind.
    if (isEmpty) await rm(folder, { recursive: true, force: true })
  }
  if (skips.count('unreadable') > 0) throw new Incomplete()
}

/** What is gone from the paths, but not what only could not be read this time. */
async function removeGone(
  index: MultiVectorIndex,
  inPaths: (source: unknown) => boolean,
  seen: ReadonlySet<string>,
  skips: Skips,
): Promise<number> {
  const isHidden = skips.hidden()
  const gone: string[] = []
  for await (const { id, metadata } of index.scan({ text: false })) {
    const { source } = metadata
    if (inPaths(source) && !seen.has(id) && !isHidden(source)) gone.push(id)
  }
  return gone.length === 0 ? 0 : index.delete(gone)
}

function notRebuilt(address: string): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    `${shownPlace(address)} is in a database, and is not replaced by --rebuild. Index into another collection, and search there from then on.`,
  )
}

/** @throws INPUT_FORMAT when the old index holds passages of what could not be read now */
async function checkNothingLost({ old }: Rebuild, skips: Skips, folder: string): Promise<void> {
  const reasons = [...skips.warnings(), ...skips.missingReaders()]
  if (!old || reasons.length === 0 || !(await holds(old, skips.hidden()))) return
  throw new SerotineError(
    'INPUT_FORMAT',
    `${reasons.join('; ')}. ${folder} holds passages of what cannot be read, so it stays as it was. Make it readable, or leave it out with --exclude.`,
  )
}

async function holdsAny(folder: string, wanted: (source: unknown) => boolean): Promise<boolean> {
  if (!hasIndex(folder)) return false
  const index = await openIndexAt(folder, { readonly: true, create: false })
  try {
    return await holds(index, wanted)
  } finally {
    await index.close()
  }
}

async function holds(index: MultiVectorIndex, wanted: (source: unknown) => boolean): Promise<boolean> {
  for await (const { metadata } of index.scan({ text: false })) if (wanted(metadata.source)) return true
  return false
}

/** A path that is not there may be in the index all the same. */
function goneFrom(folder: string): (error: unknown) => never {
  return (error) => {
    const isGone =
      SerotineError.isInstance(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
    if (!isGone || !hasIndex(folder)) throw error
    const message = `${error.message} If it is gone, take it out of the index with: serotine remove <path>.`
    throw new SerotineError('INPUT_FORMAT', message, { cause: error.cause })
  }
}

async function listSkipped({ terminal }: Context, skips: Skips, values: IndexValues): Promise<void> {
  if (!values.listSkipped || values.json) return
  for (const { message } of skips.all) await terminal.out(`${message}\n`)
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
  for (const line of skips.lines()) terminal.note(dim(`  ${line}`))
  for (const message of skips.warnings()) terminal.warn(message)
}
