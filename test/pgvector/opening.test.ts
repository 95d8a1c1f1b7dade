// What is there when a collection is opened, and what is said when it is not.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PGlite, Transaction } from '@electric-sql/pglite'
import { afterAll, expect, it, vi } from 'vitest'
import { isLost, translated } from '../../packages/pgvector/src/errors.js'
import { openStore, PgvectorStore } from '../../packages/pgvector/src/index.js'
import { parseAddress } from '../../packages/pgvector/src/database/address.js'
import type * as Migrations from '../../packages/pgvector/src/schema/migrations.js'
import { SCHEMA_VERSION } from '../../packages/pgvector/src/schema/migrations.js'
import { randomEmbeddings } from '../support/clustered-embeddings.js'
import { ADOPT, allIds, numberedDocuments } from './documents.js'
import { newCluster, pglite, stopPglite } from './pglite.js'

afterAll(stopPglite)

const folder = mkdtempSync(join(tmpdir(), 'serotine-pglite-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('reads addresses', () => {
  expect(parseAddress('postgres://me:secret@host:5432/db?sslmode=require&collection=a%26b&tenant=t')).toEqual({
    kind: 'postgres',
    driver: 'postgres://me:secret@host:5432/db?sslmode=require',
    name: 'postgres://host:5432/db',
    named: { collection: 'a&b', tenant: 't' },
  })
  expect(parseAddress('pglite:///data/my%20docs')).toMatchObject({ kind: 'pglite', driver: '/data/my docs', named: {} })
  expect(parseAddress('pglite://?collection=x')).toMatchObject({ driver: '', named: { collection: 'x' } })
  expect(() => parseAddress('pglite://x?sslmode=require')).toThrow('sslmode')
})

it('keeps a collection in a folder of PGlite, and lets no other schema than its own be touched', async () => {
  await newCluster(join(folder, 'docs'))
  const address = `pglite://${encodeURIComponent(join(folder, 'docs'))}?collection=birds&schema=mine`
  const store = await openStore(address, { codec: 'f16' })
  await store.upsert(numberedDocuments('d', 5), ADOPT)
  await store.close()
  const again = await openStore(address, { readonly: true })
  expect((await allIds(again)).sort()).toEqual(['d0', 'd1', 'd2', 'd3', 'd4'])
  expect(again.spec).toMatchObject({ codec: 'f16', dim: 16 })
  await again.close()
})

it('says what of the database is missing or too old, and makes nothing then', async () => {
  const database = await pglite()
  const none = (): unknown[] => []
  const open = (...answers: Answer[]) => PgvectorStore.open(answering(database, answers), { schema: 'refused' })
  await expect(open([/from pg_extension/, none], [/from pg_available_extensions/, none])).rejects.toMatchObject({
    code: 'STORE_UNSUPPORTED',
    message: expect.stringContaining('@electric-sql/pglite-pgvector') as string,
  })
  await expect(open([/from pg_extension/, () => [{ version: '0.6.2', schema: 'extensions' }]])).rejects.toMatchObject({
    code: 'STORE_UNSUPPORTED',
    message: expect.stringContaining('0.6.2') as string,
  })
  await expect(open([/server_version_num/, () => [{ version: 130011, encoding: 'UTF8' }]])).rejects.toMatchObject({
    code: 'STORE_UNSUPPORTED',
    message: expect.stringContaining('PostgreSQL 13') as string,
  })
  const { rows } = await database.query("select 1 from pg_namespace where nspname = 'refused'")
  expect(rows).toEqual([])
})

