// What a server may say or not say, and what becomes of it. A stand-in says it; the real one is asked in the contract and the cluster.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { status } from '@grpc/grpc-js'
import { Servers } from '../../packages/weaviate/src/client/servers.js'
import { Cluster } from '../../packages/weaviate/src/cluster.js'
import { Documents } from '../../packages/weaviate/src/documents.js'
import { WeaviateStore } from '../../packages/weaviate/src/index.js'
import { encodeSearch } from '../../packages/weaviate/src/protocol/search.js'
import { BinaryWriter, integer, message, text } from '../../packages/weaviate/src/protocol/wire.js'
import { StandIn } from './stand-in.js'

let first: StandIn
let second: StandIn
beforeEach(async () => {
  first = await new StandIn().start()
  second = await new StandIn().start()
})
afterEach(() => {
  first.stop()
  second.stop()
})

const NOTHING = new Uint8Array()
const open = (options: object = {}) =>
  WeaviateStore.open({ url: first.url, grpc: first.address, collection: 'Birds', timeoutMs: 2000, ...options })
const servers = (timeoutMs = 2000) =>
  new Servers({
    addresses: [first, second].map(({ url, address }) => ({ url, grpc: address })),
    headers: { authorization: 'Bearer secret' },
    timeoutMs,
  })

describe('opening', () => {
  test('names the address where nobody answers', async () => {
    const { url } = first
    first.stop()
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining(url) as string,
    })
  })

  test.each<[string, number, object, string, string]>([
    ['a wrong key', 401, { error: [{ message: 'anonymous access not enabled' }] }, 'STORE_REFUSED', 'apiKey'],
    ['a user without rights', 403, { error: [{ message: 'forbidden' }] }, 'STORE_REFUSED', 'forbidden'],
    ['an old server', 200, { version: '1.29.0' }, 'STORE_UNSUPPORTED', '1.33'],
    ['another kind of server', 200, { hello: 1 }, 'STORE_UNSUPPORTED', 'no Weaviate'],
  ])('refuses %s', async (_name, status, json, code, said) => {
    first.rest.set('GET /v1/meta', { status, json })
    await expect(open({ apiKey: 'wrong' })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(said) as string,
    })
    expect(first.requests[0]!.headers.authorization).toBe('Bearer wrong')
  })

  test('leaves collections of others alone', async () => {
    first.rest.set('GET /v1/meta', { json: { version: '1.35.2' } })
    first.rest.set('GET /v1/schema/Birds', { json: { class: 'Birds', description: 'Mine.' } })
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_FORMAT' })
    expect(first.requests.filter(({ path }) => !path.startsWith('GET'))).toEqual([])
  })
})

