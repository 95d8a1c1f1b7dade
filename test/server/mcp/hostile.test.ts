// Hostile calls of tools: they are refused clearly, lead to no file, and the server goes on.
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../../packages/server/src/index.js'
import { FLIGHTLESS } from '../../contract/birds.js'
import { send, serve } from '../serve.js'
import type { Served } from '../serve.js'
import { overHttp } from './clients.js'
import type { McpClient } from './clients.js'

let served: Served
let client: McpClient
beforeAll(async () => {
  served = await serve()
  client = await overHttp('2025', `${served.url}/mcp`)
})
afterAll(async () => {
  await client?.close()
  await served?.close()
})
// Whatever came before: the server answers as ever, and nothing failed inside.
// oxlint-disable vitest/no-standalone-expect
afterEach(async () => {
  const { structuredContent } = await client.callTool({ name: 'search', arguments: { query: FLIGHTLESS, limit: 1 } })
  expect(structuredContent.hits).toHaveLength(1)
  expect(served.log.filter(({ error }) => error !== undefined)).toEqual([])
})

const headers = { Accept: 'application/json, text/event-stream' }
const post = (body: unknown, more: Record<string, string> = {}) =>
  send(`${served.url}/mcp`, body, { headers: { ...headers, ...more } })

describe('arguments', () => {
  it.each([
    ['search', {}, /INVALID_REQUEST: The arguments of search: query: /],
    ['search', { query: ' ' }, /query: it must be a text with at least one word/],
    ['search', { query: 'a'.repeat(1_000_000) }, /query: it is longer than 10000 characters; ask a shorter question/],
    [
      'search',
      { query: 'a', index: 'nowhere' },
      /INDEX_NOT_FOUND: The server has no index "nowhere"\. There are: default\./,
    ],
    ['search', { query: 'a', index: '../../etc' }, /INDEX_NOT_FOUND: /],
    ['search', { query: 'a', index: '__proto__' }, /INDEX_NOT_FOUND: /],
    ['search', { query: 'a', limit: 1e9 }, /limit: Too big: expected number to be <=50/],
    ['search', { query: 'a', qurey: 'b' }, /there is no field "qurey"; did you mean "query"\?/],
    ['search', { query: 'a', where: { year: { near: 1 } } }, /UNKNOWN_OPTION: where\.year has no option "near"/],
    ['search', { query: 'a', where: { year: { gte: {} } } }, /INVALID_ARGUMENT: /],
    ['search', { query: 'a', where: 'lang=en' }, /where: Invalid input: expected object, received string/],
    ['search', { query: 'a', where: { and: {} } }, /INVALID_ARGUMENT: /],
    ['get_document', { id: '' }, /INVALID_REQUEST: /],
    ['get_document', { id: '../../../../etc/passwd' }, /DOCUMENT_NOT_FOUND: .*Take an id from the hits of search/],
    ['get_document', { id: 'manifest.json' }, /DOCUMENT_NOT_FOUND: /],
    ['get_document', { id: '\0' }, /DOCUMENT_NOT_FOUND: /],
    ['get_document', { id: 'kiwi', offset: -1 }, /offset: Too small/],
    ['rerank', { query: 'a', documents: [] }, /documents: give at least one/],
    [
      'rerank',
      { query: 'a', documents: Array(1_001).fill('a') },
      /documents: there are more than 1000; send fewer at once/,
    ],
    ['list_indexes', { a: 1 }, /there is no field "a"/],
  ] as const)('%s with %j is an error that says why', async (name, args, message) => {
    const { isError, content, structuredContent } = await client.callTool({ name, arguments: args as never })
    expect([isError, structuredContent]).toEqual([true, undefined])
    expect(content[0]!.text).toMatch(message)
    expect(content[0]!.text.length).toBeLessThan(1_000)
    expect(content[0]!.text).not.toMatch(/root:|node_modules|at .*\(|\.ts:/)
  })

  it('of a tool that there is not are an error of the protocol', async () => {
    for (const name of ['index_folder', 'constructor', '__proto__', 'serch']) {
      const { body } = await post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } })
      expect(body).toMatch(/-32602/)
    }
  })

  it('may be any Unicode', async () => {
    for (const query of [
      '\ud800',
      '\u0000',
      '\u202e\u200f',
      '🐧'.repeat(1_000),
      'a\u0301'.repeat(1_000),
      '<script>alert(1)</script>',
    ]) {
      const { isError } = await client.callTool({ name: 'search', arguments: { query } })
      expect(isError).toBeFalsy()
    }
  })
})

