import type { McpServer } from '@modelcontextprotocol/server'
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { ColBERT } from '@serotine/core'
import { checkOptions } from '@serotine/core/options'
import { Admission } from '../http/admission.js'
import { Collections } from '../index/collections.js'
import { checkServed, wrong } from '../options.js'
import type { ServedModel, ServerOptions } from '../options.js'
import { Batcher } from '../rerank/batching.js'
import { mcpServer, toolsOf } from './mcp-server.js'
import type { FolderIndexing, ToolContext } from './tool.js'

/** What a server of the Model Context Protocol serves. */
export interface McpServerOptions extends Pick<ServerOptions, 'index' | 'indexes' | 'limits' | 'onLog'> {
  /** Ranks, or a function that loads what does at the first use. Default: the embedded model, shared by the process. */
  model?: ServedModel | (() => Promise<ServedModel>)
  /** How the source of a passage (`metadata.source`) is cited, such as by its path from the client's folder. Default: as it is. */
  sourceOf?: (source: string, index: string) => string
  /** Lets clients bring an index up to date with folders that you name: the tool `index_folder`. Default: there is none. */
  indexFolder?: FolderIndexing
}

/** A server of the Model Context Protocol that is served over standard input and output. */
export interface StdioServer {
  /** Settles when the client has gone, or `close` was called. */
  readonly closed: Promise<void>
  close(): Promise<void>
}

/**
 * A server of the Model Context Protocol, by the official SDK: tools that search indexes, give documents and rank texts. Connect it to a
 * transport of the SDK; `createServer` has it at `/mcp`.
 *
 * @example
 * await createMcpServer({ index }).connect(transport)
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function createMcpServer(options: McpServerOptions = {}): McpServer {
  const { context, tools } = contextOf('createMcpServer', options)
  return mcpServer(context, tools)
}

/**
 * Serves the Model Context Protocol to the program that started this process: requests come on standard input, answers go to standard
 * output. Nothing else may be printed there.
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function serveMcpOverStdio(options: McpServerOptions = {}): StdioServer {
  const { context, tools } = contextOf('serveMcpOverStdio', options)
  const { onLog } = context
  const transport = new StdioServerTransport()
  // Revisions of the protocol differ in how a connection begins.
  const handle = serveStdio(() => mcpServer(context, tools), {
    transport,
    maxSubscriptions: 0,
    onerror: (error) => onLog({ level: 'error', event: 'protocol', time: new Date().toISOString(), error }),
  })
  const closed = new Promise<void>((resolve) => {
    const end = transport.onclose
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport of the SDK has no events
    transport.onclose = () => {
      end?.()
      resolve()
    }
  })
  return { closed, close: () => handle.close() }
}

function contextOf(
  call: string,
  options: McpServerOptions,
): { context: ToolContext; tools: ReturnType<typeof toolsOf> } {
  checkOptions(call, options, ['model', 'index', 'indexes', 'limits', 'onLog', 'sourceOf', 'indexFolder'], {
    logger: 'onLog',
    folders: 'indexFolder',
  })
  const { model: loaded, sourceOf = (source: string) => source, indexFolder, ...rest } = options
  const isLazy = typeof loaded === 'function'
  const { indexes, limits, onLog } = checkServed(call, { ...rest, ...(loaded && !isLazy && { model: loaded }) })
  if (typeof sourceOf !== 'function') throw wrong('sourceOf must be a function', sourceOf)
  if (indexFolder !== undefined) checkFolders(indexFolder)
  const model = async () => (isLazy ? loaded() : (loaded ?? ColBERT.shared()))
  const batcher = new Batcher(model)
  const context: ToolContext = {
    collections: new Collections(indexes, false),
    limits,
    model,
    score: (query, texts, signal) => batcher.score(query, texts, signal),
    admission: new Admission(limits),
    sourceOf,
    onLog,
    ...(indexFolder && { indexFolder }),
  }
  return { context, tools: toolsOf(context) }
}

function checkFolders(indexFolder: FolderIndexing): void {
  const { folders, run } = (indexFolder ?? {}) as Partial<FolderIndexing>
  if (!Array.isArray(folders) || folders.length === 0 || folders.some((name) => typeof name !== 'string')) {
    throw wrong('indexFolder.folders must be an array of names, at least one', folders)
  }
  if (typeof run !== 'function') throw wrong('indexFolder.run must be a function', run)
}
