import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { ServerLimits } from '../options.js'
import { errorResponse, tooMuch } from './errors.js'
import { hasLines } from './lines.js'

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
  const sockets = new Set<Socket>()
  // Of answers whose clients do not read them: nothing else bounds what waits there.
  const unread = (): number => {
    let bytes = 0
    for (const socket of sockets) bytes += socket.writableLength
    return bytes
  }
  const server = createAdaptorServer({
    fetch: (request, { incoming, outgoing }) => {
      if (unread() > limits.totalBodyBytes) {
        return errorResponse(tooMuch('Answers that their clients have not read are as much as the server keeps.'))
      }
      // Node's own limit is for whole requests, also for those whose lines are dealt with as they come.
      if (!hasLines(request)) limitReceipt(incoming as IncomingMessage, outgoing as ServerResponse, limits.receiveMs)
      return fetch(request)
    },
    // A library does not replace its host's Request and Response.
    overrideGlobalObjects: false,
    createServer,
    serverOptions: {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: Math.min(HEADERS_MS, limits.receiveMs),
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1_000, limits.receiveMs),
    },
  }) as Server
  server.maxConnections = limits.connections
  // Without a sign of life for as long as a request may take to be sent and answered: a client that does not read its answer.
  server.timeout = limits.requestMs + limits.receiveMs
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
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

/** Cuts off a client that takes too long to send its request. */
function limitReceipt(incoming: IncomingMessage, outgoing: ServerResponse, milliseconds: number): void {
  if (incoming.complete) return
  const { socket } = incoming
  const timer = setTimeout(() => {
    if (incoming.complete || socket.destroyed) return
    if (!outgoing.headersSent) socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
    socket.destroySoon()
  }, milliseconds).unref()
  for (const event of ['end', 'close'] as const) incoming.once(event, () => clearTimeout(timer))
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
