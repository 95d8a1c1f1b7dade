// What a server is asked must mean what the filter says, for every document: here without a server, by looking terms up.
import { expect, test } from 'vitest'
import { filterPredicate } from '../../packages/core/src/store/filter-predicate.js'
import type { Filter, FilterOperator } from '../../packages/core/src/store/filter.js'
import { compileFilter } from '../../packages/weaviate/src/filters/compile.js'
import type { Condition } from '../../packages/weaviate/src/filters/compile.js'
import { rangeTerms, termsOf } from '../../packages/weaviate/src/filters/terms.js'
import { FILTER_OPERATORS, RandomFilters } from '../contract/store/random-filters.js'
import { seededNumbers } from '../support/clustered-embeddings.js'

function holds(condition: Condition, terms: ReadonlySet<string>): boolean {
  if (typeof condition === 'boolean') return condition
  if (condition.operator === 'not') return !holds(condition.part, terms)
  if (condition.operator === 'and') return condition.parts.every((part) => holds(part, terms))
  if (condition.operator === 'or') return condition.parts.some((part) => holds(part, terms))
  if (!('values' in condition)) throw new Error(condition.operator)
  return condition.values.some((value) => terms.has(value))
}

function* cases(operators: readonly FilterOperator[], seed: number): Generator<Filter> {
  const random = new RandomFilters(seededNumbers(seed), operators)
  for (let i = 0; i < 300; i++) yield random.nested()
}

test.each<[string, readonly FilterOperator[], number]>([
  ['all operators', FILTER_OPERATORS, 1],
  ['those that a server answers exactly', ['eq', 'ne', 'in', 'nin', 'exists'], 2],
  ['comparisons', ['gt', 'gte', 'lt', 'lte', 'contains'], 3],
])('%s let through what passes, and where they are exact nothing else', (_name, operators, seed) => {
  const random = new RandomFilters(seededNumbers(seed + 100), operators)
  const documents = Array.from({ length: 120 }, () => random.metadata())
  const all = documents.map((metadata) => ({ metadata, terms: new Set(termsOf(metadata)) }))
  let exact = 0
  const wrong: unknown[] = []
  for (const filter of cases(operators, seed)) {
    const { over, isExact } = compileFilter(filter)
    const passes = filterPredicate(filter)
    if (isExact) exact++
    for (const { metadata, terms } of all) {
      const expected = passes({ id: 'a', metadata })
      if ((isExact || expected) && holds(over, terms) !== expected) wrong.push([filter, metadata])
    }
  }
  expect(wrong).toEqual([])
  expect(exact).toBeGreaterThan(seed === 2 ? 299 : 50)
})

test('numbers compare as numbers, at every border', () => {
  const numbers = [
    -Infinity,
    -1.7e308,
    -2,
    -1.5,
    -1,
    -5e-324,
    0,
    5e-324,
    1e-7,
    0.1,
    1,
    1.5,
    2,
    2020,
    2 ** 53,
    1e21,
  ].filter(Number.isFinite)
  for (const operand of numbers) {
    for (const value of [...numbers, -0]) {
      const terms = new Set(termsOf({ n: value }))
      const any = (operator: 'gt' | 'gte' | 'lt' | 'lte') =>
        rangeTerms('n', operator, operand).some((term) => terms.has(term))
      expect([any('gt'), any('gte'), any('lt'), any('lte')], `${value} and ${operand}`).toEqual([
        value > operand,
        value >= operand,
        value < operand,
        value <= operand,
      ])
    }
  }
})

test('terms are of one field, and short', () => {
  const terms = new Set(termsOf({ other: 5, 'n.x': 'a', big: 'x'.repeat(100_000) }))
  expect(rangeTerms('n', 'gte', 0).some((term) => terms.has(term))).toBe(false)
  for (const term of terms) expect(term).toMatch(/^[\w-]{20}$/)
})

test('functions are refused', () => {
  const filter = { kind: 'not', part: { kind: 'function', test: () => true } } as const
  expect(() => compileFilter(filter)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
