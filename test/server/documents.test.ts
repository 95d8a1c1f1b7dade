// Search, documents and indexes over HTTP.
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../packages/server/src/index.js'
import type { SerotineServer } from '../../packages/server/src/index.js'
import { FLIGHTLESS } from '../contract/birds.js'
import { birds, read, send, serve } from './serve.js'
import type { Served } from './serve.js'

let served: Served
beforeAll(async () => {
  served = await serve({ writable: true })
})
afterAll(() => served?.close())
const post = (path: string, body: unknown) => send(`${served.url}${path}`, body)

describe('POST /v1/search', () => {
  it('gives the hits of the index', async () => {
    const { status, body } = await post('/v1/search', { query: FLIGHTLESS, k: 3 })
    const hits = await served.index.search(FLIGHTLESS, { k: 3 })
    expect(status).toBe(200)
    expect(body).toMatchObject({ index: 'default', first_stage: 'exact', candidates: 10 })
    expect(Object.keys(body.milliseconds)).toContain('encode')
    expect(body.hits).toEqual(
      hits.map(({ rank, id, score, meanSimilarity, text, metadata }) => ({
        rank,
        id,
        score,
        mean_similarity: meanSimilarity,
        text,
        metadata,
      })),
    )
  })

  it('filters, searches by words, leaves texts out', async () => {
    const { body } = await post('/v1/search', { query: FLIGHTLESS, where: { year: { gte: 2019 } }, return_text: false })
    expect(body.hits.map(({ metadata }: { metadata: { year: number } }) => metadata.year >= 2019)).toEqual(
      Array(4).fill(true),
    )
    expect(body.hits[0]).not.toHaveProperty('text')
    const words = await post('/v1/search', { query: 'what is "HTTP_PROXY"', hybrid: { weight: 1 } })
    expect(words.body.hits.map(({ id }: { id: string }) => id)).toEqual(['proxy'])
    expect(words.body.hits[0].keywords.words).toContain('http_proxy')
  })

  it('says which words matched', async () => {
    const { body } = await post('/v1/search', { query: 'flightless', k: 1, explain: true })
    const [{ text, matches }] = body.hits
    const words = matches.filter(({ start }: { start: number }) => start >= 0)
    expect(words.map(({ start, end }: { start: number; end: number }) => text.slice(start, end))).toContain('flight')
  })

  it.each([
    [{ query: 'a', topK: 3 }, 'there is no field "topK"; there are query, index, k,', 'INVALID_REQUEST'],
    [{ query: 'a', promptName: 'x' }, 'there is no field "promptName"; did you mean "prompt_name"?', 'INVALID_REQUEST'],
    [{ query: 'a', k: 1001 }, 'k: ', 'INVALID_REQUEST'],
    [{ query: 'a', k: 51, explain: true }, 'explain works for up to 50 hits', 'INVALID_REQUEST'],
    [{ query: 'a', where: { year: { $near: 3 } } }, 'where.year', 'UNKNOWN_OPTION'],
    [{ query: 'a', first_stage: '../../etc' }, 'firstStage', 'INVALID_ARGUMENT'],
    [{ query: 'a', prompt_name: 'nobody' }, 'nobody', 'INVALID_ARGUMENT'],
  ])('refuses %j', async (body, message, code) => {
    const answer = await post('/v1/search', body)
    expect(answer).toMatchObject({ status: 400, body: { code, message: expect.stringContaining(message) } })
  })

  it('knows no other index, whatever its name looks like', async () => {
    for (const index of ['nobody', '../default', '/etc/passwd', '__proto__', 'constructor']) {
      const answer = await post('/v1/search', { query: 'a', index })
      expect(answer).toMatchObject({ status: 404, body: { code: 'INDEX_NOT_FOUND' } })
      expect(answer.body.message).toContain('There are: default.')
    }
  })
})

describe('/v1/documents', () => {
  it('adds, replaces, gives and deletes', async () => {
    const id = 'ostrich/1 ü?'
    const path = `/v1/documents/${encodeURIComponent(id)}`
    const document = { id, text: 'Ostriches run.', metadata: { lang: 'en', tags: ['a'] } }
    const added = await post('/v1/documents', { documents: [document] })
    expect(added).toMatchObject({ status: 200, body: { index: 'default', added: 1, updated: 0, unchanged: 0 } })
    expect((await post('/v1/documents', { documents: [document] })).body).toMatchObject({ added: 0, unchanged: 1 })
    expect((await send(`${served.url}${path}`)).body).toEqual({ index: 'default', ...document })
    expect((await send(`${served.url}${path}?index=default`)).status).toBe(200)
    expect((await send(`${served.url}${path}`, undefined, { method: 'DELETE' })).body.deleted).toBe(1)
    expect((await send(`${served.url}${path}`, undefined, { method: 'DELETE' })).body.deleted).toBe(0)
    expect(await send(`${served.url}${path}`)).toMatchObject({ status: 404, body: { code: 'DOCUMENT_NOT_FOUND' } })
  })

  it('deletes by ids or by a filter, never by nothing', async () => {
    await post('/v1/documents', {
      documents: ['a', 'b', 'c'].map((id) => ({ id, text: 'Draft.', metadata: { draft: true } })),
    })
    expect((await post('/v1/documents/delete', { ids: ['a', 'nobody'] })).body.deleted).toBe(1)
    expect((await post('/v1/documents/delete', { where: { draft: true } })).body.deleted).toBe(2)
    for (const body of [{}, { ids: ['a'], where: { draft: true } }, { ids: [] }, { where: {} }]) {
      expect((await post('/v1/documents/delete', body)).status).toBe(400)
    }
    expect(await served.index.count()).toBe(10)
  })

  it.each([
    [
      {
        documents: [
          { id: 'a', text: 'a' },
          { id: 'a', text: 'b' },
        ],
      },
      'DUPLICATE_ID',
      /appears twice/,
    ],
    [{ documents: [{ id: '', text: 'a' }] }, 'INVALID_REQUEST', /documents\[0\]\.id/],
    [{ documents: [{ id: 'a' }] }, 'INVALID_REQUEST', /documents\[0\]\.text/],
    [{ documents: [{ id: 'a', text: 'a', meta: {} }] }, 'INVALID_REQUEST', /documents\[0\]: there is no field "meta"/],
    [{ documents: [] }, 'INVALID_REQUEST', /at least one/],
  ])('refuses %j', async (body, code, message) => {
    expect(await post('/v1/documents', body)).toMatchObject({
      status: 400,
      body: { code, message: expect.stringMatching(message) },
    })
  })

  it('keeps metadata as it is, also what looks like a prototype', async () => {
    const text = '{"documents":[{"id":"p","text":"a","metadata":{"__proto__":{"admin":true},"constructor":1}}]}'
    expect((await post('/v1/documents', text)).status).toBe(200)
    const { body } = await send(`${served.url}/v1/documents/p`)
    expect(JSON.stringify(body.metadata)).toContain('"constructor":1')
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
    await served.index.delete('p')
  })
})

