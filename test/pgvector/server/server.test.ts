// What a real server adds: drivers, roles, several connections, statements that are ended.
import { setTimeout as delay } from 'node:timers/promises'
import { MultiVectorIndex } from '@serotine/core'
import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, describe, expect, it } from 'vitest'
import { openStore, PgvectorStore } from '../../../packages/pgvector/src/index.js'
import { newDocument } from '../../contract/store/stores.js'
import { randomEmbeddings } from '../../support/clustered-embeddings.js'
import { ADOPT, allIds, numberedDocuments } from '../documents.js'
import { programs, sql, startServer, stopServer, unique } from './server.js'

const binaries = await programs()
const server = binaries ? await startServer(binaries) : undefined
const url = server?.url() ?? ''
const query = randomEmbeddings(1, 3, 16)

describe.skipIf(!server)('on a server', () => {
  const pool = new Pool({ connectionString: url, max: 20 })
  afterAll(async () => {
    await pool.end()
    await stopServer(server)
  })

  it.each<[string, () => Promise<{ client: Parameters<typeof PgvectorStore.open>[0]; end(): Promise<void> }>]>([
    ['a Pool of pg', async () => ({ client: pool, end: async () => {} })],
    [
      'a Client of pg',
      async () => {
        const client = new Client(url)
        await client.connect()
        return { client, end: () => client.end() }
      },
    ],
    [
      'the function of postgres',
      async () => {
        const client = postgres(url, { max: 5 })
        return { client: client as never, end: () => client.end() }
      },
    ],
    ['an address', async () => ({ client: `${url}?application_name=mine`, end: async () => {} })],
  ])('works through %s', async (_driver, connect) => {
    const { client, end } = await connect()
    const collection = unique('driver')
    const store = await PgvectorStore.open(client, { collection })
    const index = await MultiVectorIndex.open(store)
    const [odd, plain] = [newDocument('a\0b\ud800', { metadata: { 'it\'s "a" name': [1, '\0'] } }), newDocument('b')]
    const documents = [odd, plain].map(({ id, text, metadata, embeddings }) => ({
      id,
      text: text!,
      metadata: JSON.parse(metadata) as Record<string, never>,
      embeddings: embeddings!,
    }))
    expect(await index.upsert(documents)).toEqual({ added: 2, updated: 0, unchanged: 0 })
    expect(await index.upsert(documents)).toEqual({ added: 0, updated: 0, unchanged: 2 })
    const [hit] = await index.search(odd.embeddings!, { where: { 'it\'s "a" name': { contains: '\0' } } })
    expect(hit).toMatchObject({ id: odd.id, text: odd.text, metadata: documents[0]!.metadata })
    expect((await index.embeddings('b'))!.length).toBe(2)
    const words = await store.keywords!({ text: 'text', count: 5 })
    expect(words.map(({ id }) => id).sort()).toEqual([odd.id, 'b'])
    await expect(store.upsert([newDocument('c', { dim: 7 })], { dim: 7, model: null })).rejects.toMatchObject({
      code: 'DIM_MISMATCH',
    })
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(store.candidates({ embeddings: query, signal: aborted })).rejects.toThrow('enough')
    expect(await index.delete(['b', 'unknown'])).toBe(1)
    expect(await index.ids()).toEqual([odd.id])
    await index.close()
    await end()
  })

  it('says what is wrong with an address, a user, a database', async () => {
    const { port } = server!
    const open = (address: string) =>
      PgvectorStore.open(address).then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(await open(server!.url({ password: 'wrong' }))).toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('password') as string,
    })
    expect(await open(server!.url({ user: 'nobody' }))).toMatchObject({ code: 'STORE_REFUSED' })
    expect(await open(server!.url({ database: 'nowhere' }))).toMatchObject({ code: 'STORE_REFUSED' })
    const unreachable = await open('postgres://me:secret@127.0.0.1:1/db')
    expect(unreachable).toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining('127.0.0.1:1/db') as string,
    })
    expect((unreachable as Error).message).not.toContain('secret')
    expect(await open('mysql://127.0.0.1/db')).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(port).toBeGreaterThan(0)
    await sql(
      server!,
      "create role writer login password 'w'",
      'create database bare',
      'revoke create on database bare from public',
    )
    const without = await open(server!.url({ user: 'writer', password: 'w', database: 'bare' }))
    expect(without).toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('create extension vector') as string,
    })
    await sql(server!, "create database latin encoding 'LATIN1' template template0")
    expect(await open(server!.url({ database: 'latin' }))).toMatchObject({
      code: 'STORE_UNSUPPORTED',
      message: expect.stringContaining('UTF8') as string,
    })
  })

  it('needs no more than it uses: a role that may only read opens to read, and policies hold', async () => {
    const schema = unique('secured "schema"')
    const store = await PgvectorStore.open(pool, { schema, collection: 'docs', fde: { partitioning: 'hyperplanes' } })
    const documents = numberedDocuments('d', 1200).map((document, i) => ({
      ...document,
      metadata: JSON.stringify({ team: i % 100 }),
    }))
    await store.upsert(documents, ADOPT)
    await store.prepare()
    expect((await store.stats()).firstStages).toHaveProperty('fde')
    const quoted = `"${schema.replaceAll('"', '""')}"`
    await sql(
      server!,
      "create role member login password 'm'",
      `grant usage on schema ${quoted} to member`,
      `grant select on all tables in schema ${quoted} to member`,
      `alter table ${quoted}.documents_1 enable row level security`,
      `create policy own on ${quoted}.documents_1 for select to member using (metadata @> '{"team": 7}')`,
    )
    const member = await PgvectorStore.open(server!.url({ user: 'member', password: 'm' }), {
      schema,
      collection: 'docs',
      readonly: true,
    })
    expect(await member.count()).toBe(12)
    const found = await member.candidates({ embeddings: query, count: 5, firstStage: 'fde' })
    expect(found.firstStage).toBe('fde')
    expect(found.ids).toHaveLength(5)
    expect(found.ids.every((id) => Number(id.slice(1)) % 100 === 7)).toBe(true)
    await expect(member.delete({ ids: ['d7'] })).rejects.toMatchObject({ code: 'INDEX_READONLY' })
    const forgetful = await PgvectorStore.open(server!.url({ user: 'member', password: 'm' }), {
      schema,
      collection: 'docs',
    })
    await expect(forgetful.delete({ ids: ['d7'] })).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    await Promise.all([store, member, forgetful].map((each) => each.close()))
    await expect(PgvectorStore.open(pool, { schema, collection: 'other', readonly: true })).rejects.toMatchObject({
      code: 'INDEX_FORMAT',
    })
  })

  it('keeps tenants and collections apart, and makes one collection when many open it at once', async () => {
    const schema = unique('tenants')
    const stores = await Promise.all(
      ['x', 'y', 'x', 'y'].map((tenant) => openStore(`${url}?schema=${schema}&tenant=${tenant}&collection=docs`)),
    )
    await Promise.all(stores.map((store, i) => store.upsert(numberedDocuments(`s${i}-`, 3), ADOPT)))
    expect(await Promise.all(stores.map((store) => store.count()))).toEqual([6, 6, 6, 6])
    expect((await allIds(stores[0]!)).sort()).toEqual(['s0-0', 's0-1', 's0-2', 's2-0', 's2-1', 's2-2'])
    await expect(openStore(`${url}?schema=${schema}&tenant=x&collection=docs`, { codec: 'f16' })).rejects.toMatchObject(
      { code: 'INDEX_MISMATCH' },
    )
    await sql(server!, `update ${schema}.schema_version set version = 99`)
    await expect(openStore(`${url}?schema=${schema}&tenant=x&collection=docs`)).rejects.toMatchObject({
      code: 'INDEX_VERSION',
    })
    await Promise.all(stores.map((store) => store.close()))
  })

  it('loses no change of 16 writers while 64 readers read', async () => {
    const collection = unique('crowd')
    const store = await PgvectorStore.open(pool, { collection })
    const others = await Promise.all(Array.from({ length: 4 }, () => PgvectorStore.open(url, { collection })))
    const all = [store, ...others]
    await store.upsert(numberedDocuments('shared', 20), ADOPT)
    const written = new AbortController()
    const failures: unknown[] = []
    const readers = Array.from({ length: 64 }, async (_, i) => {
      do {
        await all[i % all.length]!.reading(async (reader) => {
          const shared = await reader.get(Array.from({ length: 20 }, (_, n) => `shared${n}`))
          const changes = new Set(shared.map((document) => document?.metadata.change))
          if (changes.size !== 1) failures.push([...changes])
        }).catch((error: unknown) => failures.push(error))
        await delay(20)
      } while (!written.signal.aborted)
    })
    const writers = Array.from({ length: 16 }, async (_, i) => {
      const own = all[i % all.length]!
      for (let round = 0; round < 3; round++) {
        await own.upsert(numberedDocuments(`w${i}-${round}-`, 5), ADOPT)
        // All of the same documents, in different orders.
        const shared = numberedDocuments('shared', 20, i * 10 + round)
        await own.upsert(i % 2 === 0 ? shared : shared.toReversed(), ADOPT)
      }
    })
    await Promise.all(writers)
    written.abort()
    await Promise.all(readers)
    expect(failures).toEqual([])
    expect(await store.count()).toBe(20 + 16 * 3 * 5)
    const { documents, tokens, generation } = await store.stats()
    expect({ documents, tokens, generation }).toEqual({ documents: 260, tokens: 520, generation: 1 + 16 * 6 })
    const [{ rows }] = (await sql(
      server!,
      "select deadlocks::int from pg_stat_database where datname = 'postgres'",
    )) as unknown as unknown as [{ rows: { deadlocks: number }[] }]
    expect(rows[0]!.deadlocks).toBe(0)
    await Promise.all(all.map((each) => each.close()))
  })

  it('ends a statement in the server when it is aborted, and keeps to a time-out', async () => {
    const collection = unique('slow')
    const store = await PgvectorStore.open(pool, { collection })
    await store.upsert(numberedDocuments('d', 10), ADOPT)
    const [{ rows }] = (await sql(
      server!,
      `select id from serotine.collections where name = '${collection}'`,
    )) as unknown as [{ rows: { id: number }[] }]
    // Somebody holds the table, so whoever reads it waits.
    const holder = new Client(url)
    await holder.connect()
    await holder.query(`begin; lock table serotine.documents_${rows[0]!.id} in access exclusive mode`)
    const waiting = async () => {
      const [found] = await sql(
        server!,
        `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and query like '%documents_${rows[0]!.id}%'`,
      )
      return found!.rows[0].n as number
    }
    for (const client of [pool, postgres(url, { max: 2 })] as const) {
      const same = await PgvectorStore.open(client as never, { collection })
      const abort = new AbortController()
      const reading = same.readTokens(['d1'], { room: (n) => new Uint8Array(n), record: () => {} }, abort.signal)
      await expect.poll(waiting).toBe(1)
      abort.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
      await expect.poll(waiting).toBe(0)
      if (client !== pool) await (client as ReturnType<typeof postgres>).end()
    }
    const hasty = await PgvectorStore.open(pool, { collection, statementTimeoutMs: 100 })
    await expect(hasty.count()).rejects.toMatchObject({ code: 'STORE_TIMEOUT' })
    await holder.query('rollback')
    await holder.end()
    expect(await store.count()).toBe(10)
  })
})
