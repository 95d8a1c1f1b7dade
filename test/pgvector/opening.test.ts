// What is there when a collection is opened, and what is said when it is not.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { afterAll, expect, it } from 'vitest'
import { translated } from '../../packages/pgvector/src/errors.js'
import { openStore, PgvectorStore } from '../../packages/pgvector/src/index.js'
import { parseAddress } from '../../packages/pgvector/src/database/address.js'
import { ADOPT, allIds, numberedDocuments } from './documents.js'

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
  const address = `pglite://${encodeURIComponent(join(folder, 'docs'))}?collection=birds&schema=mine`
  const store = await openStore(address, { codec: 'f16' })
  await store.upsert(numberedDocuments('d', 5), ADOPT)
  await store.close()
  await expect(openStore(address, { codec: 'int8' })).rejects.toMatchObject({ code: 'INDEX_MISMATCH' })
  const again = await openStore(address, { readonly: true })
  expect((await allIds(again)).sort()).toEqual(['d0', 'd1', 'd2', 'd3', 'd4'])
  expect(again.spec).toMatchObject({ codec: 'f16', dim: 16 })
  await again.close()
})

it('says that pgvector is missing, and what a client may be', async () => {
  const bare = await PGlite.create()
  await expect(PgvectorStore.open(bare)).rejects.toMatchObject({
    code: 'STORE_UNSUPPORTED',
    message: expect.stringContaining('@electric-sql/pglite-pgvector') as string,
  })
  // Nothing was made.
  const { rows } = await bare.query("select 1 from pg_namespace where nspname = 'serotine'")
  expect(rows).toEqual([])
  await bare.close()
  for (const wrong of [undefined, null, 5, {}, () => {}]) {
    await expect(PgvectorStore.open(wrong as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
})

it.each([
  ['53100', 'STORE_FULL'],
  ['28P01', 'STORE_REFUSED'],
  ['25006', 'INDEX_READONLY'],
  ['57014', 'STORE_TIMEOUT'],
  ['ECONNREFUSED', 'STORE_UNREACHABLE'],
  ['XX000', 'STORE_FAILED'],
])('says what %s of a database means', (code, expected) => {
  const error = Object.assign(new Error('the words of the database'), { code })
  const said = translated(error, 'the place')
  expect(said).toMatchObject({ code: expected, cause: error })
  expect((said as Error).message).toMatch(/the place.*the words of the database/)
})