it('/v1/indexes tells what is served, and no path of the disk', async () => {
  const { body } = await send(`${served.url}/v1/indexes`)
  expect(body.indexes).toEqual([
    expect.objectContaining({
      name: 'default',
      documents: 10,
      writable: true,
      dim: served.model.dim,
      model: served.model.name,
      first_stage: 'exact',
    }),
  ])
  expect((await send(`${served.url}/v1/indexes/default`)).body).toEqual(body.indexes[0])
  expect((await send(`${served.url}/v1/indexes/%2e%2e%2fdefault`)).status).toBe(404)
})

describe('a server as a function', () => {
  let model: ColBERT
  let index: MultiVectorIndex
  beforeAll(async () => {
    model = await ColBERT.load()
    index = await birds(model)
  })
  afterAll(async () => {
    await index?.close()
    await model?.close()
  })
  const ask = async (server: SerotineServer, path: string, body?: unknown) =>
    read(
      await server.fetch(
        new Request(`http://localhost${path}`, {
          ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
          headers: { 'Content-Type': 'application/json' },
        }),
      ),
    )

  it('answers below a path, from several indexes, the first one by default', async () => {
    const empty = await MultiVectorIndex.open(undefined, { model })
    const server = createServer({ model, indexes: { birds: index, empty }, basePath: '/api/search' })
    expect((await ask(server, '/api/search/v1/search', { query: 'kiwi', k: 1 })).body).toMatchObject({ index: 'birds' })
    expect((await ask(server, '/api/search/v1/search', { query: 'kiwi', index: 'empty' })).body.hits).toEqual([])
    expect((await ask(server, '/v1/search', { query: 'kiwi' })).status).toBe(404)
    expect((await ask(server, '/api/search/openapi.json')).body.servers).toEqual([{ url: '/api/search' }])
    await server.close()
    expect(await ask(server, '/api/search/v1/search', { query: 'kiwi' })).toMatchObject({
      status: 503,
      body: { code: 'SHUTTING_DOWN' },
    })
    await empty.close()
  })

  it('only reads unless it is told otherwise', async () => {
    const server = createServer({ model, index })
    const answer = await ask(server, '/v1/documents', { documents: [{ id: 'a', text: 'a' }] })
    expect(answer).toMatchObject({
      status: 403,
      body: { code: 'INDEX_READONLY', message: expect.stringMatching(/writable/) },
    })
    expect((await ask(server, '/v1/documents/delete', { ids: ['kiwi'] })).status).toBe(403)
    expect(await index.count()).toBe(10)
  })

  it('needs no index to rank, and no model of the caller', async () => {
    const server = createServer()
    expect(await ask(server, '/ready')).toMatchObject({ status: 503, body: { code: 'NOT_READY' } })
    const { body } = await ask(server, '/v1/rerank', { query: 'kiwi', documents: ['A proxy.', 'A kiwi.'] })
    expect(body.results[0].index).toBe(1)
    expect(await ask(server, '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } })
    expect((await ask(server, '/v1/search', { query: 'kiwi' })).body.code).toBe('INDEX_NOT_FOUND')
  })

  it('says nothing of what fails inside, which is in the log', async () => {
    const entries: unknown[] = []
    const broken = {
      ...index,
      searchDetailed: () => Promise.reject(new Error('/srv/secret/path is gone')),
      stats: () => index.stats(),
    } as never
    const server = createServer({ model, index: broken, onLog: (entry) => entries.push(entry) })
    const answer = await ask(server, '/v1/search', { query: 'kiwi' })
    expect(answer).toMatchObject({ status: 500, body: { code: 'INTERNAL' } })
    expect(JSON.stringify(answer.body)).not.toMatch(/secret|at .*\.ts/)
    expect(answer.body.message).toContain(answer.headers.get('x-request-id'))
    expect(entries).toEqual([
      expect.objectContaining({ level: 'error', route: '/v1/search', status: 500, error: expect.any(Error) }),
    ])
  })
})
