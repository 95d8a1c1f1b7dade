// LangChain keeps the config of a running runnable only once LangGraph (or `langchain`) has been imported.
import * as langgraph from '@langchain/langgraph'
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression'
import { DocumentCompressorPipeline } from '@langchain/classic/retrievers/document_compressors'
import { Document } from '@langchain/core/documents'
import { BaseRetriever } from '@langchain/core/retrievers'
import { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors'
import { RunnableLambda } from '@langchain/core/runnables'
import { ColBERT } from '@serotine/core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ColBERTReranker, RerankingRetriever } from '../../packages/langchain/src/index.js'
import type { Scorer } from '../../packages/core/src/index.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { recordRuns } from './runs.js'

let model: ColBERT
beforeAll(async () => {
  model = await ColBERT.load()
})
afterAll(() => model?.close())

const birds = (): Document[] =>
  BIRDS.map(({ id, text, ...metadata }) => new Document({ id, pageContent: text, metadata }))

/** A retriever that knows no order: it returns everything it has. */
class Everything extends BaseRetriever {
  lc_namespace = ['test']
  constructor(readonly documents: Document[] = birds()) {
    super()
  }
  override async _getRelevantDocuments(): Promise<Document[]> {
    return this.documents
  }
}

/** The real model, telling how far it got and calling `during` after its first batch. */
function watched(during: () => void): { scorer: Scorer; done: () => number } {
  let done = 0
  const scorer: Scorer = {
    score: (query, documents, options) =>
      model.score(query, documents, {
        ...options,
        onProgress: (progress) => {
          done = Math.max(done, progress.done)
          during()
        },
      }),
  }
  return { scorer, done: () => done }
}

describe('compressDocuments', () => {
  it('keeps the best topN, best first', async () => {
    const ranked = await new ColBERTReranker({ model }).compressDocuments(birds(), FLIGHTLESS)
    expect(ranked).toHaveLength(3)
    expect(
      ranked
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['emu', 'kiwi'])
    expect(ranked.map(({ metadata }) => metadata['rank'])).toEqual([1, 2, 3])
    expect(ranked[0]!.metadata).toMatchObject({ lang: 'en' })
  })

  it('scores as the model does', async () => {
    const input = birds()
    const { scores, queryTokens } = await model.score(
      FLIGHTLESS,
      input.map(({ pageContent }) => pageContent),
    )
    const mean = await new ColBERTReranker({ model, topN: null }).rerank(input, FLIGHTLESS)
    const sums = await new ColBERTReranker({ model, topN: null, score: 'maxSim' }).rerank(input, FLIGHTLESS)
    for (const { index, relevanceScore } of mean) expect(relevanceScore).toBeCloseTo(scores[index]! / queryTokens, 5)
    for (const { index, relevanceScore } of sums) expect(relevanceScore).toBeCloseTo(scores[index]!, 4)
    expect(sums.map(({ index }) => index)).toEqual(mean.map(({ index }) => index))
  })

  it('mutates nothing', async () => {
    const input = birds()
    Object.freeze(input)
    for (const document of input) Object.freeze(Object.freeze(document).metadata)
    const ranked = await new ColBERTReranker({ model, topN: null }).compressDocuments(input, FLIGHTLESS)
    expect(input).toEqual(birds())
    for (const document of ranked) expect(input).not.toContain(document)
  })

  it('gives the same scores in any company', async () => {
    const reranker = new ColBERTReranker({ model, topN: null })
    const together = await reranker.rerank(birds(), FLIGHTLESS)
    for (const { index, relevanceScore } of together) {
      const [alone] = await reranker.rerank([birds()[index]!], FLIGHTLESS)
      expect(alone!.relevanceScore).toBeCloseTo(relevanceScore, 5)
    }
  })

  it('replaces an earlier score and rank', async () => {
    const stale = birds().map(
      (document) => new Document({ ...document, metadata: { ...document.metadata, relevanceScore: 9, rank: 9 } }),
    )
    const ranked = await new ColBERTReranker({ model }).compressDocuments(stale, FLIGHTLESS)
    expect(ranked[0]!.metadata['rank']).toBe(1)
    expect(ranked[0]!.metadata['relevanceScore']).toBeLessThanOrEqual(1)
  })

  it('loads the embedded model by itself, once', async () => {
    const load = vi.spyOn(ColBERT, 'load')
    const [first, second] = await Promise.all([
      new ColBERTReranker({ topN: 1 }).compressDocuments(birds(), FLIGHTLESS),
      new ColBERTReranker({ topN: 1 }).compressDocuments(birds(), FLIGHTLESS),
    ])
    expect(first).toEqual(second)
    expect(load).toHaveBeenCalledTimes(1)
    load.mockRestore()
  })
})

describe('options', () => {
  it('topN beyond the list, null, and per call', async () => {
    expect(await new ColBERTReranker({ model, topN: 99 }).compressDocuments(birds(), FLIGHTLESS)).toHaveLength(
      BIRDS.length,
    )
    expect(await new ColBERTReranker({ model, topN: null }).compressDocuments(birds(), FLIGHTLESS)).toHaveLength(
      BIRDS.length,
    )
    expect(await new ColBERTReranker({ model }).rerank(['a bird', 'a train'], 'bird', { topN: 1 })).toHaveLength(1)
  })
  it('scoreThreshold', async () => {
    const all = await new ColBERTReranker({ model, topN: null }).rerank(birds(), FLIGHTLESS)
    const scoreThreshold = all[1]!.relevanceScore
    expect(await new ColBERTReranker({ model, topN: null, scoreThreshold }).rerank(birds(), FLIGHTLESS)).toHaveLength(2)
    expect(await new ColBERTReranker({ model, scoreThreshold: 1.01 }).compressDocuments(birds(), FLIGHTLESS)).toEqual(
      [],
    )
  })
})

describe('bad input', () => {
  const reranker = () => new ColBERTReranker({ model })
  it('no documents: none come back, whatever the query', async () => {
    expect(await reranker().compressDocuments([], '')).toEqual([])
    expect(await reranker().rerank([], FLIGHTLESS)).toEqual([])
  })
  it.each(['', ' \n', null, undefined])('query %j', async (query) => {
    await expect(reranker().compressDocuments(birds(), query as string)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
  it('documents without text', async () => {
    await expect(reranker().compressDocuments([{ metadata: {} } as Document], FLIGHTLESS)).rejects.toThrow(
      'documents[0].pageContent must be a string',
    )
    await expect(reranker().rerank([undefined as never], FLIGHTLESS)).rejects.toThrow('documents[0]')
    await expect(reranker().rerank('text' as never, FLIGHTLESS)).rejects.toThrow('takes an array')
    const ranked = await reranker().rerank(['', 'Kiwis cannot fly.'], FLIGHTLESS)
    expect(ranked[0]!.index).toBe(1)
    expect(Number.isFinite(ranked[1]!.relevanceScore)).toBe(true)
  })
  it('metadata that is not text is kept as it is', async () => {
    const when = new Date()
    const odd = new Document({ pageContent: 'Kiwis cannot fly.', metadata: { when, tags: ['a'], nested: { n: 1n } } })
    const [ranked] = await reranker().compressDocuments([odd], FLIGHTLESS)
    expect(ranked!.metadata).toMatchObject({ when, tags: ['a'], nested: { n: 1n } })
  })
  it('options', () => {
    expect(() => new ColBERTReranker({ topK: 3 } as never)).toThrow('Did you mean "topN"')
    for (const model of [null, 'colbert', {}, ColBERT]) {
      expect(() => new ColBERTReranker({ model: model as never })).toThrow(
        'model must be a ColBERT or a promise of one',
      )
    }
    expect(() => new ColBERTReranker({ topN: 0 })).toThrow('topN must be an integer of at least 1, got 0')
    expect(() => new RerankingRetriever({ baseCompressor: reranker() } as never)).toThrow('Did you mean "reranker"')
    expect(() => new RerankingRetriever({ baseRetriever: new Everything(), reranker: {} as never })).toThrow(
      'document compressor',
    )
    expect(() => new RerankingRetriever({ baseRetriever: {} as never, reranker: reranker() })).toThrow(
      'must be a retriever',
    )
  })
  it('a model that does not load is reported by the call', async () => {
    const broken = new ColBERTReranker({ model: Promise.reject(new Error('no such model')) })
    await expect(broken.rerank(['a'], 'b')).rejects.toThrow('no such model')
  })
})

describe('abort', () => {
  const many = () =>
    Array.from({ length: 600 }, (_, i) => new Document({ pageContent: `${i} ${BIRDS[i % BIRDS.length]!.text}` }))
  const settle = () => new Promise((resolve) => setTimeout(resolve, 300))

  it('before work: the model is not called', async () => {
    let called = false
    const scorer: Scorer = { score: (...args) => ((called = true), model.score(...args)) }
    const aborted = { signal: AbortSignal.abort() }
    await expect(new ColBERTReranker({ model: scorer }).rerank(birds(), FLIGHTLESS, aborted)).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(called).toBe(false)
  })

  it('during work stops the encoding', async () => {
    const controller = new AbortController()
    const { scorer, done } = watched(() => controller.abort(new Error('enough')))
    const input = many()
    await expect(
      new ColBERTReranker({ model: scorer }).rerank(input, FLIGHTLESS, { signal: controller.signal }),
    ).rejects.toThrow('enough')
    const reached = done()
    await settle()
    expect(done()).toBe(reached)
    expect(done()).toBeLessThan(input.length)
    expect(input).toEqual(many())
  })

  it('reaches the reranker through RerankingRetriever', async () => {
    const controller = new AbortController()
    const { scorer, done } = watched(() => controller.abort(new Error('enough')))
    const retriever = new RerankingRetriever({
      baseRetriever: new Everything(many()),
      reranker: new ColBERTReranker({ model: scorer }),
    })
    await expect(retriever.invoke(FLIGHTLESS, { signal: controller.signal })).rejects.toThrow('enough')
    await settle()
    expect(done()).toBeLessThan(600)
  })

  it('of the caller stops it, whether or not rerank() has a signal of its own', async () => {
    const controller = new AbortController()
    const { scorer, done } = watched(() => controller.abort(new Error('enough')))
    const own = new AbortController()
    class Own extends BaseRetriever {
      lc_namespace = ['test']
      override async _getRelevantDocuments(query: string): Promise<Document[]> {
        const ranking = await new ColBERTReranker({ model: scorer }).rerank(many(), query, { signal: own.signal })
        return ranking.map(({ index }) => many()[index]!)
      }
    }
    const retriever = new RerankingRetriever({ baseRetriever: new Own(), reranker: new ColBERTReranker({ model }) })
    await expect(retriever.invoke(FLIGHTLESS, { signal: controller.signal })).rejects.toThrow('enough')
    await settle()
    expect(done()).toBeLessThan(600)
  })

  it('timeouts too', async () => {
    const { scorer, done } = watched(() => {})
    const retriever = new RerankingRetriever({
      baseRetriever: new Everything(many()),
      reranker: new ColBERTReranker({ model: scorer }),
    })
    await expect(retriever.invoke(FLIGHTLESS, { timeout: 1 })).rejects.toMatchObject({ name: 'TimeoutError' })
    await settle()
    expect(done()).toBeLessThan(600)
  })

  it('reaches the reranker through LangChain’s own compression retriever inside a runnable, with LangGraph loaded', async () => {
    expect(langgraph).toHaveProperty('StateGraph')
    const controller = new AbortController()
    const { scorer, done } = watched(() => controller.abort(new Error('enough')))
    const compression = new ContextualCompressionRetriever({
      baseRetriever: new Everything(many()),
      baseCompressor: new ColBERTReranker({ model: scorer }),
    })
    const step = RunnableLambda.from((query: string, config) => compression.invoke(query, config))
    await expect(step.invoke(FLIGHTLESS, { signal: controller.signal })).rejects.toThrow('enough')
    await settle()
    expect(done()).toBeLessThan(600)
  })
})

describe('in LangChain’s own places', () => {
  it('is a document compressor', () => {
    expect(BaseDocumentCompressor.isBaseDocumentCompressor(new ColBERTReranker())).toBe(true)
    expect(new ColBERTReranker()).toBeInstanceOf(BaseDocumentCompressor)
  })

  it('ContextualCompressionRetriever, with traces', async () => {
    const { handler, runs } = recordRuns()
    const retriever = new ContextualCompressionRetriever({
      baseRetriever: new Everything(),
      baseCompressor: new ColBERTReranker({ model }),
    })
    const found = await retriever.invoke(FLIGHTLESS, { callbacks: [handler] })
    expect(
      found
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['emu', 'kiwi'])
    expect(runs).toHaveLength(2)
    expect(runs[1]!.parent).toBe(runs[0]!.id)
  })

  it('DocumentCompressorPipeline', async () => {
    const pipeline = new DocumentCompressorPipeline({
      transformers: [new ColBERTReranker({ model, topN: 5 }), new ColBERTReranker({ model, topN: 2 })],
    })
    const found = await pipeline.compressDocuments(birds(), FLIGHTLESS)
    expect(found.map(({ id }) => id).sort()).toEqual(['emu', 'kiwi'])
  })

  it('the same order everywhere', async () => {
    const baseRetriever = new Everything()
    const reranker = new ColBERTReranker({ model, topN: 5 })
    const ours = await new RerankingRetriever({ baseRetriever, reranker }).invoke(FLIGHTLESS)
    const theirs = await new ContextualCompressionRetriever({ baseRetriever, baseCompressor: reranker }).invoke(
      FLIGHTLESS,
    )
    expect(ours).toEqual(theirs)
    expect(baseRetriever.documents).toEqual(birds())
  })
})
