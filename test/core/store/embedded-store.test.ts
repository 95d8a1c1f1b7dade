import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { EmbeddedStore } from '../../../packages/core/src/embedded/embedded-store.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { storeContract } from '../../contract/store.js'
import { DIM, newDocument } from '../../contract/store/stores.js'
import { FakeEncoder } from '../../support/fake-encoder.js'

const folder = mkdtempSync(join(tmpdir(), 'serotine-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

storeContract('a store of files', {
  // Segments of a few documents, so that every case has several.
  open: ({ collection, codec, readonly }) =>
    EmbeddedStore.open(join(folder, collection), { codec, readonly, segmentBytes: 20_000 }),
  serves: ['auto', 'exact', 'centroids'],
})

storeContract('a store of files with FDEs', {
  open: ({ collection, codec, readonly }) =>
    EmbeddedStore.open(join(folder, `muvera-${collection}`), { codec, readonly, firstStage: 'muvera' }),
  serves: ['auto', 'exact', 'centroids', 'fde', 'hnsw', 'muvera'],
})

storeContract('a store of files in memory', {
  open: ({ codec }) => EmbeddedStore.open(undefined, { codec, firstStage: 'centroids' }),
  opensReadonly: false,
  serves: ['auto', 'exact', 'centroids'],
})

describe('what a store of files compares within the change', () => {
  const model = { name: 'one', fingerprint: '1' }

  test('the first documents say the dimension where nobody else does', async () => {
    await using store = await open()
    await store.upsert([newDocument('a'), newDocument('b')], { dim: null, model: null })
    expect([await store.count(), store.spec.dim]).toEqual([2, DIM])
    // Callers in JavaScript leave it out.
    await store.upsert([newDocument('c')], {} as never)
    expect([await store.count(), store.spec.model]).toEqual([3, null])
    await using other = await open()
    const embeddings = { data: new Float32Array(0), length: 0, dim: 1 }
    await other.upsert([newDocument('without tokens', { embeddings }), newDocument('a')], { dim: null, model: null })
    expect([await other.count(), other.spec.dim]).toEqual([2, DIM])
  })

  test.each([null, 8, DIM])(
    'vectors of another dimension are refused, whatever was known when they were made (%s)',
    async (dim) => {
      await using store = await open()
      const [first, second] = await Promise.allSettled([
        store.upsert([newDocument('a')], { dim: DIM, model: null }),
        store.upsert([newDocument('b', { dim: 8 })], { dim, model: null }),
      ])
      expect([first.status, second.status]).toEqual(['fulfilled', 'rejected'])
      expect((second as PromiseRejectedResult).reason).toMatchObject({
        code: 'DIM_MISMATCH',
        message: expect.stringMatching(/\b8\b.*\b16\b/) as string,
      })
      expect([await store.count(), store.spec.dim]).toEqual([1, DIM])
    },
  )

  test('so are documents of different dimensions, and a dimension that is none of theirs', async () => {
    await using store = await open()
    const mixed = store.upsert([newDocument('a'), newDocument('b', { dim: 8 })], { dim: null, model: null })
    await expect(mixed).rejects.toMatchObject({
      code: 'DIM_MISMATCH',
      message: expect.stringContaining('"b"') as string,
    })
    const other = store.upsert([newDocument('a')], { dim: 8, model: null })
    await expect(other).rejects.toMatchObject({ code: 'DIM_MISMATCH' })
    expect([await store.count(), store.spec.dim]).toEqual([0, null])
  })

  test('vectors of another model are refused', async () => {
    await using store = await open()
    const upsert = (id: string, fingerprint: string) =>
      store.upsert([newDocument(id)], { dim: DIM, model: { name: `model ${fingerprint}`, fingerprint } })
    const [first, second] = await Promise.allSettled([upsert('a', '1'), upsert('b', '2')])
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected'])
    expect((second as PromiseRejectedResult).reason).toMatchObject({
      code: 'INDEX_MISMATCH',
      message: expect.stringMatching(/model 1 .*model 2/) as string,
    })
    expect([await store.count(), store.spec.model?.fingerprint]).toEqual([1, '1'])
    await store.upsert([newDocument('c')], { dim: DIM, model: { ...model, name: 'another name of it' } })
    await store.upsert([newDocument('d')], { dim: null, model: null })
    expect([await store.count(), store.spec.model?.name]).toEqual([3, 'model 1'])
  })

  test('two indexes over one store do not mix their models', async () => {
    await using store = await open()
    const [one, other] = await Promise.all(
      ['1', '2'].map((fingerprint) => MultiVectorIndex.open(store, { model: new FakeEncoder({ fingerprint }) })),
    )
    const documents = [{ id: 'kiwi', text: 'a kiwi is a bird' }]
    await one!.upsert(documents)
    const refused = { code: 'INDEX_MISMATCH', message: expect.stringMatching(/fake 1 .*fake 2/) as string }
    await expect(other!.upsert([{ id: 'owl', text: 'an owl hunts' }])).rejects.toMatchObject(refused)
    await expect(other!.search('a bird')).rejects.toMatchObject(refused)
    expect(await one!.search('a bird')).toMatchObject([{ id: 'kiwi' }])
    expect(await one!.ids()).toEqual(['kiwi'])
  })

  const open = async () => {
    const store = await EmbeddedStore.open()
    return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() })
  }
})
