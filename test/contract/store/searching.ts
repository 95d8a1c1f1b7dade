import { expect, it } from 'vitest'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import type { FirstStage, NewDocument, Store } from '../../../packages/core/src/store/store.js'
import { clusteredCollection, randomEmbeddings } from '../../support/clustered-embeddings.js'
import { bestIds, plainMaxSim, scoreTolerance, storedScores } from './max-sim.js'
import { DIM, failure, newDocument, newDocuments, numbered } from './stores.js'
import type { Stores } from './stores.js'

/** A store may know others, too. */
const FIRST_STAGES: readonly FirstStage[] = ['auto', 'exact', 'centroids', 'fde', 'hnsw', 'muvera', 'native']

const clustered = clusteredCollection()
const documents = clustered.documents.map((embeddings, i) =>
  newDocument(`d${i}`, { embeddings, metadata: { third: i % 3 } }),
)
/** MaxSim of each query with each document. */
const truths = clustered.queries.map(
  (query) => new Map(documents.map(({ id, embeddings }) => [id, plainMaxSim(query, embeddings!)])),
)

export function searchingCases(stores: Stores): void {
  const query = randomEmbeddings(99, 4, DIM)

  it.each(FIRST_STAGES)(
    'finds the best documents by the first stage %s, or says that it cannot',
    async (firstStage) => {
      const store = await stores.filled(documents)
      if (await isOffered(stores, store, firstStage)) await expectBest(stores, store, firstStage)
    },
  )

  it('finds the best documents by whatever other first stage it has', async () => {
    const store = await stores.filled(documents)
    for (const firstStage of store.capabilities.firstStages.filter((name) => !FIRST_STAGES.includes(name))) {
      if (await isOffered(stores, store, firstStage)) await expectBest(stores, store, firstStage)
    }
  })

  it.each(FIRST_STAGES)('keeps to the filter and to the number asked for by %s', async (firstStage) => {
    const store = await stores.filled(documents)
    if (!(await isOffered(stores, store, firstStage))) return
    const filter = { kind: 'field', field: 'third', operator: 'eq', operand: 1 } as const
    const passing = documents.filter((_, i) => i % 3 === 1)
    for (const count of [1, 7, 100, 1000]) {
      for (const embeddings of clustered.queries.slice(0, 3)) {
        expectCandidates(await store.candidates({ embeddings, count, firstStage }), documents, count)
        expectCandidates(await store.candidates({ embeddings, count, filter, firstStage }), passing, count)
        const ranked = await store.candidates({ embeddings, count, filter, firstStage, rerank: false })
        expectCandidates(ranked, passing, count)
      }
    }
  })

  it('does by default what it does for auto', async () => {
    const store = await stores.filled(documents)
    expect(await isOffered(stores, store, 'auto')).toBe(true)
    const embeddings = clustered.queries[0]!
    expectCandidates(await store.candidates({ embeddings, count: 20 }), documents, 20)
    const { firstStage } = await store.stats()
    expect(['exact', ...store.capabilities.firstStages]).toContain(firstStage)
  })

  it('refuses a first stage that nobody knows', async () => {
    const store = await stores.filled([newDocument('a')])
    const refused = await failure(() => store.candidates({ embeddings: query, count: 1, firstStage: 'best' as never }))
    expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('best') as string })
  })

  it('has no candidates where nothing passes the filter, or nothing is there', async () => {
    const none = { firstStage: 'none', ids: [] }
    const empty = await stores.open()
    expect(await empty.candidates({ embeddings: query, count: 5 })).toMatchObject(none)
    const store = await stores.filled(newDocuments(['a', 'b'], { metadata: { lang: 'en' } }))
    const filter = { kind: 'field', field: 'lang', operator: 'eq', operand: 'de' } as const
    expect(await store.candidates({ embeddings: query, count: 5, filter })).toMatchObject(none)
    const nothing = { kind: 'or', parts: [] } as const
    expect(await store.candidates({ embeddings: query, count: 5, filter: nothing })).toMatchObject(none)
    await stores.delete(store, { ids: ['a', 'b'] })
    expect(await store.candidates({ embeddings: query, count: 5 })).toMatchObject(none)
  })

  it('knows documents without tokens, but never proposes them', async () => {
    const without = newDocument('without', { metadata: { w: true }, embeddings: randomEmbeddings(1, 0, DIM) })
    const store = await stores.filled([newDocument('with'), without])
    expect(await store.count()).toBe(2)
    expect(await store.get(['without'])).toMatchObject([{ id: 'without', tokens: 0, metadata: { w: true } }])
    expect((await store.candidates({ embeddings: query, count: 5 })).ids).toEqual(['with'])
    const filter = { kind: 'field', field: 'w', operator: 'eq', operand: true } as const
    expect(await store.count(filter)).toBe(1)
    expect(await store.candidates({ embeddings: query, count: 5, filter })).toMatchObject({
      firstStage: 'none',
      ids: [],
    })
    await stores.upsert(store, [newDocument('with', { embeddings: randomEmbeddings(1, 0, DIM) })])
    expect(await store.candidates({ embeddings: query, count: 5 })).toMatchObject({ firstStage: 'none', ids: [] })
    expect(await store.tokens()).toBe(0)
  })

  it.each([1, 3000])('finds a document of %i tokens', async (length) => {
    const embeddings = randomEmbeddings(5, length, DIM)
    const document = newDocument('d', { embeddings })
    const store = await stores.filled([document, ...newDocuments(numbered('other', 30))])
    expect(await store.get(['d'])).toMatchObject([{ tokens: length }])
    const asked = { data: embeddings.data.subarray(0, DIM), length: 1, dim: DIM }
    const { ids } = await store.candidates({ embeddings: asked, count: 5 })
    expect(ids).toContain('d')
    const scores = await storedScores(store, store.spec.codec, asked, ['other1', 'd', 'other2'])
    expect(Math.abs(scores.get('d')! - 1)).toBeLessThan(scoreTolerance(store.spec.codec, asked, embeddings))
    expect(bestIds(scores, 1)).toEqual(['d'])
  })

  it('no longer proposes what was deleted', async () => {
    const store = await stores.filled(documents)
    const embeddings = clustered.queries[0]!
    const best = bestIds(truths[0]!, 5)
    await stores.delete(store, { ids: best })
    const { ids } = await store.candidates({ embeddings, count: 400 })
    expect(ids).toHaveLength(395)
    expect(ids.filter((id) => best.includes(id))).toEqual([])
    const filter = { kind: 'field', field: 'third', operator: 'in', operand: [0, 1, 2] } as const
    const filtered = await store.candidates({ embeddings, count: 400, filter })
    expect(filtered.ids.filter((id) => best.includes(id))).toEqual([])
  })

  it('finds a replaced document by its new vectors only', async () => {
    const [before, after] = [randomEmbeddings(21, 3, DIM), randomEmbeddings(22, 3, DIM)]
    const store = await stores.filled([newDocument('a', { embeddings: before }), newDocument('b')])
    await stores.upsert(store, [newDocument('a', { embeddings: after })])
    for (const embeddings of [before, after]) {
      const { ids } = await store.candidates({ embeddings, count: 10 })
      expect(ids.toSorted()).toEqual(['a', 'b'])
      const scores = await storedScores(store, store.spec.codec, embeddings, ids)
      const tolerance = scoreTolerance(store.spec.codec, embeddings, after)
      expect(Math.abs(scores.get('a')! - plainMaxSim(embeddings, after))).toBeLessThan(tolerance)
    }
  })

  it('finds a document whose metadata alone were changed, by the new ones', async () => {
    const store = await stores.filled(newDocuments(['a', 'b'], { metadata: { lang: 'en' } }))
    await stores.upsert(store, [newDocument('a', { metadata: { lang: 'de' }, embeddings: undefined })])
    const filter = (operand: string) => ({ kind: 'field', field: 'lang', operator: 'eq', operand }) as const
    const ids = async (lang: string) =>
      (await store.candidates({ embeddings: query, count: 10, filter: filter(lang) })).ids
    expect(await ids('de')).toEqual(['a'])
    expect(await ids('en')).toEqual(['b'])
    expect((await store.candidates({ embeddings: query, count: 10 })).ids.toSorted()).toEqual(['a', 'b'])
  })

  it('leaves candidates and everything else as they are when it is searched', async () => {
    const store = await stores.filled(documents)
    await store.prepare?.()
    const embeddings = clustered.queries[1]!
    const first = await store.candidates({ embeddings, count: 30 })
    const { generation } = await store.stats()
    expect(await store.candidates({ embeddings, count: 30 })).toEqual(first)
    expect((await store.stats()).generation).toBe(generation)
  })

  it('has no search of its own, or one that says so', async () => {
    const store = await stores.filled([newDocument('a')])
    expect(store.search !== undefined).toBe(store.capabilities.nativeSearch)
    await store.reading(async (reader) => {
      expect(reader.search !== undefined).toBe(store.capabilities.nativeSearch)
    })
  })

  it('finds the best documents by itself, with their MaxSim', async ({ skip }) => {
    const store = await stores.filled(documents)
    skip(!store.capabilities.nativeSearch, 'no native search')
    let found = 0
    for (const [i, embeddings] of clustered.queries.entries()) {
      const truth = truths[i]!
      const hits = await store.search!({ embeddings, k: 10, count: 100 })
      expect(hits).toHaveLength(10)
      expect(new Set(hits.map(({ id }) => id)).size).toBe(10)
      expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).toSorted((a, b) => b - a))
      for (const { id, score } of hits) {
        const tolerance = scoreTolerance(store.spec.codec, embeddings, embeddingsOf(id))
        expect(Math.abs(score - truth.get(id)!)).toBeLessThan(tolerance)
      }
      const best = bestIds(truth, 10)
      found += hits.filter(({ id }) => best.includes(id)).length
    }
    expect(found / (10 * clustered.queries.length)).toBeGreaterThanOrEqual(stores.harness.recall ?? 0.9)
  })

  it('keeps to filter and number in a search of its own', async ({ skip }) => {
    const without = newDocument('without', { embeddings: randomEmbeddings(1, 0, 32), metadata: { third: 2 } })
    const store = await stores.filled([...documents, without])
    skip(!store.capabilities.nativeSearch, 'no native search')
    const embeddings = clustered.queries[0]!
    const filter = { kind: 'field', field: 'third', operator: 'eq', operand: 2 } as const
    for (const k of [1, 9]) {
      const hits = await store.search!({ embeddings, k, count: 100, filter })
      expect(hits).toHaveLength(k)
      expect(hits.every(({ id }) => Number(id.slice(1)) % 3 === 2)).toBe(true)
    }
    expect(await store.search!({ embeddings, k: 1000, count: 1000, filter })).toHaveLength(133)
    expect(await store.search!({ embeddings, k: 3, count: 10, filter: { kind: 'or', parts: [] } })).toEqual([])
    const [best] = await store.search!({ embeddings, k: 1, count: 100 })
    await stores.delete(store, { ids: [best!.id] })
    const [next] = await store.search!({ embeddings, k: 1, count: 100 })
    expect(next!.id).not.toBe(best!.id)
  })
}

