// FDEs in a database: learned, made again, scanned, walked, kept equal to what is there.
import { maxSim, MultiVectorIndex } from '@serotine/core'
import type { TokenEmbeddings, Warning } from '@serotine/core'
import { EmbeddedStore, filterPredicate } from '@serotine/core/store'
import type { NewDocument, Store } from '@serotine/core/store'
import { afterAll, describe, expect, it } from 'vitest'
import { PgvectorStore } from '../../packages/pgvector/src/index.js'
import { newDocument } from '../contract/store/stores.js'
import { largeCollection } from './documents.js'
import { pglite, stopPglite } from './pglite.js'

afterAll(stopPglite)

const { documents, queries, adopt } = largeCollection(1060)
/** Short ones, so that PGlite, which has no vector instructions, is quick. */
const FDE = { finalDim: 640 } as const
const HYPERPLANES = { ...FDE, partitioning: 'hyperplanes' } as const
const scoped = { kind: 'field', field: 'third', operator: 'eq', operand: 1 } as const
const rare = { kind: 'field', field: 'rare', operator: 'eq', operand: 7 } as const

/** MaxSim with each query, once for each document. */
const scores = new Map<TokenEmbeddings, readonly number[]>()
function scoresOf(embeddings: TokenEmbeddings): readonly number[] {
  const known = scores.get(embeddings) ?? queries.map((query) => maxSim(query, embeddings))
  scores.set(embeddings, known)
  return known
}

/** Share of the exact top 10 that a first stage keeps, of the documents that are there and pass. */
async function recall(
  store: Store,
  held: readonly NewDocument[],
  query: Partial<Parameters<Store['candidates']>[0]>,
): Promise<number> {
  const passes = query.filter ? filterPredicate(query.filter) : () => true
  const passing = held.filter(({ id, metadata }) => passes({ id, metadata: JSON.parse(metadata) as never }))
  let kept = 0
  for (const [i, embeddings] of queries.entries()) {
    const score = (document: NewDocument): number => scoresOf(document.embeddings!)[i]!
    const best = passing.toSorted((one, other) => score(other) - score(one)).slice(0, 10)
    const found = new Set((await store.candidates({ embeddings, count: 100, rerank: false, ...query })).ids)
    kept += best.filter(({ id }) => found.has(id)).length / 10 / queries.length
  }
  return kept
}