it('works with pgvector in a schema of its own, tables of a schema that is there, and no right to make either', async () => {
  const database = await pglite()
  await database.exec(
    'create schema extensions; create role app; create role guest; create schema app authorization app; grant usage on schema extensions to app, guest',
  )
  await (await PgvectorStore.open(database, { schema: 'of the owner' })).close()
  const { rows } = await database.query(
    "select extnamespace::regnamespace::text as place from pg_extension where extname = 'vector'",
  )
  expect(rows).toEqual([{ place: 'extensions' }])
  const as = async <T>(role: string, work: () => Promise<T>): Promise<T> => {
    await database.exec(`set role ${role}`)
    return work().finally(() => database.exec('reset role'))
  }
  const options = { schema: 'app', fde: { partitioning: 'hyperplanes', finalDim: 640 } } as const
  const store = await as('app', async () => {
    const made = await PgvectorStore.open(database, options)
    await made.upsert(numberedDocuments('d', 1000), ADOPT)
    await made.prepare()
    return made
  })
  const [embeddings, all] = [randomEmbeddings(1, 3, 16), { count: 5, firstStage: 'fde', rerank: false } as const]
  expect(await as('app', () => store.candidates({ embeddings, ...all }))).toMatchObject({
    firstStage: 'fde',
    ids: { length: 5 },
  })
  await expect(as('guest', () => PgvectorStore.open(database, { schema: 'guest' }))).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    message: expect.stringContaining('create schema "guest" authorization') as string,
  })
  await database.exec('grant usage on schema app to guest; grant select on all tables in schema app to guest')
  const guest = () => as('guest', () => PgvectorStore.open(database, { ...options, readonly: true }))
  const reader = await guest()
  // Policies that nobody has thought of keep rows back, as Supabase's automatic ones do.
  const hides = async (table: string, what: () => Promise<unknown>): Promise<void> => {
    await database.exec(`alter table app.${table} enable row level security`)
    await expect(what(), table).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining(`hides "app".${table}`) as string,
    })
    await database.exec(`alter table app.${table} disable row level security`)
  }
  await hides('schema_version', guest)
  await hides('collections', guest)
  await hides('encodings_1_1', () => as('guest', () => reader.candidates({ embeddings, ...all })))
  await hides('words_1', () => as('guest', () => reader.keywords!({ text: 'text', count: 3 })))
})

it('takes no tables for its own that are not, nor tables without a version', async () => {
  const database = await pglite()
  const open = () => PgvectorStore.open(database, { schema: 'shared' })
  await database.exec('create schema shared; create table shared.collections (id int, name text)')
  const notOurs = { code: 'INDEX_FORMAT', message: expect.stringContaining('is not of Serotine') as string }
  await expect(open()).rejects.toMatchObject(notOurs)
  await database.exec(
    "drop table shared.collections; create table shared.schema_version (version varchar); insert into shared.schema_version values ('1.1')",
  )
  await expect(open()).rejects.toMatchObject(notOurs)
  await database.exec('drop table shared.schema_version')
  await (await open()).close()
  for (const change of ['update shared.schema_version set version = 0', 'delete from shared.schema_version']) {
    await database.exec(change)
    await expect(open()).rejects.toMatchObject({
      code: 'INDEX_FORMAT',
      message: expect.stringContaining('schema_version') as string,
    })
  }
})

it('brings tables of an older version up to date, and leaves those of a newer one alone', async () => {
  const database = await pglite()
  const options = { schema: 'versions', collection: 'docs' }
  const store = await PgvectorStore.open(database, options)
  await store.upsert(numberedDocuments('d', 3), ADOPT)
  await store.close()
  // The build to come, whose tables have a column more.
  vi.doMock('../../packages/pgvector/src/schema/migrations.js', async (original) => {
    const now = await original<typeof Migrations>()
    const next = (names: { collections: string }) => [`alter table ${names.collections} add column added int`]
    return { ...now, MIGRATIONS: [...now.MIGRATIONS, next], SCHEMA_VERSION: now.SCHEMA_VERSION + 1 }
  })
  vi.resetModules()
  const { PgvectorStore: NextStore } = await import('../../packages/pgvector/src/index.js')
  vi.doUnmock('../../packages/pgvector/src/schema/migrations.js')
  await expect(NextStore.open(database, { ...options, readonly: true })).rejects.toMatchObject({
    code: 'INDEX_VERSION',
    message: expect.stringContaining('Open a collection of it once without readonly') as string,
  })
  await expect(
    PgvectorStore.open(database, { ...options, collection: 'nothing', readonly: true }),
  ).rejects.toMatchObject({
    code: 'INDEX_FORMAT',
    message: expect.stringContaining('There is no collection "nothing"') as string,
  })
  const next = await NextStore.open(database, options)
  expect((await allIds(next)).sort()).toEqual(['d0', 'd1', 'd2'])
  await next.close()
  const { rows } = await database.query('select version, added from versions.schema_version, versions.collections')
  expect(rows).toEqual([{ version: SCHEMA_VERSION + 1, added: null }])
  await expect(PgvectorStore.open(database, options)).rejects.toMatchObject({
    code: 'INDEX_VERSION',
    message: expect.stringContaining('Update @serotine/pgvector') as string,
  })
})

it('says what a client may be, and what to pass instead', async () => {
  for (const [wrong, hint] of [
    [undefined, 'a Pool or Client of pg'],
    [null, ''],
    [5, ''],
    [{}, ''],
    [() => {}, ''],
    [{ $client: {}, query: {} }, 'db.$client'],
    [{ supabaseUrl: 'https://x.supabase.co', rest: {} }, 'connection string'],
    [{ $queryRaw: () => {} }, 'connection string'],
    [Object.assign(() => {}, { query: () => {}, unsafe: () => {}, transaction: () => {} }), 'its Pool'],
    [{ connectionParameters: {}, query: () => {}, _connected: false }, 'client.connect()'],
    ['postgres://me:pass/word@host/db', '%2F'],
    ['postgres://me:pass#word@host/db', 'encodeURIComponent'],
  ] as const) {
    const error = (await PgvectorStore.open(wrong as never).catch((caught: unknown) => caught)) as Error
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(hint) as string })
    expect(error.message).not.toMatch(/pass[#/]word/)
  }
})

