import { Pool } from 'pg'
import { afterAll, describe } from 'vitest'
import { PgvectorStore } from '../../../packages/pgvector/src/index.js'
import { storeContract } from '../../contract/store.js'
import { isLong } from '../../support/long.js'
import { programs, startServer, stopServer } from './server.js'

// In `npm test` the suite runs on PGlite; what several connections add is in the other files of this folder.
const binaries = isLong ? await programs() : undefined
const server = binaries ? await startServer(binaries) : undefined

describe.skipIf(!server)('a pool of connections', () => {
  const pool = new Pool({ connectionString: server?.url(), max: 20 })
  afterAll(async () => {
    await pool.end()
    await stopServer(server)
  })

  storeContract('PostgreSQL', {
    codecs: ['f32', 'f16', 'int8'],
    open: ({ collection, codec, readonly }) =>
      PgvectorStore.open(pool, {
        collection,
        codec: codec as 'int8',
        readonly,
        fde: { partitioning: 'hyperplanes' },
        indexFrom: 1,
      }),
  })
})
