import { expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import { parseWhere } from '../../../packages/core/src/store/filter.js'
import type { Where } from '../../../packages/core/src/store/filter.js'
import type { KeywordQuery } from '../../../packages/core/src/store/keywords.js'
import type { Store, StoreReader } from '../../../packages/core/src/store/store.js'
import { newDocument } from './stores.js'
import type { Stores } from './stores.js'

const TEXTS: Readonly<Record<string, string>> = {
  read: 'The call fs.readFileSync throws ERR_2041 when a file is missing.',
  write: 'Writing files: fs.writeFileSync replaces what was there.',
  codes: 'Error codes begin with ERR_, then a number like 2041 or 77.',
  release: 'Version 0.17.3 mends the crash of v0.17-m on an empty folder.',
  kiwi: 'A kiwi is a bird that cannot fly.',
}

const documents = Object.entries(TEXTS).map(([id, text], i) => newDocument(id, { text, metadata: { place: i } }))

/** What `StoreReader.keywords` does; a store that says it cannot has no such method. */
export function keywordCases(stores: Stores): void {
  const filter = (fields: Where) => ({ filter: parseWhere(fields) })
  const ids = async (reader: StoreReader, query: Partial<KeywordQuery>): Promise<string[]> => {
    const found = await reader.keywords!({ text: '', count: 10, ...query })
    return found.map(({ id }) => id)
  }

  it('has keywords() or says that it has not', async () => {
    const store = await stores.filled(documents)
    expect(typeof store.keywords).toBe(store.capabilities.keywords ? 'function' : 'undefined')
    const inside = await store.reading(async (reader) => typeof reader.keywords)
    expect(inside).toBe(typeof store.keywords)
  })

  /** Of a store that finds documents by their words. */
  const ifKeywords =
    (test: (store: Store) => Promise<void>) =>
    async ({ skip }: TestContext): Promise<void> => {
      const store = await stores.filled(documents)
      if (!store.capabilities.keywords) skip()
      await test(store)
    }

  it(
    'finds documents that hold a word of the query, those with more and rarer ones first',
    ifKeywords(async (store) => {
      expect(await ids(store, { text: 'birds that fly' })).toEqual(['kiwi'])
      expect(await ids(store, { text: 'which file has ERR_2041' })).toEqual(['read', 'codes', 'write'])
      expect(await ids(store, { text: 'which file has ERR_2041', count: 1 })).toEqual(['read'])
      expect(await ids(store, { text: 'penguin' })).toEqual([])
      expect(await ids(store, { text: '' })).toEqual([])
    }),
  )

  it(
    'says which words of the query a document holds',
    ifKeywords(async (store) => {
      const [first] = await store.keywords!({ text: 'READFILESYNC and missing penguins', count: 1 })
      expect(first).toMatchObject({ id: 'read', words: ['readfilesync', 'miss'] })
      expect(first!.score).toBeGreaterThan(0)
    }),
  )

  it(
    'scores other documents as well, in the same way',
    ifKeywords(async (store) => {
      const query = { text: 'which file has ERR_2041' }
      const all = await store.keywords!({ ...query, count: 10 })
      const some = await store.keywords!({ ...query, count: 1, also: ['kiwi', 'codes', 'read', 'unknown'] })
      expect(some.map(({ id }) => id).sort()).toEqual(['codes', 'kiwi', 'read'])
      for (const match of some) {
        const same = all.find(({ id }) => id === match.id) ?? { id: 'kiwi', score: 0, words: [] }
        expect(match).toEqual({ ...same, score: expect.closeTo(same.score, 5) })
      }
      expect(await ids(store, { ...query, count: 0 })).toEqual([])
    }),
  )

  it(
    'gives only what passes the filter',
    ifKeywords(async (store) => {
      const text = 'which file has ERR_2041'
      expect(await ids(store, { text, ...filter({ place: { in: [1, 2] } }) })).toEqual(['codes', 'write'])
      expect(await ids(store, { text, count: 0, also: ['read', 'codes'], ...filter({ place: 2 }) })).toEqual(['codes'])
    }),
  )

  it(
    'finds what is quoted as it is written, and nothing else',
    ifKeywords(async (store) => {
      expect(await ids(store, { text: '"v0.17-m"' })).toEqual(['release'])
      expect(await ids(store, { text: 'which crash “0.17.3”?' })).toEqual(['release'])
      expect(await ids(store, { text: '"begin with err_"' })).toEqual(['codes'])
      expect(await ids(store, { text: '"with begin"' })).toEqual([])
      expect(await ids(store, { text: 'bird "files"', count: 0, also: ['kiwi', 'read', 'write'] })).toEqual(['write'])
    }),
  )

  it(
    'follows every change',
    ifKeywords(async (store) => {
      await stores.upsert(store, [newDocument('kiwi', { text: 'A kiwi is a fruit.' })])
      expect(await ids(store, { text: 'bird' })).toEqual([])
      expect(await ids(store, { text: 'fruit' })).toEqual(['kiwi'])
      await stores.upsert(store, [
        newDocument('kiwi', { text: 'A kiwi is a fruit.', metadata: { place: 9 }, embeddings: undefined }),
      ])
      expect(await ids(store, { text: 'fruit', ...filter({ place: 9 }) })).toEqual(['kiwi'])
      await stores.upsert(store, [newDocument('plain', { text: undefined })])
      await stores.delete(store, { ids: ['kiwi'] })
      expect(await ids(store, { text: 'fruit' })).toEqual([])
      await store.compact?.()
      expect(await ids(store, { text: 'files' })).toEqual(expect.arrayContaining(['write', 'read']))
      if (!store.capabilities.durable) return
      const again = await stores.reopen(store)
      expect(await ids(again, { text: 'which file has ERR_2041' })).toEqual(['read', 'codes', 'write'])
      expect(await ids(again, { text: 'fruit' })).toEqual([])
    }),
  )

  it(
    'shows one state to a reader',
    ifKeywords(async (store) => {
      if (!store.capabilities.snapshots) return
      await store.reading(async (reader) => {
        const before = await reader.keywords!({ text: 'kiwi bird file', count: 10 })
        await store.upsert([newDocument('emu', { text: 'Another bird, another file.' })], { dim: null, model: null })
        await store.delete({ ids: ['kiwi'] })
        await store.compact?.()
        expect(await reader.keywords!({ text: 'kiwi bird file', count: 10 })).toEqual(before)
      })
      expect(await ids(store, { text: 'kiwi bird' })).toEqual(['emu'])
    }),
  )

  it(
    'stops when aborted',
    ifKeywords(async (store) => {
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(store.keywords!({ text: 'file', count: 1, signal })).rejects.toThrow('enough')
    }),
  )
}
