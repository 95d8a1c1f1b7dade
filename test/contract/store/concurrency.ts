import { expect, it } from 'vitest'
import { SerotineError } from '../../../packages/core/src/errors.js'
import type { StoreReader } from '../../../packages/core/src/store/store.js'
import { randomEmbeddings } from '../../support/clustered-embeddings.js'
import { storedScores } from './max-sim.js'
import { DIM, newDocument, newDocuments, numbered, scanned, scannedIds } from './stores.js'
import type { Stores } from './stores.js'

const ADOPT = { dim: DIM, model: null }

export function concurrencyCases(stores: Stores): void {
  const query = randomEmbeddings(1, 3, DIM)

  it('lands two upserts that are started at once', async () => {
    const store = await stores.open()
    const [a, b] = [numbered('a', 30), numbered('b', 30)]
    await Promise.all([store.upsert(newDocuments(a), ADOPT), store.upsert(newDocuments(b), ADOPT)])
    await stores.harness.settle?.(store)
    expect((await scannedIds(store)).toSorted()).toEqual([...a, ...b].toSorted())
    expect((await store.candidates({ embeddings: query, count: 100 })).ids).toHaveLength(60)
  })

  it('leaves one of two documents that are given the same id at once', async () => {
    const store = await stores.filled(newDocuments(['x']))
    const given = [1, 2].map((n) => newDocuments(['x', 'y'], { metadata: { n }, text: `Text ${n}.` }))
    await Promise.all(given.map((documents) => store.upsert(documents, ADOPT)))
    await stores.harness.settle?.(store)
    const [x, y] = await store.get(['x', 'y'])
    expect(x!.text).toBe(`Text ${x!.metadata.n as number}.`)
    expect(y!.metadata).toEqual(x!.metadata)
    expect(await store.count()).toBe(2)
  })

  it('goes on after a change that failed', async () => {
    const store = await stores.open()
    const results = await Promise.allSettled([
      store.upsert([newDocument('a')], ADOPT),
      store.upsert([newDocument('unknown', { embeddings: undefined })], ADOPT),
      store.upsert([newDocument('b')], ADOPT),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await stores.harness.settle?.(store)
    expect((await scannedIds(store)).toSorted()).toEqual(['a', 'b'])
  })

  it('shows a batch as a whole to those who count meanwhile', async ({ skip }) => {
    const store = await stores.open()
    skip(store.capabilities.visibility !== 'immediate', 'visible some time later')
    const written = new AbortController()
    const counts: number[] = []
    const counting = (async () => {
      while (!written.signal.aborted) counts.push(await store.count(), await untilNextTurn(-1))
    })()
    for (let i = 0; i < 10; i++) await store.upsert(newDocuments(numbered(`batch${i}-`, 10)), ADOPT)
    written.abort()
    await counting
    const seen = counts.filter((count) => count >= 0)
    expect(seen.filter((count) => count % 10 !== 0)).toEqual([])
    expect(await store.count()).toBe(100)
  })

  it('shows one state for as long as it is read, whatever is written', async ({ skip }) => {
    const store = await stores.filled([
      newDocument('replaced', { metadata: { v: 1 }, embeddings: randomEmbeddings(31, 4, DIM) }),
      newDocument('changed', { metadata: { v: 1 } }),
      newDocument('deleted', { metadata: { v: 1 } }),
    ])
    skip(!store.capabilities.snapshots, 'no snapshots')
    const compacted = await store.reading(async (reader) => {
      const before = await view(reader)
      expect(before.ids).toEqual(['changed', 'deleted', 'replaced'])
      await stores.upsert(store, [
        newDocument('replaced', { metadata: { v: 2 }, embeddings: randomEmbeddings(32, 2, DIM) }),
        newDocument('changed', { metadata: { v: 2 }, embeddings: undefined }),
        newDocument('new', { metadata: { v: 2 } }),
      ])
      expect(await view(reader)).toEqual(before)
      await stores.delete(store, { ids: ['deleted'] })
      expect(await view(reader)).toEqual(before)
      // Not awaited: it may have to wait for this reader.
      const compacting = store.compact?.() ?? Promise.resolve()
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(await view(reader)).toEqual(before)
      expect(await store.count({ kind: 'field', field: 'v', operator: 'eq', operand: 2 })).toBe(3)
      return { compacting }
    })
    await compacted.compacting
    expect((await view(store)).ids).toEqual(['changed', 'new', 'replaced'])

    async function view(reader: StoreReader) {
      const ids = (await scannedIds(reader)).toSorted()
      const known = ['changed', 'deleted', 'new', 'replaced']
      const filter = { kind: 'field', field: 'v', operator: 'eq', operand: 1 } as const
      const { ids: found } = await reader.candidates({ embeddings: query, count: 10, filter })
      return {
        ids,
        documents: await reader.get(known),
        count: await reader.count(),
        filtered: await reader.count(filter),
        tokens: await reader.tokens(),
        candidates: found.toSorted(),
        scores: await storedScores(reader, store.spec.codec, query, known),
        best: await reader.search?.({ embeddings: query, count: 10, k: 10 }),
      }
    }
  })

  it('keeps a scan to its state while documents are written', async ({ skip }) => {
    const ids = numbered('d', 30)
    const store = await stores.filled(newDocuments(ids))
    skip(!store.capabilities.snapshots, 'no snapshots')
    const seen: string[] = []
    await store.reading(async (reader) => {
      for await (const batch of reader.scan({ batchSize: 5 })) {
        seen.push(...batch.map(({ id }) => id))
        const n = seen.length
        await store.upsert([newDocument(`new${n}`), newDocument(ids[n % 30]!, { text: 'Replaced.' })], ADOPT)
        await store.delete({ ids: [ids.at(-n)!] })
      }
    })
    expect(seen.toSorted()).toEqual(ids.toSorted())
  })

  it('serves eight readers at once while documents are written', async () => {
    const ids = numbered('d', 20)
    const version = (v: number) => newDocuments(ids, { metadata: { v }, text: `Version ${v}.` })
    const store = await stores.filled(version(0))
    const { snapshots } = store.capabilities
    const written = new AbortController()
    const readings = Array.from({ length: 8 }, async () => {
      let rounds = 0
      while (!written.signal.aborted || rounds === 0) {
        rounds++
        await store.reading(async (reader) => {
          const documents = await scanned(reader, { batchSize: 7 })
          const versions = new Set(documents.map(({ metadata }) => metadata.v))
          if (snapshots) {
            expect(documents.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
            expect([...versions]).toHaveLength(1)
          }
          for (const { text, metadata } of documents) expect(text).toBe(`Version ${metadata.v as number}.`)
          const found = await reader.candidates({ embeddings: query, count: 100 })
          expect(found.ids.toSorted()).toEqual(ids.toSorted())
          const scores = await storedScores(reader, store.spec.codec, query, found.ids)
          expect([...scores.values()].every(Number.isFinite)).toBe(true)
        })
        await untilNextTurn(undefined)
      }
    })
    const all = Promise.all(readings)
    for (let v = 1; v <= 10; v++) await store.upsert(version(v), ADOPT)
    written.abort()
    await all
    await stores.harness.settle?.(store)
    expect((await store.get(['d7']))[0]?.text).toBe('Version 10.')
  })

  it('lets a reader finish when it is closed, or tells it', async () => {
    const ids = numbered('d', 10)
    const store = await stores.filled(newDocuments(ids))
    let begun = (): void => {}
    const started = new Promise<void>((resolve) => (begun = resolve))
    const reading = store
      .reading(async (reader) => {
        begun()
        await untilNextTurn(undefined)
        const found = await scannedIds(reader)
        return [found.length, await reader.count()]
      })
      .catch((error: unknown) => {
        if (SerotineError.isInstance(error)) return error.code
        throw error
      })
    await started
    await store.close()
    expect([[10, 10], 'CLOSED']).toContainEqual(await reading)
  })

  it('takes changes from several at once', async ({ skip }) => {
    const store = await stores.open()
    skip(!store.capabilities.manyWriters, 'one writer')
    const other = await stores.openAgain(store)
    const [a, b] = [numbered('a', 20), numbered('b', 20)]
    await Promise.all([store.upsert(newDocuments(a), ADOPT), other.upsert(newDocuments(b), ADOPT)])
    await stores.harness.settle?.(store)
    await stores.harness.settle?.(other)
    const all = [...a, ...b].toSorted()
    expect((await scannedIds(store)).toSorted()).toEqual(all)
    expect((await scannedIds(other)).toSorted()).toEqual(all)
    await stores.delete(other, { ids: a })
    await stores.harness.settle?.(store)
    expect((await store.candidates({ embeddings: query, count: 100 })).ids.toSorted()).toEqual(b.toSorted())
  })
}

function untilNextTurn<T>(value: T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(value)))
}
