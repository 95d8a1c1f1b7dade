// Who may, and whose documents: keys and tenants, as a real server has them.
import { MultiVectorIndex } from '@serotine/core'
import { describe, expect, it } from 'vitest'
import { openStore, WeaviateStore } from '../../packages/weaviate/src/index.js'
import type { WeaviateOptions } from '../../packages/weaviate/src/index.js'
import { largeCollection } from '../pgvector/documents.js'
import { FakeEncoder } from '../support/fake-encoder.js'
import { isBuilt, useServers } from './server.js'

const refusal = (said: string) => ({ code: 'STORE_REFUSED', message: expect.stringContaining(said) as string })

describe.skipIf(!isBuilt)('a server that asks for keys', () => {
  const servers = useServers({
    env: {
      AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED: 'false',
      AUTHENTICATION_APIKEY_ENABLED: 'true',
      AUTHENTICATION_APIKEY_ALLOWED_KEYS: 'key-of-writer,key-of-reader',
      AUTHENTICATION_APIKEY_USERS: 'writer,reader',
      AUTHORIZATION_ADMINLIST_ENABLED: 'true',
      AUTHORIZATION_ADMINLIST_USERS: 'writer',
      AUTHORIZATION_ADMINLIST_READONLY_USERS: 'reader',
    },
  })
  const open = (options: Partial<WeaviateOptions>) => {
    const { url, grpc } = servers.current
    return WeaviateStore.open({ url, grpc, collection: 'Locked', ...options })
  }
  const model = new FakeEncoder()

  it('is searched and written to with the right one, given as apiKey, in headers, or in the address', async () => {
    const index = await MultiVectorIndex.open(await open({ apiKey: 'key-of-writer' }), { model })
    await index.upsert([{ id: 'kiwi', text: 'a bird without wings' }])
    await index.prepare()
    expect((await index.search('bird'))[0]!.id).toBe('kiwi')
    await index.close()
    const { url, grpc } = servers.current
    const address = `weaviate://:key-of-writer@${new URL(url).host}/Locked?grpc=${grpc.split(':')[1]!}`
    for (const store of [
      await open({ headers: { authorization: 'Bearer key-of-writer' } }),
      (await openStore(address)) as WeaviateStore,
    ]) {
      expect((await store.get(['kiwi']))[0]!.text).toBe('a bird without wings')
      await store.close()
    }
  })

  it('refuses none and a wrong one, and says what to pass', async () => {
    await expect(open({})).rejects.toMatchObject(refusal('apiKey'))
    await expect(open({ apiKey: 'key-of-nobody' })).rejects.toMatchObject(refusal('apiKey'))
    await expect(open({ apiKey: 'key-of-nobody' })).rejects.toThrow(/^(?!.*key-of-nobody)/)
  })

  it('lets who may only read read, and refuses what they write', async () => {
    const reading = await open({ apiKey: 'key-of-reader', readonly: true })
    expect(await reading.count()).toBe(1)
    expect((await reading.candidates({ embeddings: model.embed('bird') })).ids).toEqual(['kiwi'])
    await reading.close()
    const writing = await MultiVectorIndex.open(await open({ apiKey: 'key-of-reader' }), { model })
    await expect(writing.upsert([{ id: 'emu', text: 'a large bird' }])).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    await expect(writing.delete(['kiwi'])).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    await writing.close()
  })
})

describe.skipIf(!isBuilt)('tenants', () => {
  const servers = useServers()
  const open = (options: Partial<WeaviateOptions>) => {
    const { url, grpc } = servers.current
    return WeaviateStore.open({ url, grpc, collection: 'Shared', ...options })
  }
  const model = new FakeEncoder()
  const acme = () => open({ tenant: 'acme' })
  const zeta = () => open({ tenant: 'zeta' })

  it('have documents of their own under the same ids, and delete and filter their own only', async () => {
    const first = await MultiVectorIndex.open(await acme(), { model })
    const second = await MultiVectorIndex.open(await zeta(), { model })
    await first.upsert([
      { id: 'one', text: 'red apples', metadata: { of: 'acme' } },
      { id: 'two', text: 'green pears', metadata: { of: 'acme' } },
    ])
    await second.upsert([{ id: 'one', text: 'blue plums', metadata: { of: 'zeta' } }])
    for (const index of [first, second]) await index.prepare()
    expect((await first.search('plums')).map(({ id, text }) => [id, text])).not.toContainEqual(['one', 'blue plums'])
    expect((await second.search('apples')).map(({ text }) => text)).toEqual(['blue plums'])
    expect(await second.search('apples', { where: { of: 'acme' } })).toEqual([])
    expect([await first.count(), await second.count()]).toEqual([2, 1])
    const scanned = []
    for await (const { id, text } of second.scan()) scanned.push([id, text])
    expect(scanned).toEqual([['one', 'blue plums']])
    expect(await second.delete({ where: { of: { in: ['acme', 'zeta'] } } })).toBe(1)
    expect([await first.count(), await second.count()]).toEqual([2, 0])
    expect((await first.get(['one']))[0]!.text).toBe('red apples')
    for (const index of [first, second]) await index.close()
  })

  it('learn encodings of their own', async () => {
    const { documents, queries, adopt } = largeCollection(700)
    const [first, second] = [await open({ tenant: 'learns' }), await open({ tenant: 'waits' })]
    await first.upsert(documents, adopt)
    await second.upsert(documents.slice(0, 5), adopt)
    for (const store of [first, second]) await store.prepare()
    const [ofFirst, ofSecond] = [await first.stats(), await second.stats()]
    expect([ofFirst.firstStage, ofSecond.firstStage]).toEqual(['fde', 'exact'])
    expect(ofSecond).toMatchObject({ documents: 5, firstStages: {} })
    const { ids } = await second.candidates({ embeddings: queries[0]!, count: 100 })
    expect(ids.toSorted()).toEqual(['d0', 'd1', 'd2', 'd3', 'd4'])
    for (const store of [first, second]) await store.close()
  })

  it('are made where they are not there, but not by who only reads', async () => {
    await expect(open({ tenant: 'nobody', readonly: true })).rejects.toMatchObject({
      code: 'INDEX_FORMAT',
      message: expect.stringContaining('tenant "nobody"') as string,
    })
    const made = await open({ tenant: 'somebody' })
    expect(await made.count()).toBe(0)
    await made.close()
    const read = await open({ tenant: 'somebody', readonly: true })
    expect((await read.stats()).documents).toBe(0)
    await read.close()
  })

  it('are asked for where there are some, and only there', async () => {
    await (await acme()).close()
    await expect(open({})).rejects.toMatchObject({
      code: 'INDEX_MISMATCH',
      message: expect.stringContaining('Say which with tenant') as string,
    })
    await (await open({ collection: 'Alone' })).close()
    await expect(open({ collection: 'Alone', tenant: 'acme' })).rejects.toMatchObject({
      code: 'INDEX_MISMATCH',
      message: expect.stringContaining('"acme"') as string,
    })
  })
})
