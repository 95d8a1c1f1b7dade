import { expect, test } from 'vitest'
import { optionsOf } from '../../packages/weaviate/src/address.js'
import { openStore } from '../../packages/weaviate/src/index.js'
import { uuidOf } from '../../packages/weaviate/src/ids.js'
import { checkWeaviateOptions } from '../../packages/weaviate/src/options.js'
import type { WeaviateOptions } from '../../packages/weaviate/src/options.js'

test.each<[string, Partial<WeaviateOptions>, WeaviateOptions]>([
  [
    'weaviate://localhost/Birds',
    {},
    { url: ['http://localhost:8080'], grpc: ['localhost:50051'], collection: 'Birds' },
  ],
  [
    'weaviate://a:8080,b:8081/Birds?grpc=50051,50052&nodes=3&replicationFactor=3&consistency=quorum',
    { collection: 'Owls', readonly: true, codec: undefined },
    {
      url: ['http://a:8080', 'http://b:8081'],
      grpc: ['a:50051', 'b:50052'],
      collection: 'Owls',
      nodes: 3,
      replicationFactor: 3,
      consistency: 'QUORUM',
      readonly: true,
    },
  ],
  [
    'weaviates://:p%40ss@x.weaviate.cloud/Birds?grpc=grpc-x.weaviate.cloud:443&tenant=acme',
    {},
    {
      url: ['https://x.weaviate.cloud'],
      grpc: ['grpc-x.weaviate.cloud:443'],
      apiKey: 'p@ss',
      collection: 'Birds',
      tenant: 'acme',
    },
  ],
])('the address %s', (address, given, options) => {
  expect(optionsOf(address, given)).toEqual(options)
  expect(() => checkWeaviateOptions(options)).not.toThrow()
})

test.each<[string, string, string]>([
  ['http://localhost/Birds', 'INVALID_ARGUMENT', 'weaviate://localhost:8080/Birds'],
  ['weaviate://localhost', 'INVALID_ARGUMENT', 'weaviate://localhost:8080/Birds'],
  ['weaviate://localhost/birds', 'INVALID_ARGUMENT', 'capital'],
  ['weaviate://localhost/Birds?tennant=acme', 'UNKNOWN_OPTION', 'tenant'],
  ['weaviate://localhost/Birds?tenant=a', 'INVALID_ARGUMENT', 'tenant'],
  ['weaviate://localhost/Birds?nodes=three', 'INVALID_ARGUMENT', 'nodes'],
  ['weaviate://localhost/Birds?mode=own', 'INVALID_ARGUMENT', 'fde, native'],
  ['weaviate://localhost/Birds?codec=residual', 'INVALID_ARGUMENT', 'f32, f16, int8'],
  ['weaviate://localhost/Birds?mode=native&codec=int8', 'INVALID_ARGUMENT', 'f32'],
])('%s is refused', async (address, code, said) => {
  await expect(openStore(address)).rejects.toMatchObject({ code, message: expect.stringContaining(said) as string })
})

test('no message has the key of an address', async () => {
  await expect(openStore('weaviate://:secret@localhost')).rejects.toThrow(/^(?!.*secret)/)
  await expect(openStore('weaviate://:secret@127.0.0.1:9/Birds?timeoutMs=500')).rejects.toThrow(/^(?!.*secret)/)
}, 30_000)

test('options that nobody knows name the one that may be meant', () => {
  const given = { url: 'http://localhost:8080', collection: 'Birds', replication: 3 } as never
  expect(() => checkWeaviateOptions(given)).toThrow('replicationFactor')
})

test('uuids are of version 5, each of one id', () => {
  const ids = ['a', 'A', ' a', 'a\0', '\ud800', '\ud801', '\ufffd', 'é', 'e\u0301', '']
  const uuids = ids.map(uuidOf)
  for (const uuid of uuids)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(uuids).size).toBe(ids.length)
  // What is stored is found again by the next version.
  expect(uuidOf('kiwi')).toBe('0d925b1b-f415-5c13-9584-60ef42fbc1c4')
})
