import { z } from 'zod'
import { Admission } from '../http/admission.js'
import { defineRoute } from '../http/route.js'
import type { Route } from '../http/route.js'
import type { ToolContext } from './tool.js'

type Endpoint = ReturnType<(typeof import('./over-http.js'))['mcpOverHttp']>

/** The Model Context Protocol at `/mcp`: what the server serves, as tools for agents. What speaks the protocol is loaded at the first request. */
export function mcpRoute(served: Omit<ToolContext, 'admission' | 'sourceOf' | 'indexFolder'>): Route {
  let endpoint: Promise<Endpoint> | undefined
  const load = async (): Promise<Endpoint> => {
    const { mcpOverHttp } = await import('./over-http.js')
    // One request may hold several calls.
    return mcpOverHttp({ ...served, admission: new Admission(served.limits), sourceOf: (source) => source })
  }
  return defineRoute({
    method: 'post',
    paths: ['/mcp'],
    summary: 'Tools for agents, over the Model Context Protocol',
    tag: 'mcp',
    streams: true,
    body: z.unknown(),
    response: z.unknown(),
    handle: async ({ body, request, requestId, signal }) => {
      const answer = await (endpoint ??= load())
      return answer(request, body, { requestId, signal })
    },
  })
}
