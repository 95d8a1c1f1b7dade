// Documents as lines of JSON: taken as they come, told as they are kept, whatever the client does.
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { MultiVectorIndex, SerotineError } from '../../packages/core/src/index.js'
import type { UpsertOptions } from '../../packages/core/src/index.js'
import { createServer } from '../../packages/server/src/index.js'
import type { ServerOptions } from '../../packages/server/src/index.js'
import { read, send, serve } from './serve.js'
import type { Served } from './serve.js'

let served: Served
beforeAll(async () => {
  served = await serve({ writable: true, limits: { bodyBytes: 20_000, receiveMs: 2_000 } })
})
afterAll(() => served?.close())
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

interface Told {
  line: number
  id?: string
  accepted?: number
  failed?: number
  done?: boolean
  error?: { code: string; message: string }
}

type Lines = string | Uint8Array | AsyncIterable<string> | Iterable<string>

/** Sends a body of lines and gives those of the answer. */
async function bulk(body: Lines, { url = served.url, path = '/v1/documents' } = {}): Promise<Told[]> {
  const response = await post(body, { url, path })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
  return linesOf(await response.text())
}

function post(
  body: Lines,
  { url = served.url, path = '/v1/documents', signal }: { url?: string; path?: string; signal?: AbortSignal } = {},
): Promise<Response> {
  const encoder = new TextEncoder()
  async function* bytes() {
    for await (const text of body as AsyncIterable<string>) yield encoder.encode(text)
  }
  const isWhole = typeof body === 'string' || body instanceof Uint8Array
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: isWhole ? body : ReadableStream.from(bytes()),
    duplex: 'half',
    ...(signal && { signal }),
  } as RequestInit)
}

const linesOf = (text: string): Told[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Told)
const line = (id: string, text = `Text of ${id}.`, more: object = {}) => `${JSON.stringify({ id, text, ...more })}\n`
const wait = (milliseconds: number) => new Promise((next) => setTimeout(next, milliseconds))

/** A server with an index that encodes nothing, for many documents. */
async function quick(
  options: ServerOptions & { upsert?: (ids: readonly string[]) => Promise<unknown>; folder?: string } = {},
) {
  const { upsert, folder, ...rest } = options
  const index = await MultiVectorIndex.open(folder, { model: flat() })
  const slowed = {
    ...['searchDetailed', 'get', 'delete', 'stats'].reduce(
      (all, name) => ({ ...all, [name]: (index as never)[name] }),
      {},
    ),
    upsert: async (documents: readonly { id: string; text: string }[], how: UpsertOptions) => {
      await upsert?.(documents.map(({ id }) => id))
      how.signal?.throwIfAborted()
      return index.upsert(documents, how)
    },
  } as never
  const server = createServer({ index: slowed, writable: true, ...rest })
  const { url, port } = await server.listen({ port: 0 })
  closing.push(
    () => server.close({ graceMs: 500 }),
    () => index.close(),
  )
  return { url, port, index }
}

/** One token a text, the same for all. */
function flat() {
  const one = () => ({ data: Float32Array.of(1, 0), length: 1, dim: 2 })
  return {
    dim: 2,
    name: 'flat',
    fingerprint: 'flat',
    encodeQueries: async (texts: readonly string[]) => texts.map(one),
    encodeDocuments: async (texts: readonly string[]) => texts.map(one),
  }
}

