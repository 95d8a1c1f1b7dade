// Every limit, back-pressure, the time that a request has, and the end of a server.
import { describe, expect, it } from 'vitest'
import { createServer } from '../../packages/server/src/index.js'
import type { LogEntry, SerotineServer, ServedIndex, ServerOptions } from '../../packages/server/src/index.js'
import { FakeEncoder } from '../support/fake-encoder.js'
import { read, send } from './serve.js'

/** A model that waits until it is told to go on. */
class HeldEncoder extends FakeEncoder {
  readonly #go: Promise<void>
  release = (): void => {}
  started = 0
  constructor() {
    super()
    this.#go = new Promise((done) => (this.release = done))
  }
  override async encodeDocuments(texts: readonly string[], options = {}) {
    this.started++
    await this.#go
    return super.encodeDocuments(texts, options)
  }
}

const rerank = async (server: SerotineServer, body: unknown = { query: 'a', documents: ['a'] }) =>
  read(
    await server.fetch(
      new Request('http://localhost/v1/rerank', {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
      }),
    ),
  )
const limited = (limits: ServerOptions['limits']) => createServer({ model: new FakeEncoder(), limits: limits! })
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((next) => setTimeout(next, 5))
}

describe('a limit', () => {
  it.each([
    [{ bodyBytes: 40 }, 413, 'BODY_TOO_LARGE', /larger than 40 bytes.*limits\.bodyBytes \(--limit bodyBytes=/],
    [{ documents: 1 }, 400, 'INVALID_REQUEST', /documents: there are more than 1;.*limits\.documents/],
    [{ documentCharacters: 2 }, 400, 'INVALID_REQUEST', /documents\[0\]: .*2 characters/],
    [{ queryCharacters: 2 }, 400, 'INVALID_REQUEST', /query: it is longer than 2 characters/],
    [{ totalBodyBytes: 40 }, 429, 'TOO_MANY_REQUESTS', /bodies of all requests/],
  ])('%j is kept', async (limits, status, code, message) => {
    const body = { query: 'abc', documents: ['abc', 'abcd'] }
    expect((await rerank(createServer({ model: new FakeEncoder() }), body)).status).toBe(200)
    const answer = await rerank(limited(limits), body)
    expect(answer).toMatchObject({ status, body: { code, message: expect.stringMatching(message) } })
    if (status === 429) expect(answer.headers.get('retry-after')).toBe('1')
  })

  it('counts the text of objects, too', async () => {
    for (const documents of [[{ text: 'abcdef' }], [{ title: 'abcdef' }]]) {
      const answer = await rerank(limited({ documentCharacters: 5 }), { query: 'a', documents })
      expect(answer.body.message).toMatch(/documents\[0\] is longer than 5 characters/)
    }
  })
})

describe('too many requests', () => {
  it('are answered 429 at once; probes and those before are not', async () => {
    const model = new HeldEncoder()
    const server = createServer({ model, limits: { concurrentRequests: 2 } })
    const first = [rerank(server), rerank(server)]
    await until(() => model.started > 0)
    const third = await rerank(server)
    expect(third).toMatchObject({
      status: 429,
      body: { code: 'TOO_MANY_REQUESTS', message: expect.stringMatching(/2 requests/) },
    })
    expect(third.headers.get('retry-after')).toBe('1')
    expect((await server.fetch(new Request('http://localhost/health'))).status).toBe(200)
    model.release()
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200])
    expect((await rerank(server)).status).toBe(200)
  })

  it('free their place and their bytes whatever becomes of them', async () => {
    const server = limited({ concurrentRequests: 1, totalBodyBytes: 100 })
    for (let i = 0; i < 20; i++) expect((await rerank(server, '{"a')).status).toBe(400)
    for (let i = 0; i < 20; i++) expect((await rerank(server)).status).toBe(200)
  })
})

