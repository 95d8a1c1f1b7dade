import { NoSuchModelError } from '@ai-sdk/provider'
import { ColBERT } from '@serotine/core'
import { createProviderRegistry, customProvider, rerank } from 'ai'
import * as newest from 'ai-newest'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSerotine, serotine } from '../../packages/ai-sdk/src/index.js'
import { relevanceScorer } from '../../packages/ai-sdk/src/mastra.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'

const FOLDER = fileURLToPath(new URL('../../packages/model-micro/model', import.meta.url))
const documents = BIRDS.map(({ text }) => text)
let model: ColBERT
let best: number
beforeAll(async () => {
  model = await ColBERT.load()
  best = (await model.rerank(FLIGHTLESS, documents, { topN: 1 }))[0]!.index
})
afterAll(() => model?.close())

describe.each([
  ['AI SDK 6', createProviderRegistry, customProvider, rerank],
  ['AI SDK 7', newest.createProviderRegistry, newest.customProvider, newest.rerank],
] as unknown as [string, typeof createProviderRegistry, typeof customProvider, typeof rerank][])(
  'a provider in %s',
  (_, registryOf, custom, rank) => {
    it('gives a registry its reranking models by name', async () => {
      const registry = registryOf({ serotine: createSerotine({ models: { birds: model } }) })
      const named = registry.rerankingModel('serotine:birds')
      expect((await rank({ model: named, query: FLIGHTLESS, documents })).ranking[0]!.originalIndex).toBe(best)
      const own = registry.rerankingModel('serotine:@serotine/model-micro')
      expect((await rank({ model: own, query: FLIGHTLESS, documents })).ranking[0]!.originalIndex).toBe(best)
    })

    it('stands behind a custom provider', async () => {
      const provider = custom({ rerankingModels: { small: serotine.rerankingModel() }, fallbackProvider: serotine })
      const { ranking } = await rank({ model: provider.rerankingModel('small'), query: FLIGHTLESS, documents, topN: 1 })
      expect(ranking[0]!.originalIndex).toBe(best)
      expect(() => (provider as never as { languageModel(id: string): unknown }).languageModel('gpt')).toThrow(
        /Serotine has reranking models only, no languageModel "gpt"/,
      )
    })
  },
)

describe('createSerotine', () => {
  it('loads a model at its first use, once', async () => {
    const load = vi.spyOn(ColBERT, 'load')
    const provider = createSerotine({ load: { offline: true } })
    const reranker = provider.rerankingModel(FOLDER)
    expect([reranker.provider, reranker.modelId, load.mock.calls.length]).toEqual(['serotine', FOLDER, 0])
    const query = { query: FLIGHTLESS, documents }
    await Promise.all([
      rerank({ model: reranker, ...query }),
      rerank({ model: provider.rerankingModel(FOLDER), ...query }),
    ])
    expect(load.mock.calls).toEqual([[FOLDER, { offline: true }]])
    load.mockRestore()
  })

  it('tries again after a load that failed', async () => {
    const provider = createSerotine({ load: { offline: true } })
    const reranker = provider.rerankingModel('./nowhere')
    const load = vi.spyOn(ColBERT, 'load')
    for (let i = 0; i < 2; i++) {
      await expect(rerank({ model: reranker, query: 'a', documents, maxRetries: 0 })).rejects.toThrow('nowhere')
    }
    expect(load).toHaveBeenCalledTimes(2)
    load.mockRestore()
  })

  it('has no other models, and refuses wrong options', () => {
    for (const kind of ['languageModel', 'embeddingModel', 'imageModel'] as const) {
      expect(() => serotine[kind]('a')).toThrow(NoSuchModelError)
    }
    expect(() => createSerotine({ models: { a: 'b' as never } })).toThrow(/models\["a"\] must be a ColBERT/)
    expect(() => createSerotine({ lod: {} } as never)).toThrow(/Did you mean "load"/)
    expect(() => createSerotine({ toText: 1 as never }).rerankingModel()).toThrow(/toText/)
    expect(() => serotine.rerankingModel(1 as never)).toThrow(/modelId/)
  })
})

// As `rerankWithScorer` of @mastra/rag 1.3.6 and 2.6.4 asks: all at once, one text each.
describe('relevanceScorer', () => {
  it('scores what is asked at once in one batch, each text for itself', async () => {
    const score = vi.spyOn(model, 'score')
    const scorer = relevanceScorer({ model })
    const scores = await Promise.all(documents.map((text) => scorer.getRelevanceScore(FLIGHTLESS, text)))
    expect(score).toHaveBeenCalledTimes(1)
    const ranked = await model.rerank(FLIGHTLESS, documents)
    for (const { index, meanSimilarity } of ranked) expect(scores[index]).toBeCloseTo((1 + meanSimilarity) / 2, 5)
    score.mockClear()
    const both = await Promise.all([
      scorer.getRelevanceScore('a bird', 'an emu'),
      scorer.getRelevanceScore('a train', 'an emu'),
    ])
    expect([score.mock.calls.length, both[0] === both[1]]).toEqual([2, false])
    score.mockRestore()
  })

  it('fails for those who asked, and not for those who come later', async () => {
    const failing = { ...({} as ColBERT), name: 'x', score: vi.fn().mockRejectedValueOnce(new Error('out of memory')) }
    const scorer = relevanceScorer({ model: failing as never })
    const asked = ['a', 'b'].map((text) => scorer.getRelevanceScore('q', text))
    for (const one of asked) await expect(one).rejects.toThrow('out of memory')
    failing.score.mockResolvedValueOnce({ scores: new Float64Array([3]), queryTokens: 3 })
    expect(await scorer.getRelevanceScore('q', 'a')).toBe(1)
  })

  it('gives nothing to nothing, and refuses what is no text', async () => {
    const scorer = relevanceScorer({ model })
    expect(await scorer.getRelevanceScore('a', ' ')).toBe(0)
    expect(await scorer.getRelevanceScore('', 'a')).toBe(0)
    await expect(scorer.getRelevanceScore('a', undefined as never)).rejects.toThrow(/The text must be a string/)
    expect(() => relevanceScorer({ model: 'a' as never })).toThrow(/must be a ColBERT/)
    expect(() => relevanceScorer({ modell: model } as never)).toThrow(/modell/)
  })
})