describe('documents as lines', () => {
  it('are added, replaced, and counted', async () => {
    const first = await bulk(line('a', 'Alpha.', { metadata: { n: 1 } }) + line('b') + '\r\n\n' + line('c').trim())
    expect(first).toEqual([
      { line: 5, accepted: 3, added: 3, updated: 0, unchanged: 0, failed: 0, done: true, index: 'default' },
    ])
    const second = await bulk(line('a', 'Alpha.', { metadata: { n: 2 } }) + line('b'))
    expect(second.at(-1)).toMatchObject({ added: 0, updated: 1, unchanged: 1 })
    expect((await send(`${served.url}/v1/documents/a`)).body).toMatchObject({ text: 'Alpha.', metadata: { n: 2 } })
    await served.index.delete(['a', 'b', 'c'])
  })

  it('of one id replace each other in their order', async () => {
    const told = await bulk(line('twice', 'First.') + line('between') + line('twice', 'Second.'))
    expect(told.at(-1)).toMatchObject({ done: true, accepted: 3, added: 2, updated: 1 })
    expect((await served.index.get('twice'))?.text).toBe('Second.')
    await served.index.delete(['twice', 'between'])
  })

  it('go into the index that the URL names', async () => {
    expect((await bulk(line('a'), { path: '/v1/documents?index=default' })).at(-1)).toMatchObject({ index: 'default' })
    const { status, body } = await read(await post(line('a'), { path: '/v1/documents?index=nowhere' }))
    expect([status, body.code]).toEqual([404, 'INDEX_NOT_FOUND'])
    await served.index.delete('a')
  })

  it('that are wrong are told by number and id, with what to do; the others stay', async () => {
    const bytes = Buffer.concat([
      Buffer.from(line('good1')),
      Buffer.from('{"id": "x", \n'),
      Buffer.from('[]\n'),
      Buffer.from(line('untitled').replace('text', 'txt')),
      Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]),
      Buffer.from(line('long', 'a'.repeat(30_000))),
      Buffer.from(`{"id":"deep","text":"a","metadata":${'['.repeat(500)}${']'.repeat(500)}}\n`),
      Buffer.from('{"id":"half","text":"\\ud800","metadata":{"\\udc00":1}}\n'),
      Buffer.from(line('good2')),
      Buffer.from('{"id":"proto","text":"a","metadata":{"__proto__":{"a":1}}}\n'),
      Buffer.from(line('bad-metadata', 'a', { metadata: { a: { $gt: 1 } } })),
      Buffer.from(line('last')),
    ])
    const told = await bulk(bytes)
    const errors = told.filter(({ error, done }) => error && done === undefined)
    expect(errors).toEqual(
      expect.arrayContaining([
        { line: 2, error: { code: 'INVALID_JSON', message: expect.stringMatching(/^Line 2 is not JSON: /) } },
        {
          line: 3,
          error: { code: 'INVALID_REQUEST', message: expect.stringMatching(/^Line 3: it: .*expected object/) },
        },
        {
          line: 4,
          id: 'untitled',
          error: {
            code: 'INVALID_REQUEST',
            message: expect.stringMatching(/^Line 4: .*no field "txt"; did you mean "text"/),
          },
        },
        { line: 5, error: { code: 'INVALID_UTF8', message: 'Line 5 is not UTF-8.' } },
        {
          line: 6,
          error: {
            code: 'LINE_TOO_LARGE',
            message: expect.stringMatching(/^Line 6 is longer than 20000 bytes\. Split/),
          },
        },
        { line: 7, error: { code: 'TOO_DEEP', message: expect.stringMatching(/^Line 7 has more than \d+ levels/) } },
      ]),
    )
    const end = told.at(-1)!
    expect(end).toMatchObject({ done: true, line: 12, failed: errors.length })
    expect(end.accepted! + end.failed!).toBe(12)
    const ids = await served.index.ids()
    expect(ids).toEqual(expect.arrayContaining(['good1', 'good2', 'last']))
    expect(({} as { a?: number }).a).toBeUndefined()
    await served.index.delete(ids.filter((id) => /^(good|last|half|proto|bad)/.test(id)))
  })

  it('that the index refuses are found in a batch of good ones', async () => {
    const bad = new Set(['d17', 'd100', 'd101'])
    let calls = 0
    const { url, index } = await quick({
      upsert: async (ids) => {
        calls++
        const refused = ids.find((id) => bad.has(id))
        if (refused) throw new SerotineError('INVALID_ARGUMENT', `The metadata of document "${refused}" is not JSON.`)
      },
    })
    const told = await bulk(Array.from({ length: 200 }, (_, i) => line(`d${i}`)).join(''), { url })
    const message = (n: number) => `Line ${n + 1}: The metadata of document "d${n}" is not JSON.`
    expect(told.slice(0, -1)).toEqual(
      [17, 100, 101].map((n) => ({
        line: n + 1,
        id: `d${n}`,
        error: { code: 'INVALID_ARGUMENT', message: message(n) },
      })),
    )
    expect(told.at(-1)).toMatchObject({ done: true, line: 200, accepted: 197, failed: 3 })
    expect(await index.count()).toBe(197)
    // In halves, not one by one.
    expect(calls).toBeLessThan(50)
  })

  it('are given up after 100 errors, so that a file of another kind is not read to its end', async () => {
    const told = await bulk(line('first') + 'not JSON\n'.repeat(5_000))
    expect(told.at(-1)).toMatchObject({ done: false, failed: 100, error: { code: 'TOO_MANY_ERRORS' } })
    expect(told).toHaveLength(101)
  })

  it('are not for those who may not write, nor for other routes', async () => {
    const server = createServer({ model: served.model, index: served.index })
    const ask = async (path: string, body: string) =>
      read(
        await server.fetch(
          new Request(`http://localhost${path}`, {
            method: 'POST',
            body,
            headers: { 'Content-Type': 'application/x-ndjson' },
          }),
        ),
      )
    expect(await ask('/v1/documents', line('a'))).toMatchObject({ status: 403, body: { code: 'INDEX_READONLY' } })
    expect(await ask('/v1/search', line('a'))).toMatchObject({ status: 415, body: { code: 'NOT_JSON' } })
    const empty = await fetch(`${served.url}/v1/documents`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
    })
    expect(linesOf(await empty.text()).at(-1)).toMatchObject({ done: expect.any(Boolean), accepted: 0 })
    const packed = await fetch(`${served.url}/v1/documents`, {
      method: 'POST',
      body: 'a',
      headers: { 'Content-Type': 'application/x-ndjson', 'Content-Encoding': 'gzip' },
    })
    expect(linesOf(await packed.text()).at(-1)).toMatchObject({ done: false, error: { code: 'ENCODED_BODY' } })
  })
})