describe('a request that takes too long', () => {
  it('is answered 503, but counts as work until it has stopped', async () => {
    const model = new HeldEncoder()
    let finish = (): void => {}
    const index = {
      searchDetailed: () =>
        new Promise((done) => (finish = () => done({ hits: [], firstStage: 'none', candidates: 0, timings: {} }))),
    } as unknown as ServedIndex
    const server = createServer({ model, index, limits: { requestMs: 50, concurrentRequests: 1 } })
    const search = async () =>
      read(
        await server.fetch(
          new Request('http://localhost/v1/search', {
            method: 'POST',
            body: '{"query":"a"}',
            headers: { 'Content-Type': 'application/json' },
          }),
        ),
      )
    expect(await search()).toMatchObject({
      status: 503,
      body: { code: 'TIMEOUT', message: expect.stringMatching(/50 ms/) },
    })
    expect((await search()).status).toBe(429)
    finish()
    await new Promise((next) => setTimeout(next, 10))
    expect((await search()).status).toBe(503)
  })
})

describe('closing', () => {
  it('answers what is under way and refuses what comes', async () => {
    const model = new HeldEncoder()
    const log: LogEntry[] = []
    const server = createServer({ model, onLog: (entry) => log.push(entry) })
    const { url } = await server.listen({ port: 0 })
    const body = { query: 'a', documents: ['a'] }
    const running = send(`${url}/v1/rerank`, body)
    await until(() => model.started > 0)
    const closed = server.close()
    expect(await rerank(server)).toMatchObject({ status: 503, body: { code: 'SHUTTING_DOWN' } })
    expect((await server.fetch(new Request('http://localhost/ready'))).status).toBe(503)
    await expect(fetch(`${url}/health`)).rejects.toThrow('fetch failed')
    model.release()
    const answer = await running
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close'])
    await closed
    expect(log.map(({ event }) => event)).toEqual(['listening', 'request', 'request', 'request', 'closed'])
  })

  it('does not wait longer than it is told', async () => {
    const model = new HeldEncoder()
    const server = createServer({ model })
    const { url } = await server.listen({ port: 0 })
    const running = send(`${url}/v1/rerank`, { query: 'a', documents: ['a'] })
    await until(() => model.started > 0)
    const started = performance.now()
    await server.close({ graceMs: 100 })
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(await running).toMatchObject({ status: 503, body: { code: 'SHUTTING_DOWN' } })
    model.release()
  })
})

it('a client that is gone stops the work', async () => {
  const model = new HeldEncoder()
  const log: LogEntry[] = []
  const server = createServer({ model, onLog: (entry) => log.push(entry) })
  const { url } = await server.listen({ port: 0 })
  const controller = new AbortController()
  const running = fetch(`${url}/v1/rerank`, {
    method: 'POST',
    body: JSON.stringify({ query: 'a', documents: ['a'] }),
    headers: { 'Content-Type': 'application/json' },
    signal: controller.signal,
  })
  running.catch(() => {})
  await until(() => model.started > 0)
  controller.abort()
  await until(() => log.some(({ code }) => code === 'CLIENT_GONE'))
  model.release()
  await server.close()
})

it('/metrics counts requests, batches and what is under way', async () => {
  const server = limited({})
  await rerank(server)
  await rerank(server, {})
  await server.fetch(new Request('http://localhost/x/secret'))
  const response = await server.fetch(new Request('http://localhost/metrics'))
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=/)
  const text = await response.text()
  expect(text).toContain('serotine_http_requests_total{route="/v1/rerank",method="POST",status="200"} 1')
  expect(text).toContain('serotine_http_requests_total{route="/v1/rerank",method="POST",status="400"} 1')
  expect(text).toContain('serotine_http_requests_total{route="unknown",method="GET",status="404"} 1')
  expect(text).toContain('serotine_rerank_batch_texts_count 1')
  expect(text).toContain('serotine_http_requests_in_flight 1')
  expect(text).toContain('serotine_http_request_duration_seconds_bucket')
  expect(text).not.toContain('secret')
})
