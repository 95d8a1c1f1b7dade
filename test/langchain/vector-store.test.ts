import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Document } from '@langchain/core/documents'
import { FakeEmbeddings } from '@langchain/core/utils/testing'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { EmbeddedStore } from '@serotine/core/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColBERTReranker, ColBERTVectorStore, MuveraEmbeddings } from '../../packages/langchain/src/index.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { describeVectorStore } from '../contract/langchain-vector-store.js'

let model: ColBERT
let embeddings: MuveraEmbeddings
let folder: string
const documents = () => BIRDS.map(({ id, text, ...metadata }) => new Document({ id, pageContent: text, metadata }))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-langchain-store-'))
  model = await ColBERT.load()
  embeddings = new MuveraEmbeddings({ model })
})
afterAll(async () => {
  await model?.close()
  await rm(folder, { recursive: true, force: true })
})

let opened: ColBERTVectorStore | undefined
const close = async () => {
  await opened?.index.close()
  opened = undefined
}
describeVectorStore('ColBERTVectorStore in memory', {
  create: async () => (opened = await ColBERTVectorStore.open(embeddings)),
  close,
})
let folders = 0
describeVectorStore('ColBERTVectorStore in a folder', {
  create: async () =>
    (opened = await ColBERTVectorStore.open(embeddings, { folder: join(folder, `store-${folders++}`) })),
  close,
})
describeVectorStore('ColBERTVectorStore over a store that was given', {
  create: async () => {
    const index = await MultiVectorIndex.open(await EmbeddedStore.open(), { model })
    return (opened = new ColBERTVectorStore(embeddings, { index }))
  },
  close,
})

