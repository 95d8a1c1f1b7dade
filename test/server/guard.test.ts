// Who may call the server.
import { createServer as createHttpServer } from 'node:http'
import { FakeEncoder } from '../support/fake-encoder.js'
import { describe, expect, it } from 'vitest'
import { createServer } from '../../packages/server/src/index.js'
import type { ServerOptions } from '../../packages/server/src/index.js'
import { read, send, sendRaw } from './serve.js'

const model = new FakeEncoder()
const body = { query: 'a', documents: ['a'] }

async function withServer(
  options: ServerOptions,
  work: (url: string, port: number) => Promise<void>,
  host?: string,
): Promise<void> {
  const server = createServer({ model, ...options })
  const { url, port } = await server.listen({ port: 0, ...(host && { host }) })
  try {
    await work(url, port)
  } finally {
    await server.close()
  }
}

describe('where it listens', () => {
  it('is loopback unless told', async () => {
    await withServer({}, async (url) => expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/))
    await withServer({}, async (url) => expect((await send(`${url}/health`)).status).toBe(200), '[::1]')
  })

  it.each(['0.0.0.0', '::', '192.0.2.1', 'search.example.org', ''])('is not %j without a token', async (host) => {
    const server = createServer({ model })
    await expect(server.listen({ host, port: 0 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /give it a token \({ token }, --token or SEROTINE_TOKEN\), or listen at 127\.0\.0\.1/,
      ),
    })
  })

  it('can be everywhere with one', async () => {
    await withServer(
      { token: 'secret' },
      async (_, port) => {
        const url = `http://127.0.0.1:${port}/v1/rerank`
        expect((await send(url, body)).status).toBe(401)
        expect((await send(url, body, { headers: { Authorization: 'Bearer secret' } })).status).toBe(200)
      },
      '0.0.0.0',
    )
  })

  it('is told when the port is taken, and only once', async () => {
    const other = createHttpServer()
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    const { port } = other.address() as { port: number }
    const server = createServer({ model })
    await expect(server.listen({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await server.listen({ port: 0 })
    await expect(server.listen({ port: 0 })).rejects.toThrow('The server listens already')
    await server.close()
    await server.close()
    await expect(server.listen({ port: 0 })).rejects.toMatchObject({ code: 'CLOSED' })
    other.close()
  })
})

describe('the token', () => {
  const open = ['/health', '/ready']
  const closed = [
    '/v1/indexes',
    '/v1/indexes/default',
    '/v1/indexes/default/contents',
    '/v1/documents/a',
    '/metrics',
    '/openapi.json',
  ]

  it('is asked for by every route but the probes', async () => {
    await withServer({ token: 'secret' }, async (url) => {
      for (const path of open) expect((await send(`${url}${path}`)).status, path).toBe(200)
      for (const path of closed) {
        const answer = await send(`${url}${path}`)
        expect(answer, path).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } })
        expect(answer.headers.get('www-authenticate')).toBe('Bearer')
      }
      for (const path of [
        '/v1/rerank',
        '/v2/rerank',
        '/rerank',
        '/v1/search',
        '/v1/explain',
        '/v1/files',
        '/v1/documents',
        '/v1/documents/delete',
      ]) {
        expect((await send(`${url}${path}`, body)).status, path).toBe(401)
      }
    })
  })

  it.each(['Bearer secre', 'Bearer secret2', 'bearer', 'Basic secret', 'secret', 'Bearer  ', 'Bearer secret secret'])(
    'is not %j',
    async (Authorization) => {
      await withServer({ token: 'secret' }, async (url) => {
        const answer = await send(`${url}/v1/rerank`, body, { headers: { Authorization } })
        expect(answer.status).toBe(401)
        expect(JSON.stringify(answer.body)).not.toContain('secret2')
      })
    },
  )

  it('is never in the log', async () => {
    const log: unknown[] = []
    await withServer({ token: 'secret', onLog: (entry) => log.push(entry) }, async (url) => {
      await send(`${url}/v1/rerank?token=secret`, body, { headers: { Authorization: 'Bearer secret' } })
    })
    expect(log.length).toBeGreaterThan(1)
    expect(JSON.stringify(log)).not.toContain('secret')
  })
})

