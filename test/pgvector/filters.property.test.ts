// Filters in SQL against what they mean, with strings, names and numbers of every kind.
import { filterPredicate } from '@serotine/core/store'
import type { Filter, NewDocument } from '@serotine/core/store'
import { afterAll, expect, it } from 'vitest'
import { fromDatabase, jsonFromDatabase, jsonToDatabase, toDatabase } from '../../packages/pgvector/src/escaping.js'
import { PgvectorStore } from '../../packages/pgvector/src/index.js'
import { newDocument } from '../contract/store/stores.js'
import * as fc from '../support/fast-check.js'
import { allIds } from './documents.js'
import { pglite, stopPglite } from './pglite.js'

afterAll(stopPglite)

const pieces = [
  '',
  'a',
  'B',
  'z',
  '\0',
  '\u0001',
  '\u0002',
  '\ud800',
  '\udfff',
  '\u{10ffff}',
  '\u{1f989}',
  '\ud83e',
  '\ufeff',
  '\ufb00',
  '\ue000',
  'é',
  'e\u0301',
  'd800',
  "'",
  '"',
  '\\',
  '%',
  '.',
  '1',
]
const string = fc.array(fc.constantFrom(...pieces), { maxLength: 4 }).map((parts) => parts.join(''))
const number = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(1e21, 5e-324, -0, 0.1, 0.3, 0.1 + 0.2),
)
const scalar = fc.oneof(string, number, fc.boolean(), fc.constant(null))
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(string, tie('json'), { maxKeys: 3, noNullPrototype: true }),
  ),
}))
const field = fc.oneof(fc.constantFrom('a', 'a.b', 'b', '', '.'), string)
const metadata = fc.dictionary(field, json, { maxKeys: 4, noNullPrototype: true })
const condition = fc.oneof(
  fc.record({ operator: fc.constantFrom('eq', 'ne', 'contains'), operand: json }),
  fc.record({ operator: fc.constantFrom('in', 'nin'), operand: fc.array(json, { maxLength: 4 }) }),
  fc.record({ operator: fc.constantFrom('gt', 'gte', 'lt', 'lte'), operand: fc.oneof(string, number) }),
  fc.record({ operator: fc.constant('exists'), operand: fc.boolean() }),
)
const filter = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2 },
    fc
      .tuple(field, condition)
      .map(([name, { operator, operand }]) => ({ kind: 'field', field: name, operator, operand }) as Filter),
    fc.record({
      kind: fc.constantFrom('and', 'or'),
      parts: fc.array(tie('filter'), { maxLength: 3 }),
    }) as fc.Arbitrary<Filter>,
    fc.record({ kind: fc.constant('not'), part: tie('filter') }) as fc.Arbitrary<Filter>,
  ),
})).filter

it('writes strings so that the database keeps them, and different ones stay different', () => {
  fc.assert(
    fc.property(string, string, json, (a, b, value) => {
      expect(fromDatabase(toDatabase(a))).toBe(a)
      expect(toDatabase(a) === toDatabase(b)).toBe(a === b)
      expect(toDatabase(a)).not.toContain('\0')
      expect(/\p{Cs}/u.test(toDatabase(a))).toBe(false)
      const text = JSON.stringify(value)
      expect(JSON.stringify(jsonFromDatabase(jsonToDatabase(text)))).toBe(text)
    }),
    { numRuns: 300 },
  )
})

it('finds what filters mean', async () => {
  const store = await PgvectorStore.open(await pglite(), { collection: 'filters', fde: false, keywords: false })
  await fc.assert(
    fc.asyncProperty(
      fc.array(metadata, { minLength: 8, maxLength: 12 }),
      fc.array(filter, { minLength: 8, maxLength: 8 }),
      async (all, filters) => {
        const documents = all.map((each, i): NewDocument => newDocument(`d${i}`, { metadata: JSON.stringify(each) }))
        await store.delete({ filter: { kind: 'and', parts: [] } })
        await store.upsert(documents, { dim: 16, model: null })
        expect(await allIds(store)).toHaveLength(all.length)
        for (const each of filters) {
          const passes = filterPredicate(each)
          const expected = documents.filter(({ id, metadata: text }) =>
            passes({ id, metadata: JSON.parse(text) as never }),
          )
          const found: string[] = []
          for await (const batch of store.scan({ filter: each })) found.push(...batch.map(({ id }) => id))
          expect(found.sort(), JSON.stringify(each)).toEqual(expected.map(({ id }) => id).sort())
        }
      },
    ),
    { numRuns: 6 },
  )
  await store.close()
})