describe('a collection with FDEs', () => {
  it('learns partitions, measures them, keeps them for who opens it next, and codes what comes', async () => {
    const warnings: Warning[] = []
    const options = { collection: 'learned', fde: FDE, onWarning: (warning: Warning) => warnings.push(warning) }
    const store = await PgvectorStore.open(await pglite(), options)
    await store.upsert(documents.slice(0, 1010), adopt)
    expect((await store.candidates({ embeddings: queries[0]!, count: 100, firstStage: 'fde' })).firstStage).toBe(
      'exact',
    )
    await store.prepare()
    await store.upsert(documents.slice(1010), adopt)
    const { firstStage, firstStages } = await store.stats()
    expect(firstStage).toBe('fde')
    expect(firstStages.fde).toMatchObject({
      documents: 1060,
      suitability: { queries: 24, collection: 1010 },
      facts: { partitioning: 'centroids', length: 640, version: 1 },
    })
    expect(firstStages.fde!.suitability!.recall).toBeGreaterThan(0.8)
    expect(warnings).toEqual([])
    expect(store.spec.fde!.config!.partitioning).toBe('centroids')
    const again = await PgvectorStore.open(await pglite(), { ...options, readonly: true })
    for (const each of [store, again]) {
      expect(await recall(each, documents, { firstStage: 'fde', filter: scoped })).toBeGreaterThan(0.8)
      expect(await recall(each, documents, { firstStage: 'auto', filter: rare })).toBeCloseTo(1)
    }
    // Nothing is due, so nothing is made again.
    await store.prepare()
    expect((await store.stats()).firstStages.fde!.facts.version).toBe(1)
    await store.close()
  })

  it('learns again when it has grown, while it is searched, and then finds the new and the old', async () => {
    const store = await PgvectorStore.open(await pglite(), { collection: 'grown', fde: HYPERPLANES, keywords: false })
    await store.upsert(documents.slice(0, 200), adopt)
    await store.prepare()
    expect((await store.stats()).firstStages.fde!.facts.version).toBe(1)
    await store.upsert(documents.slice(200, 420), adopt)
    const preparing = store.prepare()
    const meanwhile = await Promise.all(
      Array.from({ length: 5 }, () => store.candidates({ embeddings: queries[0]!, count: 100, firstStage: 'fde' })),
    )
    const changed = store.upsert([{ ...documents[0]!, embeddings: documents[1]!.embeddings }], adopt)
    await Promise.all([preparing, changed, store.delete({ ids: ['d2'] })])
    expect(meanwhile.every(({ ids }) => ids.length === 100)).toBe(true)
    expect((await store.stats()).firstStages.fde!.facts.version).toBe(2)
    const now = documents.slice(0, 420).filter(({ id }) => id !== 'd2')
    now[0] = { ...now[0]!, embeddings: documents[1]!.embeddings }
    expect(await recall(store, now, { firstStage: 'fde' })).toBeGreaterThan(0.8)
    expect(await store.verify()).toEqual([])
    const everything = await store.candidates({
      embeddings: queries[0]!,
      count: 5000,
      firstStage: 'fde',
      rerank: false,
    })
    expect(everything.ids.toSorted()).toEqual(
      documents
        .slice(0, 420)
        .map(({ id }) => id)
        .filter((id) => id !== 'd2')
        .toSorted(),
    )
    await store.close()
  })

  it.each([false, true])('walks a graph, over signs: %s', async (binaryQuantize) => {
    const collection = `graph-${binaryQuantize}`
    const store = await PgvectorStore.open(await pglite(), {
      collection,
      fde: HYPERPLANES,
      indexFrom: 100,
      binaryQuantize,
      keywords: false,
    })
    await store.upsert(documents.slice(0, 250), adopt)
    await store.prepare()
    await store.upsert(documents.slice(250, 320), adopt)
    const { firstStages } = await store.stats()
    expect(firstStages.hnsw).toMatchObject({ facts: { over: binaryQuantize ? 'signs' : 'halfvec' } })
    const found = await store.candidates({ embeddings: queries[0]!, count: 50, firstStage: 'hnsw' })
    expect(found).toMatchObject({ firstStage: 'hnsw', ids: { length: 50 } })
    expect(await recall(store, documents.slice(0, 320), { firstStage: 'hnsw' })).toBeGreaterThan(0.8)
    expect(await recall(store, documents.slice(0, 320), { firstStage: 'hnsw', filter: scoped })).toBeGreaterThan(0.8)
    // Asked for more than the graph comes by.
    const many = await store.candidates({ embeddings: queries[0]!, count: 310, firstStage: 'hnsw', rerank: false })
    expect(many.ids).toHaveLength(310)
    const few = await store.candidates({
      embeddings: queries[0]!,
      count: 20,
      firstStage: 'hnsw',
      filter: rare,
      rerank: false,
    })
    expect(few.ids).toHaveLength(7)
    await store.close()
  })

  it('finds encodings that are missing, and makes them', async () => {
    const database = await pglite()
    const store = await PgvectorStore.open(database, { collection: 'mended', fde: HYPERPLANES })
    await store.upsert(documents.slice(0, 300), adopt)
    await store.prepare()
    const { rows } = await database.query<{ id: number }>("select id from serotine.collections where name = 'mended'")
    const { id } = rows[0]!
    await database.exec(
      `delete from serotine.encodings_${id}_1 where vectors in (5, 6); update serotine.documents_${id} set record = 'ab' where id = 'd9'`,
    )
    const problems = await store.verify()
    expect(problems.map((problem) => [problem.id, problem.section])).toEqual([
      ['d9', 'vectors'],
      ['d4', 'encodings'],
      ['d5', 'encodings'],
    ])
    await store.repair(problems)
    expect((await store.verify()).map((problem) => problem.id)).toEqual(['d9'])
    await store.close()
  })

  it('refuses FDEs that no index takes, and settings that the collection has not', async () => {
    const open = async (options: object) =>
      PgvectorStore.open(await pglite(), { collection: 'settings', ...options }).then(
        (store) => store.close(),
        (error: unknown) => error,
      )
    expect(await open({ fde: 'quality' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('4000') as string,
    })
    expect(await open({ codec: 'residual' })).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await open({ colection: 'x' })).toMatchObject({
      code: 'UNKNOWN_OPTION',
      message: expect.stringContaining('collection') as string,
    })
    expect(await open({ fde: 'small', keywords: { language: 'german' } })).toBeUndefined()
    expect(await open({})).toBeUndefined()
    expect(await open({ fde: { preset: 'small' }, codec: 'int8' })).toBeUndefined()
    for (const other of [
      { fde: 'compact' },
      { fde: false },
      { codec: 'f32' },
      { keywords: false },
      { keywords: true },
    ]) {
      expect(await open(other)).toMatchObject({ code: 'INDEX_MISMATCH' })
    }
    const without = await PgvectorStore.open(await pglite(), { collection: 'without', fde: false })
    await without.upsert([newDocument('a')], { dim: 16, model: null })
    await expect(without.candidates({ embeddings: queries[0]!, firstStage: 'fde' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await without.close()
  })

  it('ranks as the embedded store does', async () => {
    const [here, there] = [
      await MultiVectorIndex.open(await EmbeddedStore.open(undefined, { codec: 'int8' })),
      await MultiVectorIndex.open(await PgvectorStore.open(await pglite(), { collection: 'same', keywords: false })),
    ]
    for (const index of [here, there]) {
      await index.upsert(
        documents.slice(0, 200).map(({ id, text, embeddings }) => ({ id, text: text!, embeddings: embeddings! })),
      )
      await index.prepare()
    }
    for (const query of queries) {
      const hits = await Promise.all([here, there].map((index) => index.search(query, { k: 10, firstStage: 'exact' })))
      expect(hits[1]!.map(({ id }) => id)).toEqual(hits[0]!.map(({ id }) => id))
      hits[0]!.forEach(({ score }, i) => expect(hits[1]![i]!.score).toBeCloseTo(score, 4))
    }
    await Promise.all([here.close(), there.close()])
  })
})
