import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { DEEPEST, isPlain } from './metadata.js'
import type { Json, Metadata } from './metadata.js'

/** Conditions on one field; all that are given must hold. */
export interface FieldConditions {
  /** Is this value. */
  eq?: Json
  /** Is not this value; true where the field is absent. */
  ne?: Json
  /** Is one of these. */
  in?: readonly Json[]
  /** Is none of these; true where the field is absent. */
  nin?: readonly Json[]
  /** Numbers compare with numbers, strings with strings (by code unit, so ISO dates work); anything else is false. */
  gt?: number | string
  gte?: number | string
  lt?: number | string
  lte?: number | string
  /** The field is there (null counts) or, with false, is not. */
  exists?: boolean
  /** An array that has this element, or a string that has this substring. */
  contains?: Json
}

/** What a filter function gets to see of a document. */
export interface FilteredDocument {
  readonly id: string
  readonly metadata: Metadata
}

/**
 * Which documents to consider: fields (a dotted name reaches into objects), `and`, `or`, `not`; all that are given must
 * hold. A plain value means `{ eq: value }`. Or a function of the document. A condition that is undefined is an error, never
 * left out: a missing tenant must not mean every tenant.
 *
 * @example { lang: 'en', year: { gte: 2020 }, or: [{ kind: 'news' }, { tags: { contains: 'urgent' } }] }
 */
export type Where = WhereFields | ((document: FilteredDocument) => boolean)
/** The form of a `where` that is not a function. */
export interface WhereFields {
  and?: readonly WhereFields[]
  or?: readonly WhereFields[]
  not?: WhereFields
  [field: string]: Json | FieldConditions | readonly WhereFields[] | WhereFields | undefined
}

const OPERATORS = ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'contains'] as const
/** What a field is compared by; `FieldConditions` says what each means. */
export type FilterOperator = (typeof OPERATORS)[number]

/**
 * A filter as a syntax tree: checked, every short form spelt out, so that a store can translate it. `and` of nothing holds,
 * `or` of nothing does not.
 */
export type Filter =
  | { readonly kind: 'and'; readonly parts: readonly Filter[] }
  | { readonly kind: 'or'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | FieldFilter
  /** Only for stores whose `capabilities.filterFunctions` say so. */
  | { readonly kind: 'function'; readonly test: (document: FilteredDocument) => boolean }

/** One condition on one field. */
export interface FieldFilter {
  readonly kind: 'field'
  /** Looked up whole first, then as a dotted path into objects. */
  readonly field: string
  readonly operator: FilterOperator
  /** `in`, `nin`: an array. `exists`: a boolean. `gt`, `gte`, `lt`, `lte`: a number or a string. Others: any JSON value. */
  readonly operand: Json
}

const OTHER_NAMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(OPERATORS.map((name) => [`$${name}`, name])),
  '=': 'eq',
  '==': 'eq',
  '===': 'eq',
  '!=': 'ne',
  '!==': 'ne',
  '<>': 'ne',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  equals: 'eq',
  not: 'ne',
  notIn: 'nin',
  not_in: 'nin',
  includes: 'contains',
  has: 'contains',
  like: 'contains',
  min: 'gte',
  max: 'lte',
}

