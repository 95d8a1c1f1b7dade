import { expect, it } from 'vitest'
import { randomEmbeddings } from '../../support/clustered-embeddings.js'
import { DIM, failure, newDocument, newDocuments, numbered, readVectors, scannedIds, stored } from './stores.js'
import type { Stores } from './stores.js'

export function writingCases(stores: Stores): void {
  it('adds documents, and gives them back as they were added', async () => {
    const documents = [
      newDocument('kiwi', { text: 'A kiwi cannot fly.', metadata: { lang: 'en', year: 2020 } }),
      newDocument('owl', { text: 'Eulen jagen nachts.', metadata: { lang: 'de', tags: ['bird'] } }),
    ]
    const store = await stores.filled(documents)
    expect(await store.get(['kiwi', 'owl'])).toEqual(documents.map(stored))
    expect(await store.count()).toBe(2)
    const vectors = await readVectors(store, store.spec, ['kiwi', 'owl'])
    expect([...vectors.keys()].sort()).toEqual([0, 1])
    documents.forEach(({ embeddings }, i) => expect(vectors.get(i)).toMatchObject({ length: embeddings!.length }))
  })

  it('puts a document in the place of the one with its id', async () => {
    const store = await stores.filled([newDocument('a', { metadata: { v: 1 } }), newDocument('b')])
    const next = newDocument('a', { text: 'Another.', metadata: { w: 2 }, embeddings: randomEmbeddings(7, 5, DIM) })
    await stores.upsert(store, [next])
    expect(await store.get(['a'])).toEqual([stored(next)])
    expect(await store.count()).toBe(2)
    const vectors = await readVectors(store, store.spec, ['a'])
    expectVectors(vectors.get(0)!.data, next.embeddings!.data)
  })

  it('keeps the vectors of a document that comes without embeddings', async () => {
    const before = newDocument('a', { metadata: { v: 1 }, embeddings: randomEmbeddings(7, 5, DIM) })
    const store = await stores.filled([before])
    const kept = await readVectors(store, store.spec, ['a'])
    const after = newDocument('a', { text: 'New text.', metadata: { v: 2 }, embeddings: undefined })
    await stores.upsert(store, [after])
    const { hash } = after
    expect(await store.get(['a'])).toEqual([{ id: 'a', text: 'New text.', metadata: { v: 2 }, tokens: 5, hash }])
    expect(await readVectors(store, store.spec, ['a'])).toEqual(kept)
    await stores.upsert(store, [newDocument('a', { text: undefined, embeddings: undefined })])
    expect('text' in (await store.get(['a']))[0]!).toBe(false)
    expect(await readVectors(store, store.spec, ['a'])).toEqual(kept)
  })

  it('takes new, replaced and kept documents in one batch', async () => {
    const store = await stores.filled(newDocuments(['replaced', 'kept', 'left']))
    const replaced = newDocument('replaced', { text: 'Other.', embeddings: randomEmbeddings(3, 1, DIM) })
    const kept = newDocument('kept', { text: 'Kept.', embeddings: undefined })
    await stores.upsert(store, [newDocument('new'), replaced, kept])
    expect((await scannedIds(store)).sort()).toEqual(['kept', 'left', 'new', 'replaced'])
    const found = await store.get(['new', 'replaced', 'kept', 'left'])
    expect(found.map((document) => document?.text)).toEqual(['Text of new.', 'Other.', 'Kept.', 'Text of left.'])
    expect(found.map((document) => document?.tokens)).toEqual([2, 1, 2, 2])
  })

  it('deletes in the change that adds, so that no reader sees one without the other', async () => {
    const store = await stores.filled(newDocuments(['a#1', 'a#2', 'a#3', 'b']))
    const { generation } = await store.stats()
    const next = newDocument('a#1', { text: 'Other.', embeddings: randomEmbeddings(3, 1, DIM) })
    await store.upsert([next], { dim: DIM, model: null }, undefined, ['a#2', 'a#3', 'unknown'])
    await stores.harness.settle?.(store)
    expect((await scannedIds(store)).sort()).toEqual(['a#1', 'b'])
    expect(await store.get(['a#1', 'a#2'])).toEqual([stored(next), undefined])
    expect((await store.stats()).generation).toBe(generation + 1)
  })

  it('refuses a new document without embeddings, and writes nothing of its batch', async () => {
    const store = await stores.filled([newDocument('old', { metadata: { v: 1 } })])
    const unknown = newDocument('unknown', { embeddings: undefined })
    const batch = [newDocument('first'), newDocument('old', { metadata: { v: 2 } }), unknown, newDocument('last')]
    expect(await failure(() => store.upsert(batch, { dim: DIM, model: null }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('unknown') as string,
    })
    await stores.harness.settle?.(store)
    expect(await scannedIds(store)).toEqual(['old'])
    expect((await store.get(['old']))[0]?.metadata).toEqual({ v: 1 })
    expect(await store.tokens()).toBe(2)
  })

  it('writes nothing of a batch in which a component does not fit the codec', async ({ skip }) => {
    skip(!stores.codecs.includes('f16'), 'no f16')
    const store = await stores.filled([newDocument('old', { metadata: { v: 1 } })], { codec: 'f16' })
    const tooLarge = { data: new Float32Array(DIM).fill(70_000), length: 1, dim: DIM }
    const batch = [newDocument('first'), newDocument('old'), newDocument('large', { embeddings: tooLarge })]
    expect(await failure(() => store.upsert(batch, { dim: DIM, model: null }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await stores.harness.settle?.(store)
    expect(await scannedIds(store)).toEqual(['old'])
    expect((await store.get(['old']))[0]?.metadata).toEqual({ v: 1 })
  })

  it('adopts nothing from a batch that it refuses, and takes a good one afterwards', async () => {
    const store = await stores.open()
    const model = { name: 'Bad', fingerprint: 'bad' }
    await failure(() => store.upsert([newDocument('a', { embeddings: undefined })], { dim: 99, model }))
    expect(store.spec).toMatchObject({ dim: null, model: null })
    await stores.upsert(store, [newDocument('a')])
    expect(store.spec).toMatchObject({ dim: DIM, model: null })
    expect(await store.count()).toBe(1)
  })

  it('does not notice when the caller changes embeddings that were added', async () => {
    const embeddings = randomEmbeddings(5, 3, DIM)
    const store = await stores.filled([newDocument('a', { embeddings })])
    const before = await readVectors(store, store.spec, ['a'])
    embeddings.data.fill(0)
    expect(await readVectors(store, store.spec, ['a'])).toEqual(before)
  })

  it('deletes by ids and counts those that were there', async () => {
    const store = await stores.filled(newDocuments(['a', 'b', 'c']))
    expect(await stores.delete(store, { ids: ['b', 'unknown', 'a', 'b'] })).toBe(2)
    expect(await scannedIds(store)).toEqual(['c'])
    expect(await store.get(['a', 'b', 'c'])).toMatchObject([undefined, undefined, { id: 'c' }])
    expect(await stores.delete(store, { ids: ['b', 'a'] })).toBe(0)
    expect(await store.count()).toBe(1)
    expect(await store.tokens()).toBe(2)
  })

  it('deletes by filter what passes, and nothing else', async () => {
    const documents = numbered('d', 20).map((id, i) => newDocument(id, { metadata: { even: i % 2 === 0, i } }))
    const store = await stores.filled(documents)
    const isEven = { kind: 'field', field: 'even', operator: 'eq', operand: true } as const
    const isLow = { kind: 'field', field: 'i', operator: 'in', operand: [0, 1, 2, 3, 4, 5] } as const
    expect(await stores.delete(store, { filter: { kind: 'and', parts: [isEven, isLow] } })).toBe(3)
    expect(await store.get(['d0', 'd1', 'd2', 'd4', 'd6'])).toMatchObject([
      undefined,
      { id: 'd1' },
      undefined,
      undefined,
      { id: 'd6' },
    ])
    expect(await store.count()).toBe(17)
    expect(await stores.delete(store, { filter: { kind: 'and', parts: [isEven, isLow] } })).toBe(0)
    expect(await stores.delete(store, { filter: { kind: 'or', parts: [] } })).toBe(0)
    expect(await stores.delete(store, { filter: { kind: 'and', parts: [] } })).toBe(17)
    expect(await store.count()).toBe(0)
  })

  it('takes a document again that was deleted', async () => {
    const store = await stores.filled([
      newDocument('a', { metadata: { v: 1 }, embeddings: randomEmbeddings(1, 4, DIM) }),
    ])
    await stores.delete(store, { ids: ['a'] })
    const again = newDocument('a', { metadata: { v: 2 } })
    await stores.upsert(store, [again])
    expect(await store.get(['a'])).toEqual([stored(again)])
    expect(await scannedIds(store)).toEqual(['a'])
    expectVectors((await readVectors(store, store.spec, ['a'])).get(0)!.data, again.embeddings!.data)
  })

  it('has no vectors to keep for a document that was deleted', async () => {
    const store = await stores.filled(newDocuments(['a', 'b']))
    await stores.delete(store, { ids: ['a'] })
    const without = newDocument('a', { embeddings: undefined })
    expect(await failure(() => store.upsert([without], { dim: DIM, model: null }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(await store.count()).toBe(1)
  })

  it('changes nothing when nothing is added or deleted', async () => {
    const store = await stores.filled(newDocuments(['a', 'b']))
    await stores.upsert(store, [])
    expect(await stores.delete(store, { ids: [] })).toBe(0)
    expect(await store.count()).toBe(2)
    const empty = await stores.open()
    await stores.upsert(empty, [])
    expect(await stores.delete(empty, { ids: ['a'] })).toBe(0)
    expect(await stores.delete(empty, { filter: { kind: 'and', parts: [] } })).toBe(0)
    expect(await empty.count()).toBe(0)
  })

  it('takes 1,000 documents in one batch', async () => {
    const ids = numbered('d', 1000)
    const store = await stores.filled(newDocuments(ids))
    expect(await store.count()).toBe(1000)
    expect(await store.tokens()).toBe(2000)
    expect((await scannedIds(store)).sort()).toEqual(ids.toSorted())
    expect((await store.get(ids)).map((document) => document?.id)).toEqual(ids)
  })

  it('takes 200 batches of one document', async () => {
    const store = await stores.open()
    const ids = numbered('d', 200)
    for (const id of ids) await store.upsert([newDocument(id)], { dim: DIM, model: null })
    await stores.harness.settle?.(store)
    expect(await store.count()).toBe(200)
    expect((await scannedIds(store)).sort()).toEqual(ids.toSorted())
    expect((await readVectors(store, store.spec, ids)).size).toBe(200)
  })
}

/** As precisely as every codec keeps unit-length tokens. */
function expectVectors(found: Float32Array, added: Float32Array): void {
  expect(found).toHaveLength(added.length)
  found.forEach((x, i) => expect(Math.abs(x - added[i]!)).toBeLessThan(1 / 250))
}