it('a document is given in parts, none of which is outside of it', async () => {
  const part = await client.callTool({ name: 'get_document', arguments: { id: 'kiwi', offset: 4, max_characters: 4 } })
  expect(part.structuredContent).toMatchObject({ text: 'kiwi', next_offset: 8, characters: 69 })
  expect(part.content[0]!.text).toMatch(/^kiwi\nkiwi\n… 61 more characters from offset 8$/)
  const beyond = await client.callTool({ name: 'get_document', arguments: { id: 'kiwi', offset: 1e6 } })
  expect(beyond.structuredContent).toMatchObject({ text: '', characters: 69 })
  expect(beyond.structuredContent.next_offset).toBeUndefined()
})

describe('resources', () => {
  it.each([
    'serotine://default/..%2f..%2f..%2fetc%2fpasswd',
    'serotine://default/../../etc/passwd',
    'serotine://../etc/passwd',
    'serotine://default//etc/passwd',
    'serotine://default/%00',
    'serotine://nowhere/kiwi',
    'serotine://kiwi',
    'file:///etc/passwd',
    'serotine://default/%ff',
    'serotine://default/kiwi?x=1',
    'serotine://default/kiwi#x',
    'not a uri',
    `serotine://default/${'a'.repeat(50_000)}`,
    `serotine://default/${'%2e%2e%2f'.repeat(1_000)}`,
  ])('%s is nothing', async (uri) => {
    await expect(client.readResource({ uri })).rejects.toThrow(/MCP error -32(602|002|603)/)
    await expect(client.readResource({ uri })).rejects.not.toThrow(/root:|INTERNAL|node_modules/)
  })

  it('are reached whatever their ids hold', async () => {
    for (const id of ['a/b', 'docs/birds/kiwi.md#1', 'a b?c=d&e', '%41', 'ü/🐧', '..', '../x', 'a\\b']) {
      await served.index.upsert([{ id, text: `Text of ${id}.` }])
      if (id !== '..') {
        const uri = `serotine://default/${encodeURIComponent(id)}`
        const { contents } = await client.readResource({ uri })
        expect(contents[0]!.text).toBe(`Text of ${id}.`)
      }
      const { structuredContent } = await client.callTool({ name: 'get_document', arguments: { id } })
      expect(structuredContent.text).toBe(`Text of ${id}.`)
      await served.index.delete(id)
    }
  })
})

