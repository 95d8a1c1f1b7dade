import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { standardScoreFusion } from '../../../packages/core/src/scoring/fuse.js'
import { FakeEncoder } from '../../support/fake-encoder.js'
import { MemoryStore } from '../../support/memory-store.js'

const model = new FakeEncoder()
const documents = [
  { id: 'read', text: 'The call fs.readFileSync throws ERR_2041 when a file is missing.', metadata: { kind: 'error' } },
  { id: 'write', text: 'Writing files: fs.writeFileSync replaces what was there.', metadata: { kind: 'guide' } },
  { id: 'codes', text: 'Error codes begin with ERR_, then a number such as 77 or 2042.', metadata: { kind: 'error' } },
  { id: 'release', text: 'Version 0.17.3 mends the crash of v0.17-m on an empty folder.', metadata: { kind: 'guide' } },
  { id: 'kiwi', text: 'A kiwi is a bird that cannot fly.', metadata: { kind: 'bird' } },
  { id: 'emu', text: 'An emu is a large bird; emus run, emus swim.', metadata: { kind: 'bird' } },
]

let index: MultiVectorIndex
beforeEach(async () => {
  index = await MultiVectorIndex.open(undefined, { model })
  await index.upsert(documents)
})
afterEach(() => index.close())
const ids = (hits: readonly { id: string }[]): string[] => hits.map(({ id }) => id)

