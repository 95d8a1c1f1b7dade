import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rerankResponse, textsResponse } from '../../packages/server/src/rerank/schemas.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { send, serve } from './serve.js'
import type { Served } from './serve.js'

let served: Served
beforeAll(async () => {
  served = await serve()
})
afterAll(() => served?.close())

const texts = BIRDS.map(({ text }) => text)
const rerank = (body: object, path = '/v1/rerank') => send(`${served.url}${path}`, body)

describe('in the shape of Cohere and Jina', () => {
  it.each(['/v1/rerank', '/v2/rerank', '/rerank'])('%s ranks as the model does, in numbers of 0 to 1', async (path) => {
    const { status, body } = await rerank({ model: 'rerank-v3.5', query: FLIGHTLESS, documents: texts, top_n: 3 }, path)
    expect(status).toBe(200)
    expect(rerankResponse.parse(body)).toEqual(body)
    expect(body.model).toBe(served.model.name)
    const ranked = await served.model.rerank(FLIGHTLESS, texts, { topN: 3 })
    expect(body.results.map(({ index }: { index: number }) => index)).toEqual(ranked.map(({ index }) => index))
    body.results.forEach((result: { relevance_score: number }, i: number) => {
      expect(result.relevance_score).toBeCloseTo((1 + ranked[i]!.meanSimilarity) / 2, 5)
      expect(result).not.toHaveProperty('document')
    })
  })

  it('repeats documents on request, objects as they came', async () => {
    const documents = [{ text: texts[0], url: 'https://kiwi' }, texts[1]!]
    const { body } = await rerank({ query: FLIGHTLESS, documents, return_documents: true })
    const byIndex = new Map(
      body.results.map((result: { index: number; document: unknown }) => [result.index, result.document]),
    )
    expect(byIndex.get(0)).toEqual(documents[0])
    expect(byIndex.get(1)).toEqual({ text: texts[1] })
  })

  it('reads text of an object, the fields named, or its JSON', async () => {
    const scoreOf = async (document: unknown, more = {}) =>
      (await rerank({ query: FLIGHTLESS, documents: [document], ...more })).body.results[0].relevance_score as number
    expect(await scoreOf({ text: texts[0], title: 'x' })).toBe(await scoreOf(texts[0]))
    expect(await scoreOf({ title: 'Kiwi', body: texts[0] }, { rank_fields: ['title', 'body'] })).toBe(
      await scoreOf(`Kiwi\n${texts[0]}`),
    )
    expect(await scoreOf({ body: texts[0] })).toBe(await scoreOf(JSON.stringify({ body: texts[0] })))
  })

  it('lets fields pass that only others know', async () => {
    const { status } = await rerank({
      query: 'a',
      documents: ['a'],
      max_tokens_per_doc: 512,
      top_n: null,
      truncation: true,
    })
    expect(status).toBe(200)
  })

  it.each([
    [{ documents: ['a'] }, /query/],
    [{ query: ' ', documents: ['a'] }, /query: it must be a text with at least one word/],
    [{ query: 'a', documents: [] }, /documents: give at least one/],
    [{ query: 'a', documents: 'a' }, /documents: .*array/],
    [{ query: 'a', documents: ['a', 7] }, /documents\[1\]: it must be a text or an object/],
    [{ query: 'a', documents: ['a'], top_n: 0 }, /top_n/],
    [{ query: 'a', documents: [{ image: 'x.png' }] }, /documents\[0\] has no text. Images/],
    [{ query: 'a', documents: ['a'], rank_fields: 'text' }, /rank_fields/],
  ])('refuses %j', async (body, message) => {
    const answer = await rerank(body)
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'INVALID_REQUEST', message: expect.stringMatching(message) },
    })
    expect(Object.keys(answer.body)).toEqual(['code', 'message'])
  })
})

describe('in the shape of text-embeddings-inference', () => {
  it('ranks texts', async () => {
    const { status, body } = await rerank({ query: FLIGHTLESS, texts, return_text: true, truncate: true }, '/rerank')
    expect(status).toBe(200)
    expect(textsResponse.parse(body)).toEqual(body)
    const ranked = await served.model.rerank(FLIGHTLESS, texts)
    expect(body.map(({ index }: { index: number }) => index)).toEqual(ranked.map(({ index }) => index))
    expect(body[0]).toMatchObject({
      score: expect.closeTo((1 + ranked[0]!.meanSimilarity) / 2, 5),
      text: ranked[0]!.document,
    })
  })

  it('gives MaxSim itself as raw score', async () => {
    const { body } = await rerank({ query: FLIGHTLESS, texts, raw_scores: true }, '/rerank')
    const [best] = await served.model.rerank(FLIGHTLESS, texts)
    expect(body[0].score).toBeCloseTo(best!.score, 4)
    expect(body[0]).not.toHaveProperty('text')
  })

  it('says what is missing', async () => {
    expect(await rerank({ query: 'a' }, '/rerank')).toMatchObject({
      status: 400,
      body: { code: 'INVALID_REQUEST', message: expect.stringMatching(/texts/) },
    })
  })
})

it('the mapping of scores keeps the order and the bounds', async () => {
  const { rank, relevanceOf } = await import('../../packages/server/src/rerank/relevance.js')
  expect([-4, -2, 0, 2, 4, NaN, -Infinity].map((score) => relevanceOf(score, 4))).toEqual([0, 0.25, 0.5, 0.75, 1, 0, 0])
  expect(rank([1, 3, 3, 2], 4, 3).map(({ index }) => index)).toEqual([1, 2, 3])
})
