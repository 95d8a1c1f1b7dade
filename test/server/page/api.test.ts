// What the page asks of the API, and other programs may, too.
import { SerotineError } from '@serotine/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '../../../packages/server/src/index.js'
import { FakeEncoder } from '../../support/fake-encoder.js'
import { read, send } from '../serve.js'
import { closeModel, documents, openLibrary } from './library.js'
import type { Library } from './library.js'

let library: Library
beforeAll(async () => {
  library = await openLibrary({ writable: true })
})
afterAll(async () => {
  await library?.close()
  await closeModel()
})
const post = (path: string, body: unknown) => send(`${library.url}${path}`, body)

describe('POST /v1/search', () => {
  it('says where the first stage had each hit', async () => {
    const { body } = await post('/v1/search', { query: 'birds that hide in forests', k: 5 })
    const found = await library.index.searchDetailed('birds that hide in forests', { k: 5 })
    expect(body.first_stage_ids).toEqual(found.firstStageIds!.slice(0, 5))
    for (const { id, first_stage_rank: rank } of body.hits) expect(found.firstStageIds![rank - 1]).toBe(id)
    const exact = await post('/v1/search', { query: 'birds', first_stage: 'exact' })
    expect(exact.body).not.toHaveProperty('first_stage_ids')
    expect(exact.body.hits[0]).not.toHaveProperty('first_stage_rank')
  })
})

describe('POST /v1/explain', () => {
  it('gives every pair of tokens, of a document or of a text', async () => {
    const query = 'flightless birds'
    const { body } = await post('/v1/explain', { query, id: 'kiwi' })
    const { text } = (await library.index.get('kiwi'))!
    expect((await post('/v1/explain', { query, text })).body).toEqual(body)
    const best: number = body.similarities.reduce((sum: number, row: number[]) => sum + Math.max(...row), 0)
    const { hits } = (await post('/v1/search', { query, where: { title: 'About kiwi' } })).body
    // The index keeps vectors with 8 bits.
    expect(best).toBeCloseTo(hits[0].score, 1)
    expect(body.similarities).toHaveLength(body.query_tokens.length)
    expect(body.similarities[0]).toHaveLength(body.document_tokens.length)
    const words = body.document_tokens.map(({ start, end }: { start: number; end: number }) => text!.slice(start, end))
    expect(words.join(' ')).toContain('flight less bird')
  })

  it.each([
    [{ query: 'a' }, 400, /Give id or text/],
    [{ query: 'a', id: 'a', text: 'b' }, 400, /Give id or text/],
    [{ query: 'a', id: 'nobody' }, 404, /has no document "nobody"/],
    [{ query: 'a', id: 'kiwi', index: 'x' }, 404, /no index "x"/],
    [{ query: ' ', id: 'kiwi' }, 400, /at least one word/],
    [{ query: 'a', text: 'b', prompt_name: 'nobody' }, 400, /nobody/],
  ])('refuses %j', async (body, status, message) => {
    expect(await post('/v1/explain', body)).toMatchObject({ status, body: { message: expect.stringMatching(message) } })
  })

  it('is not possible with every model', async () => {
    const server = createServer({ model: new FakeEncoder() })
    const request = new Request('http://localhost/v1/explain', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ query: 'a', text: 'b' }),
    })
    const { status, body } = await read(await server.fetch(request))
    expect([status, body.message]).toEqual([400, expect.stringContaining('cannot say how similar')])
  })
})

