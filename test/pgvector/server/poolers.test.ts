// What managed databases have and a plain server has not: poolers that lend a session for one transaction, sessions that end, roles with limits.
import { setTimeout as delay } from 'node:timers/promises'
import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, describe, expect, it } from 'vitest'
import { PgvectorStore } from '../../../packages/pgvector/src/index.js'
import { randomEmbeddings } from '../../support/clustered-embeddings.js'
import { ADOPT, allIds, numberedDocuments } from '../documents.js'
import { hasPgbouncer, Pgbouncer } from './pgbouncer.js'
import { programs, sql, startServer, stopServer, unique } from './server.js'
import { LendingPool } from './lending-pool.js'

const binaries = await programs()
const server = binaries ? await startServer(binaries) : undefined
const url = server?.url() ?? ''
const FDE = { partitioning: 'hyperplanes', finalDim: 640 } as const
const KILL =
  "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"
const query = randomEmbeddings(1, 3, 16)
const nowhere = { room: (n: number) => new Uint8Array(n), record: () => {} }

afterAll(() => stopServer(server))

/** Somebody holds the documents of a collection, so whoever reads them waits. */
async function held(collection: string): Promise<Client> {
  const holder = new Client(url)
  await holder.connect()
  const { rows } = await holder.query(`select id from serotine.collections where name = '${collection}'`)
  await holder.query(`begin; lock table serotine.documents_${(rows[0] as { id: number }).id} in access exclusive mode`)
  return holder
}

/** Changes of 16 writers, by batches; those that were not made are none. */
async function write(stores: readonly PgvectorStore[], until: AbortSignal): Promise<string[]> {
  const made: string[] = []
  const writers = Array.from({ length: 16 }, async (_, w) => {
    for (let batch = 0; !until.aborted; batch++) {
      const name = `w${w}-${batch}-`
      await stores[w % stores.length]!.upsert(numberedDocuments(name, 3), ADOPT)
      made.push(name)
    }
  })
  await Promise.all(writers)
  return made
}

describe.skipIf(!server)('sessions that are lent for a transaction', () => {
  it('are given back as they were, after everything a store does', async () => {
    const pool = new LendingPool(`${url}?statement_timeout=60000`, 3)
    const collection = unique('lent')
    const options = { collection, fde: FDE, indexFrom: 100 }
    const stores = [await PgvectorStore.open(pool, options), await PgvectorStore.open(pool, options)]
    await stores[0]!.upsert(numberedDocuments('d', 1100), ADOPT)
    await stores[0]!.prepare()
    expect((await stores[1]!.candidates({ embeddings: query, count: 5, firstStage: 'hnsw' })).firstStage).toBe('hnsw')
    await Promise.all([
      write(stores, AbortSignal.timeout(300)),
      ...stores.map((store) => store.compact()),
      ...stores.map((store) => store.keywords!({ text: 'text', count: 3 })),
      ...stores.map((store) => store.delete({ ids: ['d1'] })),
    ])
    expect(await stores[0]!.verify()).toEqual([])
    const ids = await allIds(stores[0]!)
    expect(ids).toHaveLength(await stores[1]!.count())
    await Promise.all(stores.map((store) => store.close()))
    const left = await pool.each(
      `select (select count(*) from pg_settings where source = 'session') + (select count(*) from pg_prepared_statements) + (select count(*) from pg_cursors)
        + (select count(*) from pg_locks where locktype = 'advisory') + (select count(*) from pg_class where relpersistence = 't') as things,
        current_setting('statement_timeout') as "limit"`,
    )
    expect(left).toEqual(Array.from({ length: 3 }, () => ({ things: '0', limit: '1min' })))
    await pool.end()
  })

  describe.skipIf(!server || !hasPgbouncer())('by pgbouncer', () => {
    it.each(['pg', 'postgres'])('lose no change when it is killed (%s)', async (driver) => {
      const pooler = await Pgbouncer.start(server!, 4)
      const pool =
        driver === 'pg'
          ? new Pool({ connectionString: pooler.url(), max: 8 })
          : postgres(pooler.url(), { max: 8, prepare: false })
      const collection = unique('pooled')
      const stores = [
        await PgvectorStore.open(pool as Pool, { collection }),
        await PgvectorStore.open(pool as Pool, { collection }),
      ]
      const writing = write(stores, AbortSignal.timeout(1500))
      await delay(500)
      await pooler.stop()
      await pooler.start()
      const made = await writing
      const ids = new Set(await allIds(stores[0]!))
      expect(made.length).toBeGreaterThan(0)
      expect(made.filter((name) => [0, 1, 2].some((i) => !ids.has(`${name}${i}`)))).toEqual([])
      expect(ids.size).toBe(made.length * 3)
      await Promise.all(stores.map((store) => store.close()))
      await (driver === 'pg' ? (pool as Pool).end() : (pool as ReturnType<typeof postgres>).end({ timeout: 1 }))
      await pooler.remove()
    })

    it('end a statement though the pooler has no connection to spare, and take no settings', async () => {
      const pooler = await Pgbouncer.start(server!, 1)
      const pool = new Pool({ connectionString: pooler.url() })
      const collection = unique('narrow')
      const store = await PgvectorStore.open(pool, { collection })
      await store.upsert(numberedDocuments('d', 3), ADOPT)
      const holder = await held(collection)
      const reading = store.readTokens(['d1'], nowhere, AbortSignal.timeout(200))
      await expect(reading).rejects.toMatchObject({ name: 'TimeoutError' })
      await holder.end()
      expect(await store.count()).toBe(3)
      await store.close()
      await pool.end()
      await expect(PgvectorStore.open(`${pooler.url()}?options=-c%20search_path%3Dx`)).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringContaining('A pooler takes no settings') as string,
      })
      const prepares = postgres(pooler.url())
      await expect(PgvectorStore.open(prepares)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('prepare: false') as string,
      })
      await prepares.end({ timeout: 1 })
      await pooler.remove()
    })
  })
})

