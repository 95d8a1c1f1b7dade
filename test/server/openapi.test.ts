import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { FakeEncoder } from '../support/fake-encoder.js'
import { createServer } from '../../packages/server/src/index.js'
import { send, serve } from './serve.js'
import type { Served } from './serve.js'

interface Operation {
  operationId: string
  security?: object[]
  parameters: { name: string; in: string; required: boolean }[]
  requestBody?: { content: Record<string, { schema: { properties?: object; required?: string[]; anyOf?: object[] } }> }
  responses: Record<string, { content: Record<string, { schema: object }> }>
}
interface Description {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: object; securitySchemes?: object }
}

let served: Served
let description: Description
beforeAll(async () => {
  served = await serve()
  description = (await send(`${served.url}/openapi.json`)).body
})
afterAll(() => served?.close())
const operations = () =>
  Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

describe('the description', () => {
  it('is OpenAPI 3.1 and has every route', () => {
    expect(description.openapi).toBe('3.1.0')
    expect(operations().map(({ path, method }) => `${method} ${path}`)).toEqual([
      'post /v1/rerank',
      'post /v2/rerank',
      'post /rerank',
      'post /v1/search',
      'post /v1/explain',
      'post /v1/documents',
      'post /v1/documents/delete',
      'get /v1/documents/{id}',
      'delete /v1/documents/{id}',
      'post /v1/files',
      'get /v1/indexes',
      'get /v1/indexes/{name}',
      'get /v1/indexes/{name}/contents',
      'get /health',
      'get /ready',
      'get /metrics',
      'get /openapi.json',
    ])
    const ids = operations().map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('is made of the schemas that check: limits and fields are in it', () => {
    const search = description.paths['/v1/search']!['post']!.requestBody!.content['application/json']!.schema
    expect(search).toMatchObject({
      required: ['query'],
      additionalProperties: false,
      properties: { k: { type: 'integer', minimum: 1, maximum: 1000, default: 10 }, query: { maxLength: 10_000 } },
    })
    const rerank = description.paths['/v1/rerank']!['post']!.requestBody!.content['application/json']!.schema
    expect(rerank).toMatchObject({
      required: ['query', 'documents'],
      properties: { documents: { minItems: 1, maxItems: 1000 } },
    })
    expect(description.paths['/rerank']!['post']!.requestBody!.content['application/json']!.schema.anyOf).toHaveLength(
      2,
    )
  })

  it('has only references that lead somewhere, and parameters of the paths', () => {
    const text = JSON.stringify(description)
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference)
    expect(new Set(references)).toEqual(new Set(['#/components/schemas/Error']))
    expect(description.components.schemas).toHaveProperty('Error.properties.code')
    for (const { path, operation } of operations()) {
      const named = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
      expect(named).toEqual(Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name))
    }
  })

  it('describes the answers: those that come fit it', async () => {
    const writable = await serve({ writable: true })
    const ask = async (method: string, path: string, body?: object, at = path) => {
      const answer = await send(`${writable.url}${at}`, body, { method: method.toUpperCase() })
      expect(answer.status, path).toBe(200)
      const { content } = description.paths[path]![method]!.responses['200']!
      const [type, { schema }] = Object.entries(content)[0]!
      expect(answer.headers.get('content-type')).toContain(type)
      expect(z.fromJSONSchema(schema as never).safeParse(answer.body).error, path).toBeUndefined()
    }
    const list = { query: 'kiwi', documents: ['a', { text: 'b' }], return_documents: true }
    await ask('post', '/v1/rerank', list)
    await ask('post', '/v2/rerank', list)
    await ask('post', '/rerank', list)
    await ask('post', '/rerank', { query: 'kiwi', texts: ['a'], return_text: true })
    await ask('post', '/v1/search', { query: 'kiwi', explain: true, hybrid: true })
    await ask('post', '/v1/explain', { query: 'kiwi', id: 'kiwi' })
    await ask('post', '/v1/files', { name: 'a.txt', text: 'a' })
    await ask('post', '/v1/documents', { documents: [{ id: 'a', text: 'a' }] })
    await ask('get', '/v1/documents/{id}', undefined, '/v1/documents/a')
    await ask('delete', '/v1/documents/{id}', undefined, '/v1/documents/a')
    await ask('post', '/v1/documents/delete', { ids: ['a'] })
    await ask('get', '/v1/indexes/{name}', undefined, '/v1/indexes/default')
    await ask('get', '/v1/indexes/{name}/contents', undefined, '/v1/indexes/default/contents')
    for (const path of ['/v1/indexes', '/health', '/ready', '/metrics', '/openapi.json']) await ask('get', path)
    await writable.close()
  })

  it('says which statuses come: those that come are in it', async () => {
    await Promise.all([
      send(`${served.url}/v1/rerank`, {}),
      send(`${served.url}/v1/search`, { query: 'a', index: 'x' }),
      send(`${served.url}/v1/documents`, { documents: [{ id: 'a', text: 'a' }] }),
      send(`${served.url}/v1/documents/nobody`),
      send(`${served.url}/v1/documents/a`, undefined, { method: 'DELETE' }),
      send(`${served.url}/v1/indexes/x`),
      send(`${served.url}/v1/indexes/x/contents`),
      send(`${served.url}/v1/explain`, { query: 'a', id: 'nobody' }),
      send(`${served.url}/v1/files`, { name: 'a.txt', text: 'a' }),
      send(`${served.url}/v1/search`, '{}', { method: 'POST', headers: { 'Content-Type': 'text/plain' } }),
    ])
    const requests = served.log.filter(({ event }) => event === 'request')
    const seen = new Set(requests.map(({ route, method, status }) => `${method!.toLowerCase()} ${route} ${status}`))
    expect(seen.size).toBeGreaterThanOrEqual(8)
    for (const one of seen) {
      const [method, route, status] = one.split(' ') as [string, string, string]
      expect(Object.keys(description.paths[route]![method]!.responses), one).toContain(status)
    }
  })

  it('asks for the token where the server does', async () => {
    expect(description.components.securitySchemes).toBeUndefined()
    const server = createServer({ model: new FakeEncoder(), token: 'secret' })
    const response = await server.fetch(
      new Request('http://localhost/openapi.json', { headers: { Authorization: 'Bearer secret' } }),
    )
    const { paths, components } = (await response.json()) as Description
    expect(components.securitySchemes).toEqual({ token: { type: 'http', scheme: 'bearer' } })
    expect(paths['/v1/rerank']!['post']!.security).toEqual([{ token: [] }])
    expect(paths['/v1/rerank']!['post']!.responses).toHaveProperty('401')
    expect(paths['/health']!['get']!.security).toBeUndefined()
  })
})
