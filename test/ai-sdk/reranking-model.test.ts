import { ColBERT } from '@serotine/core'
import { rerank } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { colbertReranker } from '../../packages/ai-sdk/src/index.js'
import type { Scorer } from '../../packages/core/src/index.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'

let model: ColBERT
beforeAll(async () => {
  model = await ColBERT.load()
})
afterAll(() => model?.close())

const texts = BIRDS.map(({ text }) => text)

describe('rerank()', () => {
  it('ranks texts', async () => {
    const { ranking, rerankedDocuments, response } = await rerank({
      model: colbertReranker({ model }),
      query: FLIGHTLESS,
      documents: texts,
      topN: 3,
    })
    expect(
      ranking
        .slice(0, 2)
        .map(({ originalIndex }) => BIRDS[originalIndex]!.id)
        .sort(),
    ).toEqual(['emu', 'kiwi'])
    expect(rerankedDocuments).toHaveLength(3)
    expect(response.modelId).toBe(model.name)
    const { scores, queryTokens } = await model.score(FLIGHTLESS, texts)
    for (const { originalIndex, score } of ranking) expect(score).toBeCloseTo(scores[originalIndex]! / queryTokens, 5)
  })

  it('ranks objects, by their JSON or by toText', async () => {
    const documents = BIRDS.map(({ id, text }) => ({ id, text }))
    const byText = await rerank({
      model: colbertReranker({ model, toText: ({ text }) => text as string }),
      query: FLIGHTLESS,
      documents,
    })
    const plain = await rerank({ model: colbertReranker({ model }), query: FLIGHTLESS, documents: texts })
    expect(byText.ranking.map(({ score }) => score)).toEqual(plain.ranking.map(({ score }) => score))
    const byJson = await rerank({ model: colbertReranker({ model }), query: FLIGHTLESS, documents, topN: 2 })
    expect(byJson.rerankedDocuments.map(({ id }) => id).sort()).toEqual(['emu', 'kiwi'])
    expect(documents[0]).toEqual({ id: 'kiwi', text: BIRDS[0].text })
  })

  it('needs no model of the caller', async () => {
    const { ranking } = await rerank({ model: colbertReranker(), query: FLIGHTLESS, documents: texts, topN: 99 })
    expect(ranking).toHaveLength(BIRDS.length)
  })
})

describe('bad input', () => {
  const run = (options: { query?: string; documents?: unknown[]; topN?: number }) =>
    rerank({ model: colbertReranker({ model }), query: FLIGHTLESS, documents: texts, ...options } as never)

  it('no documents', async () => {
    expect((await run({ documents: [] })).ranking).toEqual([])
    expect(await colbertReranker({ model }).doRerank({ query: 'x', documents: { type: 'text', values: [] } })).toEqual({
      ranking: [],
    })
  })
  it('query, topN, documents', async () => {
    await expect(run({ query: '' })).rejects.toThrow('The query must be a text')
    await expect(run({ topN: 0 })).rejects.toThrow('topN must be an integer of at least 1, got 0')
    await expect(run({ documents: ['a', { b: 1 }] })).rejects.toThrow('documents[1] must be a string, got an object')
  })
  it('options', () => {
    expect(() => colbertReranker({ modelID: 'x' } as never)).toThrow('Did you mean "modelId"')
    expect(() => colbertReranker({ model: 'colbert' as never })).toThrow('ColBERT.load()')
    expect(() => colbertReranker({ model: null as never })).toThrow('must be a ColBERT, got null')
    expect(() => colbertReranker({ toText: 'title' as never })).toThrow('toText must be a function')
  })
})

describe('abortSignal', () => {
  it('before work: the model is not called', async () => {
    let called = false
    const scorer: Scorer = { score: (...args) => ((called = true), model.score(...args)) }
    const abortSignal = AbortSignal.abort()
    await expect(
      rerank({ model: colbertReranker({ model: scorer }), query: FLIGHTLESS, documents: texts, abortSignal }),
    ).rejects.toMatchObject({ name: 'AbortError' })
    expect(called).toBe(false)
  })

  it('during work stops the encoding', async () => {
    const controller = new AbortController()
    const documents = Array.from({ length: 600 }, (_, i) => `${i} ${texts[i % texts.length]!}`)
    let done = 0
    const scorer: Scorer = {
      score: (query, list, options) =>
        model.score(query, list, {
          ...options,
          onProgress: (progress) => {
            done = Math.max(done, progress.done)
            controller.abort(new Error('enough'))
          },
        }),
    }
    const running = rerank({
      model: colbertReranker({ model: scorer }),
      query: FLIGHTLESS,
      documents,
      abortSignal: controller.signal,
    })
    await expect(running).rejects.toThrow('enough')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(done).toBeLessThan(documents.length)
  })
})