describe('a request', () => {
  const request = encodeSearch({ collection: 'Birds', tenant: undefined }, { properties: [], limit: 1 }, 'ONE')

  test('goes to the next server when one does not answer, and stays there', async () => {
    first.grpc.set('Search', () => ({ code: status.UNAVAILABLE, details: 'gone' }))
    second.grpc.set('Search', () => NOTHING)
    const all = servers()
    for (let i = 0; i < 3; i++) await all.call('Search', request)
    expect(first.requests).toHaveLength(1)
    expect(second.requests).toHaveLength(3)
    expect(second.requests[0]!.headers.authorization).toBe('Bearer secret')
    all.close()
  })

  test('is not sent again when that would not help', async () => {
    for (const each of [first, second])
      each.grpc.set('Search', () => ({ code: status.UNKNOWN, details: 'invalid vector' }))
    const all = servers()
    await expect(all.call('Search', request)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('invalid vector') as string,
    })
    expect([...first.requests, ...second.requests]).toHaveLength(1)
    all.close()
  })

  test.each<[string, number, string, string]>([
    ['a full disk', status.UNKNOWN, 'store is read-only due to: disk usage too high', 'STORE_FULL'],
    ['missing rights', status.PERMISSION_DENIED, 'rbac: forbidden', 'STORE_REFUSED'],
    ['an unknown method', status.UNIMPLEMENTED, 'unknown method', 'STORE_UNSUPPORTED'],
  ])('that fails for %s says so', async (_name, code, details, expected) => {
    for (const each of [first, second]) each.grpc.set('Search', () => ({ code, details }))
    const all = servers()
    await expect(all.call('Search', request)).rejects.toMatchObject({ code: expected })
    all.close()
  })

  test('ends when its time is up, or when it is aborted', async () => {
    for (const each of [first, second]) each.grpc.set('Search', () => 'never')
    const all = servers(100)
    await expect(all.call('Search', request, { patienceMs: 0 })).rejects.toMatchObject({ code: 'STORE_TIMEOUT' })
    const reason = new Error('enough')
    const abort = new AbortController()
    const asked = all.call('Search', request, { signal: abort.signal, timeoutMs: 10_000 })
    setTimeout(() => abort.abort(reason), 50)
    await expect(asked).rejects.toBe(reason)
    all.close()
    await expect(all.call('Search', request)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('documents of three servers', () => {
  const node = (name: string, state = 'HEALTHY') => ({
    name,
    status: state,
    shards: [{ class: 'Birds', name: 'shard', vectorQueueLength: 0 }],
  })
  const live = (...nodes: object[]) => {
    for (const each of [first, second]) {
      for (const path of ['GET /v1/nodes', 'GET /v1/nodes/Birds']) each.rest.set(path, { json: { nodes } })
    }
  }
  const documents = () => {
    const all = servers()
    const settings = { collection: 'Birds', tenant: undefined, nodes: 3, replicationFactor: 3, shards: 1 }
    return new Documents(all, new Cluster(all, settings), { collection: 'Birds', tenant: undefined }, 'QUORUM', 'fde')
  }
  const object = { uuid: 'e9a1a9ad-31d2-5b4c-9b2e-0a9a9d9f0001', properties: { key: '"a"' }, vectors: [] }

  test('are read and written where two are there, and not where one is', { timeout: 30_000 }, async () => {
    live(node('a'), node('b'), node('c'))
    for (const each of [first, second]) {
      each.grpc.set('Search', () => NOTHING)
      each.grpc.set('BatchObjects', () => NOTHING)
    }
    const read = documents()
    expect(await read.search({ properties: [], limit: 1 })).toEqual([])
    live(node('a'), node('b'))
    expect(await read.search({ properties: [], limit: 1 })).toEqual([])
    await read.put([object])
    live(node('a'), node('b', 'UNHEALTHY'))
    const failures = await Promise.allSettled([read.search({ properties: [], limit: 1 }), read.put([object])])
    for (const failure of failures) {
      expect(failure).toMatchObject({
        status: 'rejected',
        reason: { code: 'PARTIAL_RESULTS', message: expect.stringContaining('Of the 3 servers') as string },
      })
    }
  })

  test('that a server does not take are sent again, and none else', async () => {
    live(node('a'), node('b'), node('c'))
    const refusal = new BinaryWriter()
    message(refusal, 2, (error) => {
      integer(error, 1, 1)
      text(error, 2, 'replica not ready')
    })
    let times = 0
    first.grpc.set('BatchObjects', () => (times++ === 0 ? refusal.finish() : NOTHING))
    await documents().put([object, { ...object, uuid: 'e9a1a9ad-31d2-5b4c-9b2e-0a9a9d9f0002' }])
    expect(times).toBe(2)
  })

  test('of a batch that fails are counted', async () => {
    live(node('a'), node('b'), node('c'))
    const refusal = new BinaryWriter()
    message(refusal, 2, (error) => text(error, 2, 'vector lengths do not match'))
    first.grpc.set('BatchObjects', () => refusal.finish())
    const many = Array.from({ length: 2 }, (_, i) => ({ ...object, uuid: `e9a1a9ad-31d2-5b4c-9b2e-0a9a9d9f000${i}` }))
    await expect(documents().put(many)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/^0 of 2 documents are written/) as string,
    })
  })
})
