import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { SerotineError } from '@serotine/core'
import type { MultiVectorIndex } from '@serotine/core'
import type { ColBERT } from '@serotine/core'
import type { LogEntry, ServerLimits } from '@serotine/server'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { Context } from '../command.js'
import { DEFAULT_INDEX, isIndexFolder, readRecord, recordFor, requireIndex } from '../index-record.js'
import { nothingFound, passageOptions } from '../indexing.js'
import { readSentFile } from '../input/read-texts.js'
import type { ReadOptions } from '../input/read-texts.js'
import { LiveIndex } from '../live-index.js'
import { encodeOptions, loadModel, warnOnce, withEncodeOptions } from '../model.js'
import { MODEL_OPTIONS, OVERRIDE_OPTIONS, addOptions, addReadingOptions, addStoreOption } from '../options.js'
import { append, parseInteger } from '../option-values.js'
import { count, counted } from '../output/numbers.js'
import type { Terminal } from '../output/terminal.js'
import { isAddress, openIndexAt, shownPlace } from '../store-address.js'
import { openFollowed } from '../watch/open.js'
import type { FollowValues } from '../watch/open.js'
import { LookReport } from '../watch/report.js'

interface Values extends FollowValues {
  model?: string
  index?: string
  watch?: boolean
  host?: string
  port?: number
  /** Of the server: the Hub's comes from HF_TOKEN. */
  token?: string
  writable?: boolean
  page: boolean
  allowedHost?: string[]
  allowedOrigin?: string[]
  limit?: Record<string, number>
  json?: boolean
}

/** Where the token may come from, so that it is in no list of processes. */
const TOKEN_VARIABLE = 'SEROTINE_TOKEN'
const MOST_WORKERS = 4

export function serveCommand(): Command {
  const command = createCommand('serve', {
    summary: 'search and rerank over HTTP',
    description:
      'At / is a page to search with. Answers /v1/rerank as Cohere and Jina do, /rerank as text-embeddings-inference does, and /v1/search over an index. ' +
      'Texts are indexed first, and with --watch followed while they change. Without index and texts it reranks only. Ctrl-C ends it after the requests under way.',
    examples: [
      ['serotine serve', `the index in ./${DEFAULT_INDEX}, for this machine only`],
      ['serotine serve ./docs --watch', 'a folder of texts, kept up to date'],
      [`${TOKEN_VARIABLE}=… serotine serve ./birds --host 0.0.0.0`, 'for others, who need the token'],
      ['serotine serve --model mixedbread-ai/mxbai-edge-colbert-v0-17m --json', 'log as JSON lines'],
    ],
  })
    .argument('[paths...]', `an index, or files and folders of texts (default: ${DEFAULT_INDEX}, if it is there)`)
    .option('-i, --index <folder>', `where the index of the texts is (default: ${DEFAULT_INDEX})`)
    .option('--watch', 'follow the texts while they change')
    .option('--poll <seconds>', 'with --watch: look every so often instead of waiting for reports', (text) =>
      parseInteger(text, 1),
    )
    .option('-m, --model <model>', 'micro, small, a folder or a Hub id (default: the index’s model, else micro)')
    .option('-p, --port <n>', 'port, 0 for any that is free (default: 7337)', (text) => parseInteger(text, 0))
    .option('--host <address>', 'address to listen at (default: 127.0.0.1, this machine only)')
    .option('--token <token>', `what requests have to bring; needed beyond this machine (default: ${TOKEN_VARIABLE})`)
    .option('--writable', 'let requests add and delete documents')
    .option('--no-page', 'only the API: no page to search with at /')
    .option('--allowed-host <name>', 'name that clients may call the server by, repeatable', append)
    .option('--allowed-origin <origin>', 'origin whose pages may call the server (CORS), repeatable', append)
    .option('--limit <name=n>', 'bodyBytes=50000000 and others, repeatable', parseLimit)
    .option('--json', 'log as JSON lines on standard output')
  addStoreOption(command, 'index')
  addReadingOptions(command)
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(
    command,
    MODEL_OPTIONS.filter(({ name }) => name !== 'token'),
    GROUPS.model,
  )
  return command.action((paths: string[], values: Values) =>
    runWith(values, (context) => serve(context, whatToServe(paths, values), values)),
  )
}

