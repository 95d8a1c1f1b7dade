import { Pool } from 'pg'
import { afterAll, describe } from 'vitest'
import { PgvectorStore } from '../../../packages/pgvector/src/index.js'
import { storeContract } from '../../contract/store.js'
import { programs, startServer, stopServer } from './server.js'

const binaries = await programs()
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