it('takes the Pool that a Proxy of a function stands for, and no client of postgres that prepares statements behind a pooler', async () => {
  const pool = {
    totalCount: 0,
    connect: () => Promise.reject(new Error('it was asked')),
    query: () => {},
    on: () => {},
    off: () => {},
  }
  // As the `sql` of @vercel/postgres.
  const sql = new Proxy(() => {}, { get: (_, name) => pool[name as 'connect'] })
  await expect(PgvectorStore.open(sql as never)).rejects.toThrow('it was asked')
  const answer = Object.assign(Promise.resolve([[{ process: 2, transaction: null }]]), {
    simple: () => answer,
    state: { pid: 1 },
  })
  const begin = (_: string, work: (transaction: object) => Promise<void>) => work({ unsafe: () => answer })
  const prepares = Object.assign(() => {}, { reserve: () => {}, unsafe: () => {}, begin, options: { prepare: true } })
  await expect(PgvectorStore.open(prepares as never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('prepare: false') as string,
  })
})

it.each([
  ['53100', 'STORE_FULL'],
  ['28P01', 'STORE_REFUSED'],
  ['25006', 'INDEX_READONLY'],
  ['25P03', 'STORE_TIMEOUT'],
  ['53300', 'STORE_UNREACHABLE'],
  ['57014', 'STORE_TIMEOUT'],
  ['ECONNREFUSED', 'STORE_UNREACHABLE'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'STORE_REFUSED'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'STORE_REFUSED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'STORE_REFUSED'],
  ['XX000', 'STORE_FAILED'],
])('says what %s of a database means', (code, expected) => {
  const error = Object.assign(new Error('the words of the database'), { code })
  const said = translated(error, 'the place')
  expect(said).toMatchObject({ code: expected, cause: error })
  expect((said as Error).message).toMatch(/the place.*the words of the database/)
})

// What pgbouncer and Supavisor say, with their codes.
it.each([
  ['08P01', 'unsupported startup parameter: search_path', 'STORE_REFUSED', false],
  [
    'XX000',
    '(ESETNOTALLOWED) session-level SET statements are not allowed in transaction mode',
    'STORE_REFUSED',
    false,
  ],
  ['08P01', 'SSL required', 'STORE_REFUSED', false],
  [
    '28000',
    'no pg_hba.conf entry for host "10.0.0.1", user "me", database "db", no encryption',
    'STORE_REFUSED',
    false,
  ],
  ['XX000', '(ENOTFOUND) tenant/user postgres.abc not found', 'STORE_REFUSED', false],
  [
    'XX000',
    '(EMAXCLIENTSESSION) max clients reached in session mode - max clients are limited to pool_size: 15',
    'STORE_UNREACHABLE',
    true,
  ],
  ['08P01', 'no more connections allowed (max_client_conn)', 'STORE_UNREACHABLE', true],
  ['08P01', 'server conn crashed?', 'STORE_UNREACHABLE', true],
  ['57P01', 'terminating connection due to administrator command', 'STORE_UNREACHABLE', true],
])('says what %s %s of a pooler means, and whether to try again', (code, message, expected, again) => {
  const error = Object.assign(new Error(message), { code, severity: 'FATAL' })
  expect(translated(error, 'the place')).toMatchObject({ code: expected })
  expect(isLost(error)).toBe(again)
})

type Answer = readonly [RegExp, (rows: unknown[]) => unknown[]]

/** The database, but for what it answers to some statements. */
function answering(database: PGlite, answers: readonly Answer[]): PGlite {
  const changed = <T extends object>(target: T, name: string, by: (...given: never[]) => unknown): T =>
    new Proxy(target, {
      get: (_, property) => {
        const value = Reflect.get(target, property) as unknown
        return property === name ? by : typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  return changed(database, 'transaction', (work: (transaction: Transaction) => Promise<unknown>) =>
    database.transaction((transaction) =>
      work(
        changed(transaction, 'query', async (...given: Parameters<Transaction['query']>) => {
          const { rows } = await transaction.query(...given)
          const answer = answers.find(([statement]) => statement.test(given[0]))
          return { rows: answer ? answer[1](rows) : rows }
        }),
      ),
    ),
  )
}
