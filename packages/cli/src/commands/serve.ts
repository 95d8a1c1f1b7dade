import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { MultiVectorIndex } from '@serotine/core'
import type { LogEntry, ServerLimits } from '@serotine/server'
import { GROUPS, createCommand, runWith } from '../command.js'
import type { CommonValues, Context } from '../command.js'
import { passageOptions } from './index-texts.js'
import { DEFAULT_INDEX, readRecord, recordFor, requireIndex } from '../index-record.js'
import { readSentFile } from '../input/read-texts.js'
import { LiveIndex } from '../live-index.js'
import { encodeOptions, loadModel, warnOnce, withEncodeOptions } from '../model.js'
import { MODEL_OPTIONS, OVERRIDE_OPTIONS, addOptions } from '../options.js'
import { parseInteger } from '../option-values.js'
import { count, counted } from '../output/numbers.js'
import type { Terminal } from '../output/terminal.js'

interface Values extends CommonValues {
  model?: string
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
      'Without an index it reranks only. Ctrl-C ends it after the requests under way.',
    examples: [
      ['serotine serve', `the index in ./${DEFAULT_INDEX}, for this machine only`],
      [`${TOKEN_VARIABLE}=… serotine serve ./birds --host 0.0.0.0`, 'for others, who need the token'],
      ['serotine serve --model mixedbread-ai/mxbai-edge-colbert-v0-17m --json', 'log as JSON lines'],
    ],
  })
    .argument('[index]', `folder of the index (default: ${DEFAULT_INDEX}, if it is there)`)
    .option('-m, --model <model>', 'folder or Hub id (default: the index’s model, else built in)')
    .option('-p, --port <n>', 'port, 0 for any that is free (default: 7337)', (text) => parseInteger(text, 0))
    .option('--host <address>', 'address to listen at (default: 127.0.0.1, this machine only)')
    .option('--token <token>', `what requests have to bring; needed beyond this machine (default: ${TOKEN_VARIABLE})`)
    .option('--writable', 'let requests add and delete documents')
    .option('--no-page', 'only the API: no page to search with at /')
    .option('--allowed-host <name>', 'name that clients may call the server by, repeatable', append)
    .option('--allowed-origin <origin>', 'origin whose pages may call the server (CORS), repeatable', append)
    .option('--limit <name=n>', 'bodyBytes=50000000 and others, repeatable', parseLimit)
    .option('--json', 'log as JSON lines on standard output')
  addOptions(command, OVERRIDE_OPTIONS, GROUPS.overrides)
  addOptions(
    command,
    MODEL_OPTIONS.filter(({ name }) => name !== 'token'),
    GROUPS.model,
  )
  return command.action((folder: string | undefined, values: Values) =>
    runWith(values, (context) =>
      serve(context, folder ?? (existsSync(DEFAULT_INDEX) ? DEFAULT_INDEX : undefined), values),
    ),
  )
}

async function serve(context: Context, folder: string | undefined, values: Values): Promise<void> {
  const { terminal, signal } = context
  const { createServer } = await import('@serotine/server')
  const { token = process.env[TOKEN_VARIABLE], model: named, ...rest } = values
  if (folder !== undefined) requireIndex(folder)
  const before = folder === undefined ? undefined : await readRecord(folder)
  const asked = { ...rest, ...(named !== undefined && { model: named }) } as Readonly<Record<string, unknown>>
  const { record, settings } =
    folder === undefined ? { record: { model: named }, settings: asked } : recordFor(folder, asked, before)
  // Encoding in threads of its own leaves this one to answer.
  const workers = settings['workers'] ?? Math.min(availableParallelism(), MOST_WORKERS)
  const model = await loadModel(context, record.model, { ...settings, workers })
  let index: MultiVectorIndex | LiveIndex | undefined
  // Files that are sent become what `serotine index` makes of them.
  const passages = 'passages' in record ? passageOptions(model, record, settings) : undefined
  try {
    if (folder !== undefined) {
      const open = () =>
        MultiVectorIndex.open(folder, {
          ...(values.writable ? { create: false } : { readonly: true }),
          model: withEncodeOptions(model, { query: {}, document: encodeOptions(before?.options ?? {}) }),
          onWarning: warnOnce(context),
        })
      index = values.writable
        ? await open()
        : await LiveIndex.open(folder, async () => ({ index: await open(), model, root: folder }), terminal.warn)
    }
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
    const what = index ? `${folder}, ${counted((await index.stats()).documents, 'passage')}, and ` : ''
    terminal.note(`${green('✓')} serving ${what}reranking by ${model.name} at ${bold(url)}`)
    if (!signal.aborted)
      await new Promise<void>((stop) => signal.addEventListener('abort', () => stop(), { once: true }))
    terminal.note('answering the requests under way; Ctrl-C again to leave now')
    await server.close()
  } finally {
    await index?.close()
    await model.close()
  }
}

function print(terminal: Terminal, entry: LogEntry, asJson: boolean): void {
  const { event, method, route, tool, status, milliseconds, code, error } = entry
  const why = error instanceof Error ? (error.stack ?? error.message) : error === undefined ? undefined : String(error)
  if (asJson) {
    void terminal.out(`${JSON.stringify({ ...entry, ...(why !== undefined && { error: why }) })}\n`)
    return
  }
  if (event !== 'request' && event !== 'tool') return
  const { dim, red } = terminal.errColors
  const line = [tool && `  ${tool}`, method, route, status, code, `${count(Math.round(milliseconds ?? 0))} ms`]
  terminal.note(dim(line.filter((part) => part !== undefined).join(' ')))
  if (why !== undefined) terminal.warn(red(why))
}

function append(text: string, previous: unknown): string[] {
  return [...((previous as string[] | undefined) ?? []), text]
}

function parseLimit(text: string, previous: unknown): Record<string, number> {
  const [, name, value] = /^(\w+)=(\d+)$/.exec(text) ?? []
  if (name === undefined) throw new InvalidArgumentError('It must look like bodyBytes=50000000.')
  return { ...(previous as Record<string, number> | undefined), [name]: parseInteger(value!, 1) }
}