/**
 * Turns what a caller wrote into a syntax tree, checking all of it.
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function parseWhere(where: Where): Filter {
  if (typeof where === 'function') return { kind: 'function', test: where }
  return parseFields(where, 'where')
}

function parseFields(where: unknown, path: string): Filter {
  // A promise or a Map has no fields of its own: as a filter it would hold for everything.
  if (typeof where !== 'object' || where === null || !isPlain(where)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} must be an object like { lang: 'en' } or a function, got ${describePrecisely(where)}.`,
    )
  }
  const parts: Filter[] = []
  for (const [key, value] of Object.entries(where)) {
    if (value === undefined) throw isUndefined(`${path}.${key}`)
    if (key === 'and' || key === 'or') parts.push(parseList(key, value, `${path}.${key}`))
    else if (key === 'not') parts.push({ kind: 'not', part: parseFields(value, `${path}.not`) })
    else if (key.startsWith('$')) throw unknownOperator(key, path)
    else parts.push(parseField(key, value, `${path}.${key}`))
  }
  return parts.length === 1 ? parts[0]! : { kind: 'and', parts }
}

function isUndefined(path: string): SerotineError {
  return new SerotineError(
    'INVALID_ARGUMENT',
    `${path} is undefined, which is not a condition. Give it a value, leave it out, or pass { exists: false } for documents without it.`,
  )
}

function unknownOperator(key: string, path: string): SerotineError {
  const name = key.slice(1)
  const hint = ['and', 'or', 'not'].includes(name)
    ? `Write "${name}".`
    : `Operators come after a field: { field: { ${OTHER_NAMES[key] ?? 'eq'}: … } }.`
  return new SerotineError('UNKNOWN_OPTION', `${path} has no operator "${key}". ${hint}`)
}

function parseList(kind: 'and' | 'or', list: unknown, path: string): Filter {
  if (!Array.isArray(list)) {
    throw new SerotineError('INVALID_ARGUMENT', `${path} must be an array of conditions, got ${describe(list)}.`)
  }
  // Not list.map: it passes over holes.
  return { kind, parts: Array.from(list, (item, i) => parseFields(item, `${path}[${i}]`)) }
}

function parseField(field: string, value: unknown, path: string): Filter {
  if (Array.isArray(value)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} is an array: write { in: […] } for any of these values or { eq: […] } for exactly this array.`,
    )
  }
  if (typeof value !== 'object' || value === null) {
    return { kind: 'field', field, operator: 'eq', operand: checkJson(value, path) }
  }
  checkOptions(path, value, OPERATORS, OTHER_NAMES)
  const parts = Object.entries(value).map(([name, operand]): FieldFilter => {
    const operator = name as FilterOperator
    return { kind: 'field', field, operator, operand: checkOperand(operator, operand, `${path}.${operator}`) }
  })
  if (parts.length === 0)
    throw new SerotineError('INVALID_ARGUMENT', `${path} is empty. Operators: ${OPERATORS.join(', ')}.`)
  return parts.length === 1 ? parts[0]! : { kind: 'and', parts }
}

function checkOperand(operator: FilterOperator, operand: unknown, path: string): Json {
  if (operand === undefined) throw isUndefined(path)
  switch (operator) {
    case 'in':
    case 'nin':
      if (!Array.isArray(operand)) {
        throw new SerotineError('INVALID_ARGUMENT', `${path} must be an array of values, got ${describe(operand)}.`)
      }
      return Array.from(operand, (item, i) => checkJson(item, `${path}[${i}]`))
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte': {
      if (typeof operand === 'string' || (typeof operand === 'number' && Number.isFinite(operand))) return operand
      const hint =
        operand instanceof Date ? ' Compare with date.toISOString() or date.getTime(), as it was stored.' : ''
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `${path} must be a number or a string, got ${describe(operand)}.${hint}`,
      )
    }
    case 'exists':
      if (typeof operand === 'boolean') return operand
      throw new SerotineError('INVALID_ARGUMENT', `${path} must be true or false, got ${describe(operand)}.`)
    default:
      return checkJson(operand, path)
  }
}

function checkJson(value: unknown, path: string, depth = 0): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value))
    return value as Json
  if (Array.isArray(value) && depth < DEEPEST)
    return Array.from(value, (item, i) => checkJson(item, `${path}[${i}]`, depth + 1))
  if (typeof value === 'object' && isPlain(value) && depth < DEEPEST) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, checkJson(item, `${path}.${key}`, depth + 1)]),
    )
  }
  throw new SerotineError('INVALID_ARGUMENT', `${path} must be a JSON value, got ${describePrecisely(value)}.`)
}

function describePrecisely(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return describe(value)
  if (value instanceof Promise) return 'a Promise; is an await missing?'
  const { name } = (value as { constructor?: { name?: unknown } }).constructor ?? {}
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : describe(value)
}

/**
 * Whether a filter, as far as its form tells, holds for every document (true) or for none (false): `{}`, `{ and: [] }`,
 * `{ id: { nin: [] } }`, `{ not: { or: [] } }`. Undefined where it depends on the document.
 */
export function constantAnswer(filter: Filter): boolean | undefined {
  switch (filter.kind) {
    case 'and':
      return allOf(filter.parts.map(constantAnswer))
    case 'or':
      return negated(allOf(filter.parts.map((part) => negated(constantAnswer(part)))))
    case 'not':
      return negated(constantAnswer(filter.part))
    case 'field': {
      const { operator, operand } = filter
      const isEmptyList = (operator === 'in' || operator === 'nin') && (operand as readonly Json[]).length === 0
      return isEmptyList ? operator === 'nin' : undefined
    }
    default:
      return undefined
  }
}

function allOf(parts: readonly (boolean | undefined)[]): boolean | undefined {
  if (parts.includes(false)) return false
  return parts.includes(undefined) ? undefined : true
}

function negated(part: boolean | undefined): boolean | undefined {
  return part === undefined ? undefined : !part
}
