import { SerotineError } from '../errors.js'
import { describe } from '../options.js'
import { parseWhere } from './filter.js'
import type { FieldFilter, Filter, FilteredDocument, Where } from './filter.js'
import { sameJson } from './metadata.js'
import type { Json, Metadata } from './metadata.js'

type Test = (document: FilteredDocument) => boolean

/** A filter as callers write it, as a function. @throws INVALID_ARGUMENT, UNKNOWN_OPTION */
export function compileWhere(where: Where): Test {
  return filterPredicate(parseWhere(where))
}

/**
 * A filter as a function, for stores that look at documents one by one, and as the meaning that translations into an engine's
 * language are tested against.
 */
export function filterPredicate(filter: Filter): Test {
  switch (filter.kind) {
    case 'and': {
      const tests = filter.parts.map(filterPredicate)
      return (document) => tests.every((test) => test(document))
    }
    case 'or': {
      const tests = filter.parts.map(filterPredicate)
      return (document) => tests.some((test) => test(document))
    }
    case 'not': {
      const test = filterPredicate(filter.part)
      return (document) => !test(document)
    }
    case 'field': {
      const holds = fieldTest(filter)
      return ({ metadata }) => holds(fieldOf(metadata, filter.field))
    }
    case 'function':
      return (document) => {
        const answer: unknown = filter.test(document)
        if (typeof answer === 'boolean') return answer
        throw new SerotineError(
          'INVALID_ARGUMENT',
          `The where function must return true or false, got ${describe(answer)} for ${describe(document.id)}.`,
        )
      }
  }
}

function fieldTest({ operator, operand }: FieldFilter): (found: Json | undefined) => boolean {
  switch (operator) {
    case 'eq':
      return (found) => sameJson(found, operand)
    case 'ne':
      return (found) => !sameJson(found, operand)
    case 'in':
    case 'nin': {
      const list = operand as readonly Json[]
      const simple = new Set(list)
      const objects = list.filter((item) => typeof item === 'object' && item !== null)
      const among = (found: Json | undefined) =>
        found !== undefined && (simple.has(found) || objects.some((item) => sameJson(found, item)))
      return operator === 'in' ? among : (found) => !among(found)
    }
    case 'gt':
      return compared(operand, (order) => order > 0)
    case 'gte':
      return compared(operand, (order) => order >= 0)
    case 'lt':
      return compared(operand, (order) => order < 0)
    case 'lte':
      return compared(operand, (order) => order <= 0)
    case 'exists':
      return (found) => (found !== undefined) === operand
    case 'contains':
      return (found) => {
        if (typeof found === 'string') return typeof operand === 'string' && found.includes(operand)
        return Array.isArray(found) && found.some((item: Json) => sameJson(item, operand))
      }
  }
}

function compared(operand: Json, holds: (order: number) => boolean): (found: Json | undefined) => boolean {
  return (found) => {
    if (typeof found === 'number' && typeof operand === 'number') return holds(found - operand)
    if (typeof found === 'string' && typeof operand === 'string')
      return holds(found < operand ? -1 : found > operand ? 1 : 0)
    return false
  }
}

/** A field by its whole name, else by its dotted path. */
function fieldOf(metadata: Metadata, field: string): Json | undefined {
  if (Object.hasOwn(metadata, field)) return metadata[field]
  if (!field.includes('.')) return undefined
  let value: Json | undefined = metadata
  for (const part of field.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (!Object.hasOwn(value, part)) return undefined
    value = (value as Metadata)[part]
  }
  return value
}
