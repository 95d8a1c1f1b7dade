// Clients of other services, unchanged but for the base URL.
import { createCohere } from '@ai-sdk/cohere'
import { Document } from '@langchain/core/documents'
import { CohereRerank } from '@langchain/cohere'
import { rerank } from 'ai'
import { CohereClient, CohereClientV2 } from 'cohere-ai'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { serve } from './serve.js'
import type { Served } from './serve.js'

let served: Served
let ranked: Awaited<ReturnType<Served['model']['rerank']>>
const texts = BIRDS.map(({ text }) => text)
const token = 'a-token'
beforeAll(async () => {
  served = await serve({ token })
  ranked = await served.model.rerank(FLIGHTLESS, texts, { topN: 3 })
})
afterAll(() => served?.close())
const best = () => ranked.map(({ index }) => index)
const relevance = () => expect.closeTo((1 + ranked[0]!.meanSimilarity) / 2, 5)

describe('cohere-ai', () => {
  it('version 2 of its interface', async () => {
    const client = new CohereClientV2({ token, environment: served.url })
    const { results, id } = await client.rerank({ model: 'rerank-v3.5', query: FLIGHTLESS, documents: texts, topN: 3 })
    expect(results.map(({ index }) => index)).toEqual(best())
    expect(results[0]!.relevanceScore).toEqual(relevance())
    expect(id).toMatch(/^[\da-f-]{36}$/)
  })

  it('version 1, with documents that are objects, which come back', async () => {
    const client = new CohereClient({ token, environment: served.url })
    const documents = BIRDS.map(({ text, id }) => ({ text, id }))
    const { results, meta } = await client.rerank({ query: FLIGHTLESS, documents, topN: 3, returnDocuments: true })
    expect(results.map(({ index }) => index)).toEqual(best())
    expect(results[0]!.document?.text).toBe(texts[best()[0]!])
    expect(meta?.apiVersion?.version).toBe('2')
  })

  it('gets errors that it understands', async () => {
    const client = new CohereClientV2({ token: 'wrong', environment: served.url, maxRetries: 0 } as never)
    await expect(client.rerank({ model: 'a', query: 'a', documents: ['a'] })).rejects.toMatchObject({
      statusCode: 401,
      body: { message: expect.stringContaining('The token is not the right one') },
    })
  })
})

it('@langchain/cohere', async () => {
  // Its own client, of the version that it asks for.
  const { CohereClient: OwnClient } = createRequire(createRequire(import.meta.url).resolve('@langchain/cohere'))(
    'cohere-ai',
  ) as typeof import('cohere-ai')
  const reranker = new CohereRerank({
    client: new OwnClient({ token, environment: served.url }) as never,
    model: 'rerank-english-v3.0',
    topN: 3,
  })
  const documents = BIRDS.map(({ id, text }) => new Document({ pageContent: text, metadata: { id } }))
  const compressed = await reranker.compressDocuments(documents, FLIGHTLESS)
  expect(compressed.map(({ metadata }) => metadata['id'])).toEqual(best().map((index) => BIRDS[index]!.id))
  expect(compressed[0]!.metadata['relevanceScore']).toEqual(relevance())
})

describe('@ai-sdk/cohere', () => {
  const model = () => createCohere({ baseURL: `${served.url}/v2`, apiKey: token }).reranking('rerank-v3.5')

  it('ranks texts and objects', async () => {
    const { ranking } = await rerank({ model: model(), query: FLIGHTLESS, documents: texts, topN: 3 })
    expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(best())
    expect(ranking[0]!.score).toEqual(relevance())
    const objects = await rerank({
      model: model(),
      query: FLIGHTLESS,
      documents: BIRDS.map((bird) => ({ ...bird })),
      topN: 2,
    })
    expect(objects.rerankedDocuments.map(({ id }) => id).sort()).toEqual(['emu', 'kiwi'])
  })

  it('gets errors that it understands', async () => {
    await expect(rerank({ model: model(), query: ' ', documents: texts, maxRetries: 0 })).rejects.toMatchObject({
      statusCode: 400,
      message: expect.stringContaining('query: it must be a text with at least one word'),
    })
  })
})

// As these programs send them: their code is not a package.
describe('requests of other programs', () => {
  const post = async (path: string, body: object) => {
    const response = await fetch(`${served.url}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as never }
  }

  it('to Jina, with documents returned', async () => {
    const { status, body } = await post('/v1/rerank', {
      model: 'jina-reranker-v2-base-multilingual',
      query: FLIGHTLESS,
      top_n: 3,
      documents: texts,
      return_documents: true,
    })
    const { results } = body as { results: { index: number; relevance_score: number; document: { text: string } }[] }
    expect(status).toBe(200)
    expect(results.map(({ document }) => document.text)).toEqual(best().map((index) => texts[index]))
  })

  it('to text-embeddings-inference', async () => {
    const { status, body } = await post('/rerank', { query: FLIGHTLESS, texts, raw_scores: false, truncate: true })
    expect(status).toBe(200)
    expect((body as { index: number }[]).slice(0, 3).map(({ index }) => index)).toEqual(best())
  })
})
