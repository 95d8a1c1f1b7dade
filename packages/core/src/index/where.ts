import { checkOptions, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { Json, Metadata } from '../store/metadata.js'
import { DEEPEST, isPlain, sameJson } from '../store/metadata.js'

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

/**
 * Which documents to consider: fields (a dotted name reaches into objects), `and`, `or`, `not`; all that are given must
 * hold. A plain value means `{ eq: value }`. Or a function of the document. A condition that is undefined is an error, never
 * left out: a missing tenant must not mean every tenant.
 *
 * @example { lang: 'en', year: { gte: 2020 }, or: [{ kind: 'news' }, { tags: { contains: 'urgent' } }] }
 */
export type Where = WhereFields | ((document: { readonly id: string; readonly metadata: Metadata }) => boolean)
export interface WhereFields {
  and?: readonly WhereFields[]
  or?: readonly WhereFields[]
  not?: WhereFields
  [field: string]: Json | FieldConditions | readonly WhereFields[] | WhereFields | undefined
}

type Test = (metadata: Metadata) => boolean

const OPERATORS = ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'contains'] as const
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
 * Turns a filter into a predicate, checking all of it first.
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function compileWhere(
  where: Where,
): (document: { readonly id: string; readonly metadata: Metadata }) => boolean {
  if (typeof where === 'function') {
    return (document) => {
      const answer: unknown = where(document)
      if (typeof answer === 'boolean') return answer
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `The where function must return true or false, got ${describe(answer)} for ${describe(document.id)}.`,
      )
    }
  }
  const test = compileFields(where, 'where')
  return ({ metadata }) => test(metadata)
}

function compileFields(where: unknown, path: string): Test {
  // A promise or a Map has no fields of its own: as a filter it would hold for everything.
  if (typeof where !== 'object' || where === null || !isPlain(where)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} must be an object like { lang: 'en' } or a function, got ${describePrecisely(where)}.`,
    )
  }
  const tests: Test[] = []
  for (const [key, value] of Object.entries(where)) {
    if (value === undefined) throw isUndefined(`${path}.${key}`)
    if (key === 'and' || key === 'or') tests.push(compileList(key, value, `${path}.${key}`))
    else if (key === 'not') tests.push(negate(compileFields(value, `${path}.not`)))
    else if (key.startsWith('$')) throw unknownOperator(key, path)
    else tests.push(compileField(key, value, `${path}.${key}`))
  }
  return all(tests)
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

function compileList(kind: 'and' | 'or', list: unknown, path: string): Test {
  if (!Array.isArray(list)) {
    throw new SerotineError('INVALID_ARGUMENT', `${path} must be an array of conditions, got ${describe(list)}.`)
  }
  // Not list.map: it passes over holes.
  const tests = Array.from(list, (item, i) => compileFields(item, `${path}[${i}]`))
  return kind === 'and' ? all(tests) : (metadata) => tests.some((test) => test(metadata))
}

function compileField(field: string, value: unknown, path: string): Test {
  if (Array.isArray(value)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} is an array: write { in: […] } for any of these values or { eq: […] } for exactly this array.`,
    )
  }
  if (typeof value !== 'object' || value === null) {
    const wanted = checkJson(value, path)
    return (metadata) => sameJson(read(metadata, field), wanted)
  }
  checkOptions(path, value, OPERATORS, OTHER_NAMES)
  const tests = Object.entries(value).map(([operator, operand]) =>
    compileCondition(operator as keyof FieldConditions, operand, `${path}.${operator}`),
  )
  if (tests.length === 0)
    throw new SerotineError('INVALID_ARGUMENT', `${path} is empty. Operators: ${OPERATORS.join(', ')}.`)
  return (metadata) => {
    const found = read(metadata, field)
    return tests.every((test) => test(found))
  }
}

