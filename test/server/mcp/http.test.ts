// The Model Context Protocol at /mcp of a running server, by the SDK's own clients.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index.js'
import { createServer } from '../../../packages/server/src/index.js'
import { FLIGHTLESS } from '../../contract/birds.js'
import { birds, send, sendRaw, serve } from '../serve.js'
import type { Served } from '../serve.js'
import { ERAS, overHttp } from './clients.js'
import type { McpClient } from './clients.js'

let served: Served
beforeAll(async () => {
  served = await serve()
})
afterAll(() => served?.close())

describe.each(ERAS)('a client of %s', (era) => {
  let client: McpClient
  beforeAll(async () => {
    client = await overHttp(era, `${served.url}/mcp`)
  })
  afterAll(() => client?.close())

  it('is told what there is', async () => {
    expect(client.getServerVersion()).toMatchObject({ name: 'serotine' })
    expect(client.getInstructions()).toMatch(/never instructions to you/)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['search', 'get_document', 'list_indexes', 'rerank'])
    for (const { annotations, outputSchema } of tools) {
      expect(annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false, openWorldHint: false })
      expect(outputSchema).toMatchObject({ type: 'object' })
    }
    // Read by a model in every conversation.
    expect(JSON.stringify(tools).length).toBeLessThan(6_000)
    expect(JSON.stringify(tools)).not.toMatch(/9007199254740991|\$schema/)
  })

  it('searches: a few hits, as text and as data', async () => {
    const { content, structuredContent, isError } = await client.callTool({
      name: 'search',
      arguments: { query: FLIGHTLESS },
    })
    expect(isError).toBeFalsy()
    expect(structuredContent.index).toBe('default')
    expect(structuredContent.hits).toHaveLength(5)
    expect(
      structuredContent.hits
        .slice(0, 2)
        .map(({ id }: { id: string }) => id)
        .sort(),
    ).toEqual(['emu', 'kiwi'])
    expect(Object.keys(structuredContent.hits[0])).toEqual(['rank', 'id', 'citation', 'score', 'text', 'is_excerpt'])
    expect(content).toHaveLength(1)
    expect(content[0]!.text).toMatch(/^1\. (kiwi|emu) · score 0\.\d+\n/)
  })

  it('searches with a filter, words and a limit', async () => {
    const answer = await client.callTool({
      name: 'search',
      arguments: { query: 'HTTP_PROXY', where: { year: { gte: 2019 } }, hybrid: true, limit: 1 },
    })
    expect(answer.structuredContent.hits.map(({ id }: { id: string }) => id)).toEqual(['proxy'])
    const none = await client.callTool({ name: 'search', arguments: { query: 'kiwi', where: { lang: 'xx' } } })
    expect(none.structuredContent.hits).toEqual([])
    expect(none.content[0]!.text).toMatch(/Nothing found for "kiwi"\. No document fits `where`/)
  })

  it('gets documents, lists indexes and ranks texts', async () => {
    const document = await client.callTool({ name: 'get_document', arguments: { id: 'kiwi' } })
    expect(document.structuredContent).toMatchObject({
      index: 'default',
      id: 'kiwi',
      citation: 'kiwi',
      metadata: { lang: 'en', year: 1813 },
    })
    const { structuredContent } = await client.callTool({ name: 'list_indexes' })
    expect(structuredContent.indexes).toEqual([
      { name: 'default', documents: 10, model: served.model.name, fields: ['lang', 'year'] },
    ])
    const ranked = await client.callTool({
      name: 'rerank',
      arguments: { query: FLIGHTLESS, documents: ['Terns migrate.', 'Kiwis cannot fly.'], top_n: 1 },
    })
    expect(ranked.structuredContent.results).toEqual([{ index: 1, relevance_score: expect.any(Number) }])
    expect(ranked.content[0]!.text).toMatch(/^\[1\] 0\.\d+ Kiwis cannot fly\.$/)
  })

  it('reads resources', async () => {
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual(['serotine://indexes'])
    const { resourceTemplates } = await client.listResourceTemplates()
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['serotine://{index}/{+id}'])
    const [list] = (await client.readResource({ uri: 'serotine://indexes' })).contents
    expect(JSON.parse(list!.text!).indexes[0].name).toBe('default')
    const [kiwi] = (await client.readResource({ uri: 'serotine://default/kiwi' })).contents
    expect(kiwi).toMatchObject({ mimeType: 'text/plain', text: expect.stringContaining('flightless') })
    const completed = await client.complete({
      ref: { type: 'ref/resource', uri: 'serotine://{index}/{+id}' },
      argument: { name: 'index', value: 'de' },
    })
    expect(completed.completion.values).toEqual(['default'])
  })
})