describe('search', () => {
  let store: ColBERTVectorStore
  beforeAll(async () => {
    store = await ColBERTVectorStore.fromDocuments(documents(), embeddings)
  })
  afterAll(() => store?.index.close())

  it('by text is late interaction, higher is better', async () => {
    const scored = await store.similaritySearchWithScore(FLIGHTLESS, 10)
    expect(
      scored
        .slice(0, 2)
        .map(([{ id }]) => id)
        .sort(),
    ).toEqual(['emu', 'kiwi'])
    const scores = scored.map(([, score]) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    const direct = await store.index.search(FLIGHTLESS, { k: 10 })
    expect(scored.map(([{ id }]) => id)).toEqual(direct.map(({ id }) => id))
  })

  it('by vector compares FDEs by inner product', async () => {
    const query = await embeddings.embedQuery(FLIGHTLESS)
    const scored = await store.similaritySearchVectorWithScore(query, 3)
    expect(scored).toHaveLength(3)
    const vectors = await embeddings.embedDocuments(documents().map(({ pageContent }) => pageContent))
    const expected = new Map(
      vectors.map((vector, i) => [documents()[i]!.id, vector.reduce((sum, x, j) => sum + x * query[j]!, 0)]),
    )
    expect(
      scored
        .slice(0, 2)
        .map(([{ id }]) => id)
        .sort(),
    ).toEqual(['emu', 'kiwi'])
    const scores = scored.map(([, score]) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    // The index keeps token vectors in int8.
    for (const [{ id }, score] of scored.slice(0, 2)) expect(Math.abs(score / expected.get(id)! - 1)).toBeLessThan(0.05)
    const german = await store.similaritySearchVectorWithScore(query, 3, { lang: 'de' })
    expect(german.map(([{ id }]) => id)).toEqual(['zug'])
  })

  it('filters by equality, conditions and function', async () => {
    const ids = async (filter: ColBERTVectorStore['FilterType']) =>
      (await store.similaritySearch(FLIGHTLESS, 10, filter)).map(({ id }) => id).sort()
    expect(await ids({ lang: 'de' })).toEqual(['zug'])
    expect(await ids({ year: { gte: 2019 }, lang: 'en' })).toEqual(['bread', 'heart', 'proxy'])
    expect(await ids(({ metadata }) => metadata['year'] === 1763)).toEqual(['tern'])
  })

  it('MMR: relevant and not the same twice', async () => {
    const twins = await ColBERTVectorStore.fromTexts(
      [
        'The kiwi is a flightless bird.',
        'The kiwi is a flightless bird!',
        'The kiwi is a flightless bird.',
        'Emus cannot fly either, but run.',
        'Bread rises slowly.',
      ],
      {},
      embeddings,
      { ids: ['a', 'b', 'c', 'd', 'e'] },
    )
    const plain = await twins.similaritySearch('flightless kiwi bird', 2)
    const ids = async (lambda: number) =>
      (await twins.maxMarginalRelevanceSearch('flightless kiwi bird', { k: 2, fetchK: 5, lambda })).map(({ id }) => id)
    expect(await ids(1)).toEqual(plain.map(({ id }) => id))
    const diverse = await ids(0.5)
    expect(diverse[0]).toBe(plain[0]!.id)
    expect(['d', 'e']).toContain(diverse[1])
    const retriever = twins.asRetriever({ k: 2, searchType: 'mmr', searchKwargs: { fetchK: 5, lambda: 0.5 } })
    expect((await retriever.invoke('flightless kiwi bird')).map(({ id }) => id)).toEqual(diverse)
    await twins.index.close()
  })

  it('deletes by filter', async () => {
    const own = await ColBERTVectorStore.fromDocuments(documents(), embeddings)
    await own.delete({ filter: { lang: 'en' } })
    expect((await own.similaritySearch(FLIGHTLESS, 10)).map(({ id }) => id)).toEqual(['zug'])
    await own.index.close()
  })

  it('rejects bad input, and stays as it was', async () => {
    await expect(store.similaritySearch('', 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(store.similaritySearch('x', 0)).rejects.toThrow('k must be an integer of at least 1, got 0')
    await expect(store.delete({})).rejects.toThrow('{ ids } or { filter }')
    await expect(store.addDocuments(documents(), { ids: ['one'] })).rejects.toThrow('10 documents came with 1 ids')
    await expect(store.addVectors([[1]], documents())).rejects.toThrow('10 documents came with 1 vectors')
    await expect(
      store.addDocuments([new Document({ pageContent: 'x', metadata: { n: Number.NaN } })]),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(store.similaritySearchVectorWithScore([1, 2], 1)).rejects.toThrow('2 numbers')
    expect(() => new ColBERTVectorStore(new FakeEmbeddings(), { index: store.index })).toThrow(
      'must be MuveraEmbeddings',
    )
    expect(() => new ColBERTVectorStore(embeddings, {} as never)).toThrow('index must be a MultiVectorIndex')
    await expect(store.getByIds('kiwi' as never)).rejects.toThrow('getByIds takes an array of ids, got "kiwi"')
    expect(() => new MuveraEmbeddings({ model: 'colbert' as never })).toThrow(
      'model must be a loaded model, got "colbert"',
    )
    expect(await store.addDocuments([])).toEqual([])
    expect(await store.similaritySearch(FLIGHTLESS, 100)).toHaveLength(BIRDS.length)
  })
})

describe('save and load', () => {
  it('keeps texts, metadata, ids and order', async () => {
    const store = await ColBERTVectorStore.fromDocuments(documents(), embeddings)
    const before = await store.similaritySearchWithScore(FLIGHTLESS, 10)
    const directory = join(folder, 'saved')
    await store.save(directory)
    await store.index.close()
    const loaded = await ColBERTVectorStore.load(directory, embeddings)
    expect(await loaded.similaritySearchWithScore(FLIGHTLESS, 10)).toEqual(before)
    await loaded.addDocuments([new Document({ pageContent: 'One more bird.' })], { ids: ['more'] })
    await loaded.save(directory)
    await loaded.index.close()
    const again = await ColBERTVectorStore.load(directory, embeddings)
    expect(await again.getByIds(['more'])).toHaveLength(1)
    await again.index.close()
  })

  it('replaces what the folder held', async () => {
    const directory = join(folder, 'replaced')
    const store = await ColBERTVectorStore.fromDocuments(documents(), embeddings)
    await store.save(directory)
    await store.delete({ ids: ['kiwi'] })
    await store.save(directory)
    const ids = await store.index.ids()
    await store.index.close()
    const loaded = await ColBERTVectorStore.load(directory, embeddings)
    expect(await loaded.index.ids()).toEqual(ids)
    expect(await loaded.index.stats()).toMatchObject({ documents: BIRDS.length - 1, deleted: 0 })
    await loaded.index.close()
  })

  it('load needs a saved store', async () => {
    await expect(ColBERTVectorStore.fromExistingIndex(embeddings)).rejects.toThrow('{ index } or { folder }')
    await expect(ColBERTVectorStore.load(join(folder, 'nothing'), embeddings)).rejects.toMatchObject({
      name: 'SerotineError',
    })
  })

  it('is an index of the core', async () => {
    const store = await ColBERTVectorStore.fromDocuments(documents(), embeddings, { folder: join(folder, 'shared') })
    await store.index.close()
    const index = await MultiVectorIndex.open(join(folder, 'shared'), { model, readonly: true })
    expect((await index.search(FLIGHTLESS, { k: 1 }))[0]!.text).toMatch(/fl/)
    await index.close()
  })
})

describe('MuveraEmbeddings', () => {
  it('make any dot-product store a first stage', async () => {
    const texts = documents()
    const vectors = await embeddings.embedDocuments(texts.map(({ pageContent }) => pageContent))
    const query = await embeddings.embedQuery(FLIGHTLESS)
    expect(new Set([...vectors, query].map(({ length }) => length)).size).toBe(1)
    const found = texts
      .map((document, i) => ({ document, score: vectors[i]!.reduce((sum, x, j) => sum + x * query[j]!, 0) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 6)
      .map(({ document }) => document)
    const [best, second] = await new ColBERTReranker({ model }).compressDocuments(found, FLIGHTLESS)
    expect([best!.id, second!.id].sort()).toEqual(['emu', 'kiwi'])
  })

  it('give the same vector alone and in a batch', async () => {
    const [alone] = await embeddings.embedDocuments([BIRDS[3].text])
    const all = await embeddings.embedDocuments(BIRDS.map(({ text }) => text))
    const norm = Math.sqrt(alone!.reduce((sum, x) => sum + x * x, 0))
    const distance = Math.sqrt(alone!.reduce((sum, x, i) => sum + (x - all[3]![i]!) ** 2, 0))
    expect(distance / norm).toBeLessThan(1e-3)
  })

  it('take presets and a sample’s mean', async () => {
    const small = new MuveraEmbeddings({ model, fde: { preset: 'small' } })
    expect((await small.embedQuery('bird')).length).toBe(1280)
    const fitted = await MuveraEmbeddings.fromSample(
      BIRDS.map(({ text }) => text),
      { model, fde: { prepare: 'deflate' } },
    )
    expect(await fitted.embedQuery('bird')).not.toEqual(await embeddings.embedQuery('bird'))
    expect(() => new MuveraEmbeddings({ model, fde: { prepare: 'center' } })).toThrow('needs means')
    expect(() => new MuveraEmbeddings({ model, presets: 'small' } as never)).toThrow('presets')
  })

  it('embed nothing for nothing', async () => {
    expect(await embeddings.embedDocuments([])).toEqual([])
  })
})
