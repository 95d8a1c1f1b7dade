export { ColBERTMemoryStore } from './memory-store.js'
export type { ColBERTMemoryStoreInput } from './memory-store.js'
