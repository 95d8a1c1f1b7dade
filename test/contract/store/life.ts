import { expect, it } from 'vitest'
import type { Progress } from '../../../packages/core/src/encoder.js'
import { SPEC_VERSION } from '../../../packages/core/src/store/store.js'
import type { Store } from '../../../packages/core/src/store/store.js'
import { clusteredCollection, randomEmbeddings } from '../../support/clustered-embeddings.js'
import { DIM, failure, newDocument, newDocuments, numbered, readVectors, scanned, scannedIds } from './stores.js'
import type { Stores } from './stores.js'

const MODEL = { name: 'A model', fingerprint: 'f1' }

export function lifeCases(stores: Stores): void {
  const query = randomEmbeddings(1, 3, DIM)

  it('says what it is', async () => {
    const store = await stores.open()
    expect(store.name).not.toBe('')
    expect(store.readonly).toBe(false)
    expect(store.spec).toMatchObject({ version: SPEC_VERSION, model: null, dim: null })
    expect(store.capabilities.firstStages.length).toBeGreaterThan(0)
    expect(['immediate', 'eventual']).toContain(store.capabilities.visibility)
    const needsSettle = store.capabilities.visibility === 'eventual'
    expect(needsSettle && stores.harness.settle === undefined, 'the harness has to wait for searches').toBe(false)
  })

  it('adopts dimension and model once, with the documents', async () => {
    const store = await stores.open()
    await stores.upsert(store, [newDocument('a')])
    expect(store.spec).toMatchObject({ dim: DIM, model: null })
    await stores.upsert(store, [newDocument('b')], { dim: DIM, model: MODEL })
    expect(store.spec).toMatchObject({ dim: DIM, model: MODEL })
    await stores.upsert(store, [newDocument('a', { text: 'New.', embeddings: undefined })])
    await stores.delete(store, { ids: ['a', 'b'] })
    expect(store.spec).toMatchObject({ version: SPEC_VERSION, dim: DIM, model: MODEL })
  })

  it('finds everything again when it is opened again', async ({ skip }) => {
    const store = await stores.open()
    skip(!store.capabilities.durable, 'not durable')
    const documents = numbered('d', 40).map((id, i) => newDocument(id, { metadata: { i }, text: `Text ${i} 🦉\ud800` }))
    await stores.upsert(store, documents, { dim: DIM, model: MODEL })
    await stores.upsert(store, newDocuments(['d3'], { text: 'Replaced.' }))
    await stores.delete(store, { ids: ['d4'] })
    const { spec } = store
    const before = await contents(store)
    const again = await stores.reopen(store)
    expect(again.spec).toEqual(spec)
    expect(await contents(again)).toEqual(before)
    const { ids } = await again.candidates({ embeddings: query, count: 100 })
    expect(ids.toSorted()).toEqual(before.documents.map(({ id }) => id).toSorted())
    await stores.upsert(again, [newDocument('more')])
    expect(await (await stores.reopen(again)).count()).toBe(40)
  })

  it('stays empty when it is opened again', async ({ skip }) => {
    const store = await stores.open()
    skip(!store.capabilities.durable, 'not durable')
    const again = await stores.reopen(store)
    expect(again.spec).toEqual(store.spec)
    expect(await again.count()).toBe(0)
  })

  it('ends an upsert under way before it closes, whole or not at all', async ({ skip }) => {
    const store = await stores.filled(newDocuments(['old']))
    skip(!store.capabilities.durable, 'not durable')
    const writing = store.upsert(newDocuments(numbered('d', 50)), { dim: DIM, model: null }).then(
      () => true,
      () => false,
    )
    await store.close()
    const written = await writing
    const again = await stores.openAgain(store)
    expect(await again.count()).toBe(written ? 51 : 1)
  })

  it('only reads when it was opened to read only', async ({ skip }) => {
    skip(stores.harness.opensReadonly === false, 'cannot be opened to read only')
    const writable = await stores.open()
    const { durable } = writable.capabilities
    if (durable) await stores.upsert(writable, newDocuments(['a', 'b']))
    const store = await (durable ? stores.reopen(writable, { readonly: true }) : stores.open({ readonly: true }))
    const there = durable ? ['a', 'b'] : []
    expect(store.readonly).toBe(true)
    const readonly = { code: 'INDEX_READONLY' }
    expect(await failure(() => store.upsert([newDocument('c')], { dim: DIM, model: null }))).toMatchObject(readonly)
    expect(await failure(() => store.delete({ ids: ['a'] }))).toMatchObject(readonly)
    expect(await failure(() => store.delete({ filter: { kind: 'and', parts: [] } }))).toMatchObject(readonly)
    expect((await scannedIds(store)).toSorted()).toEqual(there)
    expect((await store.candidates({ embeddings: query, count: 5 })).ids.toSorted()).toEqual(there)
  })

  it('can be closed twice, and does nothing afterwards but say so', async () => {
    const store = await stores.filled([newDocument('a')])
    await store.close()
    await store.close()
    const sink = { room: (bytes: number) => new Uint8Array(bytes), record: () => {} }
    const calls: Record<string, () => unknown> = {
      reading: () => store.reading(async () => 1),
      candidates: () => store.candidates({ embeddings: query, count: 1 }),
      readTokens: () => store.readTokens(['a'], sink),
      get: () => store.get(['a']),
      scan: () => scanned(store),
      count: () => store.count(),
      tokens: () => store.tokens(),
      upsert: () => store.upsert([newDocument('b')], { dim: DIM, model: null }),
      delete: () => store.delete({ ids: ['a'] }),
      stats: () => store.stats(),
      health: () => store.health(),
      ...(store.search && { search: () => store.search!({ embeddings: query, count: 1, k: 1 }) }),
      ...(store.prepare && { prepare: () => store.prepare!() }),
      ...(store.compact && { compact: () => store.compact!() }),
      ...(store.verify && { verify: () => store.verify!() }),
      ...(store.repair && { repair: () => store.repair!([]) }),
    }
    for (const [name, call] of Object.entries(calls)) {
      expect(await failure(call, name), name).toMatchObject({ code: 'CLOSED' })
    }
    await store.close()
  })

  it('can be closed twice at once', async () => {
    const store = await stores.filled([newDocument('a')])
    await Promise.all([store.close(), store.close()])
    expect(await failure(() => store.count())).toMatchObject({ code: 'CLOSED' })
  })

  it('has statistics that add up', async () => {
    const store = await stores.open()
    const empty = await store.stats()
    expect(empty).toMatchObject({ documents: 0, deleted: 0, tokens: 0 })
    await stores.upsert(store, newDocuments(numbered('d', 10)))
    await stores.upsert(store, newDocuments(['d1'], { text: 'Replaced.' }))
    await stores.delete(store, { ids: ['d2', 'd3'] })
    const stats = await store.stats()
    expect(stats).toMatchObject({ documents: 8, tokens: 16 })
    expect(stats.documents).toBe(await store.count())
    expect(stats.tokens).toBe(await store.tokens())
    expect(stats.deleted).toBeGreaterThanOrEqual(0)
    const { total, ...parts } = stats.bytes
    expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(total)
    expect(Object.values(parts).every((bytes) => Number.isInteger(bytes) && bytes >= 0)).toBe(true)
    if (stats.memory) {
      const { total: held, ...heldParts } = stats.memory
      expect(Object.values(heldParts).reduce((sum, bytes) => sum + bytes, 0)).toBe(held)
    }
    expect(stats.firstStages[stats.firstStage]?.documents ?? 0).toBeLessThanOrEqual(stats.documents + stats.deleted)
    for (const known of Object.values(stats.firstStages)) {
      expect(known).toMatchObject({ bytes: expect.any(Number) as number, documents: expect.any(Number) as number })
      expect(known).toHaveProperty('suitability')
      expect(known).toHaveProperty('facts')
    }
  })

  it('says what documents would take, and writes none', async ({ skip }) => {
    const store = await stores.filled(newDocuments(numbered('d', 10)))
    skip(!store.estimate, 'no estimate')
    const { generation } = await store.stats()
    const adopt = { dim: DIM, model: null }
    const sample = newDocuments(numbered('new', 5))
    const once = await store.estimate!(sample, { documents: 100, tokens: 200, textBytes: 3000 }, adopt)
    const twice = await store.estimate!(sample, { documents: 200, tokens: 400, textBytes: 6000 }, adopt)
    for (const size of [once.bytes, once.memory ?? { total: 0 }]) {
      const { total, ...parts } = size
      expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(total)
    }
    expect(twice.bytes.total).toBeGreaterThan(once.bytes.total * 1.5)
    expect([(await store.stats()).generation, await store.count()]).toEqual([generation, 10])
  })

  it('counts its changes', async () => {
    const store = await stores.open()
    const generations = [(await store.stats()).generation]
    await stores.upsert(store, newDocuments(['a', 'b']))
    generations.push((await store.stats()).generation)
    await stores.upsert(store, [newDocument('a', { text: 'New.', embeddings: undefined })])
    generations.push((await store.stats()).generation)
    await stores.delete(store, { ids: ['b'] })
    generations.push((await store.stats()).generation)
    expect(generations).toEqual(generations.toSorted((a, b) => a - b))
    expect(new Set(generations).size).toBe(4)
  })

  it('is well when nothing has happened to it', async () => {
    const store = await stores.filled(newDocuments(numbered('d', 5)))
    const { expected, live, partial } = await store.health()
    expect(expected).toBeGreaterThanOrEqual(1)
    expect(live).toBe(expected)
    expect(partial).toBe(false)
  })

  it('keeps everything that is there when it is compacted', async ({ skip }) => {
    const store = await stores.open()
    skip(!store.compact, 'no compact')
    await store.compact!()
    const documents = numbered('d', 60).map((id, i) => newDocument(id, { metadata: { i } }))
    await stores.upsert(store, documents)
    await stores.upsert(store, newDocuments(numbered('d', 20), { text: 'Replaced.' }))
    await stores.delete(store, { ids: numbered('d', 40).slice(10) })
    const before = await contents(store)
    const { bytes, generation } = await store.stats()
    await store.compact!()
    await stores.harness.settle?.(store)
    expect(await contents(store)).toEqual(before)
    const after = await store.stats()
    expect(after.deleted).toBe(0)
    expect(after.bytes.total).toBeLessThanOrEqual(bytes.total)
    expect(after.generation).toBeGreaterThanOrEqual(generation)
    const { ids } = await store.candidates({ embeddings: query, count: 100 })
    expect(ids.toSorted()).toEqual(before.documents.map(({ id }) => id).toSorted())
    await stores.upsert(store, [newDocument('more')])
    expect(await store.count()).toBe(31)
  })

  it('prepares for searches, and says how far it is', async ({ skip }) => {
    const { documents } = clusteredCollection({ documents: 200 })
    const store = await stores.filled(documents.map((embeddings, i) => newDocument(`d${i}`, { embeddings })))
    skip(!store.prepare, 'no prepare')
    const told: Progress[] = []
    await store.prepare!({ onProgress: (progress) => told.push(progress) })
    for (const firstStage of store.capabilities.firstStages) {
      const refused = await store.prepare!({ firstStage, onProgress: (progress) => told.push(progress) }).catch(
        (error: unknown) => error,
      )
      if (refused !== undefined) expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    for (const { phase, done, total = done } of told) {
      expect(phase).toBe('build')
      expect(done).toBeGreaterThanOrEqual(0)
      expect(done).toBeLessThanOrEqual(total)
    }
    expect(await store.count()).toBe(200)
    expect((await store.candidates({ embeddings: documents[0]!, count: 5 })).ids).toContain('d0')
  })

  it('finds nothing wrong where nothing is, and mends nothing', async ({ skip }) => {
    const store = await stores.filled(newDocuments(numbered('d', 20)))
    skip(!store.verify, 'no verify')
    const before = await contents(store)
    expect(await store.verify!()).toEqual([])
    await store.repair?.([])
    expect(await contents(store)).toEqual(before)
  })

  it('does not begin what is aborted already', async () => {
    const store = await stores.filled(newDocuments(['a', 'b', 'gone']))
    await stores.delete(store, { ids: ['gone'] })
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const asked = { embeddings: query, count: 5, signal }
    const told: unknown[] = []
    const sink = { room: (bytes: number) => new Uint8Array(bytes), record: () => told.push('record') }
    const calls: Record<string, () => unknown> = {
      candidates: () => store.candidates(asked),
      readTokens: () => store.readTokens(['a'], sink, signal),
      scan: () => scanned(store, { signal }),
      ...(store.search && { search: () => store.search!({ ...asked, k: 1 }) }),
      ...(store.prepare && { prepare: () => store.prepare!({ signal, onProgress: () => told.push('progress') }) }),
      ...(store.compact && { compact: () => store.compact!({ signal }) }),
      ...(store.verify && { verify: () => store.verify!({ signal }) }),
    }
    await store.prepare?.()
    const { generation } = await store.stats()
    for (const [name, call] of Object.entries(calls)) expect(await failure(call, name), name).toBe(reason)
    expect(told).toEqual([])
    expect((await store.stats()).generation).toBe(generation)
    expect(await store.count()).toBe(2)
  })

  it('makes a change that is aborted already, or throws the reason and makes nothing of it', async () => {
    const store = await stores.filled(newDocuments(['a', 'b']))
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const made = async (change: () => Promise<unknown>): Promise<boolean> => {
      const thrown: unknown = await change().then(
        () => undefined,
        (error: unknown) => error,
      )
      if (thrown !== undefined) expect(thrown).toBe(reason)
      return thrown === undefined
    }
    const isDeleted = await made(() => store.delete({ ids: ['a'] }, signal))
    expect(await store.count()).toBe(isDeleted ? 1 : 2)
    const isAdded = await made(() => store.upsert([newDocument('c')], { dim: DIM, model: null }, signal))
    expect((await store.get(['c']))[0] !== undefined).toBe(isAdded)
  })

  it('stops a scan when it is aborted', async () => {
    const store = await stores.filled(newDocuments(numbered('d', 10)))
    const abort = new AbortController()
    const reason = new Error('enough')
    let seen = 0
    const scan = async () => {
      for await (const batch of store.scan({ batchSize: 2, signal: abort.signal })) {
        seen += batch.length
        abort.abort(reason)
      }
    }
    expect(await failure(scan)).toBe(reason)
    expect(seen).toBeLessThanOrEqual(2)
  })
}

/** All of a store, in the order it has it. */
async function contents(store: Store) {
  const documents = await scanned(store)
  const ids = documents.map(({ id }) => id)
  const vectors = await readVectors(store, store.spec, ids)
  return {
    documents,
    vectors: ids.map((_, i) => vectors.get(i)),
    count: await store.count(),
    tokens: await store.tokens(),
  }
}
