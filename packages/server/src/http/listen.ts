import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { ServerLimits } from '../options.js'

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
  /** `http://host:port`. */
  readonly url: string
}

/** Bytes of all headers of a request: Node's own limit, said aloud. */
const HEADER_BYTES = 16_384
/** Milliseconds for the headers of a request, and between requests of a connection. */
const HEADERS_MS = 10_000
const KEEP_ALIVE_MS = 5_000

/** An HTTP server of Node that gives each request to a handler; slow clients are cut off. */
export async function startListening(
  fetch: (request: Request) => Promise<Response>,
  host: string,
  port: number,
  limits: ServerLimits,
): Promise<{ server: Server; address: Address }> {
  const server = createAdaptorServer({
    fetch,
    // A library does not replace its host's Request and Response.
    overrideGlobalObjects: false,
    createServer,
    serverOptions: {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: Math.min(HEADERS_MS, limits.receiveMs),
      requestTimeout: limits.receiveMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1_000, limits.receiveMs),
    },
  }) as Server
  server.maxConnections = limits.connections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // An IPv6 address as it stands in a URL, too.
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { address, port: bound } = server.address() as AddressInfo
  const name = address.includes(':') ? `[${address}]` : address
  return { server, address: { host: address, port: bound, url: `http://${name}:${bound}` } }
}

/** Takes no new connection; those that are idle end at once, the others with their answers. */
export async function stopListening(server: Server, answered: Promise<void>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  await answered
  // The last answers are on their way to the sockets.
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 100))])
  server.closeAllConnections()
  await closed
}