describe('GET /v1/indexes', () => {
  it('tells what an index holds, what its documents have, and what a request may be', async () => {
    const { body } = await send(`${library.url}/v1/indexes`)
    const stats = await library.index.stats()
    expect(body.limits).toEqual({ body_bytes: 10_000_000, hits: 1_000, query_characters: 10_000 })
    const { total, ...parts } = stats.bytes
    expect(body.indexes[0]).toMatchObject({
      tokens: stats.tokens,
      bytes: total,
      bytes_by: parts,
      deleted: 0,
      hybrid: true,
      split_files: false,
      first_stages: { centroids: { documents: 40, suitability: null } },
    })
  })

  it('has the fields of documents, their values, and the words that are common', async () => {
    const { body } = await send(`${library.url}/v1/indexes/default/contents`)
    expect(body.read).toBe(documents().length)
    const field = (name: string) => body.fields.find((one: { name: string }) => one.name === name)
    expect(body.fields.map(({ name }: { name: string }) => name)).toEqual([...(await library.index.fields())].sort())
    expect(field('rare')).toEqual({
      name: 'rare',
      types: ['boolean'],
      documents: 30,
      values: [
        { value: false, documents: 24 },
        { value: true, documents: 6 },
      ],
    })
    expect(field('tags').types).toEqual(['array'])
    expect(field('tags').values).toContainEqual({ value: 'coasts', documents: 5 })
    expect(field('at.place').values).toContainEqual({ value: 'coasts', documents: 5 })
    expect(field('at')).not.toHaveProperty('values')
    expect(body.common_words).toContain('birds')
    expect(body.common_words).not.toContain('kiwi')
  })

  it('follows what changes', async () => {
    const contents = async () => (await send(`${library.url}/v1/indexes/default/contents`)).body
    const before = await contents()
    await library.index.upsert([{ id: 'new', text: 'New.', metadata: { fresh: 1 } }])
    expect((await contents()).read).toBe(before.read + 1)
    expect((await contents()).fields.map(({ name }: { name: string }) => name)).toContain('fresh')
    await library.index.delete('new')
  })

  it('gives no values of a field that has very many, or long ones', async () => {
    const many = await openLibrary(
      {},
      Array.from({ length: 600 }, (_, i) => ({
        id: `d${i}`,
        text: 'a',
        metadata: { n: i, half: i % 2, long: 'x'.repeat(300) },
      })),
    )
    const { body } = await send(`${many.url}/v1/indexes/default/contents`)
    const [half, long, n] = body.fields
    expect(half.values).toEqual([
      { value: 0, documents: 300 },
      { value: 1, documents: 300 },
    ])
    expect(long).toEqual({ name: 'long', types: ['string'], documents: 600 })
    expect(n).toEqual({ name: 'n', types: ['number'], documents: 600 })
    await many.close()
  })
})

describe('POST /v1/files', () => {
  it.each([
    [{ name: 'a.txt' }, /Give text or base64/],
    [{ name: 'a.txt', text: 'a', base64: 'YQ==' }, /Give text or base64/],
    [{ name: 'a.txt', base64: '*' }, /base64/],
    [{ name: '', text: 'a' }, /name/],
    [{ name: 'a\u0000b', text: 'a' }, /control characters/],
    [{ name: 'a.txt', text: ' \n' }, /a\.txt has no text/],
    [{ name: 'a.txt', base64: '/w==' }, /not text in UTF-8/],
    [{ name: 'a.txt', text: 'a', path: '/etc' }, /no field "path"/],
    [{ name: 'a.txt', text: 'x'.repeat(200_001) }, /longer than 200000 characters, and this server keeps files whole/],
  ])('refuses %.60j', async (body, message) => {
    expect(await post('/v1/files', body)).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(message) },
    })
    expect(await library.index.count()).toBe(40)
  })

  it('is refused where the server only reads', async () => {
    const closed = await openLibrary()
    expect(await send(`${closed.url}/v1/files`, { name: 'a.txt', text: 'a' })).toMatchObject({
      status: 403,
      body: { code: 'INDEX_READONLY' },
    })
    await closed.close()
  })

  it('says what a reader says is the fault of the file, and nothing else', async () => {
    const errors = [new SerotineError('INPUT_FORMAT', 'a.md:3 is not JSON.'), new Error('/srv/secret')]
    const failing = await openLibrary({ writable: true, readFile: () => Promise.reject(errors.shift()!) })
    const ask = () => send(`${failing.url}/v1/files`, { name: 'a.md', text: 'a' })
    expect(await ask()).toMatchObject({ status: 400, body: { code: 'INPUT_FORMAT', message: 'a.md:3 is not JSON.' } })
    const second = await ask()
    expect(second.status).toBe(500)
    expect(JSON.stringify(second.body)).not.toContain('secret')
    await failing.close()
  })
})
