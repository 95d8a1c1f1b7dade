import { expect, it } from 'vitest'
import { filterPredicate } from '../../../packages/core/src/store/filter-predicate.js'
import { parseWhere } from '../../../packages/core/src/store/filter.js'
import type { Filter, FilterOperator, WhereFields } from '../../../packages/core/src/store/filter.js'
import type { Json, Metadata } from '../../../packages/core/src/store/metadata.js'
import type { NewDocument, Store } from '../../../packages/core/src/store/store.js'
import { randomEmbeddings, seededNumbers } from '../../support/clustered-embeddings.js'
import { FILTER_OPERATORS, RandomFilters } from './random-filters.js'
import { DIM, failure, newDocument, scannedIds } from './stores.js'
import type { Stores } from './stores.js'

const DOCUMENTS = 120

export function filteringCases(stores: Stores): void {
  it.each(FILTER_OPERATORS)('filters by %s as a look at each document would', async (operator) => {
    const random = new RandomFilters(seededNumbers(11), [operator])
    const documents = randomDocuments(random)
    const store = await stores.filled(documents)
    if (!store.capabilities.filterOperators.includes(operator)) {
      const refused = await failure(() => store.count(random.field(operator)))
      expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(operator) as string })
      return
    }
    const filters = Array.from({ length: 60 }, () => random.field(operator))
    await expectAsPredicate(store, documents, filters)
  })

  it('filters by and, or and not inside each other as a look at each document would', async () => {
    const store = await stores.open()
    const random = new RandomFilters(seededNumbers(12), store.capabilities.filterOperators)
    const documents = randomDocuments(random)
    await stores.upsert(store, documents)
    const filters = Array.from({ length: 150 }, () => random.nested())
    await expectAsPredicate(store, documents, filters)
  })

  it('proposes as candidates what passes a filter, and nothing else', async () => {
    const store = await stores.open()
    const random = new RandomFilters(seededNumbers(13), store.capabilities.filterOperators)
    const documents = randomDocuments(random)
    await stores.upsert(store, documents)
    const embeddings = randomEmbeddings(1, 4, DIM)
    for (let i = 0; i < 40; i++) {
      const filter = random.nested()
      const expected = passing(documents, filter)
      const { firstStage, ids } = await store.candidates({ embeddings, count: DOCUMENTS, filter })
      expect(ids.toSorted(), JSON.stringify(filter)).toEqual(expected.toSorted())
      expect(firstStage === 'none', JSON.stringify(filter)).toBe(expected.length === 0)
    }
  })

  it.each<[string, Metadata, WhereFields, boolean]>([
    ['a field that is absent is not null', {}, { n: null }, false],
    ['a field that is null is there', { n: null }, { n: { exists: true } }, true],
    ['a field that is absent is unlike any value', {}, { n: { ne: 1 } }, true],
    ['a field that is absent is none of any values', {}, { n: { nin: [1, null] } }, true],
    ['a field that is null is one of null', { n: null }, { n: { nin: [1, null] } }, false],
    ['not is true where the field is absent', {}, { not: { n: { gt: 1 } } }, true],
    ['not is true where the kinds differ', { n: '5' }, { not: { n: { gt: 1 } } }, true],
    ['a number is not the string of its digits', { n: 2020 }, { n: '2020' }, false],
    ['a string of digits does not compare with numbers', { n: '2020' }, { n: { lt: 3000 } }, false],
    ['numbers compare as numbers', { n: 10 }, { n: { gt: 9 } }, true],
    ['strings of digits compare as strings', { n: '10' }, { n: { gt: '9' } }, false],
    ['true is not 1', { n: true }, { n: 1 }, false],
    ['large numbers are exact', { n: 9007199254740991 }, { n: { lt: 9007199254740991 } }, false],
    ['numbers may be written with an exponent', { n: 1e21 }, { n: { gte: 1e21 } }, true],
    ['the order of properties does not matter', { n: { a: 1, b: 2 } }, { n: { eq: { b: 2, a: 1 } } }, true],
    ['the order of elements does', { n: [1, 2] }, { n: { eq: [2, 1] } }, false],
    ['an object with more is another', { n: { a: 1, b: 2 } }, { n: { eq: { a: 1 } } }, false],
    ['an array contains whole elements', { n: [{ a: 1, b: 2 }] }, { n: { contains: { a: 1 } } }, false],
    ['an array contains elements, not parts of them', { n: ['abc'] }, { n: { contains: 'b' } }, false],
    ['an array inside an array is one element', { n: [['a']] }, { n: { contains: 'a' } }, false],
    ['a string contains a part of it, signs and all', { n: 'a_%\\b' }, { n: { contains: '_%\\' } }, true],
    ['a sign for any letter is just a sign', { n: 'abc' }, { n: { contains: 'a_c' } }, false],
    ['an object contains nothing', { n: { a: 1 } }, { n: { contains: 'a' } }, false],
    ['letters differ from capitals', { n: 'EN' }, { n: { in: ['en'] } }, false],
    ['letters of one look but other code points differ', { n: '\u00e9' }, { n: 'e\u0301' }, false],
    ['spaces at the end count', { n: 'en ' }, { n: 'en' }, false],
    ['a name with a dot is looked up whole first', { 'a.b': 1, a: { b: 2 } }, { 'a.b': 1 }, true],
    ['a name with a dot that is there whole hides the path', { 'a.b': 1, a: { b: 2 } }, { 'a.b': 2 }, false],
    ['a name with dots reaches into objects', { a: { b: { c: 1 } } }, { 'a.b.c': 1 }, true],
    ['a name with dots does not reach into strings', { a: 'b' }, { 'a.length': { exists: true } }, false],
    ['names may be empty', { '': { '': 1 } }, { '.': 1 }, true],
    ['names of what every object has are not fields', {}, { constructor: { exists: true } } as never, false],
    ['a field may be called constructor', { constructor: 1 }, { constructor: 1 } as never, true],
    ['strings compare by code unit', { n: '\u{1f989}' }, { n: { lt: '\ufb00' } }, true],
    ['strings with NUL are strings', { n: 'a\0b' }, { n: 'a\0b' }, true],
    ['lone surrogates differ from each other', { n: '\ud800' }, { n: '\ud801' }, false],
  ])('%s', async (_rule, metadata, where, expected) => {
    const store = await stores.open()
    const filter = parseWhere(where)
    if (!operatorsOf(filter).every((operator) => store.capabilities.filterOperators.includes(operator))) return
    // The predicate says what filters mean; this sees to it that both agree with the sentence.
    expect(filterPredicate(filter)({ id: 'a', metadata })).toBe(expected)
    await stores.upsert(store, [newDocument('a', { metadata })])
    expect(await store.count(filter)).toBe(expected ? 1 : 0)
    expect(await scannedIds(store, { filter })).toEqual(expected ? ['a'] : [])
  })

  it('filters by a field called __proto__', async () => {
    const store = await stores.filled([newDocument('a', { metadata: '{"__proto__":{"x":1}}' }), newDocument('b')])
    const ids = (field: string, operand: Json) =>
      scannedIds(store, { filter: { kind: 'field', field, operator: 'eq', operand } })
    expect(await ids('__proto__', { x: 1 })).toEqual(['a'])
    expect(await ids('__proto__.x', 1)).toEqual(['a'])
    expect(await ids('x', 1)).toEqual([])
  })

  it('filters by functions, or says that it cannot', async () => {
    const documents = [newDocument('a', { metadata: { v: 1 } }), newDocument('b', { metadata: { v: 2 } })]
    const store = await stores.filled(documents)
    const isB: Filter = { kind: 'function', test: ({ id, metadata }) => id === 'b' && metadata.v === 2 }
    const others: Filter = { kind: 'not', part: isB }
    if (!store.capabilities.filterFunctions) {
      for (const filter of [isB, others]) {
        expect(await failure(() => store.count(filter))).toMatchObject({ code: 'INVALID_ARGUMENT' })
        expect(await failure(() => scannedIds(store, { filter }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
        const query = { embeddings: randomEmbeddings(1, 4, DIM), count: 10, filter }
        expect(await failure(() => store.candidates(query))).toMatchObject({ code: 'INVALID_ARGUMENT' })
        expect(await failure(() => store.delete({ filter }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
      }
      expect(await store.count()).toBe(2)
      return
    }
    expect(await scannedIds(store, { filter: isB })).toEqual(['b'])
    expect(await scannedIds(store, { filter: others })).toEqual(['a'])
    expect(await store.count(isB)).toBe(1)
    expect(await stores.delete(store, { filter: isB })).toBe(1)
    expect(await scannedIds(store)).toEqual(['a'])
  })

  it('passes on what goes wrong in a function, and deletes nothing', async ({ skip }) => {
    const store = await stores.filled([newDocument('a'), newDocument('b')])
    skip(!store.capabilities.filterFunctions, 'no filter functions')
    const wrong = new Error('of the caller')
    const throwing: Filter = {
      kind: 'function',
      test: ({ id }) => {
        if (id === 'b') throw wrong
        return true
      },
    }
    expect(await failure(() => store.count(throwing))).toBe(wrong)
    expect(await failure(() => store.delete({ filter: throwing }))).toBe(wrong)
    const answersOne: Filter = { kind: 'function', test: (() => 1) as never }
    expect(await failure(() => store.delete({ filter: answersOne }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await store.count()).toBe(2)
  })
}

function randomDocuments(random: RandomFilters): NewDocument[] {
  return Array.from({ length: DOCUMENTS }, (_, i) => newDocument(`d${i}`, { metadata: random.metadata() }))
}

function passing(documents: readonly NewDocument[], filter: Filter): string[] {
  const holds = filterPredicate(filter)
  const parsed = documents.map(({ id, metadata }) => ({ id, metadata: JSON.parse(metadata) as Metadata }))
  return parsed.filter(holds).map(({ id }) => id)
}

function operatorsOf(filter: Filter): FilterOperator[] {
  if (filter.kind === 'field') return [filter.operator]
  if (filter.kind === 'not') return operatorsOf(filter.part)
  return filter.kind === 'function' ? [] : filter.parts.flatMap(operatorsOf)
}

async function expectAsPredicate(
  store: Store,
  documents: readonly NewDocument[],
  filters: readonly Filter[],
): Promise<void> {
  let telling = 0
  for (const filter of filters) {
    const expected = passing(documents, filter)
    if (expected.length > 0 && expected.length < documents.length) telling++
    const [found, count] = [await scannedIds(store, { filter }), await store.count(filter)]
    expect(found.toSorted(), JSON.stringify(filter)).toEqual(expected.toSorted())
    expect(count, JSON.stringify(filter)).toBe(expected.length)
  }
  // Filters that hold for all or for none would prove little.
  expect(telling).toBeGreaterThan(filters.length / 5)
}
