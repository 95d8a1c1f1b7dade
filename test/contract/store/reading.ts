import { expect, it } from 'vitest'
import { randomEmbeddings } from '../../support/clustered-embeddings.js'
import { DIM, failure, newDocument, newDocuments, numbered, scanned, scannedIds, stored } from './stores.js'
import type { Stores } from './stores.js'

export function readingCases(stores: Stores): void {
  it('is empty at first', async () => {
    const store = await stores.open()
    expect(await store.count()).toBe(0)
    expect(await store.tokens()).toBe(0)
    expect(await scanned(store)).toEqual([])
    expect(await store.get(['a'])).toEqual([undefined])
  })

  it('gets documents in the order of the ids, undefined for those that are not there', async () => {
    const store = await stores.filled(newDocuments(['a', 'b', 'c']))
    const ids = ['c', 'missing', 'a', 'c', 'b']
    const found = await store.get(ids)
    expect(found.map((document) => document?.id)).toEqual(['c', undefined, 'a', 'c', 'b'])
    expect(await store.get([])).toEqual([])
  })

  it('leaves texts out when they are not asked for', async () => {
    const document = newDocument('a', { metadata: { v: 1 } })
    const store = await stores.filled([document])
    const { text, ...rest } = stored(document)
    expect((await store.get(['a'], { text: false }))[0]).toStrictEqual(rest)
    expect(await scanned(store, { text: false })).toStrictEqual([rest])
    expect((await store.get(['a'], { text: true }))[0]).toStrictEqual({ ...rest, text })
    expect(await scanned(store, { text: true })).toStrictEqual([{ ...rest, text }])
  })

  it('tells an empty text from none', async () => {
    const documents = [newDocument('none', { text: undefined }), newDocument('empty', { text: '' })]
    const store = await stores.filled(documents)
    const [none, empty] = await store.get(['none', 'empty'])
    expect('text' in none!).toBe(false)
    expect(empty!.text).toBe('')
  })

  it('gives copies: changing one changes nothing else', async () => {
    const document = newDocument('a', { metadata: { tags: ['x'], size: { cm: 1 } } })
    const store = await stores.filled([document])
    const spoil = (found: object) => {
      const { metadata } = found as { metadata: { tags: string[]; size: { cm: number }; more?: number } }
      metadata.tags.push('y')
      metadata.size.cm = 2
      metadata.more = 3
      Object.assign(found, { id: 'b', text: 'spoilt' })
    }
    spoil((await store.get(['a']))[0]!)
    spoil((await scanned(store))[0]!)
    const [first, second] = await store.get(['a', 'a'])
    spoil(first!)
    expect(second).toEqual(stored(document))
    expect(await scanned(store)).toEqual([stored(document)])
    expect(await store.count({ kind: 'field', field: 'tags', operator: 'eq', operand: ['x'] })).toBe(1)
  })

  it('scans every document once, with all that is known of it', async () => {
    const documents = numbered('d', 600).map((id, i) => newDocument(id, { metadata: { i } }))
    const store = await stores.filled(documents)
    const found = await scanned(store)
    expect(found).toHaveLength(600)
    const byId = new Map(found.map((document) => [document.id, document]))
    for (const document of documents) expect(byId.get(document.id)).toEqual(stored(document))
  })

  it('scans in batches of at most the size asked for', async () => {
    const store = await stores.filled(newDocuments(numbered('d', 25)))
    const sizes = async (batchSize: number) => {
      const lengths: number[] = []
      for await (const batch of store.scan({ batchSize })) lengths.push(batch.length)
      return lengths
    }
    for (const batchSize of [1, 7, 25, 1000]) {
      const lengths = await sizes(batchSize)
      expect(Math.max(...lengths)).toBeLessThanOrEqual(batchSize)
      expect(lengths.reduce((sum, n) => sum + n, 0)).toBe(25)
    }
  })

  it('scans in the same order again, whatever the size of the batches', async () => {
    const store = await stores.filled(newDocuments(numbered('d', 50)))
    await stores.upsert(store, newDocuments(['d7', 'e', 'd30'], { text: 'Replaced.' }))
    await stores.delete(store, { ids: ['d3', 'd49'] })
    const order = await scannedIds(store)
    expect(order).toHaveLength(49)
    expect(await scannedIds(store)).toEqual(order)
    expect(await scannedIds(store, { batchSize: 3 })).toEqual(order)
  })

  it('goes on with a scan after any document', async () => {
    const store = await stores.filled(newDocuments(numbered('d', 30)))
    await stores.upsert(store, newDocuments(['d4', 'd20'], { text: 'Replaced.' }))
    const order = await scannedIds(store)
    for (const [i, after] of order.entries()) {
      expect(await scannedIds(store, { after, batchSize: 4 })).toEqual(order.slice(i + 1))
    }
  })

  it('scans what passes a filter, also after a document that does not', async () => {
    const documents = numbered('d', 30).map((id, i) => newDocument(id, { metadata: { third: i % 3 } }))
    const store = await stores.filled(documents)
    const filter = { kind: 'field', field: 'third', operator: 'eq', operand: 1 } as const
    const order = await scannedIds(store)
    const passing = order.filter((id) => Number(id.slice(1)) % 3 === 1)
    expect(await scannedIds(store, { filter })).toEqual(passing)
    expect(await scannedIds(store, { filter, batchSize: 4 })).toEqual(passing)
    const half = order[15]!
    const rest = order.slice(16).filter((id) => passing.includes(id))
    expect(await scannedIds(store, { filter, after: half })).toEqual(rest)
  })

  it('lets a scan be left early', async () => {
    const store = await stores.filled(newDocuments(numbered('d', 20)))
    for await (const batch of store.scan({ batchSize: 2 })) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
    await stores.upsert(store, [newDocument('after')])
    expect(await store.count()).toBe(21)
  })

  it('counts all documents, and those that pass a filter', async () => {
    const documents = numbered('d', 10).map((id, i) => newDocument(id, { metadata: { i } }))
    const store = await stores.filled(documents)
    const filter = { kind: 'field', field: 'i', operator: 'in', operand: [7, 8, 9, 10] } as const
    expect(await store.count()).toBe(10)
    expect(await store.count(filter)).toBe(3)
    await stores.delete(store, { ids: ['d8', 'd0'] })
    expect(await store.count()).toBe(8)
    expect(await store.count(filter)).toBe(2)
    expect(await store.count({ kind: 'or', parts: [] })).toBe(0)
  })

  it('knows how many tokens its documents have', async () => {
    const given = (id: string, tokens: number) => newDocument(id, { embeddings: randomEmbeddings(tokens, tokens, DIM) })
    const store = await stores.filled([given('a', 3), given('b', 10), given('c', 0)])
    expect(await store.tokens()).toBe(13)
    expect((await store.get(['a', 'b', 'c'])).map((document) => document?.tokens)).toEqual([3, 10, 0])
    await stores.upsert(store, [given('a', 5)])
    expect(await store.tokens()).toBe(15)
    await stores.upsert(store, [newDocument('b', { text: 'New.', embeddings: undefined })])
    expect(await store.tokens()).toBe(15)
    await stores.delete(store, { ids: ['b'] })
    expect(await store.tokens()).toBe(5)
  })

  it('gives what is read of one state, and passes on what goes wrong', async () => {
    const store = await stores.filled(newDocuments(['a', 'b']))
    const read = await store.reading(async (reader) => ({
      count: await reader.count(),
      tokens: await reader.tokens(),
      ids: (await scannedIds(reader)).sort(),
      texts: (await reader.get(['b', 'x'])).map((document) => document?.text),
    }))
    expect(read).toEqual({ count: 2, tokens: 4, ids: ['a', 'b'], texts: ['Text of b.', undefined] })
    const wrong = new Error('of the caller')
    expect(await failure(() => store.reading(() => Promise.reject(wrong)))).toBe(wrong)
    await stores.upsert(store, [newDocument('c')])
    expect(await store.count()).toBe(3)
  })
}
