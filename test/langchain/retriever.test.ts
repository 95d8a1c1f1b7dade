import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression'
import { EnsembleRetriever } from '@langchain/classic/retrievers/ensemble'
import { Document } from '@langchain/core/documents'
import { BaseRetriever } from '@langchain/core/retrievers'
import { ColBERT, MultiVectorIndex, SerotineError } from '@serotine/core'
import type { Encoder, SearchHit } from '@serotine/core'
import { EmbeddedStore } from '@serotine/core/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ColBERTReranker,
  ColBERTRetriever,
  ColBERTVectorStore,
  MuveraEmbeddings,
  RerankingRetriever,
} from '../../packages/langchain/src/index.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { describeRetriever } from '../contract/langchain-retriever.js'
import { recordRuns } from './runs.js'

let model: ColBERT
let retriever: ColBERTRetriever<MultiVectorIndex>
let folder: string
const documents = BIRDS.map(({ id, text, ...metadata }) => new Document({ id, pageContent: text, metadata }))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-langchain-'))
  model = await ColBERT.load()
  retriever = await ColBERTRetriever.fromDocuments(documents, { model })
})
afterAll(async () => {
  await retriever?.index.close()
  await model?.close()
  await rm(folder, { recursive: true, force: true })
})

describeRetriever('ColBERTRetriever', {
  create: async (options) => new ColBERTRetriever({ index: retriever.index, ...options }),
  kPerCall: true,
})

describe('an index in a folder', () => {
  const path = () => join(folder, 'birds')
  beforeAll(async () => {
    const built = await ColBERTRetriever.fromDocuments(documents, { model, folder: path() })
    await built.index.close()
  })
  describeRetriever('ColBERTRetriever.fromExistingIndex', {
    create: (options) => ColBERTRetriever.fromExistingIndex(path(), { model, ...options }),
    kPerCall: true,
  })

  it('is opened for reading', async () => {
    const reader = await ColBERTRetriever.fromExistingIndex(path(), { model })
    await expect(reader.index.upsert([{ id: 'x', text: 'x' }])).rejects.toMatchObject({ code: 'INDEX_READONLY' })
    await reader.index.close()
  })

  it('must exist', async () => {
    await expect(ColBERTRetriever.fromExistingIndex(join(folder, 'nowhere'), { model })).rejects.toSatisfy(
      SerotineError.isInstance,
    )
  })
})

describe('an index in a store that was given', () => {
  let index: MultiVectorIndex
  beforeAll(async () => {
    index = await MultiVectorIndex.open(await EmbeddedStore.open(), { model })
    await index.upsert(BIRDS.map(({ id, text, ...metadata }) => ({ id, text, metadata })))
  })
  afterAll(() => index?.close())
  describeRetriever('ColBERTRetriever over a store', {
    create: async (options) => new ColBERTRetriever({ index, ...options }),
    kPerCall: true,
  })
})

describeRetriever('RerankingRetriever', {
  create: async ({ k = 4 }) =>
    new RerankingRetriever({
      baseRetriever: new ColBERTRetriever({ index: retriever.index, k: 10 }),
      reranker: new ColBERTReranker({ model, topN: k }),
    }),
  kPerCall: false,
})

describeRetriever('ColBERTVectorStore.asRetriever', {
  create: async ({ k = 4 }) => {
    const store = new ColBERTVectorStore(new MuveraEmbeddings({ model }), { index: retriever.index })
    const stock = store.asRetriever(k)
    // LangChain's own retriever ignores an aborted signal; ours below does not.
    return Object.assign(stock, { invoke: guarded(stock) })
  },
  kPerCall: false,
})

function guarded(stock: BaseRetriever): BaseRetriever['invoke'] {
  const invoke = stock.invoke.bind(stock)
  return async (input, options) => {
    options?.signal?.throwIfAborted()
    return invoke(input, options)
  }
}