describe('the Host', () => {
  it('is one of loopback where there is no token: DNS rebinding', async () => {
    await withServer({}, async (_, port) => {
      for (const host of ['localhost', '127.0.0.1', 'LOCALHOST', `localhost:${port}`, `127.0.0.1:9`, '[::1]:80']) {
        expect((await sendRaw(port, '/health', { Host: host })).status, host).toBe(200)
      }
      for (const host of [
        'evil.example',
        `evil.example:${port}`,
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        '10.0.0.1',
      ]) {
        const { status, body: text } = await sendRaw(port, '/v1/indexes', { Host: host })
        expect([status, JSON.parse(text).code], host).toEqual([403, 'HOST_NOT_ALLOWED'])
      }
      expect((await sendRaw(port, '/health', { Host: 'a b' })).status).toBe(400)
    })
  })

  it('is one of allowedHosts where they are given, with a token, too', async () => {
    await withServer({ token: 'secret', allowedHosts: ['Search.example.org'] }, async (_, port) => {
      expect((await sendRaw(port, '/health', { Host: 'search.example.org:8080' })).status).toBe(200)
      expect((await sendRaw(port, '/health', { Host: 'localhost' })).status).toBe(403)
    })
    await withServer({ token: 'secret' }, async (_, port) => {
      expect((await sendRaw(port, '/health', { Host: '10.0.0.1' })).status).toBe(200)
    })
  })

  it('counts for a handler in an app, too', async () => {
    const server = createServer({ model })
    expect((await server.fetch(new Request('http://search.example.org/v1/indexes'))).status).toBe(403)
    expect((await server.fetch(new Request('http://localhost:3000/v1/indexes'))).status).toBe(200)
  })
})

describe('the Origin', () => {
  it('of another page is refused, also before a request that changes something is sent', async () => {
    await withServer({}, async (url) => {
      for (const Origin of ['https://evil.example', 'http://localhost:1', 'null', 'x']) {
        const answer = await send(`${url}/v1/rerank`, body, { headers: { Origin } })
        expect(answer, Origin).toMatchObject({ status: 403, body: { code: 'ORIGIN_NOT_ALLOWED' } })
        const preflight = await send(`${url}/v1/rerank`, undefined, {
          method: 'OPTIONS',
          headers: { Origin, 'Access-Control-Request-Method': 'POST' },
        })
        expect(preflight.status).toBe(403)
        expect(preflight.headers.has('access-control-allow-origin')).toBe(false)
      }
      expect((await send(`${url}/v1/rerank`, body, { headers: { Origin: url } })).status).toBe(200)
    })
  })

  it('may be one of allowedOrigins', async () => {
    const Origin = 'https://app.example.org'
    await withServer({ allowedOrigins: [Origin], token: 'secret' }, async (url) => {
      const preflight = await fetch(`${url}/v1/rerank`, {
        method: 'OPTIONS',
        headers: { Origin, 'Access-Control-Request-Method': 'POST' },
      })
      expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, Origin])
      const answer = await send(`${url}/v1/rerank`, body, { headers: { Origin, Authorization: 'Bearer secret' } })
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, Origin])
      const other = await send(`${url}/v1/rerank`, body, { headers: { Origin: 'https://other.example.org' } })
      expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null])
    })
  })
})

it.each([
  [{ token: '' }, /token must be printable ASCII/],
  [{ token: 'a b' }, /token must be printable ASCII/],
  [{ token: 7 }, /token must be a string, got 7/],
  [{ model: 'colbert' }, /model must be a loaded model/],
  [{ index: 'folder' }, /The index "default" must be an open MultiVectorIndex, got "folder"/],
  [{ indexes: { '../a': {} } }, /The name of an index/],
  [{ indexes: {}, index: {} }, /index or indexes, not both/],
  [{ allowedHosts: ['http://a'] }, /An allowed host must be a name or address without scheme and port/],
  [{ allowedHosts: 'a' }, /allowedHosts must be an array of strings, got "a"/],
  [{ allowedOrigins: ['*'] }, /An allowed origin must be scheme, host and port/],
  [{ basePath: 'api/' }, /basePath must be a path/],
  [{ writable: 1 }, /writable must be true or false, got 1/],
  [{ onLog: true }, /onLog must be a function, got true/],
  [{ limits: { hits: 0 } }, /limits.hits must be an integer of at least 1, got 0/],
])('createServer refuses %j', (options, message) => {
  expect(() => createServer(options as never)).toThrow(message)
})

it('is JSON for what is not there and for wrong methods', async () => {
  const server = createServer({ model })
  const ask = async (path: string, method = 'GET') =>
    read(await server.fetch(new Request(`http://localhost${path}`, { method })))
  expect(await ask('/v1/nothing')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  const wrong = await ask('/v1/rerank')
  expect(wrong).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
  expect(wrong.headers.get('allow')).toBe('POST')
  expect((await ask('/v1/documents/a', 'PATCH')).headers.get('allow')).toBe('GET, DELETE')
})
