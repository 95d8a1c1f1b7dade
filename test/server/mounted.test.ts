// The handler inside of apps that listen themselves.
import { createServer as createHttpServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { getRequestListener, serve } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { createServer } from '../../packages/server/src/index.js'
import { FakeEncoder } from '../support/fake-encoder.js'
import { send } from './serve.js'

const model = new FakeEncoder()
const body = { query: 'a', documents: ['b', 'a'] }

async function listening(listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> {
  const http = createHttpServer(listener)
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done))
  try {
    await work(`http://127.0.0.1:${(http.address() as { port: number }).port}`)
  } finally {
    http.closeAllConnections()
    await new Promise((done) => http.close(done))
  }
}

it('Express, below a path', async () => {
  const { fetch } = createServer({ model })
  const app = express()
  app.use('/search', getRequestListener(fetch))
  app.get('/', (_, response) => void response.send('mine'))
  await listening(app, async (url) => {
    expect((await send(`${url}/search/v1/rerank`, body)).body.results[0].index).toBe(1)
    expect((await send(`${url}/search/nothing`)).status).toBe(404)
    expect((await send(`${url}/`)).body).toBe('mine')
  })
})

it('Hono, below a path', async () => {
  const { fetch } = createServer({ model })
  const app = new Hono().mount('/search', fetch)
  const http = await new Promise<ReturnType<typeof serve>>((done) => {
    const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => done(started))
  })
  const url = `http://127.0.0.1:${(http.address() as { port: number }).port}`
  expect((await send(`${url}/search/v1/rerank`, body)).body.results[0].index).toBe(1)
  http.close()
})

it('a route of Next.js, which leaves the path as it is', async () => {
  const POST = createServer({ model, basePath: '/api/search' }).fetch
  const request = new Request('http://localhost:3000/api/search/v1/rerank', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  const answer = await (POST as (request: Request, context: object) => Promise<Response>)(request, { params: {} })
  expect(((await answer.json()) as { results: { index: number }[] }).results[0]!.index).toBe(1)
})