/** Whether the store has this first stage for its collection. It may refuse one, but has to say so. */
async function isOffered(stores: Stores, store: Store, firstStage: FirstStage): Promise<boolean> {
  const embeddings = randomEmbeddings(1, 4, store.spec.dim!)
  const ask = async () => {
    await store.prepare?.({ firstStage })
    await store.candidates({ embeddings, count: 5, firstStage })
  }
  const isNamed = firstStage === 'auto' || store.capabilities.firstStages.includes(firstStage)
  const { serves = isNamed ? ['auto', 'exact'] : [] } = stores.harness
  try {
    await ask()
  } catch (error) {
    expect(serves.includes(firstStage), `${firstStage} is refused: ${String(error)}`).toBe(false)
    expect(['INVALID_ARGUMENT', 'HNSWLIB_MISSING']).toContain((error as { code?: string }).code)
    expect(String(error)).toContain(firstStage)
    return false
  }
  expect(isNamed, `${firstStage} works, and capabilities.firstStages does not have it`).toBe(true)
  return true
}

async function expectBest(stores: Stores, store: Store, firstStage: FirstStage): Promise<void> {
  const found: number[] = []
  for (const [i, embeddings] of clustered.queries.entries()) {
    const candidates = await store.candidates({ embeddings, count: 100, firstStage })
    expectCandidates(candidates, documents, 100)
    const scores = await storedScores(store, store.spec.codec, embeddings, candidates.ids)
    const best = bestIds(truths[i]!, 10)
    found.push(bestIds(scores, 10).filter((id) => best.includes(id)).length / 10)
  }
  if (firstStage === 'exact' && store.spec.codec === 'f32') expect(Math.min(...found)).toBe(1)
  const recall = found.reduce((sum, share) => sum + share, 0) / found.length
  expect(recall).toBeGreaterThanOrEqual(stores.harness.recall ?? 0.9)
}

function expectCandidates(
  { firstStage, ids, scores }: Awaited<ReturnType<Store['candidates']>>,
  passing: readonly NewDocument[],
  count: number,
): void {
  // What found them, not what was asked for.
  expect(['', 'auto', 'muvera', 'none']).not.toContain(firstStage)
  const allowed = new Set(passing.map(({ id }) => id))
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.filter((id) => !allowed.has(id))).toEqual([])
  if (!scores) {
    expect(firstStage).toBe('exact')
    expect(ids).toHaveLength(allowed.size)
    return
  }
  expect(ids).toHaveLength(Math.min(count, allowed.size))
  expect(scores).toHaveLength(ids.length)
  expect(scores).toEqual(scores.toSorted((a, b) => b - a))
}

function embeddingsOf(id: string): TokenEmbeddings {
  return documents.find((document) => document.id === id)!.embeddings!
}
