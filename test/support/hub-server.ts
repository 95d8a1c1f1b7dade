// A local server that answers as the Hugging Face Hub does, and misbehaves on request.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

export type Fault =
  | { status: number; headers?: Record<string, string> }
  /** Close the connection after so many bytes of the body. */
  | { cutAfter: number }
  /** Right length, wrong bytes. */
  | { corrupt: true }
  /** Answer a Range request with 200 and everything. */
  | { ignoreRange: true }
  /** Send so many bytes and then nothing, until the client goes away. */
  | { stallAfter: number }

export interface LoggedRequest {
  method: string
  /** `api`, `resolve` or `cdn`. */
  where: string
  path: string
  range: string | undefined
  authorization: string | undefined
}

export interface HubServer {
  endpoint: string
  commit: string
  requests: LoggedRequest[]
  files: Map<string, Buffer>
  /** Faults by file path, or by `api`; used up one request at a time, the last one for ever if `always`. */
  faults: Map<string, Fault[]>
  /** Token that is asked for, when set. */
  token: string | undefined
  /** What untrusted users get: 401 as for private models, or 403 as for gated ones. */
  gated: boolean
  etag(path: string): string
  close(): Promise<void>
}

const COMMIT = 'c0ffee0123456789c0ffee0123456789c0ffee01'

/** Serves the files of a folder as the model `id`, branch `main` and tag `v1`. */
export async function startHub(
  id: string,
  folder: string,
  extra: Record<string, string | Buffer> = {},
): Promise<HubServer> {
  const files = new Map<string, Buffer>()
  for (const path of filesBelow(folder)) files.set(path, readFileSync(join(folder, path)))
  for (const [path, content] of Object.entries(extra)) files.set(path, Buffer.from(content))
  const hub = {
    commit: COMMIT,
    requests: [] as LoggedRequest[],
    files,
    faults: new Map<string, Fault[]>(),
    token: undefined,
    gated: false,
  } as Partial<HubServer> & Omit<HubServer, 'endpoint' | 'etag' | 'close'>
  const isLarge = (path: string) => /\.(safetensors|onnx|bin)$/.test(path)
  const etag = (path: string) => {
    const content = files.get(path)!
    return isLarge(path)
      ? createHash('sha256').update(content).digest('hex')
      : createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
  }

  // Large files come from another origin, as from the Hub's CDN.
  const cdn = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://cdn').pathname.slice(1))
    log('cdn', path, request)
    sendFile(path, request, response, {})
  })
  await listen(cdn)

  const main = createServer((request, response) => {
    const url = new URL(request.url!, 'http://hub')
    const parts = url.pathname.slice(1).split('/')
    const api = parts[0] === 'api'
    const name = (api ? parts.slice(2) : parts).slice(0, id.split('/').length).join('/')
    const rest = (api ? parts.slice(2) : parts).slice(id.split('/').length)
    const path = api ? 'api' : rest.slice(2).map(decodeURIComponent).join('/')
    log(api ? 'api' : 'resolve', api ? url.pathname : path, request)
    const fault = isLarge(path) ? undefined : takeFault(path)
    if (fault && 'status' in fault) return fail(response, fault.status, '', fault.headers)
    if (name !== id) return fail(response, hub.token === undefined ? 404 : 401, 'RepoNotFound')
    if (hub.token !== undefined && request.headers.authorization !== `Bearer ${hub.token}` && !(hub.gated && api)) {
      return hub.gated ? fail(response, 403, 'GatedRepo') : fail(response, 401, 'RepoNotFound')
    }
    if (api) return sendApi(rest, url, response)
    if (rest[1] !== COMMIT) return fail(response, 404, 'RevisionNotFound')
    if (!files.has(path)) return fail(response, 404, 'EntryNotFound')
    const headers = {
      'x-repo-commit': COMMIT,
      'x-linked-size': String(files.get(path)!.length),
      'x-linked-etag': `"${etag(path)}"`,
    }
    if (!isLarge(path)) return sendFile(path, request, response, { ...headers, etag: `"${etag(path)}"` }, fault)
    response
      .writeHead(302, { ...headers, location: `http://localhost:${portOf(cdn)}/${encodeURIComponent(path)}` })
      .end()
  })
  await listen(main)

  function log(where: string, path: string, { method, headers }: IncomingMessage): void {
    hub.requests.push({ method: method!, where, path, range: headers.range, authorization: headers.authorization })
  }

  function takeFault(path: string): Fault | undefined {
    return hub.faults.get(path)?.shift()
  }

  function sendApi(rest: string[], url: URL, response: ServerResponse): void {
    const revision = decodeURIComponent(rest[1] ?? '')
    if (!['main', 'v1', 'refs/pr/1', COMMIT].includes(revision)) return fail(response, 404, 'RevisionNotFound')
    if (rest[0] === 'revision')
      return sendJson(response, {
        _id: 'x',
        id,
        sha: COMMIT,
        private: false,
        gated: false,
        likes: 0,
        downloads: 0,
        lastModified: '2026-01-01T00:00:00.000Z',
      })
    const all = [
      ...new Set(
        [...files.keys()].flatMap((path) =>
          path.includes('/') ? [path.slice(0, path.lastIndexOf('/')), path] : [path],
        ),
      ),
    ]
    const entries = all.map((path) => {
      const content = files.get(path)
      if (!content) return { type: 'directory', path, oid: '0'.repeat(40), size: 0 }
      const lfs = isLarge(path)
        ? { lfs: { oid: etag(path), size: content.length, pointerSize: 130 }, xetHash: 'f'.repeat(64) }
        : {}
      return { type: 'file', path, size: content.length, oid: isLarge(path) ? '1'.repeat(40) : etag(path), ...lfs }
    })
    // Pages of four, to see that all are read.
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const next =
      from + 4 < entries.length
        ? `http://127.0.0.1:${portOf(main)}${url.pathname}?recursive=true&cursor=${from + 4}`
        : undefined
    sendJson(response, entries.slice(from, from + 4), next ? { link: `<${next}>; rel="next"` } : {})
  }

  function sendFile(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    headers: Record<string, string>,
    given?: Fault,
  ): void {
    const fault = given ?? takeFault(path)
    if (fault && 'status' in fault) return fail(response, fault.status, '', fault.headers)
    let content = files.get(path)!
    if (fault && 'corrupt' in fault) content = Buffer.from(content.map((byte) => byte ^ 1))
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
    const start = range && !(fault && 'ignoreRange' in fault) ? Number(range[1]) : 0
    if (start >= content.length && start > 0) return fail(response, 416, '')
    const body = content.subarray(start)
    response.writeHead(start > 0 ? 206 : 200, {
      ...headers,
      'accept-ranges': 'bytes',
      'content-length': body.length,
      ...(start > 0 && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
    })
    if (fault && 'cutAfter' in fault) response.write(body.subarray(0, fault.cutAfter), () => response.destroy())
    else if (fault && 'stallAfter' in fault) response.write(body.subarray(0, fault.stallAfter))
    else response.end(body)
  }

  return Object.assign(hub, {
    endpoint: `http://127.0.0.1:${portOf(main)}`,
    etag,
    close: async () => {
      for (const server of [main, cdn]) {
        server.closeAllConnections()
        await new Promise((done) => server.close(done))
      }
    },
  }) as HubServer
}

function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

function fail(response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...(code && { 'x-error-code': code }), ...headers })
    .end(JSON.stringify({ error: `status ${status}` }))
}

function listen(server: Server): Promise<void> {
  return new Promise((done) => server.listen(0, '127.0.0.1', done))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}
