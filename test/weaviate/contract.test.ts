import { describe } from 'vitest'
import { WeaviateStore } from '../../packages/weaviate/src/index.js'
import { storeContract } from '../contract/store.js'
import { isBuilt, useServers } from './server.js'

describe.skipIf(!isBuilt)('Weaviate 1.35.2', () => {
  const servers = useServers()
  storeContract('a store in Weaviate', {
    open: ({ collection, codec, readonly }) => {
      const { url, grpc } = servers.current
      return WeaviateStore.open({ url, grpc, collection: className(collection), codec, readonly })
    },
    settle: async (store) => {
      await (store as WeaviateStore).indexed()
    },
    codecs: ['f32', 'f16', 'int8'],
  })

  storeContract('a store in Weaviate that computes MaxSim itself', {
    open: ({ collection, codec, readonly }) => {
      const { url, grpc } = servers.current
      return WeaviateStore.open({ url, grpc, collection: `N${className(collection)}`, mode: 'native', codec, readonly })
    },
    settle: async (store) => {
      await (store as WeaviateStore).indexed()
    },
    codecs: ['f32'],
  })
})

function className(collection: string): string {
  return `C${collection.replaceAll('-', '_')}`
}
