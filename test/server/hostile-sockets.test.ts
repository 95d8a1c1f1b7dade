// Clients that speak HTTP as nobody should, or do not listen to what they asked for.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createServer } from '../../packages/server/src/index.js'
import type { LogEntry, SerotineServer } from '../../packages/server/src/index.js'
import { FakeEncoder } from '../support/fake-encoder.js'
import { send } from './serve.js'

/** Reads the beginning of a text only: what is tested is what becomes of the answer. */
class QuickEncoder extends FakeEncoder {
  override encodeDocuments(texts: readonly string[], options = {}) {
    return super.encodeDocuments(
      texts.map((text) => text.slice(0, 100)),
      options,
    )
  }
}

let server: SerotineServer
let log: LogEntry[]
let port: number
let url: string
const sockets: Socket[] = []
beforeEach(async () => {
  log = []
  server = createServer({
    model: new QuickEncoder(),
    limits: {
      bodyBytes: 20_000_000,
      totalBodyBytes: 30_000_000,
      documentCharacters: 1_500_000,
      requestMs: 5_000,
      receiveMs: 3_000,
    },
    onLog: (entry) => log.push(entry),
  })
  ;({ port, url } = await server.listen({ port: 0 }))
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close({ graceMs: 500 })
  // oxlint-disable-next-line vitest/no-standalone-expect -- of every test: nothing failed inside the server
  expect(log.filter(({ error }) => error !== undefined)).toEqual([])
})

async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  sockets.push(socket)
  await new Promise<void>((done) => socket.on('connect', () => done()))
  return socket
}
/** What comes back until the server closes the connection, or for so long. */
async function said(socket: Socket, ms = 1_500): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  await Promise.race([new Promise((done) => socket.on('close', done)), sleep(ms)])
  return text
}
const rerank = (body: string) =>
  `POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const small = { query: 'a', documents: ['a'] }
const isWell = async () => expect((await send(`${url}/v1/rerank`, small)).status).toBe(200)

describe('answers that nobody reads', () => {
  it('are kept up to a limit; then requests are told to come back, and in time the silent ones are cut off', async () => {
    const large = rerank(
      JSON.stringify({
        ...small,
        documents: Array.from({ length: 10 }, (_, i) => `${i}`.repeat(1_400_000)),
        return_documents: true,
      }),
    )
    const before = process.memoryUsage.rss()
    let refused = 0
    for (let i = 0; i < 20 && refused === 0; i++) {
      const socket = await open()
      socket.pause()
      const answered = log.length
      socket.write(large)
      while (log.length === answered) await sleep(20)
      await sleep(50)
      const { status, headers } = await send(`${url}/v1/rerank`, small)
      if (status !== 429) continue
      refused++
      expect(headers.get('retry-after')).toBe('1')
    }
    expect(refused).toBe(1)
    expect(process.memoryUsage.rss() - before).toBeLessThan(500_000_000)
    // Five seconds to answer and three to send, without a sign of life.
    const end = Date.now() + 30_000
    while ((await send(`${url}/v1/rerank`, small)).status !== 200) {
      if (Date.now() > end) throw new Error('The server keeps answers that nobody reads.')
      await sleep(100)
    }
  })
})

describe('requests that are none', () => {
  it.each([
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TRACE', 'TRACE / HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\nConnection: close\r\n\r\n'],
    ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'],
    [
      'an absolute address',
      'GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    ],
    [
      'a host with a name before it',
      'GET /v1/indexes HTTP/1.1\r\nHost: user@evil.example\r\nConnection: close\r\n\r\n',
    ],
    [
      'a host that begins like ours',
      'GET /v1/indexes HTTP/1.1\r\nHost: localhost.evil.example\r\nConnection: close\r\n\r\n',
    ],
    ['an address of ours as a number', 'GET /v1/indexes HTTP/1.1\r\nHost: 2130706433\r\nConnection: close\r\n\r\n'],
    ['a space in the path', 'GET /v1/ indexes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
    ['a header on two lines', 'GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\nX-B\r\n\r\n'],
    ['a length that is none', 'POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    ['two lengths', 'POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na'],
  ])('%s gets an error or nothing', async (_, text) => {
    const socket = await open()
    socket.write(text)
    expect(await said(socket)).toMatch(/^(HTTP\/1\.1 (400|403|404|405|408) |$)/)
    await isWell()
  })

  it('an upgrade to another protocol is not made', async () => {
    const socket = await open()
    socket.write(
      'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n',
    )
    expect(await said(socket)).not.toMatch(/ 101 /)
    await isWell()
  })

  it('many on one connection, without waiting for an answer, are answered in their order', async () => {
    const socket = await open()
    const last = rerank(JSON.stringify(small)).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')
    socket.write(rerank(JSON.stringify(small)).repeat(300) + last)
    const statuses = (await said(socket, 10_000)).match(/HTTP\/1\.1 \d+/g) ?? []
    expect(statuses).toHaveLength(301)
    for (const status of statuses) expect(status).toMatch(/ (200|429)$/)
    await isWell()
  })

  it('a client that asks whether it may go on is told so, and one that then sends nothing is cut off', async () => {
    const socket = await open()
    socket.write(
      'POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 30\r\nExpect: 100-continue\r\n\r\n',
    )
    expect(await said(socket, 9_000)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\n(HTTP\/1\.1 408 |$)/)
    expect(socket.destroyed).toBe(true)
    await isWell()
  })
})

it('HTML of a document is text of an answer, and nothing that a browser would run', async () => {
  const html = '<script>alert(1)</script><img src=x onerror=alert(1)>'
  const answer = await fetch(`${url}/v1/rerank`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/html' },
    body: JSON.stringify({ query: html, documents: [html], return_documents: true }),
  })
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  expect(((await answer.json()) as { results: { document: { text: string } }[] }).results[0]!.document.text).toBe(html)
  const missing = await fetch(`${url}/<script>alert(1)</script>`, { headers: { Accept: 'text/html' } })
  expect([missing.status, missing.headers.get('content-type')]).toEqual([
    404,
    expect.stringMatching(/^application\/json/),
  ])
})
