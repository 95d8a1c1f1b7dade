import { z } from 'zod'
import { HttpError } from './http/errors.js'
import { defineRoute } from './http/route.js'
import type { Route } from './http/route.js'
import type { Metrics } from './metrics.js'

const status = z.object({ status: z.string() })

export interface Operations {
  readonly metrics: Metrics
  /** Why requests cannot be answered now; undefined when they can. */
  readonly notReady: () => string | undefined
  readonly description: () => object
}

/** What those who run the server ask of it. */
export function operationRoutes({ metrics, notReady, description }: Operations): Route[] {
  return [
    defineRoute({
      method: 'get',
      paths: ['/health'],
      summary: 'Whether the process answers',
      tag: 'operations',
      open: true,
      response: status,
      handle: () => Response.json({ status: 'ok' }),
    }),
    defineRoute({
      method: 'get',
      paths: ['/ready'],
      summary: 'Whether it can rank and search: the model is loaded, and it is not shutting down',
      tag: 'operations',
      open: true,
      response: status,
      handle: () => {
        const why = notReady()
        if (why !== undefined) throw new HttpError(503, 'NOT_READY', why, { 'Retry-After': '1' })
        return Response.json({ status: 'ready' })
      },
    }),
    defineRoute({
      method: 'get',
      paths: ['/metrics'],
      summary: 'Counts for Prometheus',
      tag: 'operations',
      response: z.string(),
      contentType: 'text/plain',
      handle: async () => new Response(await metrics.text(), { headers: { 'Content-Type': metrics.contentType } }),
    }),
    defineRoute({
      method: 'get',
      paths: ['/openapi.json'],
      summary: 'This description',
      tag: 'operations',
      response: z.looseObject({ openapi: z.string() }),
      handle: () => Response.json(description()),
    }),
  ]
}