describe('/mcp is guarded as the rest is', () => {
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const headers = { Accept: 'application/json, text/event-stream' }

  it('by Host, Origin, content type, size and UTF-8', async () => {
    const url = `${served.url}/mcp`
    expect((await sendRaw(served.port, '/mcp', { Host: 'evil.example' })).status).toBe(403)
    const origin = await send(url, list, { headers: { ...headers, Origin: 'https://evil.example' } })
    expect([origin.status, origin.body.code]).toEqual([403, 'ORIGIN_NOT_ALLOWED'])
    const text = await send(url, JSON.stringify(list), { headers: { ...headers, 'Content-Type': 'text/plain' } })
    expect([text.status, text.body.code]).toEqual([415, 'NOT_JSON'])
    const large = await send(url, { ...list, params: { a: 'a'.repeat(10_000_001) } }, { headers })
    expect([large.status, large.body.code]).toEqual([413, 'BODY_TOO_LARGE'])
    const bytes = await send(url, Buffer.from([0x22, 0xff, 0x22]), { headers })
    expect([bytes.status, bytes.body.code]).toEqual([400, 'INVALID_UTF8'])
  })

  it('has no sessions: there is nothing to get or to delete', async () => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await send(`${served.url}/mcp`, undefined, { method, headers: { Accept: 'text/event-stream' } })
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
    }
  })

  it('by the token', async () => {
    const server = createServer({ model: served.model, index: served.index, token: 'secret' })
    const { url } = await server.listen({ port: 0 })
    expect((await send(`${url}/mcp`, list, { headers })).status).toBe(401)
    for (const era of ERAS) {
      await expect(overHttp(era, `${url}/mcp`)).rejects.toThrow(/401|nauthorized|no token/)
      const client = await overHttp(era, `${url}/mcp`, { Authorization: 'Bearer secret' })
      expect((await client.listTools()).tools).toHaveLength(4)
      await client.close()
    }
    await server.close()
  })

  it('by limits: a query that is too long, more calls than there is room for', async () => {
    const server = createServer({
      model: served.model,
      index: served.index,
      limits: { queryCharacters: 20, hits: 2, concurrentRequests: 2 },
    })
    const { url } = await server.listen({ port: 0 })
    const client = await overHttp('2025', `${url}/mcp`)
    const long = await client.callTool({ name: 'search', arguments: { query: 'a'.repeat(21) } })
    expect(long.content[0]!.text).toMatch(/longer than 20 characters; ask a shorter question/)
    const many = await client.callTool({ name: 'search', arguments: { query: 'kiwi', limit: 3 } })
    expect(many).toMatchObject({ isError: true })
    expect(
      (await client.callTool({ name: 'search', arguments: { query: 'kiwi' } })).structuredContent.hits,
    ).toHaveLength(2)
    const call = (id: number) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'search', arguments: { query: 'kiwi' } },
    })
    // Older revisions let a request hold several calls.
    const batch = await send(
      `${url}/mcp`,
      Array.from({ length: 20 }, (_, id) => call(id)),
      { headers },
    )
    const busy = batch.body.match(/TOO_MANY_REQUESTS/g)
    expect([batch.status, busy?.length]).toEqual([200, 18])
    await client.close()
    await server.close()
  })
})

it('says nothing of what fails inside, which is in the log', async () => {
  const log: { level: string; tool?: string; error?: unknown; requestId?: string }[] = []
  const broken = {
    ...served.index,
    searchDetailed: () => Promise.reject(new Error('/srv/secret/path is gone')),
    stats: () => served.index.stats(),
    get: () => Promise.reject(new Error('/srv/secret/path is gone')),
  } as never
  const server = createServer({ model: served.model, index: broken, onLog: (entry) => log.push(entry) })
  const { url } = await server.listen({ port: 0 })
  const client = await overHttp('2026', `${url}/mcp`)
  const { isError, content } = await client.callTool({ name: 'search', arguments: { query: 'kiwi' } })
  expect([isError, content[0]!.text]).toEqual([
    true,
    expect.stringMatching(/^INTERNAL: The server failed\. Its log says why/),
  ])
  const [entry] = log.filter(({ tool }) => tool === 'search')
  expect(entry).toMatchObject({ level: 'error', error: expect.any(Error) })
  expect(content[0]!.text).toContain(entry!.requestId)
  const read = client.readResource({ uri: 'serotine://default/kiwi' })
  await expect(read).rejects.toThrow(/INTERNAL: The server failed/)
  await expect(read).rejects.not.toThrow(/secret/)
  await client.close()
  await server.close()
})

it('answers in an app, below a path', async () => {
  const model = served.model
  const index = await birds(model)
  const server = createServer({
    model,
    indexes: { birds: index, empty: await MultiVectorIndex.open(undefined, { model }) },
    basePath: '/api',
  })
  const response = await server.fetch(
    new Request('http://localhost/api/mcp', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list_indexes' } }),
    }),
  )
  expect(await response.text()).toMatch(/birds: 10 documents[\s\S]*empty: 0 documents/)
  await server.close()
})
