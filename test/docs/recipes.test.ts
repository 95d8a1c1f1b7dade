// What docs/recipes/pgvector.md says fits, tried on PostgreSQL and pgvector themselves.
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { fdeLength, resolveFdeConfig } from '@serotine/core/muvera'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readPage } from './pages.js'

let db: PGlite
beforeAll(async () => {
  db = new PGlite({ extensions: { vector } })
  await db.exec('create extension vector')
})
afterAll(() => db?.close())

async function fits(type: 'vector' | 'halfvec', dimensions: number): Promise<boolean> {
  await db.exec(`drop table if exists t; create table t (v ${type}(${dimensions}))`)
  try {
    await db.exec(`create index on t using hnsw (v ${type}_ip_ops)`)
    return true
  } catch (error) {
    expect((error as Error).message).toMatch(/cannot have more than (2|4)000 dimensions for hnsw index/)
    return false
  }
}

const rows = Array.from(
  readPage('docs/recipes/pgvector.md').matchAll(/^\| `(\w+)`.*? \| ([\d,]+) \| ([^|]+) \| ([^|]+) \|/gm),
  ([, preset, dimensions, asVector, asHalfvec]) => ({
    preset: preset as 'small',
    dimensions: Number(dimensions!.replace(',', '')),
    vector: asVector!.trim() === 'fits',
    halfvec: asHalfvec!.trim() === 'fits',
  }),
)

it('lists the presets', () => {
  expect(rows.map(({ preset }) => preset)).toEqual(['small', 'compact', 'quality'])
})

it.each(rows)('$preset has $dimensions dimensions; vector: $vector, halfvec: $halfvec', async ({ preset, ...row }) => {
  expect(fdeLength(resolveFdeConfig({ preset, dim: 128 }))).toBe(row.dimensions)
  expect(await fits('vector', row.dimensions)).toBe(row.vector)
  expect(await fits('halfvec', row.dimensions)).toBe(row.halfvec)
})
