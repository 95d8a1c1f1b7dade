import * as fc from '../../support/fast-check.js'
import { describe, expect, test } from 'vitest'
import { constantAnswer, parseWhere } from '../../../packages/core/src/store/filter.js'
import { compileWhere } from '../../../packages/core/src/store/filter-predicate.js'
import type { Where, WhereFields } from '../../../packages/core/src/store/filter.js'
import type { Metadata } from '../../../packages/core/src/store/metadata.js'

const passes = (where: Where, metadata: Metadata) => compileWhere(where)({ id: 'a', metadata })

describe('where', () => {
  const kiwi = {
    lang: 'en',
    year: 2020,
    tags: ['bird', 'flightless'],
    size: { cm: 40 },
    'a.b': 1,
    none: null,
    date: '2026-01-31',
  }
  test.each<[WhereFields, boolean]>([
    [{}, true],
    [{ lang: 'en' }, true],
    [{ lang: 'de' }, false],
    [{ lang: 'en', year: 2021 }, false],
    [{ none: null }, true],
    [{ missing: null }, false],
    [{ year: '2020' }, false],
    [{ year: { eq: 2020 } }, true],
    [{ year: { ne: 2020 } }, false],
    [{ missing: { ne: 2020 } }, true],
    [{ year: { gt: 2019, lt: 2021 } }, true],
    [{ year: { gte: 2020, lte: 2020 } }, true],
    [{ year: { gt: 2020 } }, false],
    [{ year: { gt: '2019' } }, false],
    [{ date: { gte: '2026-01-01', lt: '2026-02-01' } }, true],
    [{ missing: { lt: 5 } }, false],
    [{ lang: { in: ['de', 'en'] } }, true],
    [{ lang: { in: [] } }, false],
    [{ lang: { nin: ['de'] } }, true],
    [{ missing: { in: [null] } }, false],
    [{ missing: { nin: ['de'] } }, true],
    [{ tags: { in: [['bird', 'flightless']] } }, true],
    [{ lang: { exists: true } }, true],
    [{ none: { exists: true } }, true],
    [{ missing: { exists: false } }, true],
    [{ tags: { contains: 'bird' } }, true],
    [{ tags: { contains: 'bir' } }, false],
    [{ lang: { contains: 'n' } }, true],
    [{ year: { contains: 2 } }, false],
    [{ tags: { eq: ['bird', 'flightless'] } }, true],
    [{ size: { eq: { cm: 40 } } }, true],
    [{ 'size.cm': 40 }, true],
    [{ 'size.cm.x': 40 }, false],
    [{ 'a.b': 1 }, true],
    [{ toString: { exists: true } } as never, false],
    [{ and: [{ lang: 'en' }, { year: 2020 }] }, true],
    [{ and: [] }, true],
    [{ or: [{ lang: 'de' }, { year: 2020 }] }, true],
    [{ or: [] }, false],
    [{ not: { lang: 'en' } }, false],
    [{ lang: 'en', or: [{ year: 1 }, { not: { year: 2 } }] }, true],
  ])('%j is %s', (where, expected) => expect(passes(where, kiwi)).toBe(expected))

  test('a function sees id and metadata', () => {
    expect(compileWhere(({ id, metadata }) => id === 'x' && metadata.n === 1)({ id: 'x', metadata: { n: 1 } })).toBe(
      true,
    )
    expect(() => compileWhere((() => 1) as never)({ id: 'x', metadata: {} })).toThrow(
      /must return true or false, got 1 for "x"/,
    )
    expect(() => compileWhere((async () => true) as never)({ id: 'x', metadata: {} })).toThrow(/true or false/)
  })

  test.each<[unknown, RegExp]>([
    ['en', /where must be an object like \{ lang: 'en' \} or a function/],
    [null, /got null/],
    [[], /got an array/],
    [{ year: { $gt: 3 } }, /where\.year has no option "\$gt". Did you mean "gt"/],
    [{ year: { '>=': 3 } }, /Did you mean "gte"/],
    [{ year: { greater: 3 } }, /where\.year has no option "greater"/],
    [{ tags: { contain: 'x' } }, /Did you mean "contains"/],
    [{ lang: { notIn: ['x'] } }, /Did you mean "nin"/],
    [{ $or: [] }, /Write "or"/],
    [{ $gt: 3 }, /after a field: \{ field: \{ gt: … \} \}/],
    [{ lang: ['en', 'de'] }, /write \{ in: \[…\] \}/],
    [{ lang: {} }, /where\.lang is empty/],
    [{ lang: { in: 'en' } }, /where\.lang\.in must be an array/],
    [{ year: { gt: null } }, /where\.year\.gt must be a number or a string, got null/],
    [{ year: { gt: new Date() } }, /toISOString/],
    [{ year: { eq: new Date() } }, /a Date/],
    [{ year: NaN }, /JSON value, got NaN/],
    [{ a: { exists: 1 } }, /true or false, got 1/],
    [{ and: { a: 1 } }, /where\.and must be an array/],
    [{ or: [{ a: 1 }, 3] }, /where\.or\[1\] must be an object/],
    [{ not: { a: { foo: 1 } } }, /where\.not\.a has no option/],
    // Undefined is never "no condition": a missing tenant would be every tenant.
    [{ tenant: undefined }, /where\.tenant is undefined, which is not a condition/],
    [{ lang: 'en', tenant: undefined }, /where\.tenant is undefined/],
    [{ tenant: { eq: undefined } }, /where\.tenant\.eq is undefined/],
    [{ year: { gte: 2020, lt: undefined } }, /where\.year\.lt is undefined/],
    [{ tenant: { in: undefined } }, /where\.tenant\.in is undefined/],
    [{ tenant: { in: ['a', undefined] } }, /where\.tenant\.in\[1\] must be a JSON value, got undefined/],
    // eslint-disable-next-line no-sparse-arrays
    [{ tenant: { in: [, 'a'] } }, /where\.tenant\.in\[0\] must be a JSON value, got undefined/],
    [{ tenant: { eq: { id: undefined } } }, /where\.tenant\.eq\.id must be a JSON value, got undefined/],
    [{ tenant: { eq: ['a', undefined] } }, /where\.tenant\.eq\[1\] must be a JSON value, got undefined/],
    [{ tenant: { contains: undefined } }, /where\.tenant\.contains is undefined/],
    [{ tenant: { exists: undefined } }, /where\.tenant\.exists is undefined/],
    [{ and: undefined }, /where\.and is undefined/],
    [{ or: undefined }, /where\.or is undefined/],
    [{ not: undefined }, /where\.not is undefined/],
    [{ and: [{ tenant: undefined }] }, /where\.and\[0\]\.tenant is undefined/],
    [{ or: [{ lang: 'en' }, { not: { tenant: undefined } }] }, /where\.or\[1\]\.not\.tenant is undefined/],
    [{ and: [undefined] }, /where\.and\[0\] must be an object/],
    // eslint-disable-next-line no-sparse-arrays
    [{ and: [, { lang: 'en' }] }, /where\.and\[0\] must be an object/],
    [{ year: { in: [NaN] } }, /where\.year\.in\[0\] must be a JSON value, got NaN/],
    [{ year: { eq: { from: Infinity } } }, /where\.year\.eq\.from must be a JSON value, got Infinity/],
    [{ year: { gte: NaN } }, /where\.year\.gte must be a number or a string, got NaN/],
    // Things without fields of their own would hold for everything.
    [Promise.resolve({ lang: 'en' }), /got a Promise; is an await missing\?/],
    [new Map([['lang', 'en']]), /got a Map/],
    [new Set(['en']), /got a Set/],
    [{ not: new Map() }, /where\.not must be an object .* got a Map/],
    [{ lang: { eq: new Map() } }, /where\.lang\.eq must be a JSON value, got a Map/],
    [{ lang: { eq: () => 'en' } }, /JSON value, got a function/],
    [{ lang: { eq: 1n } }, /JSON value, got a bigint/],
  ])('%o is refused', (where, message) => {
    expect(() => compileWhere(where as Where)).toThrow(message)
  })

  test('its form tells when it holds for everything', () => {
    const everything: WhereFields[] = [
      {},
      { and: [] },
      { and: [{}, {}] },
      { or: [{ lang: 'en' }, {}] },
      { not: { or: [] } },
      { lang: { nin: [] } },
      { not: { lang: { in: [] } } },
      { not: { lang: 'en', or: [] } },
    ]
    expect(everything.map((where) => constantAnswer(parseWhere(where)))).toEqual(everything.map(() => true))
    const nothing: WhereFields[] = [{ or: [] }, { lang: { in: [] } }, { not: {} }, { lang: 'en', not: { and: [] } }]
    expect(nothing.map((where) => constantAnswer(parseWhere(where)))).toEqual(nothing.map(() => false))
    const depends: WhereFields[] = [
      { lang: 'en' },
      { lang: null },
      { lang: { nin: ['en'] } },
      { lang: { eq: [] } },
      { or: [{ lang: 'en' }] },
      { not: { lang: 'en' } },
    ]
    expect(depends.map((where) => constantAnswer(parseWhere(where)))).toEqual(depends.map(() => undefined))
  })

  const value = fc.oneof(
    fc.integer({ min: 0, max: 4 }),
    fc.constantFrom('a', 'b', 'c'),
    fc.boolean(),
    fc.constant(null),
  )
  const field = fc.constantFrom('x', 'y', 'z')
  const condition = fc.oneof(
    value,
    fc.record({ eq: value }),
    fc.record({ ne: value }),
    fc.record({ in: fc.array(value) }),
    fc.record({ nin: fc.array(value) }),
    fc.record({ gt: fc.nat(4) }),
    fc.record({ gte: fc.constantFrom('a', 'b') }),
    fc.record({ lt: fc.nat(4), lte: fc.nat(4) }),
    fc.record({ exists: fc.boolean() }),
  )
  const { filter } = fc.letrec<{ filter: WhereFields }>((tie) => ({
    filter: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.dictionary(field, condition) as fc.Arbitrary<WhereFields>,
      fc.record({ and: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ or: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ not: tie('filter') }),
    ),
  }))

  /** The same rules, written as a reader would. */
  function oracle(where: WhereFields, metadata: Metadata): boolean {
    return Object.entries(where).every(([key, wanted]) => {
      if (key === 'and') return (wanted as WhereFields[]).every((part) => oracle(part, metadata))
      if (key === 'or') return (wanted as WhereFields[]).some((part) => oracle(part, metadata))
      if (key === 'not') return !oracle(wanted as WhereFields, metadata)
      const found = metadata[key]
      if (typeof wanted !== 'object' || wanted === null) return found === wanted
      return Object.entries(wanted as Record<string, unknown>).every(([operator, operand]) => {
        const comparable = typeof found === typeof operand && found !== undefined
        switch (operator) {
          case 'eq':
            return found === operand
          case 'ne':
            return found !== operand
          case 'in':
            return found !== undefined && (operand as unknown[]).includes(found)
          case 'nin':
            return found === undefined || !(operand as unknown[]).includes(found)
          case 'gt':
            return comparable && (found as number) > (operand as number)
          case 'gte':
            return comparable && (found as number) >= (operand as number)
          case 'lt':
            return comparable && (found as number) < (operand as number)
          case 'lte':
            return comparable && (found as number) <= (operand as number)
          default:
            return (found !== undefined) === operand
        }
      })
    })
  }

  test('agrees with its rules on any filter and metadata', () => {
    fc.assert(
      fc.property(filter, fc.dictionary(field, value), (where, metadata) => {
        expect(passes(where, metadata)).toBe(oracle(where, metadata))
      }),
      { numRuns: 500 },
    )
  })
})
