import { existsSync } from 'node:fs'
import { basename, dirname, isAbsolute, parse, relative, resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import type { ColBERT } from '@serotine/core'
import type { FolderIndexing, IndexedFolder, LogEntry } from '@serotine/server/mcp'
import { GROUPS, Incomplete, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { DEFAULT_INDEX, readRecord, recordFor, requireIndex, rootOf } from '../index-record.js'
import { LiveIndex } from '../live-index.js'
import type { OpenedIndex } from '../live-index.js'
import { encodeOptions, loadModel, warnOnce, withEncodeOptions } from '../model.js'
import { append } from '../option-values.js'
import { MODEL_OPTIONS, OVERRIDE_OPTIONS, addOptions, pickOptions } from '../options.js'
import type { Terminal } from '../output/terminal.js'
import { openIndexAt, shownPlace } from '../store-address.js'
import { indexTexts } from './index-texts.js'
import type { IndexValues, Summary } from './index-texts.js'

interface Values extends CommonValues {
  model?: string
  allowIndex?: string[]
}

export function mcpCommand(): Command {
  const command = createCommand('mcp', {
    summary: 'search as a tool of agents (Model Context Protocol)',
    description:
      'Speaks the Model Context Protocol on standard input and output, to the agent that starts it: search, get_document, list_indexes and rerank. ' +
      'What is added to an index meanwhile is found, too. `serotine serve` has the same at /mcp.',
    examples: [
      ['serotine mcp', `the index in ./${DEFAULT_INDEX}`],
      ['serotine mcp docs=./docs/.serotine notes=/home/me/notes/.serotine', 'several, by name'],
      ['serotine mcp --allow-index ./docs', 'the agent may bring the index up to date'],
    ],
  })
    .argument(
      '[indexes...]',
      `folders of indexes, or name=folder (default: ${DEFAULT_INDEX}, also if it is made later)`,
    )
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: the index’s model, else micro)')
    .option('--allow-index <folder>', 'let the agent index this folder into the first index; repeatable', append)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(command, MODEL_OPTIONS, GROUPS.model)
  return command.action((indexes: string[], values: Values) =>
    runWith(values, (context) => mcp(context, indexes, values)),
  )
}

async function mcp(context: Context, given: readonly string[], values: Values): Promise<void> {
  const { terminal, signal } = context
  const { serveMcpOverStdio } = await import('@serotine/server/mcp')
  const folders = namedFolders(given)
  const allowed = values.allowIndex ?? []
  for (const folder of allowed) checkFolder(folder)
  const [[, first] = ['', DEFAULT_INDEX]] = folders
  // One that can be made by the agent may be missing.
  for (const [, folder] of folders)
    if (given.length > 0 && !(folder === first && allowed.length > 0)) requireIndex(folder)
  const models = new Models(context)
  const indexes = new Map(
    [...folders].map(([name, folder]) => [
      name,
      new LiveIndex(
        folder,
        () => open(context, folder, values, models),
        (message) => terminal.warn(message),
      ),
    ]),
  )
  const main = [...indexes.values()][0]!
  const model = async (): Promise<ColBERT> => {
    const opened = existsSync(first) ? await main.current() : undefined
    return (
      opened?.model ?? models.load(values.model, pickOptions(asRecord(values), [...MODEL_OPTIONS, ...OVERRIDE_OPTIONS]))
    )
  }
  const server = serveMcpOverStdio({
    model,
    indexes: Object.fromEntries(indexes),
    sourceOf: (source, index) => citedPath(indexes.get(index)?.root, source),
    ...(allowed.length > 0 && { indexFolder: indexing(context, [...folders.keys()][0]!, first, allowed, values) }),
    onLog: (entry) => print(terminal, entry),
  })
  terminal.note(
    `serving ${[...folders].map(([name, folder]) => `${name} (${shownPlace(folder)})`).join(', ')} over MCP on standard input and output`,
  )
  // The first question finds the model loaded.
  void model().catch((error: unknown) => terminal.warn(error instanceof Error ? error.message : String(error)))
  const end = (): void => void server.close()
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  await server.closed
  for (const index of indexes.values()) await index.close()
  await models.close()
}

async function open(context: Context, folder: string, values: Values, models: Models): Promise<OpenedIndex> {
  const before = await readRecord(folder)
  const { record, settings } = recordFor(folder, asRecord(values), before)
  const model = await models.load(record.model, settings)
  const index = await openIndexAt(folder, {
    readonly: true,
    model: withEncodeOptions(model, { query: {}, document: encodeOptions(before?.options ?? {}) }),
    onWarning: warnOnce(context),
  })
  return { index, model, root: rootOf(folder, record) }
}

/** Models by what they were loaded with: indexes of the same one share it. */
class Models {
  readonly #context: Context
  readonly #loaded = new Map<string, Promise<ColBERT>>()

  constructor(context: Context) {
    this.#context = context
  }

  async load(name: string | undefined, settings: Readonly<Record<string, unknown>>): Promise<ColBERT> {
    const key = JSON.stringify([name, pickOptions(settings, [...MODEL_OPTIONS, ...OVERRIDE_OPTIONS])])
    const loaded = this.#loaded.get(key) ?? loadModel(this.#context, name, settings)
    this.#loaded.set(key, loaded)
    // A download that failed is tried again by the next question.
    loaded.catch(() => this.#loaded.delete(key))
    return loaded
  }

  async close(): Promise<void> {
    for (const model of await Promise.allSettled(this.#loaded.values())) {
      if (model.status === 'fulfilled') await model.value.close()
    }
  }
}

/** `serotine index` of the folders that were named, and of no others. */
function indexing(
  context: Context,
  index: string,
  out: string,
  folders: readonly string[],
  { allowIndex: _, ...values }: Values,
): FolderIndexing {
  return {
    folders,
    run: async (folder, { signal }): Promise<IndexedFolder> => {
      let printed = ''
      const terminal: Terminal = {
        ...context.terminal,
        // Standard output is the protocol's.
        out: async (text) => void (printed += text),
        showsProgress: false,
      }
      const asked = { ...values, out, split: true, prune: true, json: true, listSkipped: true } as IndexValues
      await indexTexts({ terminal, signal }, [folder], asked).catch((error: unknown) => {
        if (!(error instanceof Incomplete)) throw error
      })
      const { files, passages, added, updated, unchanged, removed, skippedList = [] } = JSON.parse(printed) as Summary
      const skipped = skippedList.slice(0, MOST_SKIPPED).map(({ message }) => message)
      const more = skippedList.length - skipped.length
      if (more > 0) skipped.push(`and ${more} more`)
      return { index, files, passages, added, updated, unchanged, removed, skipped }
    },
  }
}
/** Files left out that are named. */
const MOST_SKIPPED = 20

/** `name=folder`, or a folder that is called as it is, or as what it lies in where that is hidden. @throws INVALID_ARGUMENT */
function namedFolders(given: readonly string[]): Map<string, string> {
  const folders = new Map<string, string>()
  for (const text of given.length > 0 ? given : [DEFAULT_INDEX]) {
    const [, named, rest] = /^([\w.-]+)=(.+)$/.exec(text) ?? []
    const folder = rest ?? text
    const name = named ?? nameOf(folder)
    if (folders.has(name)) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `Two indexes are called ${JSON.stringify(name)}: ${folders.get(name)} and ${folder}. Name them: <name>=${folder}`,
      )
    }
    folders.set(name, folder)
  }
  return folders
}

function nameOf(folder: string): string {
  const path = resolve(folder)
  const name = basename(path).startsWith('.') ? basename(dirname(path)) : basename(path)
  return name.replace(/[^\w.-]+/g, '-').slice(0, 100) || 'default'
}

function checkFolder(folder: string): void {
  if (existsSync(folder)) return
  throw new SerotineError('INVALID_ARGUMENT', `--allow-index ${folder}: there is no such folder.`)
}

/** A source as the agent can open it: from the current folder where it lies in it, else from the root of the disk. */
function citedPath(root: string | undefined, source: string): string {
  if (root === undefined) return source
  const [path, cwd] = [resolve(root, source), process.cwd()]
  const below = relative(cwd, path)
  return cwd === parse(cwd).root || below.startsWith(`..${sep}`) || isAbsolute(below) ? path : below
}

function print(terminal: Terminal, { event, tool, code, milliseconds, error }: LogEntry): void {
  const why = error instanceof Error ? (error.stack ?? error.message) : error === undefined ? undefined : String(error)
  if (event === 'tool') terminal.note([tool, code, `${Math.round(milliseconds ?? 0)} ms`].filter(Boolean).join(' '))
  if (why !== undefined) terminal.warn(why)
}

function asRecord(values: Values): Readonly<Record<string, unknown>> {
  return values as unknown as Readonly<Record<string, unknown>>
}