describe.skipIf(!server)('a session that ends', () => {
  it.each(['pg', 'postgres'])('while nobody uses it is replaced (%s)', async (driver) => {
    const pool = driver === 'pg' ? new Pool({ connectionString: url }) : postgres(url)
    const store = await PgvectorStore.open(pool as Pool, { collection: unique('killed') })
    await store.upsert(numberedDocuments('d', 3), ADOPT)
    for (let round = 0; round < 3; round++) {
      await Promise.all([store.count(), store.count()])
      await sql(server!, KILL)
      // The driver of some takes a moment to notice.
      const [count] = await Promise.all([
        store.count(),
        store.upsert(numberedDocuments('d', 3, round), ADOPT),
        store.reading((reader) => reader.count()),
      ])
      expect(count).toBe(3)
    }
    await store.close()
    await (driver === 'pg' ? (pool as Pool).end() : (pool as ReturnType<typeof postgres>).end({ timeout: 1 }))
  })

  it('because it paused in a transaction says so, and is replaced', async () => {
    const idle = 'set idle_in_transaction_session_timeout = 200'
    await sql(server!, "create role slow login superuser password 's'", `alter role slow ${idle}`)
    const pool = new Pool({ connectionString: server!.url({ user: 'slow', password: 's' }) })
    const client = postgres(server!.url({ user: 'slow', password: 's' }))
    for (const [each, code] of [
      [pool, 'STORE_TIMEOUT'],
      // It does not tell why a connection closed.
      [client as never, 'STORE_UNREACHABLE'],
    ] as const) {
      const store = await PgvectorStore.open(each, { collection: 'paused' })
      await store.upsert(numberedDocuments('d', 6), ADOPT)
      const scanning = (async () => {
        for await (const batch of store.scan({ batchSize: 2 })) await delay(batch.length * 250)
      })()
      await expect(scanning).rejects.toMatchObject({ code })
      expect(await store.count()).toBe(6)
      await store.close()
    }
    await pool.end()
    await client.end({ timeout: 1 })
  })

  it('leading to what takes no changes any more is replaced by one that does', async () => {
    const readonly = 'default_transaction_read_only'
    await sql(server!, "create role moved login superuser password 'm'")
    const pool = new Pool({ connectionString: server!.url({ user: 'moved', password: 'm' }) })
    const store = await PgvectorStore.open(pool, { collection: 'moved' })
    await store.upsert(numberedDocuments('d', 2), ADOPT)
    await sql(server!, `alter role moved set ${readonly} = on`, KILL)
    await delay(50)
    // These connections are as those to a primary that was.
    await Promise.all([store.count(), store.count()])
    await expect(store.delete({ ids: ['d0'] })).rejects.toMatchObject({
      code: 'INDEX_READONLY',
      message: expect.stringContaining(readonly) as string,
    })
    await Promise.all([store.count(), store.count()])
    await sql(server!, `alter role moved reset ${readonly}`)
    expect(await store.delete({ ids: ['d0'] })).toBe(1)
    await store.close()
    await pool.end()
  })

  it('is waited for while there are too many', async () => {
    await sql(
      server!,
      "create role few login superuser password 'f' connection limit 1",
      'alter role few nosuperuser',
      'grant create on database postgres to few',
    )
    const address = server!.url({ user: 'few', password: 'f' })
    const other = new Client(address)
    await other.connect()
    await expect(PgvectorStore.open(address, { schema: 'few' })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    setTimeout(() => void other.end(), 200)
    const store = await PgvectorStore.open(address, { schema: 'few' })
    expect(await store.count()).toBe(0)
    await store.close()
  })
})
