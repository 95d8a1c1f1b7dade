import { storeContract } from '../../contract/store.js'
import { MemoryStore } from '../../support/memory-store.js'

storeContract('a store in memory', {
  open: async ({ codec, readonly }) => new MemoryStore({ codec, readonly }),
})

storeContract('a store in memory that searches by itself', {
  open: async ({ codec, readonly }) => new MemoryStore({ codec, readonly, nativeSearch: true }),
})

storeContract('a store in memory that finds documents by their words', {
  open: async ({ codec, readonly }) => new MemoryStore({ codec, readonly, keywords: true }),
})
