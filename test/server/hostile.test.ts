// A running server under hostile input: it refuses clearly, stays up, and its memory stays bounded.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { read, send, sendRaw, serve } from './serve.js'
import type { Served } from './serve.js'

let served: Served
beforeAll(async () => {
  served = await serve({
    writable: true,
    limits: { bodyBytes: 1_000_000, receiveMs: 1_000, concurrentRequests: 64, connections: 400 },
  })
})
afterAll(() => served?.close())
// Whatever came before: the server answers as ever.
// oxlint-disable vitest/no-standalone-expect
afterEach(async () => {
  const { status, body } = await send(`${served.url}/v1/rerank`, {
    query: FLIGHTLESS,
    documents: BIRDS.map(({ text }) => text),
  })
  expect([status, body.results?.length]).toEqual([200, BIRDS.length])
  expect(served.log.filter(({ error }) => error !== undefined)).toEqual([])
})

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send(`${served.url}${path}`, body, { method: 'POST', headers })

/** Opens a socket, writes to it, and gives what came back when the server has closed it. */
async function talk(write: (socket: Socket) => void | Promise<void>, most = 15_000): Promise<string> {
  const socket = connect(served.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => {})
  const closed = new Promise<void>((done) => socket.on('close', () => done()))
  await new Promise<void>((done) => socket.on('connect', () => done()))
  await write(socket)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The server left the connection open. It said: ${text}`)), most)
  })
  try {
    await Promise.race([closed, late])
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
  return text
}
const head = (length: number | 'chunked', path = '/v1/rerank') =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
  (length === 'chunked' ? 'Transfer-Encoding: chunked\r\n\r\n' : `Content-Length: ${length}\r\n\r\n`)

describe('paths', () => {
  it.each([
    '/../../etc/passwd',
    '/v1/../../etc/passwd',
    '/v1/documents/..%2f..%2fetc%2fpasswd',
    '/v1/documents/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '/v1/documents/....//....//etc/passwd',
    '/v1/documents/%00',
    '/v1/documents/%ff%fe',
    '/v1/documents/%',
    '/v1/documents/a?index=..%2f..',
    '/v1/indexes/..%5c..%5cwindows',
    '//etc/passwd',
    `/${'a/'.repeat(3_000)}`,
  ])('%s leads nowhere', async (path) => {
    const { status, body } = await sendRaw(served.port, path, { Host: 'localhost' })
    expect([400, 404]).toContain(status)
    expect(body).not.toMatch(/root:|node_modules|at .*\(|\.ts:/)
  })
})

describe('bodies', () => {
  it('of 100 MB are refused before they are read', async () => {
    const before = process.memoryUsage.rss()
    const chunk = Buffer.alloc(1_000_000, 97)
    const push = async (socket: Socket, chunked: boolean) => {
      for (let i = 0; i < 100 && !socket.destroyed && socket.writable; i++) {
        if (chunked) socket.write(`${chunk.length.toString(16)}\r\n`)
        const isRoom = socket.write(chunk)
        if (chunked) socket.write('\r\n')
        if (!isRoom)
          await new Promise((next) => (socket.once('drain', next), socket.once('close', next), setTimeout(next, 2_000)))
      }
    }
    for (const length of [100_000_000, 'chunked'] as const) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          talk((socket) => {
            socket.write(head(length))
            void push(socket, length === 'chunked')
          }),
        ),
      )
      // A client that is still writing may be cut off before it has read the answer.
      const told = answers.filter((answer) => answer !== '')
      for (const answer of told) expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*BODY_TOO_LARGE/)
      if (length === 100_000_000) expect(told.length).toBeGreaterThan(0)
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(300_000_000)
  })

  it.each([
    ['', 'INVALID_JSON', 400],
    ['{', 'INVALID_JSON', 400],
    ['{"query": undefined}', 'INVALID_JSON', 400],
    ['NaN', 'INVALID_JSON', 400],
    ['null', 'INVALID_REQUEST', 400],
    ['[]', 'INVALID_REQUEST', 400],
    ['"text"', 'INVALID_REQUEST', 400],
    ['{"query":"a","documents":{"length":1e9}}', 'INVALID_REQUEST', 400],
    ['{"query":{"toString":1},"documents":["a"]}', 'INVALID_REQUEST', 400],
    [`{"query":"a","documents":["a"],"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'TOO_DEEP', 400],
    [`{"a":`.repeat(100_000) + '1' + '}'.repeat(100_000), 'TOO_DEEP', 400],
    [Buffer.from([0x22, 0xff, 0xfe, 0x22]), 'INVALID_UTF8', 400],
    [Buffer.from([0x22, 0xc3]), 'INVALID_UTF8', 400],
    [Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'INVALID_UTF8', 400],
  ])('%#: that are not right are refused', async (body, code, status) => {
    for (const path of ['/v1/rerank', '/rerank', '/v1/search', '/v1/documents', '/v1/documents/delete']) {
      const answer = await post(path, body)
      expect([answer.status, answer.body.code], path).toEqual([status, code])
      expect(JSON.stringify(answer.body)).not.toMatch(/at .*\(|node_modules/)
      expect(answer.body.message.length).toBeLessThan(600)
    }
  })

  it('are JSON and nothing else: a form of another page is not taken', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=a',
      'application/jsonp',
    ]) {
      expect(await post('/v1/search', '{"query":"a"}', { 'Content-Type': type })).toMatchObject({
        status: 415,
        body: { code: 'NOT_JSON' },
      })
    }
    expect(
      (await post('/v1/search', '{"query":"a"}', { 'Content-Type': 'application/json; charset=utf-8' })).status,
    ).toBe(200)
    expect(await post('/v1/search', '{}', { 'Content-Encoding': 'gzip' })).toMatchObject({
      status: 415,
      body: { code: 'ENCODED_BODY' },
    })
  })

  it('with strange Unicode are texts like any other', async () => {
    const strange = [
      '\ud800',
      '\udfff\ud800',
      '\u0000',
      '\u202e\u200b',
      '👩‍👩‍👧‍👦'.repeat(50),
      'a\u0301'.repeat(999),
      '<script>alert(1)</script>',
      '',
      ' ',
    ]
    const query = '\ud800 <b>&amp;</b> \u0000'
    const { status, body } = await post('/v1/rerank', { query, documents: strange, return_documents: true })
    expect([status, body.results.length]).toEqual([200, strange.length])
    for (const { index, document, relevance_score: score } of body.results) {
      expect(document.text).toBe(strange[index])
      expect(score >= 0 && score <= 1).toBe(true)
    }
    const documents = strange.map((text, i) => ({ id: `strange ${i}`, text, metadata: { text } }))
    expect((await post('/v1/documents', { documents })).body.added).toBe(strange.length)
    const found = await send(`${served.url}/v1/documents/${encodeURIComponent('strange 0')}`)
    expect(found.body.metadata.text).toBe('\ud800')
    expect((await post('/v1/search', { query })).status).toBe(200)
    await post('/v1/documents/delete', { ids: documents.map(({ id }) => id) })
  })
})

