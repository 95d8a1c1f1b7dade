import { afterAll } from 'vitest'
import { PgvectorStore } from '../../packages/pgvector/src/index.js'
import { storeContract } from '../contract/store.js'
import { pglite, stopPglite } from './pglite.js'

afterAll(stopPglite)

storeContract('PGlite', {
  codecs: ['f32', 'f16', 'int8'],
  open: async ({ collection, codec, readonly }) =>
    PgvectorStore.open(await pglite(), { collection, codec: codec as 'int8', readonly }),
})
