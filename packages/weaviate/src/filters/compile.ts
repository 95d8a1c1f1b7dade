import { SerotineError } from '@serotine/core'
import type { Json } from '@serotine/core'
import type { FieldFilter, Filter } from '@serotine/core/store'
import type { ServerFilter } from '../protocol/filters.js'
import { containsTerm, equalTerm, existsTerm, rangeTerms, stringTerm } from './terms.js'

/** The property of a document that holds its terms. */
export const TERMS = 'terms'

/** Holds for all, for none, or as a server says. */
export type Condition = boolean | ServerFilter

/** A filter in a server's terms. Comparisons of strings and substrings it cannot answer: there `over` lets through too many. */
export interface CompiledFilter {
  /** Everything that passes, and perhaps more. */
  readonly over: Condition
  /** `over` is what the filter says. */
  readonly isExact: boolean
}

interface Bounds {
  readonly over: Condition
  /** Nothing that does not pass, and perhaps not all that does. The same object as `over` where it is exact. */
  readonly under: Condition
}

/** @throws INVALID_ARGUMENT for a function */
export function compileFilter(filter: Filter | undefined): CompiledFilter {
  if (filter === undefined) return { over: true, isExact: true }
  const { over, under } = boundsOf(filter)
  return { over, isExact: over === under }
}

function boundsOf(filter: Filter): Bounds {
  switch (filter.kind) {
    case 'field':
      return boundsOfField(filter)
    case 'not': {
      const { over, under } = boundsOf(filter.part)
      if (over === under) return exactly(not(over))
      return { over: not(under), under: not(over) }
    }
    case 'and':
    case 'or': {
      const parts = filter.parts.map(boundsOf)
      const over = joined(
        filter.kind,
        parts.map((part) => part.over),
      )
      if (parts.every((part) => part.over === part.under)) return exactly(over)
      return {
        over,
        under: joined(
          filter.kind,
          parts.map((part) => part.under),
        ),
      }
    }
    case 'function':
      throw new SerotineError(
        'INVALID_ARGUMENT',
        "Weaviate filters where its documents are and cannot call a function. Write the filter as fields, like { lang: 'en' }.",
      )
  }
}

function boundsOfField({ field, operator, operand }: FieldFilter): Bounds {
  switch (operator) {
    case 'eq':
      return exactly(anyOf([equalTerm(field, operand)]))
    case 'ne':
      return exactly(not(anyOf([equalTerm(field, operand)])))
    case 'in':
    case 'nin': {
      const among = anyOf((operand as readonly Json[]).map((value) => equalTerm(field, value)))
      return exactly(operator === 'in' ? among : not(among))
    }
    case 'exists': {
      const isThere = anyOf([existsTerm(field)])
      return exactly(operand === true ? isThere : not(isThere))
    }
    case 'contains': {
      const element = containsTerm(field, operand)
      if (typeof operand !== 'string') return exactly(anyOf([element]))
      return { over: anyOf([element, stringTerm(field)]), under: anyOf([element, equalTerm(field, operand)]) }
    }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      if (typeof operand === 'number') return exactly(anyOf(rangeTerms(field, operator, operand)))
      return { over: anyOf([stringTerm(field)]), under: false }
  }
}

function exactly(condition: Condition): Bounds {
  return { over: condition, under: condition }
}

function anyOf(values: readonly string[]): Condition {
  return values.length > 0 && { operator: 'containsAny', property: TERMS, values }
}

function not(condition: Condition): Condition {
  if (typeof condition === 'boolean') return !condition
  return condition.operator === 'not' ? condition.part : { operator: 'not', part: condition }
}

/** What passes all of the conditions, or any of them. */
export function joined(operator: 'and' | 'or', conditions: readonly Condition[]): Condition {
  const decides = operator === 'or'
  if (conditions.includes(decides)) return decides
  const parts = conditions.filter((condition) => typeof condition !== 'boolean')
  if (parts.length === 0) return !decides
  return parts.length === 1 ? parts[0]! : { operator, parts }
}
