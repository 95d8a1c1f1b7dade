import { setMaxListeners } from 'node:events'
import type { Server } from 'node:http'
import { ColBERT, SerotineError } from '@serotine/core'
import { checkInteger, checkOptions, checkString } from '@serotine/core/options'
import { Admission } from './http/admission.js'
import { createApp } from './http/app.js'
import { createGuard, isLoopback } from './http/guard.js'
import { startListening, stopListening } from './http/listen.js'
import type { Address } from './http/listen.js'
import type { Route } from './http/route.js'
import { Collections } from './index/collections.js'
import { contentsRoutes } from './index/contents.js'
import { documentRoutes } from './index/documents.js'
import { explainRoutes } from './index/explain.js'
import { fileRoutes } from './index/files.js'
import { keptFresh } from './index/fresh.js'
import { indexRoutes } from './index/indexes.js'
import { searchRoutes } from './index/search.js'
import { createMetrics } from './metrics.js'
import { openApi } from './openapi.js'
import { operationRoutes } from './operations.js'
import { mcpRoute } from './mcp/route.js'
import { pageRoutes } from './page/routes.js'
import { checkServerOptions } from './options.js'
import type { LogEntry, ServedModel, ServerOptions } from './options.js'
import { Batcher } from './rerank/batching.js'
import { rerankRoutes } from './rerank/routes.js'

/** Of the paths and their shapes, not of the package. */
const API_VERSION = '1.0.0'
const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 7337
const GRACE_MS = 10_000

export interface ListenOptions {
  /** Default `127.0.0.1`: this machine only. Beyond loopback the server needs a token. */
  host?: string
  /** Default 7337; 0 for any that is free. */
  port?: number
}

export interface CloseOptions {
  /** Milliseconds that requests under way have to be answered. Default 10,000. */
  graceMs?: number
}

/** Search and reranking over HTTP. */
export interface SerotineServer {
  /** Answers a web-standard request: for Hono, Next.js, Deno, Bun, or an app's own server. Never rejects. */
  readonly fetch: (request: Request) => Promise<Response>
  /**
   * Starts an HTTP server of its own, and loads the model.
   *
   * @throws INVALID_ARGUMENT beyond loopback without a token, CLOSED; what the system says, such as EADDRINUSE
   */
  listen(options?: ListenOptions): Promise<Address>
  /** Answers what is under way, refuses what comes, ends the HTTP server. Model and indexes stay open: they are yours. */
  close(options?: CloseOptions): Promise<void>
}

/**
 * A server that ranks lists in the shapes of Cohere, Jina and text-embeddings-inference, searches indexes and keeps their documents. Nothing is listened to
 * before `listen`, nothing is printed, and no path of a request touches the disk.
 *
 * @example
 * const server = createServer({ index, token: process.env.SEROTINE_TOKEN })
 * const { url } = await server.listen({ port: 7337 })
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function createServer(options: ServerOptions = {}): SerotineServer {
  const checked = checkServerOptions(options)
  const { limits, token, basePath, onLog } = checked
  const admission = new Admission(limits)
  const metrics = createMetrics(() => admission.requests)
  const ending = new AbortController()
  // Every request under way listens.
  setMaxListeners(Infinity, ending.signal)
  let isLoaded = checked.model !== undefined
  const model = async (): Promise<ServedModel> => {
    if (checked.model) return checked.model
    const shared = await ColBERT.shared()
    isLoaded = true
    return shared
  }
  const batcher = new Batcher(model, metrics.batch)
  const score: Batcher['score'] = (query, texts, signal) => batcher.score(query, texts, signal)
  const tell = (level: LogEntry['level'], entry: Pick<LogEntry, 'event' | 'url' | 'index' | 'error'>): void =>
    onLog({ level, time: new Date().toISOString(), ...entry })
  const fresh = Array.from(checked.indexes, ([name, index]) => {
    const onRefreshed = (): void => tell('info', { event: 'refreshed', index: name })
    const onFailed = (error: unknown): void => tell('error', { event: 'refresh-failed', index: name, error })
    return [name, keptFresh(index, { every: checked.refreshMs, onRefreshed, onFailed })] as const
  })
  const collections = new Collections(new Map(fresh), checked.writable)
  const routes: Route[] = [
    ...rerankRoutes({
      limits,
      score,
      modelName: async () => (await model()).name,
    }),
    ...searchRoutes(collections, limits, model),
    ...explainRoutes(collections, limits, model),
    ...documentRoutes(collections, checked),
    ...fileRoutes(collections, limits, checked.readFile),
    ...indexRoutes(collections, limits, checked.readFile !== undefined),
    ...contentsRoutes(collections),
    ...operationRoutes({
      metrics,
      notReady: () => {
        if (admission.closing) return 'The server is shutting down.'
        if (isLoaded) return undefined
        // Asked for once, it is there for the next probe.
        void model().catch(() => {})
        return 'The model is not loaded yet.'
      },
      description: () =>
        (description ??= openApi(routes, { version: API_VERSION, token: token !== undefined, basePath })),
    }),
  ]
  let description: object | undefined
  const app = createApp({
    // The page is not of the API, and the messages of agents are described by their own protocol: the description leaves them out.
    routes: [
      ...routes,
      mcpRoute({ collections, limits, model, score, onLog }),
      ...(checked.page ? pageRoutes(checked.basePath) : []),
    ],
    options: checked,
    guard: createGuard(checked),
    admission,
    metrics,
    ending: ending.signal,
  })
  const fetch = async (request: Request): Promise<Response> => app.fetch(request)
  let listening: Server | undefined
  let closing: Promise<void> | undefined

  const end = async (graceMs: number): Promise<void> => {
    const answered = admission.close()
    const grace = setTimeout(() => ending.abort(), graceMs)
    // Work that does not listen to its signal is not waited for.
    const given = new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve()))
    const settled = Promise.race([answered, given])
    if (listening) await stopListening(listening, settled)
    else await settled
    clearTimeout(grace)
    tell('info', { event: 'closed' })
  }

  return {
    fetch,
    async listen(where = {}) {
      checkOptions('listen', where, ['host', 'port'], { hostname: 'host', address: 'host' })
      const host = checkString('host', where.host ?? DEFAULT_HOST)
      const port = checkInteger('port', where.port ?? DEFAULT_PORT, 0, 65_535)
      if (!isLoopback(host) && token === undefined) {
        throw new SerotineError(
          'INVALID_ARGUMENT',
          `Listening at ${JSON.stringify(host)} lets other machines call the server: give it a token ({ token }, --token or SEROTINE_TOKEN), or listen at ${DEFAULT_HOST}.`,
        )
      }
      if (closing) throw new SerotineError('CLOSED', 'The server was closed. Create another one.')
      if (listening) throw new SerotineError('INVALID_ARGUMENT', 'The server listens already. Create another one.')
      const { server, address } = await startListening(fetch, host, port, limits)
      listening = server
      tell('info', { event: 'listening', url: address.url })
      void model().catch(() => {})
      return address
    },
    close(how = {}) {
      checkOptions('close', how, ['graceMs'], { timeout: 'graceMs' })
      return (closing ??= end(checkInteger('graceMs', how.graceMs ?? GRACE_MS, 0)))
    },
  }
}