function compileCondition(
  operator: keyof FieldConditions,
  operand: unknown,
  path: string,
): (found: Json | undefined) => boolean {
  if (operand === undefined) throw isUndefined(path)
  switch (operator) {
    case 'eq': {
      const wanted = checkJson(operand, path)
      return (found) => sameJson(found, wanted)
    }
    case 'ne': {
      const unwanted = checkJson(operand, path)
      return (found) => !sameJson(found, unwanted)
    }
    case 'in':
    case 'nin': {
      if (!Array.isArray(operand)) {
        throw new SerotineError('INVALID_ARGUMENT', `${path} must be an array of values, got ${describe(operand)}.`)
      }
      const list = Array.from(operand, (item, i) => checkJson(item, `${path}[${i}]`))
      const simple = new Set(list)
      const objects = list.filter((item) => typeof item === 'object' && item !== null)
      const among = (found: Json | undefined) =>
        found !== undefined && (simple.has(found) || objects.some((item) => sameJson(found, item)))
      return operator === 'in' ? among : (found) => !among(found)
    }
    case 'gt':
      return compare(operand, path, (order) => order > 0)
    case 'gte':
      return compare(operand, path, (order) => order >= 0)
    case 'lt':
      return compare(operand, path, (order) => order < 0)
    case 'lte':
      return compare(operand, path, (order) => order <= 0)
    case 'exists': {
      if (typeof operand !== 'boolean') {
        throw new SerotineError('INVALID_ARGUMENT', `${path} must be true or false, got ${describe(operand)}.`)
      }
      return (found) => (found !== undefined) === operand
    }
    case 'contains': {
      const part = checkJson(operand, path)
      return (found) => {
        if (typeof found === 'string') return typeof part === 'string' && found.includes(part)
        return Array.isArray(found) && found.some((item: Json) => sameJson(item, part))
      }
    }
  }
}

function compare(
  operand: unknown,
  path: string,
  holds: (order: number) => boolean,
): (found: Json | undefined) => boolean {
  if (typeof operand !== 'string' && !(typeof operand === 'number' && Number.isFinite(operand))) {
    const hint = operand instanceof Date ? ' Compare with date.toISOString() or date.getTime(), as it was stored.' : ''
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} must be a number or a string, got ${describe(operand)}.${hint}`,
    )
  }
  return (found) => {
    if (typeof found === 'number' && typeof operand === 'number') return holds(found - operand)
    if (typeof found === 'string' && typeof operand === 'string')
      return holds(found < operand ? -1 : found > operand ? 1 : 0)
    return false
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

/** A field by its whole name, else by its dotted path. */
function read(metadata: Metadata, field: string): Json | undefined {
  if (Object.hasOwn(metadata, field)) return metadata[field]
  if (!field.includes('.')) return undefined
  let value: Json | undefined = metadata
  for (const part of field.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Metadata)[part]
  }
  return value
}

function all(tests: readonly Test[]): Test {
  return (metadata) => tests.every((test) => test(metadata))
}

function negate(test: Test): Test {
  return (metadata) => !test(metadata)
}

/**
 * Whether a filter, as far as its form tells, holds for every document (true) or for none (false): `{}`, `{ and: [] }`,
 * `{ id: { nin: [] } }`, `{ not: { or: [] } }`. Undefined where it depends on the document.
 */
export function constantAnswer(where: WhereFields): boolean | undefined {
  const parts = Object.entries(where).map(([key, value]) => {
    if (key === 'and') return allOf((value as WhereFields[]).map(constantAnswer))
    if (key === 'or') return negated(allOf((value as WhereFields[]).map((part) => negated(constantAnswer(part)))))
    if (key === 'not') return negated(constantAnswer(value as WhereFields))
    if (typeof value !== 'object' || value === null) return undefined
    return allOf(
      Object.entries(value as FieldConditions).map(([operator, operand]) =>
        Array.isArray(operand) && operand.length === 0 && (operator === 'in' || operator === 'nin')
          ? operator === 'nin'
          : undefined,
      ),
    )
  })
  return allOf(parts)
}

function allOf(parts: readonly (boolean | undefined)[]): boolean | undefined {
  if (parts.includes(false)) return false
  return parts.includes(undefined) ? undefined : true
}

function negated(part: boolean | undefined): boolean | undefined {
  return part === undefined ? undefined : !part
}
