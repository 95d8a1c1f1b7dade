import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import type { Context } from 'hono'
import { cors } from 'hono/cors'
import type { Metrics } from '../metrics.js'
import type { CheckedOptions, LogEntry } from '../options.js'
import type { Admission } from './admission.js'
import { readJson } from './body.js'
import { errorResponse, HttpError, toHttpError } from './errors.js'
import type { Guard } from './guard.js'
import { hasLines, readLines } from './lines.js'
import { check } from './route.js'
import type { Route } from './route.js'
import { untilSent } from './streaming.js'

interface Environment {
  Variables: { requestId: string; route: string }
}
type RequestContext = Context<Environment>

/** What clients of the Model Context Protocol send beside. */
const MCP_HEADERS = ['MCP-Protocol-Version', 'Mcp-Method', 'Mcp-Name']

export interface AppParts {
  readonly routes: readonly Route[]
  readonly options: CheckedOptions
  readonly guard: Guard
  readonly admission: Admission
  readonly metrics: Metrics
  /** Aborted when the server no longer waits for requests under way. */
  readonly ending: AbortSignal
}

/** The routes behind what holds for all of them: who may call, what is logged, how errors look. */
export function createApp({ routes, options, guard, admission, metrics, ending }: AppParts): Hono<Environment> {
  const { allowedOrigins, basePath, limits, onLog } = options
  const app = new Hono<Environment>()

  app.use('*', async (context, next) => {
    const started = performance.now()
    context.set('requestId', randomUUID())
    context.set('route', 'unknown')
    await next()
    const { res, error } = context
    res.headers.set('X-Request-Id', context.get('requestId'))
    res.headers.set('X-Content-Type-Options', 'nosniff')
    res.headers.set('Cache-Control', 'no-store')
    if (admission.closing) res.headers.set('Connection', 'close')
    const milliseconds = performance.now() - started
    metrics.request(context.get('route'), context.req.method, res.status, milliseconds / 1000)
    log(onLog, context, milliseconds, error)
  })
  if (allowedOrigins.length > 0) {
    app.use(
      '*',
      cors({
        origin: [...allowedOrigins],
        allowMethods: ['GET', 'POST', 'DELETE'],
        allowHeaders: ['Authorization', 'Content-Type', ...MCP_HEADERS],
        exposeHeaders: ['X-Request-Id', 'Retry-After'],
        maxAge: 600,
      }),
    )
  }
  app.use('*', async (context, next) => {
    guard.checkSender(context.req.raw)
    await next()
  })

  const methods = new Map<string, string[]>()
  for (const route of routes) {
    for (const documented of route.paths) {
      const path = `${basePath}${documented.replace(/\{(\w+)\}/g, ':$1')}`
      methods.set(path, [...(methods.get(path) ?? []), route.method.toUpperCase()])
      app.on(route.method.toUpperCase(), path, async (context) => {
        context.set('route', documented)
        if (!route.open) guard.checkToken(context.req.raw)
        return route.open
          ? route.handle(callOf(context, undefined, {}, context.req.raw.signal))
          : answer(route, context)
      })
    }
  }
  for (const [path, allowed] of methods) {
    app.all(path, (context) => {
      throw new HttpError(
        405,
        'METHOD_NOT_ALLOWED',
        `${context.req.method} is not possible here: ${allowed.join(', ')}.`,
        {
          Allow: allowed.join(', '),
        },
      )
    })
  }
  app.notFound((context) =>
    errorResponse(
      new HttpError(
        404,
        'NOT_FOUND',
        `There is nothing at ${JSON.stringify(context.req.path.slice(0, 100))}. ${basePath}/openapi.json says what there is.`,
      ),
    ),
  )
  app.onError((error, context) => errorResponse(toHttpError(error, context.get('requestId'))))

  async function answer(route: Route, context: RequestContext): Promise<Response> {
    const visit = admission.enter()
    const { raw } = context.req
    const lines = route.lines && hasLines(raw) ? route.lines : undefined
    const streams = route.streams ?? lines !== undefined
    const { signal, ended, stop, renew } = deadline(raw.signal, ending, limits.requestMs)
    const work = (async () => {
      const query = route.query ? check(route.query, context.req.query(), 'The query string') : {}
      if (lines) {
        // As much as is kept of it at a time.
        visit.reserve(limits.bodyBytes)
        const read = readLines(raw, { bytes: limits.bodyBytes, receiveMs: limits.receiveMs, signal })
        return lines.handle({ ...callOf(context, undefined, query, signal, renew), body: undefined, lines: read })
      }
      const body = route.body && (await readBody(route, context, visit.reserve, signal))
      return route.handle(callOf(context, body, query, signal, renew))
    })()
    const sent = (): void => {
      stop()
      visit.leave()
    }
    const answered = streams ? work.then((response) => untilSent(response, signal, sent)) : work
    // What does not stop at once still counts as work, and its failure is nobody's.
    answered.then(streams ? undefined : sent, sent)
    try {
      return await Promise.race([answered, ended])
    } catch (error) {
      stop()
      throw signal.aborted ? signal.reason : error
    }
  }

  async function readBody(
    route: Route,
    context: RequestContext,
    reserve: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<unknown> {
    const value = await readJson(context.req.raw, { bytes: limits.bodyBytes, reserve, signal })
    return check(route.body!, value, 'The body')
  }
  return app
}

function callOf(
  context: RequestContext,
  body: unknown,
  query: Record<string, unknown>,
  signal: AbortSignal,
  renew = (): void => {},
) {
  const params = context.req.param() as Record<string, string>
  return { body, query, params, requestId: context.get('requestId'), signal, request: context.req.raw, renew }
}

/** Ends a request when its time is up, its client is gone or the server ends: the signal's reason is the answer. */
function deadline(
  client: AbortSignal,
  ending: AbortSignal,
  milliseconds: number,
): { signal: AbortSignal; ended: Promise<never>; stop: () => void; renew: () => void } {
  const controller = new AbortController()
  const timeout = setTimeout(() => controller.abort(tooLate(milliseconds)), milliseconds)
  let stopped = false
  const leave = (): void => controller.abort(gone(false))
  const end = (): void => controller.abort(gone(true))
  if (client.aborted) leave()
  if (ending.aborted) end()
  client.addEventListener('abort', leave)
  ending.addEventListener('abort', end)
  const ended = new Promise<never>((_, reject) => {
    const { signal } = controller
    if (signal.aborted) reject(signal.reason as HttpError)
    signal.addEventListener('abort', () => reject(signal.reason as HttpError))
  })
  ended.catch(() => {})
  return {
    signal: controller.signal,
    ended,
    renew: () => {
      if (!stopped) timeout.refresh()
    },
    stop: () => {
      stopped = true
      clearTimeout(timeout)
      client.removeEventListener('abort', leave)
      ending.removeEventListener('abort', end)
    },
  }
}

function tooLate(milliseconds: number): HttpError {
  return new HttpError(
    503,
    'TIMEOUT',
    `The answer took longer than ${milliseconds} ms. Ask for less at once, or raise limits.requestMs.`,
    { 'Retry-After': '1' },
  )
}

/** For the log: the client that it is sent to is no longer there. */
function gone(isEnding: boolean): HttpError {
  return isEnding
    ? new HttpError(503, 'SHUTTING_DOWN', 'The server is shutting down.', { 'Retry-After': '5' })
    : new HttpError(499, 'CLIENT_GONE', 'The client closed the connection.')
}

function log(onLog: (entry: LogEntry) => void, context: RequestContext, milliseconds: number, error: unknown): void {
  const { status } = context.res
  const requestId = context.get('requestId')
  const code = error === undefined ? undefined : toHttpError(error, requestId).code
  onLog({
    level: status >= 500 ? 'error' : 'info',
    event: 'request',
    time: new Date().toISOString(),
    requestId,
    method: context.req.method,
    route: context.get('route'),
    status,
    milliseconds: Math.round(milliseconds * 100) / 100,
    ...(code !== undefined && { code }),
    ...(error !== undefined && !(error instanceof HttpError) && status >= 500 && { error }),
  })
}