/** A folder of an index, texts to be indexed into one, or neither. */
interface Content {
  readonly folder?: string
  readonly texts?: readonly string[]
}

/** @throws INVALID_ARGUMENT, INDEX_FORMAT */
function whatToServe(paths: readonly string[], { index, watch, poll }: Values): Content {
  const [path] = paths
  const isIndex = paths.length === 1 && (isAddress(path!) || isIndexFolder(path!) || !existsSync(path!))
  if (path !== undefined && !isIndex) return { folder: index ?? DEFAULT_INDEX, texts: paths }
  if (path !== undefined && index !== undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} is not a folder of texts that could be indexed into ${index}. Give texts and --index, or an index alone.`,
    )
  }
  if (watch || poll !== undefined) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `--watch follows texts, and none are named. For example: serotine serve ./docs --watch${path === undefined ? '' : ` --index ${path}`}.`,
    )
  }
  const folder = path ?? index ?? (existsSync(DEFAULT_INDEX) ? DEFAULT_INDEX : undefined)
  if (folder === undefined) return {}
  requireIndex(folder)
  return { folder }
}

/** What is served, open. */
interface Opened {
  readonly model: ColBERT
  readonly index?: MultiVectorIndex | LiveIndex
  /** How files that are sent become documents: as `serotine index` makes them. */
  readonly passages?: ReadOptions
  /** Goes on until the signal. */
  readonly follow?: (signal: AbortSignal) => Promise<void>
  close(): Promise<void>
}

async function serve(context: Context, content: Content, values: Values): Promise<void> {
  const { terminal, signal } = context
  const { createServer } = await import('@serotine/server')
  const { token = process.env[TOKEN_VARIABLE] } = values
  const { folder, texts } = content
  const { model, index, passages, follow, close } = await (texts
    ? openTexts(context, texts, folder!, values)
    : openServed(context, folder, values))
  const following = new AbortController()
  let followed: Promise<void> | undefined
  try {
    const server = createServer({
      model,
      ...(index && { index }),
      ...(token !== undefined && { token }),
      ...(values.writable !== undefined && { writable: values.writable }),
      page: values.page,
      ...(passages && { readFile: (file) => readSentFile(file, { ...passages, signal: file.signal }) }),
      ...(values.allowedHost && { allowedHosts: values.allowedHost }),
      ...(values.allowedOrigin && { allowedOrigins: values.allowedOrigin }),
      ...(values.limit && { limits: values.limit as Partial<ServerLimits> }),
      onLog: (entry) => print(terminal, entry, values.json === true),
    })
    const { url } = await server.listen({
      ...(values.host !== undefined && { host: values.host }),
      ...(values.port !== undefined && { port: values.port }),
    })
    const { green, bold } = terminal.errColors
    const what = index ? `${shownPlace(folder!)}, ${counted((await index.stats()).documents, 'passage')}, and ` : ''
    terminal.note(`${green('✓')} serving ${what}reranking by ${model.name} at ${bold(url)}`)
    followed = follow?.(AbortSignal.any([signal, following.signal])).catch((error: unknown) => {
      if (signal.aborted) return
      const why = error instanceof Error ? error.message : String(error)
      terminal.warn(
        `${why} The files are no longer followed; what is indexed is served on. Start again to follow them.`,
      )
    })
    if (!signal.aborted)
      await new Promise<void>((stop) => signal.addEventListener('abort', () => stop(), { once: true }))
    terminal.note('answering the requests under way; Ctrl-C again to leave now')
    await server.close()
  } finally {
    following.abort()
    await followed
    await close()
  }
}

/** An index that is there, or none. */
async function openServed(context: Context, folder: string | undefined, values: Values): Promise<Opened> {
  const { token: _, ...asked } = values as unknown as Readonly<Record<string, unknown>>
  const before = folder === undefined ? undefined : await readRecord(folder)
  const { record, settings } =
    folder === undefined ? { record: { model: values.model }, settings: asked } : recordFor(folder, asked, before)
  const model = await loadModel(context, record.model, { workers: servingWorkers(), ...settings })
  const passages = 'passages' in record ? passageOptions(model, record, settings) : undefined
  const open = async (from: string) =>
    openIndexAt(from, {
      ...(values.writable ? { create: false } : { readonly: true }),
      model: withEncodeOptions(model, { query: {}, document: encodeOptions(before?.options ?? {}) }),
      onWarning: warnOnce(context),
    })
  let index: MultiVectorIndex | LiveIndex | undefined
  try {
    if (folder !== undefined && values.writable) index = await open(folder)
    else if (folder !== undefined) {
      const opened = async () => ({ index: await open(folder), model, root: folder })
      index = await LiveIndex.open(folder, opened, context.terminal.warn)
    }
  } catch (error) {
    await model.close()
    throw error
  }
  const close = async (): Promise<void> => {
    await index?.close()
    await model.close()
  }
  return { model, ...(index && { index }), ...(passages && { passages }), close }
}

/** Texts, indexed as `serotine index` would. With passages from an earlier run they are served at once, and what has changed since follows. */
async function openTexts(context: Context, paths: readonly string[], folder: string, values: Values): Promise<Opened> {
  const { token: _, ...asked } = values
  const texts = await openFollowed(context, paths, folder, asked, servingWorkers())
  const { model, index, passages, close } = texts
  const report = new LookReport(context.terminal, values.json === true)
  const follow = (signal: AbortSignal): Promise<void> => texts.follow(report, signal)
  try {
    if (values.watch && (await index.count()) > 0) return { model, index, passages, follow, close }
    const first = await texts.look()
    report.tell(first)
    if ((await index.count()) === 0 && !values.watch) throw nothingFound(paths, first.skips)
    if (values.watch) return { model, index, passages, follow, close }
    return { model, index: values.writable ? index : await texts.reopen(), passages, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Encoding in threads of its own leaves this one to answer. */
function servingWorkers(): number {
  return Math.min(availableParallelism(), MOST_WORKERS)
}

function print(terminal: Terminal, entry: LogEntry, asJson: boolean): void {
  const { event, method, route, tool, status, milliseconds, code, error } = entry
  const why = error instanceof Error ? (error.stack ?? error.message) : error === undefined ? undefined : String(error)
  if (asJson) {
    void terminal.out(`${JSON.stringify({ ...entry, ...(why !== undefined && { error: why }) })}\n`)
    return
  }
  if (event === 'refresh-failed') {
    terminal.warn(`${error instanceof Error ? error.message : why} What was there before is served on.`)
  }
  if (event === 'refreshed') terminal.note(terminal.errColors.dim('the index has changed'))
  if (event !== 'request' && event !== 'tool') return
  const { dim, red } = terminal.errColors
  const line = [tool && `  ${tool}`, method, route, status, code, `${count(Math.round(milliseconds ?? 0))} ms`]
  terminal.note(dim(line.filter((part) => part !== undefined).join(' ')))
  if (why !== undefined) terminal.warn(red(why))
}

function parseLimit(text: string, previous: unknown): Record<string, number> {
  const [, name, value] = /^(\w+)=(\d+)$/.exec(text) ?? []
  if (name === undefined) throw new InvalidArgumentError('It must look like bodyBytes=50000000.')
  return { ...(previous as Record<string, number> | undefined), [name]: parseInteger(value!, 1) }
}
