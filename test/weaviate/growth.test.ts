// Encodings in Weaviate as a collection grows: when they are learned again, and how many candidates are found to be enough.
import type { TokenEmbeddings, Warning } from '@serotine/core'
import { exactScores } from '@serotine/core/store'
import type { NewDocument, Store } from '@serotine/core/store'
import { describe, expect, it } from 'vitest'
import { WeaviateStore } from '../../packages/weaviate/src/index.js'
import type { WeaviateOptions } from '../../packages/weaviate/src/index.js'
import { newDocument } from '../contract/store/stores.js'
import { clusteredCollection } from '../support/clustered-embeddings.js'
import { isBuilt, useServers } from './server.js'

const FDE = { preset: 'small', finalDim: 640 } as const
const adopt = { dim: 32, model: null }
/** About 16 tokens each. */
const kind = clusteredCollection({ documents: 1700, queries: 10, seed: 1 })
const other = clusteredCollection({ documents: 400, queries: 10, seed: 2 })
const named = (prefix: string, { documents }: typeof kind): NewDocument[] =>
  documents.map((embeddings, i) => ({ ...newDocument(`${prefix}${i}`), embeddings }))
const [ones, others] = [named('one', kind), named('other', other)]

/** Share of the exact top 10 among the candidates. */
async function recall(store: Store, queries: readonly TokenEmbeddings[], count?: number): Promise<number> {
  let kept = 0
  for (const embeddings of queries) {
    const all = await store.candidates({ embeddings, firstStage: 'exact' })
    const { scores } = await exactScores(store, store.spec.codec, embeddings, all.ids)
    const best = all.ids.map((id, i) => ({ id, score: scores[i]! })).sort((a, b) => b.score - a.score)
    const found = new Set((await store.candidates({ embeddings, firstStage: 'fde', count })).ids)
    kept += best.slice(0, 10).filter(({ id }) => found.has(id)).length / 10 / queries.length
  }
  return kept
}

describe.skipIf(!isBuilt)('a collection that grows', { timeout: 180_000 }, () => {
  const servers = useServers()
  const open = (collection: string, options: Partial<WeaviateOptions> = {}) => {
    const { url, grpc } = servers.current
    return WeaviateStore.open({ url, grpc, collection, fde: FDE, learn: false, ...options })
  }
  const version = async (store: Store) => (await store.stats()).firstStages.fde?.facts.version

  it('learns again at one and a half times the tokens what is of another kind, and finds both', async () => {
    const store = await open('Others')
    await store.upsert(ones.slice(0, 600), adopt)
    await store.prepare()
    expect(await version(store)).toBe(1)
    await store.upsert(others.slice(0, 200), adopt)
    await store.prepare()
    expect(await version(store)).toBe(1)
    await store.upsert(others.slice(200, 360), adopt)
    await store.prepare()
    expect(await version(store)).toBe(2)
    expect(await recall(store, [...kind.queries, ...other.queries], 100)).toBeGreaterThan(0.8)
    await store.close()
  })

  it('keeps what it learned while what comes is of the same kind, until there is twice as much', async () => {
    const store = await open('Same')
    await store.upsert(ones.slice(0, 600), adopt)
    await store.prepare()
    await store.upsert(ones.slice(600, 1000), adopt)
    await store.prepare()
    // Another process looks for itself.
    const beside = await open('Same')
    await beside.prepare()
    expect(await version(store)).toBe(1)
    await store.upsert(ones.slice(1000, 1300), adopt)
    await store.prepare()
    expect(await version(store)).toBe(2)
    for (const each of [store, beside]) await each.close()
  })

  it('measures from a thousand documents on, takes as many candidates by itself, and keeps that for who opens it next', async () => {
    const store = await open('Measured')
    await store.upsert(ones.slice(0, 990), adopt)
    await store.prepare()
    expect((await store.stats()).firstStages.fde!.suitability).toBeNull()
    await store.upsert(ones.slice(990, 1100), adopt)
    await store.prepare()
    const { suitability } = (await store.stats()).firstStages.fde!
    expect(suitability).toMatchObject({ queries: 24, collection: 1100 })
    const { candidates, recall: measured } = suitability!
    expect(measured).toBeGreaterThan(0.9)
    expect([100, 200, 300, 500, 1000]).toContain(candidates)
    const again = await open('Measured', { readonly: true })
    for (const each of [store, again]) {
      expect((await each.stats()).firstStages.fde!.suitability).toEqual(suitability)
      const asked = { embeddings: kind.queries[0]!, firstStage: 'fde' } as const
      expect((await each.candidates(asked)).ids).toHaveLength(candidates)
      expect((await each.candidates({ ...asked, k: 60 })).ids).toHaveLength(candidates + 50)
      expect((await each.candidates({ ...asked, count: 40 })).ids).toHaveLength(40)
    }
    // Nothing is due.
    await store.prepare()
    expect((await store.stats()).firstStages.fde!.suitability).toEqual(suitability)
    expect(await recall(store, kind.queries)).toBeGreaterThan(0.8)
    for (const each of [store, again]) await each.close()
  })

  it('warns where encodings keep less than half of the exact top 10, and takes the most candidates then', async () => {
    const warnings: Warning[] = []
    const store = await open('Unsuitable', {
      fde: { preset: 'small', partitioning: 'hyperplanes', prepare: 'none', finalDim: 16 },
      onWarning: (warning) => warnings.push(warning),
    })
    await store.upsert(ones, adopt)
    await store.prepare()
    const { suitability } = (await store.stats()).firstStages.fde!
    expect(suitability).toMatchObject({ candidates: 1000, collection: 1700 })
    expect(warnings).toEqual([
      { code: 'FDE_UNSUITABLE', message: expect.stringMatching(/keeps [0-4]?\d % .*fde: 'quality'/) as string },
    ])
    await store.close()
  })
})