describe('while lines come', () => {
  it('a client is told how far it is, and what is told is kept', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'serotine-bulk-'))
    const { url } = await quick({ folder, upsert: () => wait(200) })
    let sent = 0
    async function* documents() {
      for (; sent < 2_000; sent++) yield line(`d${sent}`)
    }
    const response = await post(documents(), { url })
    let seen = 0
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const [last] = linesOf(text.slice(0, text.lastIndexOf('\n'))).slice(-1)
      if (last!.done !== undefined) break
      seen++
      // Another process finds what was told of.
      const reader = await MultiVectorIndex.open(folder, { readonly: true })
      expect(await reader.count()).toBeGreaterThanOrEqual(last!.accepted!)
      expect(last!.accepted).toBe(last!.line)
      await reader.close()
    }
    expect(seen).toBeGreaterThan(1)
    closing.push(() => rm(folder, { recursive: true, force: true }))
  })

  it('no more is read than can be dealt with', async () => {
    let isOpen: () => void = () => {}
    const gate = new Promise<void>((open) => (isOpen = open))
    const { url } = await quick({ upsert: () => gate })
    let sent = 0
    async function* documents() {
      for (; sent < 20_000; sent++) yield line(`d${sent}`, 'a'.repeat(1_000))
    }
    const answer = post(documents(), { url })
    await wait(1_500)
    const before = sent
    await wait(500)
    // A batch, and what the sockets hold.
    expect(before).toBeLessThan(15_000)
    expect(sent).toBe(before)
    isOpen()
    expect(linesOf(await (await answer).text()).at(-1)).toMatchObject({ done: true, accepted: 20_000 })
  }, 60_000)

  it('many small lines take little memory', async () => {
    const many = process.env.CI ? 20_000 : 100_000
    const { url, index } = await quick()
    async function* documents() {
      for (let i = 0; i < many; i += 100) {
        yield Array.from({ length: 100 }, (_, n) => line(`d${i + n}`, 'a')).join('')
      }
    }
    await bulk(line('warm'), { url })
    globalThis.gc?.()
    const before = process.memoryUsage()
    let most = 0
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 20)
    const told = await bulk(documents(), { url })
    clearInterval(timer)
    expect(told.at(-1)).toMatchObject({ done: true, accepted: many, failed: 0 })
    expect(await index.count()).toBe(many + 1)
    // What is received and not yet dealt with, not the 3 MB of the body and more.
    expect(most - before.arrayBuffers).toBeLessThan(60_000_000)
  }, 120_000)

  it('a client that sends slowly gets its documents kept, and one that stops is told', async () => {
    const { url, index } = await quick({ limits: { receiveMs: 1_500 } })
    async function* documents() {
      for (let i = 0; i < 4; i++) {
        yield line(`d${i}`)
        await wait(1_200)
      }
      yield '{"id": "never'
      await wait(4_000)
      yield ' ended"}\n'
    }
    const response = await post(documents(), { url })
    const text = await response.text()
    const told = linesOf(text)
    expect(told.at(-1)).toMatchObject({
      done: false,
      line: 4,
      accepted: 4,
      error: { code: 'TOO_SLOW', message: expect.stringMatching(/raise limits\.receiveMs/) },
    })
    expect(await index.count()).toBe(4)
  }, 30_000)

  it('a client that goes away keeps what was told, and leaves nothing behind', async () => {
    const { url, port, index } = await quick({ upsert: () => wait(50) })
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    await new Promise<void>((done) => socket.on('connect', () => done()))
    socket.write(
      'POST /v1/documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    for (let i = 0; i < 1_500; i++) {
      const data = line(`d${i}`)
      socket.write(`${data.length.toString(16)}\r\n${data}\r\n`)
    }
    // The last line has no end.
    socket.write('10\r\n{"id":"half","te\r\n')
    await expect.poll(() => /"accepted":(\d+)/.exec(text)?.[1], { timeout: 10_000 }).toBeDefined()
    const accepted = Number(Array.from(text.matchAll(/"accepted":(\d+)/g)).at(-1)![1])
    socket.destroy()
    const underWay = async () =>
      Number(/^serotine_http_requests_in_flight (\d+)/m.exec((await send(`${url}/metrics`)).body)![1])
    await expect.poll(underWay, { timeout: 10_000 }).toBe(1)
    expect(await index.count()).toBeGreaterThanOrEqual(accepted)
    expect(await index.has('half')).toBe(false)
    // And the rest can be sent again.
    const again = await bulk(Array.from({ length: 1_500 }, (_, i) => line(`d${i}`)).join(''), { url })
    expect(again.at(-1)).toMatchObject({ done: true, accepted: 1_500 })
    expect(await index.count()).toBe(1_500)
  }, 30_000)

  it('a client that sends and reads nothing more is given up', async () => {
    const { port, url } = await quick({ limits: { requestMs: 1_500 } })
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise<void>((done) => socket.on('connect', () => done()))
    socket.pause()
    socket.write(
      'POST /v1/documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const data = line('a')
    socket.write(`${data.length.toString(16)}\r\n${data}\r\n`)
    const underWay = async () =>
      Number(/^serotine_http_requests_in_flight (\d+)/m.exec((await send(`${url}/metrics`)).body)![1])
    await expect.poll(underWay, { timeout: 8_000 }).toBe(1)
    socket.destroy()
  }, 20_000)

  it('what fails inside ends the stream with an error that says nothing of it; the log does', async () => {
    const log: { error?: unknown; code?: string }[] = []
    let calls = 0
    const { url, index } = await quick({
      onLog: (entry) => log.push(entry),
      upsert: async () => {
        if (++calls > 1) throw new Error('/srv/secret is full')
      },
    })
    const told = await bulk(Array.from({ length: 600 }, (_, i) => line(`d${i}`)).join(''), { url })
    const end = told.at(-1)!
    expect(end).toMatchObject({ done: false, accepted: 256, line: 256, error: { code: 'INTERNAL' } })
    expect(JSON.stringify(told)).not.toMatch(/secret/)
    expect(log.filter(({ error }) => error)).toEqual([expect.objectContaining({ code: 'INTERNAL', level: 'error' })])
    expect(await index.count()).toBe(256)
  })

  it('a server that ends says how far it got', async () => {
    const index = await MultiVectorIndex.open(undefined, { model: flat() })
    const server = createServer({ index, writable: true })
    const { url } = await server.listen({ port: 0 })
    async function* documents() {
      for (let i = 0; i < 1_000; i++) {
        yield line(`d${i}`)
        await wait(20)
      }
    }
    const response = await post(documents(), { url })
    const text = response.text().catch((error: Error) => error.message)
    await wait(1_500)
    await server.close({ graceMs: 100 })
    const [told] = linesOf(String(await text).replace(/\n[^{][^\n]*$/, '')).slice(-1)
    expect(told).toMatchObject({ done: false, error: { code: 'SHUTTING_DOWN' } })
    expect(await index.count()).toBeGreaterThanOrEqual(told!.accepted!)
    await index.close()
  }, 20_000)
})

it('a body that is not of lines still has to come in time', async () => {
  const socket = connect(served.port, '127.0.0.1')
  let text = ''
  socket
    .setEncoding('latin1')
    .on('data', (chunk: string) => (text += chunk))
    .on('error', () => {})
  const closed = new Promise((done) => socket.on('close', done))
  socket.write(
    'POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
  )
  const timer = setInterval(() => socket.write(' '), 300)
  await closed
  clearInterval(timer)
  expect(text).toMatch(/^(HTTP\/1\.1 408 |$)/)
}, 10_000)