describe('clients that are slow or gone', () => {
  it('are cut off while they send headers', async () => {
    const text = await talk(async (socket) => {
      socket.write('POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\n')
      const drip = setInterval(() => socket.write('X-A: b\r\n'), 100)
      socket.on('close', () => clearInterval(drip))
    })
    expect(text).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  it('are cut off while they send a body', async () => {
    const text = await talk(async (socket) => {
      socket.write(head(1000))
      const drip = setInterval(() => socket.write('a'), 100)
      socket.on('close', () => clearInterval(drip))
    })
    expect(text).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  it('do not keep their places: 64 that stop in the middle of a body', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 64 }, () => talk((socket) => void socket.write(`${head(1000)}{"query":`))),
    )
    expect(sockets).toHaveLength(64)
  })

  it('may close their half of the connection, or all of it, at any time', async () => {
    const body = JSON.stringify({ query: 'a', documents: ['a'] })
    const answer = await talk((socket) => void socket.end(`${head(Buffer.byteLength(body))}${body}`))
    expect(answer).toMatch(/^(HTTP\/1\.1 200 |$)/)
    await talk((socket) => void socket.end(`${head(1000)}{`))
    await talk((socket) => void socket.end(head('chunked')))
    await talk((socket) => void socket.end())
    for (const text of ['', 'P', head(10), `${head(Buffer.byteLength(body))}${body}`]) {
      await talk((socket) => {
        socket.write(text)
        socket.resetAndDestroy()
      })
    }
  })
})

describe('headers', () => {
  it('are refused in floods, and when they are no HTTP', async () => {
    expect(
      await talk(
        (socket) =>
          void socket.write(`GET /health HTTP/1.1\r\nHost: localhost\r\n${'X-A: bcdefgh\r\n'.repeat(20_000)}\r\n`),
      ),
    ).toMatch(/^(HTTP\/1\.1 431 |$)/)
    expect(
      await talk(
        (socket) =>
          void socket.write(`GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(1_000_000)}\r\n\r\n`),
      ),
    ).toMatch(/^(HTTP\/1\.1 431 |$)/)
    for (const text of [
      'hello\r\n\r\n',
      '\x16\x03\x01\x02\x00',
      'GET /health HTTP/1.1\r\n\r\n',
      'GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n',
      `${head(5)}`.replace('Content-Length: 5', 'Content-Length: 5\r\nTransfer-Encoding: chunked') + '0\r\n\r\n',
      `${head('chunked')}zz\r\n`,
    ]) {
      expect(await talk((socket) => void socket.write(text)), JSON.stringify(text)).toMatch(
        /^(HTTP\/1\.1 (400|403|408) |$)/,
      )
    }
  })
})

describe('many at once', () => {
  it('200 parallel requests are answered or told to come back', async () => {
    const texts = BIRDS.map(({ text }) => text)
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => post('/v1/rerank', { query: FLIGHTLESS, documents: [...texts, `${i}`] })),
    )
    const statuses = answers.map(({ status }) => status)
    expect(new Set(statuses.filter((status) => status !== 429))).toEqual(new Set([200]))
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(64)
    for (const { headers, status } of answers) if (status === 429) expect(headers.get('retry-after')).toBe('1')
  })

  it('more connections than the limit are closed, and those that end make room', async () => {
    const sockets: Socket[] = []
    for (let i = 0; i < 500; i++) sockets.push(connect(served.port, '127.0.0.1').on('error', () => {}))
    await new Promise((next) => setTimeout(next, 500))
    expect(
      sockets.filter(({ destroyed, readyState }) => !destroyed && readyState === 'open').length,
    ).toBeLessThanOrEqual(400)
    for (const socket of sockets) socket.destroy()
    await new Promise((next) => setTimeout(next, 100))
    expect((await read(await fetch(`${served.url}/health`))).status).toBe(200)
  })
})
