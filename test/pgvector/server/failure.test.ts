// A server that crashes while documents are written, and a replica that takes its place.
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { PgvectorStore } from '../../../packages/pgvector/src/index.js'
import { ADOPT, allIds, largeCollection, numberedDocuments } from '../documents.js'
import { programs, startReplica, startServer, stopServer } from './server.js'
import type { PostgresServer } from './server.js'

const binaries = await programs()

describe.skipIf(!binaries)('a server that fails', () => {
  const servers: PostgresServer[] = []
  afterAll(async () => {
    for (const server of servers) await stopServer(server)
  })
  const started = async (): Promise<PostgresServer> => {
    const server = await startServer(binaries!)
    servers.push(server)
    return server
  }

  it('keeps what it has acknowledged, and batches whole, when it crashes while documents are written', async () => {
    const server = await started()
    const store = await PgvectorStore.open(server.url(), { collection: 'docs' })
    await store.upsert(numberedDocuments('first', 10), ADOPT)
    const acknowledged: string[] = []
    const over = new AbortController()
    const writers = Array.from({ length: 4 }, async (_, w) => {
      const own = await PgvectorStore.open(server.url(), { collection: 'docs' })
      for (let batch = 0; !over.signal.aborted; batch++) {
        const name = `w${w}-${batch}-`
        await own.upsert(numberedDocuments(name, 10), ADOPT).then(
          () => acknowledged.push(name),
          // What is not acknowledged may be there or not.
          () => {},
        )
      }
      await own.close()
    })
    await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(8)
    await server.stop('immediate')
    await server.start({ fsync: 'off' })
    const before = acknowledged.length
    // Stores go on by themselves.
    await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(before + 4)
    over.abort()
    await Promise.all(writers)
    const batches = new Map<string, number>()
    for (const id of await allIds(store)) {
      const batch = id.slice(0, id.lastIndexOf('-') + 1)
      batches.set(batch, (batches.get(batch) ?? 0) + 1)
    }
    expect(batches.get('')).toBe(10)
    batches.delete('')
    expect([...batches.values()].filter((count) => count !== 10)).toEqual([])
    expect(acknowledged.filter((name) => !batches.has(name))).toEqual([])
    const { documents, tokens } = await store.stats()
    expect(documents).toBe(10 + batches.size * 10)
    expect(tokens).toBe(documents * 2)
    await store.close()
  })

  it('is replaced by its replica: searches go on, and changes once it is promoted', async () => {
    const primary = await started()
    const { documents, queries, adopt } = largeCollection(600)
    const options = { collection: 'docs', fde: { partitioning: 'hyperplanes' } } as const
    const store = await PgvectorStore.open(primary.url(), options)
    await store.upsert(documents, adopt)
    await store.prepare()
    const expected = await store.candidates({ embeddings: queries[0]!, count: 50, firstStage: 'fde' })
    expect(expected.firstStage).toBe('fde')

    const replica = await startReplica(binaries!, primary)
    servers.push(replica)
    const readers = new Pool({ connectionString: replica.url() })
    const both = await PgvectorStore.open(primary.url(), { ...options, reader: readers })
    expect(both.capabilities).toMatchObject({ visibility: 'eventual', snapshots: true })
    const search = (of: PgvectorStore) =>
      of.reading((reader) => reader.candidates({ embeddings: queries[0]!, count: 50, firstStage: 'fde' }))
    await expect.poll(async () => (await search(both)).ids, { timeout: 20_000 }).toEqual(expected.ids)
    expect(await both.health()).toEqual({ expected: 2, live: 2, partial: false })

    // A replica takes no changes, and says so.
    const asPrimary = await PgvectorStore.open(replica.url(), options)
    await expect(asPrimary.delete({ ids: ['d1'] })).rejects.toMatchObject({ code: 'INDEX_READONLY' })

    await primary.stop('immediate')
    // Answers come from the replica alone.
    expect(await search(both)).toEqual(expected)
    expect(await both.health()).toEqual({ expected: 2, live: 1, partial: false })
    await expect(both.delete({ ids: ['d1'] })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await replica.promote()
    expect(await asPrimary.delete({ ids: [expected.ids[0]!] })).toBe(1)
    const after = await search(asPrimary)
    expect(after.ids.slice(0, 49)).toEqual(expected.ids.slice(1))
    await delay(0)
    await Promise.all([store, both, asPrimary].map((each) => each.close()))
    await readers.end()
  })
})