describe('the protocol', () => {
  const initialize = (protocolVersion: unknown) => ({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion, capabilities: {}, clientInfo: { name: 'a', version: '1' } },
  })

  it('of another revision: the server names one that it speaks', async () => {
    for (const version of ['2024-11-05', '2025-03-26', '2025-06-18']) {
      expect((await post(initialize(version))).body).toContain(`"protocolVersion":"${version}"`)
    }
    expect((await post(initialize('1999-01-01'))).body).toMatch(/"protocolVersion":"202\d-/)
    expect((await post(initialize(7))).body).toMatch(/"error"/)
    const header = await post({ jsonrpc: '2.0', id: 1, method: 'tools/list' }, { 'MCP-Protocol-Version': '1999-01-01' })
    expect([header.status, JSON.stringify(header.body)]).toEqual([
      400,
      expect.stringMatching(/nsupported protocol version/),
    ])
  })

  it.each([
    ['{', 400],
    ['null', 400],
    ['"a"', 400],
    ['7', 400],
    ['[]', 400],
    ['{}', 400],
    ['{"jsonrpc":"1.0","id":1,"method":"tools/list"}', 400],
    ['{"jsonrpc":"2.0","id":{},"method":"tools/list"}', 400],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call"}', 200],
    ['{"jsonrpc":"2.0","id":1,"method":"no/such"}', 200],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', 202],
    ['{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}', 202],
    [`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${'['.repeat(1_000)}${']'.repeat(1_000)}}`, 400],
  ])('%s is answered, and nothing fails', async (body, status) => {
    expect((await post(body)).status).toBe(status)
  })

  it('a client that does not take what is sent is told so', async () => {
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    const { status, body } = await send(`${served.url}/mcp`, list, { headers: { Accept: 'text/html' } })
    expect([status, JSON.stringify(body)]).toEqual([406, expect.stringMatching(/Not Acceptable/)])
  })
})

it('200 calls at once are answered, each by its own hits', async () => {
  const queries = Array.from({ length: 200 }, (_, i) =>
    i % 2 === 0 ? 'flightless birds of New Zealand' : 'a train to Bern',
  )
  const answers = await Promise.all(
    queries
      .map((query) => client.callTool({ name: 'search', arguments: { query, limit: 1 } }))
      .map((answer) => answer.catch((error: Error) => error)),
  )
  let [found, busy] = [0, 0]
  for (const [i, answer] of answers.entries()) {
    if (answer instanceof Error) {
      expect(answer.message).toMatch(/TOO_MANY_REQUESTS/)
      busy++
    } else {
      expect(answer.structuredContent.hits[0].id).toBe(i % 2 === 0 ? 'kiwi' : 'zug')
      found++
    }
  }
  // As many as the server takes at once, at least.
  expect(found).toBeGreaterThanOrEqual(100)
  expect(found + busy).toBe(200)
})

describe('a client that vanishes', () => {
  it('leaves nothing behind, however often', async () => {
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: 'rerank',
        arguments: {
          query: 'a',
          documents: Array.from({ length: 500 }, (_, i) => `A text about bird ${i} and what it does.`),
        },
      },
    })
    for (let i = 0; i < 20; i++) {
      const socket = connect(served.port, '127.0.0.1')
      socket.on('error', () => {})
      await new Promise<void>((done) => socket.on('connect', () => done()))
      socket.write(
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      await new Promise((next) => setTimeout(next, 5))
      socket.destroy()
    }
    // What was given up is not worked on to its end: nothing is under way soon.
    const underWay = async () =>
      Number(/^serotine_http_requests_in_flight (\d+)/m.exec((await send(`${served.url}/metrics`)).body)![1])
    await expect.poll(underWay, { timeout: 10_000 }).toBe(1)
  })

  it('does not hold up the end of the server, nor does one that never reads', async () => {
    const slow = {
      ...served.index,
      searchDetailed: () => new Promise(() => {}),
      stats: () => served.index.stats(),
    } as never
    const server = createServer({ model: served.model, index: slow, limits: { requestMs: 300 } })
    const { url, port } = await server.listen({ port: 0 })
    const call = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'search', arguments: { query: 'a' } },
    })
    const timedOut = await send(`${url}/mcp`, call, { headers })
    expect(timedOut.body).toMatch(/TIMEOUT: The answer took longer than 300 ms/)
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise<void>((done) => socket.on('connect', () => done()))
    socket.pause()
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${call.length}\r\n\r\n${call}`,
    )
    await new Promise((next) => setTimeout(next, 50))
    const started = performance.now()
    await server.close({ graceMs: 200 })
    expect(performance.now() - started).toBeLessThan(5_000)
    socket.destroy()
  })
})
