import type { Filter, FilterOperator } from '../../../packages/core/src/store/filter.js'
import type { Json, Metadata } from '../../../packages/core/src/store/metadata.js'

/** All there are, so that a new one is not forgotten here. */
const ALL: Readonly<Record<FilterOperator, true>> = {
  eq: true,
  ne: true,
  in: true,
  nin: true,
  gt: true,
  gte: true,
  lt: true,
  lte: true,
  exists: true,
  contains: true,
}
export const FILTER_OPERATORS = Object.keys(ALL) as FilterOperator[]

/** Values that fields have, chosen to be mistaken for each other. */
const VALUES: Readonly<Record<string, readonly Json[]>> = {
  lang: ['en', 'EN', 'de', '', ' en', 'größe', 'gro\u0308ße', '日本', '🦉', '100%', 'a_b', "o'hara", '\\', '"', 'null'],
  year: [2018, 2019, 2020, 2020.5, '2020', '2019', '02020', null, true, ['2020'], { year: 2020 }],
  price: [0, -1.5, 0.1, 0.30000000000000004, 0.3, 1e21, 1e-7, 9, 10, '9', '10', '', 9007199254740991],
  tags: [[], ['a'], ['a', 'b'], ['b', 'a'], ['b', 1], ['1'], [null], [['a']], [{ x: 1 }], 'a', 'abc', 'ab', { a: 1 }],
  flag: [true, false, 'true', 'false', 1, 0, null],
  'a.b': [1, 2, '1', null],
  a: [{ b: 1 }, { b: 2 }, { b: '1' }, { b: { c: 1 } }, { 'b.c': 2 }, { b: null }, {}, 'b', [1]],
  size: [{ cm: 40, unit: 'cm' }, { unit: 'cm', cm: 40 }, { cm: '40' }, { cm: 41 }, {}, null, 40],
  '': [1, '', null],
  'It\'s a "name"; --': [1, 2, 'x'],
  größe: [1, '1', { 'z.z': 1 }],
}
const STORED_FIELDS = Object.keys(VALUES)
/** Fields that are only asked for. */
const PATHS = ['a.b.c', 'size.cm', 'size.unit', 'lang.en', 'größe.z.z', 'a.', '.', 'missing', 'missing.b', 'LANG']

/** Makes metadata and filters of a sequence of numbers in [0, 1). */
export class RandomFilters {
  readonly #next: () => number
  readonly #operators: readonly FilterOperator[]

  constructor(next: () => number, operators: readonly FilterOperator[]) {
    this.#next = next
    this.#operators = operators
  }

  /** About a third of the fields is absent. */
  metadata(): Metadata {
    const present = STORED_FIELDS.filter(() => this.#next() < 0.65)
    return Object.fromEntries(present.map((field) => [field, this.#pick(VALUES[field]!)]))
  }

  field(operator: FilterOperator): Filter {
    const field = this.#pick(this.#next() < 0.7 ? STORED_FIELDS : PATHS)
    return { kind: 'field', field, operator, operand: this.#operand(field, operator) }
  }

  /** `and`, `or` and `not` inside each other, up to `depth` levels. */
  nested(depth = 3): Filter {
    const chance = this.#next()
    if (depth === 0 || chance < 0.3) return this.field(this.#pick(this.#operators))
    if (chance < 0.5) return { kind: 'not', part: this.nested(depth - 1) }
    const parts = Array.from({ length: Math.floor(this.#next() * 4) }, () => this.nested(depth - 1))
    return { kind: chance < 0.75 ? 'and' : 'or', parts }
  }

  #operand(field: string, operator: FilterOperator): Json {
    switch (operator) {
      case 'exists':
        return this.#next() < 0.5
      case 'in':
      case 'nin':
        return Array.from({ length: Math.floor(this.#next() * 4) }, () => this.#value(field))
      case 'gt':
      case 'gte':
      case 'lt':
      case 'lte': {
        const comparable = this.#values(field).filter((value) => typeof value === 'number' || typeof value === 'string')
        return this.#pick(comparable)
      }
      case 'contains': {
        const value = this.#value(field)
        if (Array.isArray(value) && value.length > 0) return this.#pick(value as readonly Json[])
        return typeof value === 'string' ? value.slice(Math.floor(this.#next() * 2)) : value
      }
      default:
        return this.#value(field)
    }
  }

  /** One that the field has, or, where it is only asked for, any. */
  #value(field: string): Json {
    return this.#pick(this.#values(field))
  }

  #values(field: string): readonly Json[] {
    return VALUES[field] ?? [1, 2, '1', 40, '40', 'cm', null, { c: 1 }]
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#next() * from.length)]!
  }
}