describe('scores', () => {
  it('are on copies, higher is better, with rank and id', async () => {
    const found = await retriever.invoke(FLIGHTLESS, { k: 5 })
    const scores = found.map(({ metadata }) => metadata['relevanceScore'] as number)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(found.map(({ metadata }) => metadata['rank'])).toEqual([1, 2, 3, 4, 5])
    for (const score of scores) expect(Math.abs(score)).toBeLessThanOrEqual(1)
    expect(found[0]!.metadata).toMatchObject({ lang: 'en', year: expect.any(Number) })
    for (const document of documents) expect(document.metadata).not.toHaveProperty('relevanceScore')
  })

  it('are the model’s own', async () => {
    const [best] = await retriever.invoke(FLIGHTLESS, { k: 1 })
    const raw = new ColBERTRetriever({ index: retriever.index, score: 'maxSim' })
    const [bestRaw] = await raw.invoke(FLIGHTLESS, { k: 1 })
    const { scores, queryTokens } = await model.score(FLIGHTLESS, [best!.pageContent])
    // The index keeps token vectors in int8.
    expect(bestRaw!.metadata['relevanceScore']).toBeCloseTo(scores[0]!, 0)
    expect(best!.metadata['relevanceScore']).toBeCloseTo(scores[0]! / queryTokens, 1)
    expect(bestRaw!.metadata['relevanceScore']).toBeCloseTo(
      (best!.metadata['relevanceScore'] as number) * queryTokens,
      3,
    )
  })

  it('below the threshold are left out', async () => {
    const all = await retriever.invoke(FLIGHTLESS, { k: 10 })
    const cut = (all[1]!.metadata['relevanceScore'] as number) - 1e-6
    expect(await retriever.invoke(FLIGHTLESS, { k: 10, scoreThreshold: cut })).toHaveLength(2)
    const strict = new ColBERTRetriever({ index: retriever.index, scoreThreshold: 1.01 })
    expect(await strict.invoke(FLIGHTLESS)).toEqual([])
  })

  it('of one search do not reach the next', async () => {
    const [first] = await retriever.invoke(FLIGHTLESS, { k: 1 })
    first!.metadata['lang'] = 'xx'
    first!.pageContent = 'changed'
    const [again] = await retriever.invoke(FLIGHTLESS, { k: 1 })
    expect(again!.metadata['lang']).toBe('en')
    expect(again!.pageContent).not.toBe('changed')
  })
})

describe('filters', () => {
  it('keep to documents that fit', async () => {
    const german = new ColBERTRetriever({ index: retriever.index, filter: { lang: 'de' } })
    expect((await german.invoke(FLIGHTLESS)).map(({ id }) => id)).toEqual(['zug'])
    const early = await retriever.invoke(FLIGHTLESS, { filter: { year: { lt: 1765 } }, k: 10 })
    expect(early.map(({ id }) => id).sort()).toEqual(['parrot', 'tern'])
    const byFunction = await retriever.invoke(FLIGHTLESS, { filter: ({ metadata }) => metadata['year'] === 2020 })
    expect(byFunction.map(({ id }) => id)).toEqual(['proxy'])
  })
})

describe('k, candidates', () => {
  it('k beyond the collection returns all of it', async () => {
    expect(await retriever.invoke(FLIGHTLESS, { k: 500 })).toHaveLength(BIRDS.length)
  })
  it('travel through withConfig and pipe', async () => {
    expect(await retriever.withConfig({ k: 2 }).invoke(FLIGHTLESS)).toHaveLength(2)
    const [one] = await retriever.withConfig({ filter: { lang: 'de' } }).batch([FLIGHTLESS], { k: 10 })
    expect(one!.map(({ id }) => id)).toEqual(['zug'])
  })
})

describe('candidates', () => {
  it('are what the index needs where they are not given, and never fewer than k', async () => {
    const seen: unknown[] = []
    const search = async (_: unknown, options: { candidates?: number }) => {
      seen.push(options.candidates)
      return []
    }
    const index = { ...retriever.index, search } as unknown as typeof retriever.index
    await new ColBERTRetriever({ index }).invoke(FLIGHTLESS)
    await new ColBERTRetriever({ index, candidates: 50 }).invoke(FLIGHTLESS)
    await new ColBERTRetriever({ index, k: 20 }).invoke(FLIGHTLESS, { candidates: 10 })
    expect(seen).toEqual([undefined, 50, 20])
  })
})

describe('hybrid', () => {
  it('counts words, too, for all calls or for one', async () => {
    const { index } = retriever
    const ids = (found: readonly { id?: string | undefined }[]) => found.map(({ id }) => id)
    const expected = (await index.search('"fly" kiwi', { k: 4, hybrid: { weight: 1 } })).map(({ id }) => id)
    const hybrid = new ColBERTRetriever({ index, hybrid: { weight: 1 } })
    expect(ids(await hybrid.invoke('"fly" kiwi'))).toEqual(expected)
    expect(ids(await retriever.invoke('"fly" kiwi', { hybrid: { weight: 1 } }))).toEqual(expected)
    expect(await hybrid.invoke('"fly" kiwi', { hybrid: false })).toHaveLength(4)
    expect(expected.length).toBeLessThan(4)
    await expect(retriever.invoke('kiwi', { hybrd: true } as never)).rejects.toThrow('Did you mean "hybrid"')
  })
})

