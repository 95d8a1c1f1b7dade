// A running server for tests, with an index of birds.
import { request } from 'node:http'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { createServer } from '../../packages/server/src/index.js'
import type { LogEntry, SerotineServer, ServerOptions } from '../../packages/server/src/index.js'
import { BIRDS } from '../contract/birds.js'

export interface Served {
  readonly server: SerotineServer
  readonly url: string
  readonly port: number
  readonly model: ColBERT
  readonly index: MultiVectorIndex
  readonly log: LogEntry[]
  readonly close: () => Promise<void>
}

/** Starts one at a free port. */
export async function serve(options: ServerOptions = {}): Promise<Served> {
  const model = await ColBERT.load()
  const index = await birds(model)
  const log: LogEntry[] = []
  const server = createServer({ model, index, onLog: (entry) => log.push(entry), ...options })
  const { url, port } = await server.listen({ port: 0 })
  const close = async (): Promise<void> => {
    await server.close({ graceMs: 1_000 })
    await index.close()
    await model.close()
  }
  return { server, url, port, model, index, log, close }
}

export async function birds(model: ColBERT): Promise<MultiVectorIndex> {
  const index = await MultiVectorIndex.open(undefined, { model })
  await index.upsert(BIRDS.map(({ id, text, lang, year }) => ({ id, text, metadata: { lang, year } })))
  return index
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

/** Sends JSON with `fetch` and reads the JSON of the answer. */
export async function send(
  url: string,
  body?: unknown,
  {
    method = body === undefined ? 'GET' : 'POST',
    headers = {},
  }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
    ...(body !== undefined && {
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    }),
  } as RequestInit)
  return read(response)
}

export async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** Sends a request with headers that `fetch` does not let through, such as `Host`. */
export function sendRaw(
  port: number,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      answer.on('end', () => resolve({ status: answer.statusCode!, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}