describe('a hybrid search', () => {
  it('finds identifiers, numbers and versions that the model makes nothing of', async () => {
    for (const [query, id] of [
      ['what is ERR_2041', 'read'],
      ['fs.writeFileSync', 'write'],
      ['crash in v0.17-m', 'release'],
    ] as const) {
      const [hit] = await index.search(query, { hybrid: { weight: 10 } })
      expect(hit!.id, query).toBe(id)
    }
  })

  it('ranks by the sum of standard scores, and says both scores', async () => {
    const query = 'which bird cannot fly or swim'
    for (const weight of [0, 0.25, 1, 4]) {
      const hits = await index.search(query, { hybrid: { weight } })
      const alone = await index.search(query)
      expect(hits).toHaveLength(documents.length)
      const maxSim = hits.map(({ id, maxSim: score }) => ({ id, score: score! }))
      const keywords = hits.map(({ id, keywords: given }) => ({ id, score: given!.score }))
      for (const { id, score } of maxSim) expect(score).toBe(alone.find((hit) => hit.id === id)!.score)
      const expected = standardScoreFusion([maxSim, keywords], { weights: [1, weight] })
      const scoreOf = new Map(expected.map((each) => [each.id, each.score]))
      const inOrder = hits.map(({ id }) => scoreOf.get(id)!)
      for (const [i, score] of inOrder.entries()) if (i > 0) expect(score).toBeLessThanOrEqual(inOrder[i - 1]! + 1e-9)
      const similarityOf = new Map(alone.map((hit) => [hit.id, hit.meanSimilarity]))
      for (const hit of hits) expect(hit.meanSimilarity).toBe(similarityOf.get(hit.id))
      if (weight === 0) expect(hits.map(({ score }) => score)).toEqual(alone.map(({ score }) => score))
    }
  })

  it('takes a quarter as weight where nothing is said', async () => {
    const query = 'birds that swim'
    expect(await index.search(query, { hybrid: true })).toEqual(await index.search(query, { hybrid: { weight: 0.25 } }))
    expect(await index.search(query, { hybrid: {} })).toEqual(await index.search(query, { hybrid: true }))
    expect(await index.search(query, { hybrid: false })).toEqual(await index.search(query))
    const [plain] = await index.search(query)
    expect([plain!.maxSim, plain!.keywords]).toEqual([undefined, undefined])
  })

  it('says which words of the query a hit holds, those that gave most first', async () => {
    const hits = await index.search('swimming emus are birds', { hybrid: true })
    const words = Object.fromEntries(hits.map((hit) => [hit.id, hit.keywords!.words]))
    expect(words).toMatchObject({ emu: ['emu', 'swim', 'bird'], kiwi: ['bird'], release: [] })
  })

  it('gives only what holds what is quoted, and passes the filter', async () => {
    expect(ids(await index.search('emu "bird"', { hybrid: true }))).toEqual(['emu', 'kiwi'])
    expect(ids(await index.search('"a bird" that flies', { hybrid: true }))).toEqual(['kiwi'])
    expect(await index.search('"penguin"', { hybrid: true })).toEqual([])
    expect(ids(await index.search('ERR_ 2042 files', { hybrid: true, where: { kind: 'error' } })).sort()).toEqual([
      'codes',
      'read',
    ])
    expect(await index.search('bird', { hybrid: true, where: { kind: 'none' } })).toEqual([])
  })

  it('finds by words what the first stage does not find', async () => {
    const many = Array.from({ length: 300 }, (_, i) => ({ id: `d${i}`, text: `common words everywhere ${i % 7}` }))
    await index.upsert(many)
    await index.upsert([{ id: 'needle', text: 'something else entirely XK-42 else entirely something' }])
    await index.prepare({ firstStage: 'centroids' })
    const options = { firstStage: 'centroids', candidates: 5, k: 5 } as const
    const result = await index.searchDetailed('common words everywhere XK-42', { ...options, hybrid: { weight: 2 } })
    expect(result.firstStage).toBe('centroids')
    expect(ids(result.hits)).toContain('needle')
    expect(result.candidates).toBeLessThanOrEqual(10)
  })

  it('says how long its parts took', async () => {
    const { timings } = await index.searchDetailed('bird', { hybrid: true })
    expect(timings.keywords).toBeGreaterThan(0)
    const alone = await index.searchDetailed('bird')
    expect(alone.timings.keywords).toBe(0)
  })

  it('is told of in stats', async () => {
    expect((await index.stats()).keywords).toMatchObject({ language: 'english', documents: 6, memory: 0, terms: null })
    await index.search('bird', { hybrid: true })
    const { keywords, bytes } = await index.stats()
    expect(keywords!.terms).toBeGreaterThan(40)
    expect(keywords!.memory).toBeGreaterThan(keywords!.terms!)
    expect(bytes['keywords']).toBe(keywords!.bytes)
  })

  it('without a word that is anywhere is MaxSim', async () => {
    const query = 'zzz yyy'
    const hits = await index.search(query, { hybrid: true })
    expect(hits.map(({ id, score }) => [id, score])).toEqual(
      (await index.search(query)).map(({ id, score }) => [id, score]),
    )
  })

  it('refuses what it cannot do, and says what to do', async () => {
    const [embeddings] = await model.encodeQueries(['bird'])
    await expect(index.search(embeddings!, { hybrid: true })).rejects.toThrow(/already encoded. Search with the text/)
    await expect(index.search('bird', { hybrid: true, rerank: false })).rejects.toThrow(/Leave out one of them/)
    for (const weight of [-1, NaN, '1'])
      await expect(index.search('bird', { hybrid: { weight: weight as number } })).rejects.toThrow(
        /weight of hybrid must be/,
      )
    await expect(index.search('bird', { hybrid: { wieght: 1 } as object })).rejects.toThrow(/Did you mean "weight"/)
    await expect(index.search('bird', { hybrid: 'yes' as unknown as true })).rejects.toThrow(
      /hybrid must be true, false or/,
    )
    const off = await MultiVectorIndex.open(undefined, { model, keywords: false })
    await expect(off.search('bird', { hybrid: true })).rejects.toThrow(/keeps no words.*keywords: true/)
    await off.close()
    const foreign = await MultiVectorIndex.open(new MemoryStore(), { model })
    await expect(foreign.search('bird', { hybrid: true })).rejects.toThrow(/keeps no words/)
    await foreign.close()
  })

  it('answers the same over another store that finds by words', async () => {
    for (const nativeSearch of [false, true]) {
      const other = await MultiVectorIndex.open(new MemoryStore({ keywords: true, nativeSearch }), { model })
      await other.upsert(documents)
      for (const query of ['birds "that cannot"', 'ERR_2041', 'emus swim and files fly']) {
        const [here, there] = [await index.search(query, { hybrid: true }), await other.search(query, { hybrid: true })]
        expect(ids(there)).toEqual(ids(here))
        for (const [i, hit] of there.entries()) expect(hit.score).toBeCloseTo(here[i]!.score, 5)
      }
      await other.close()
    }
  })
})