describe('bad input', () => {
  it.each(['', '   ', undefined, 42])('query %j', async (query) => {
    await expect(retriever.invoke(query as string)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
  it('options', () => {
    const { index } = retriever
    expect(() => new ColBERTRetriever({ index, topK: 3 } as never)).toThrow('Did you mean "k"')
    expect(() => new ColBERTRetriever({ index, k: 0 })).toThrow('k must be an integer of at least 1, got 0')
    expect(() => new ColBERTRetriever({ index, k: 2.5 })).toThrow('2.5')
    expect(() => new ColBERTRetriever({ index, scoreThreshold: Number.NaN })).toThrow('scoreThreshold must be a number')
    expect(() => new ColBERTRetriever({ index, score: 'cosine' as never })).toThrow("'meanSimilarity' or 'maxSim'")
    expect(() => new ColBERTRetriever({} as never)).toThrow('index must be a MultiVectorIndex')
  })
  it('options of a call', async () => {
    await expect(retriever.invoke(FLIGHTLESS, { k: -1 })).rejects.toThrow('got -1')
  })
  it('documents', async () => {
    const build = (input: unknown) => ColBERTRetriever.fromDocuments(input as Document[], { model })
    await expect(build('text')).rejects.toThrow('documents must be an array')
    await expect(build([{ metadata: {} }])).rejects.toThrow('documents[0].pageContent must be a string, got undefined')
    await expect(build([null])).rejects.toThrow('documents[0].pageContent')
    await expect(build([{ pageContent: 'x', metadata: { f: () => 1 } }])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(build([{ pageContent: 'x', metadata: { vector: new Float32Array(3) } }])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(ColBERTRetriever.fromTexts(['a', 'b'], [{}], { model })).rejects.toThrow(
      '2 texts came with 1 metadatas',
    )
  })
  it('metadata that JSON cannot hold is refused by name, and nothing is indexed', async () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    let deep: Record<string, unknown> = {}
    for (let i = 0; i < 20_000; i++) deep = { deep }
    for (const [metadata, message] of [
      [{ n: 1n }, 'metadata.n'],
      [{ deep: { x: [Number.NaN] } }, 'metadata.deep.x[0]'],
      [circular, 'metadata.self'],
      // JSON.stringify would write {} and lose what they hold.
      [{ m: new Map([['a', 1]]) }, 'metadata.m'],
      [{ list: [new Set([1])] }, 'metadata.list[0]'],
      [{ failed: new Error('why') }, 'metadata.failed'],
      [deep, 'nested more than 100 levels'],
    ] as const) {
      await expect(ColBERTRetriever.fromTexts(['a'], metadata, { model })).rejects.toThrow(message)
    }
  })
  it('no documents give an empty retriever', async () => {
    const empty = await ColBERTRetriever.fromDocuments([], { model })
    expect(await empty.invoke(FLIGHTLESS)).toEqual([])
    await empty.index.close()
  })
  it('documents without text are indexed and found by their metadata', async () => {
    const sparse = await ColBERTRetriever.fromTexts(['', 'Kiwis cannot fly.'], [{ n: 1 }, { n: 2 }], { model })
    const found = await sparse.invoke(FLIGHTLESS)
    expect(found.map(({ metadata }) => metadata['n'])).toEqual(expect.arrayContaining([2]))
    await sparse.index.close()
  })
  it('metadata as loaders make it: dates, class instances, undefined', async () => {
    class PdfInfo {
      constructor(readonly pages: number) {}
    }
    const metadata = {
      source: 'a.pdf',
      loc: { lines: { from: 1, to: 9 } },
      when: new Date(0),
      pdf: new PdfInfo(3),
      none: undefined,
      nil: null,
    }
    const one = await ColBERTRetriever.fromTexts(['Kiwis cannot fly.'], [metadata], { model })
    const [found] = await one.invoke('kiwi')
    expect(found!.metadata).toMatchObject({
      source: 'a.pdf',
      loc: { lines: { from: 1, to: 9 } },
      when: '1970-01-01T00:00:00.000Z',
      pdf: { pages: 3 },
      nil: null,
    })
    expect(found!.metadata).not.toHaveProperty('none')
    expect(metadata.when).toBeInstanceOf(Date)
    await one.index.close()
  })
})

describe('abort', () => {
  it('before work: nothing is encoded', async () => {
    let encoded = 0
    const counting: Encoder = {
      dim: model.dim,
      name: model.name,
      fingerprint: model.fingerprint,
      encodeQueries: (...args) => (encoded++, model.encodeQueries(...args)),
      encodeDocuments: (...args) => model.encodeDocuments(...args),
    }
    const own = await ColBERTRetriever.fromTexts(['Kiwis cannot fly.'], {}, { model: counting })
    await expect(own.invoke('kiwi', { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(encoded).toBe(0)
    await own.invoke('kiwi')
    expect(encoded).toBe(1)
    await own.index.close()
  })

  it('during indexing stops the encoding', async () => {
    const controller = new AbortController()
    const many = Array.from({ length: 400 }, (_, i) => `Document number ${i}: ${BIRDS[i % BIRDS.length]!.text}`)
    let done = 0
    const building = ColBERTRetriever.fromTexts(
      many,
      {},
      {
        model,
        signal: controller.signal,
        onProgress: (progress) => {
          done = Math.max(done, progress.done)
          controller.abort(new Error('enough'))
        },
      },
    )
    await expect(building).rejects.toThrow('enough')
    const reached = done
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(done).toBe(reached)
    expect(done).toBeLessThan(many.length)
  })

  it('and timeouts reach the index', async () => {
    const never = {
      search: (_query: string, { signal }: { signal?: AbortSignal }) =>
        new Promise<SearchHit[]>((_, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason as Error)),
        ),
    }
    const waiting = new ColBERTRetriever({ index: never })
    await expect(waiting.invoke(FLIGHTLESS, { timeout: 20 })).rejects.toMatchObject({ name: 'TimeoutError' })
    const controller = new AbortController()
    const result = waiting.invoke(FLIGHTLESS, { signal: controller.signal })
    controller.abort(new Error('stop'))
    await expect(result).rejects.toThrow('stop')
  })
})

describe('tracing', () => {
  it('reports start, end and error, without vectors', async () => {
    const { handler, runs } = recordRuns()
    await retriever.invoke(FLIGHTLESS, { callbacks: [handler], runName: 'birds', metadata: { user: 'ann' }, k: 1 })
    expect(runs).toMatchObject([
      { type: 'retriever', name: 'birds', input: FLIGHTLESS, documents: 1, metadata: { user: 'ann' } },
    ])
    await expect(retriever.invoke('', { callbacks: [handler] })).rejects.toThrow('query')
    expect(runs[1]!.error).toMatch('query')
  })

  it('nests the base retriever under the reranking one', async () => {
    const { handler, runs } = recordRuns()
    const nested = new RerankingRetriever({ baseRetriever: retriever, reranker: new ColBERTReranker({ model }) })
    await nested.invoke(FLIGHTLESS, { callbacks: [handler] })
    expect(runs).toHaveLength(2)
    expect(runs[1]!.parent).toBe(runs[0]!.id)
  })
})

describe('in LangChain’s own retrievers', () => {
  it('ContextualCompressionRetriever, which passes callbacks where a config belongs', async () => {
    const { handler, runs } = recordRuns()
    const compression = new ContextualCompressionRetriever({
      baseRetriever: new ColBERTRetriever({ index: retriever.index, k: 10 }),
      baseCompressor: new ColBERTReranker({ model, topN: 2 }),
    })
    const found = await compression.invoke(FLIGHTLESS, { callbacks: [handler] })
    expect(found.map(({ id }) => id).sort()).toEqual(['emu', 'kiwi'])
    expect(runs.map(({ parent }) => parent)).toEqual([undefined, runs[0]!.id])
  })

  it('EnsembleRetriever', async () => {
    const german = new ColBERTRetriever({ index: retriever.index, filter: { lang: 'de' } })
    const ensemble = new EnsembleRetriever({ retrievers: [retriever, german], weights: [0.9, 0.1] })
    const ids = (await ensemble.invoke(FLIGHTLESS)).map(({ id }) => id)
    expect(ids.slice(0, 2).sort()).toEqual(['emu', 'kiwi'])
    expect(ids).toContain('zug')
  })
})
