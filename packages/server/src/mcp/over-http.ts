import { createMcpHandler } from '@modelcontextprotocol/server'
import type { ToolContext } from './tool.js'
import { mcpServer, toolsOf } from './mcp-server.js'
import type { Around } from './mcp-server.js'

/**
 * The Model Context Protocol over streamable HTTP, each request by itself: there are no sessions. Clients of the revision of 2026 and those
 * before it are answered alike.
 */
export function mcpOverHttp(
  context: ToolContext,
): (request: Request, body: unknown, around: Required<Around>) => Promise<Response> {
  const tools = toolsOf(context)
  const arounds = new WeakMap<Request, Around>()
  const handler = createMcpHandler(
    ({ requestInfo }) => mcpServer(context, tools, requestInfo && arounds.get(requestInfo)),
    {
      // There is nothing to be told of: what is served does not change while it is.
      maxSubscriptions: 0,
    },
  )
  return async ({ url, headers, signal }, body, around) => {
    // Its body has been read and checked already. Ended by the client; when the time is up, tools say so.
    const request = new Request(url, { method: 'POST', headers, signal })
    arounds.set(request, around)
    return handler.fetch(request, { parsedBody: body })
  }
}
