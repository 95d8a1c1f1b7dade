// Pages are pieces of one ranking, whatever finds the candidates.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MultiVectorIndex } from '../../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../../packages/core/src/index/open.js'
import type { SearchOptions } from '../../../../packages/core/src/index/search/options.js'
import { FakeEncoder, random, randomText } from '../../../support/fake-encoder.js'
import { MemoryStore } from '../../../support/memory-store.js'

const model = new FakeEncoder()
const next = random(11)
const documents = Array.from({ length: 400 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 12),
  metadata: { even: i % 2 === 0 },
}))
const query = 'kiwi w40 w60 w80 river'

let index: MultiVectorIndex
const opened = async (options: OpenOptions = {}): Promise<MultiVectorIndex> => {
  index = await MultiVectorIndex.open(undefined, { model, ...options })
  await index.upsert(documents)
  await index.prepare()
  return index
}
afterEach(() => index.close())

/** The pages of a search, one after the other, as deep as said. */
async function pages(depth: number, options: SearchOptions): Promise<{ id: string; rank: number; score: number }[]> {
  const hits = []
  for (let offset = 0; offset < depth; offset += options.k!) {
    for (const { id, rank, score } of await index.search(query, { ...options, offset })) hits.push({ id, rank, score })
  }
  return hits
}

describe.each<[string, OpenOptions, SearchOptions]>([
  ['exact MaxSim', {}, {}],
  ['centroid codes', { firstStage: 'centroids' }, {}],
  ['centroid codes and so many candidates', { firstStage: 'centroids' }, { candidates: 150 }],
  ['FDEs', { fde: { partitioning: 'hyperplanes' }, firstStage: 'fde' }, {}],
  ['a first stage alone', { firstStage: 'centroids' }, { rerank: false }],
  ['words, too', {}, { hybrid: true }],
])('pages of %s', (_, open, options) => {
  beforeEach(() => opened(open))

  it('are pieces of one ranking', async () => {
    const whole = await index.search(query, { candidates: 100, ...options, k: 100 })
    const found = await pages(100, { candidates: 100, ...options, k: 10 })
    expect(found).toEqual(whole.map(({ id, rank, score }) => ({ id, rank, score })))
    expect(found.map(({ rank }) => rank)).toEqual(Array.from({ length: 100 }, (_value, i) => i + 1))
  })

  it('hold no document twice where nothing is said of candidates', async () => {
    const found = await pages(60, { ...options, k: 10 })
    expect(new Set(found.map(({ id }) => id)).size).toBe(60)
  })

  it('go on to the last document, and are empty after it', async () => {
    const last = await index.search(query, { ...options, k: 30, offset: 390 })
    expect(last.map(({ rank }) => rank)).toEqual([391, 392, 393, 394, 395, 396, 397, 398, 399, 400])
    expect(await index.search(query, { ...options, offset: 400 })).toEqual([])
    const even = await index.search(query, { ...options, offset: 190, k: 30, where: { even: true } })
    expect(even.map(({ rank }) => rank)).toEqual([191, 192, 193, 194, 195, 196, 197, 198, 199, 200])
  })
})

it('looks at as many candidates as the page is deep, and at no more for the pages before', async () => {
  await opened({ firstStage: 'centroids' })
  const candidates = async (options: SearchOptions) => (await index.searchDetailed(query, options)).candidates
  const first = await candidates({ k: 10 })
  expect(first).toBeLessThan(200)
  expect(await candidates({ k: 10, offset: 20 })).toBe(first)
  expect(await candidates({ k: 10, offset: 200 })).toBe(210)
  expect(await candidates({ k: 10, offset: 200, candidates: 50 })).toBe(210)
  expect(await candidates({ k: 10, offset: 20, candidates: 50 })).toBe(50)
})

it('asks an engine for all down to the page, and shows the page', async () => {
  const store = new MemoryStore({ nativeSearch: true })
  index = await MultiVectorIndex.open(store, { model })
  await index.upsert(documents)
  const whole = await index.search(query, { k: 50 })
  expect(await index.search(query, { k: 20, offset: 30 })).toEqual(whole.slice(30))
})

it.each([-1, 1.5, '10'])('refuses %j as offset', async (offset) => {
  await opened()
  await expect(index.search(query, { offset: offset as number })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('offset must be an integer of at least 0') as string,
  })
})

it('says offset to those who write skip or from', async () => {
  await opened()
  for (const slip of ['skip', 'from', 'start']) {
    await expect(index.search(query, { [slip]: 10 })).rejects.toThrow(`no option "${slip}". Did you mean "offset"?`)
  }
})

describe('text: false', () => {
  it.each<[string, SearchOptions]>([
    ['a search', {}],
    ['a hybrid search', { hybrid: true }],
  ])('leaves texts out of %s', async (_, options) => {
    await opened()
    const [whole, bare] = [await index.search(query, options), await index.search(query, { ...options, text: false })]
    expect(whole[0]!.text).toBeTypeOf('string')
    expect(bare).toEqual(whole.map(({ text: _text, ...rest }) => rest))
  })

  it('leaves texts out of get', async () => {
    await opened()
    const { text: _text, ...rest } = (await index.get('d7'))!
    expect(await index.get('d7', { text: false })).toEqual(rest)
    expect(await index.get(['d7', 'no'], { text: false })).toEqual([rest, undefined])
    await expect(index.get('d7', { withText: false } as never)).rejects.toThrow('Did you mean "text"?')
    await expect(index.get('d7', { text: 0 as never })).rejects.toThrow('text must be true or false, got 0.')
  })
})
