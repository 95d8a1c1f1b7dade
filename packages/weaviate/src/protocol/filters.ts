import { boolean, double, integer, message, text } from './wire.js'
import type { BinaryWriter } from './wire.js'

/** A filter as a server takes it. */
export type ServerFilter =
  | { readonly operator: 'and' | 'or'; readonly parts: readonly ServerFilter[] }
  | { readonly operator: 'not'; readonly part: ServerFilter }
  | {
      readonly operator: 'equal' | 'greaterThan' | 'greaterThanEqual' | 'lessThan' | 'notEqual'
      readonly property: string
      readonly value: string | number | boolean
    }
  | { readonly operator: 'containsAny' | 'containsAll'; readonly property: string; readonly values: readonly string[] }

const OPERATORS = {
  equal: 1,
  notEqual: 2,
  greaterThan: 3,
  greaterThanEqual: 4,
  lessThan: 5,
  and: 7,
  or: 8,
  containsAny: 12,
  containsAll: 13,
  not: 15,
} as const

/** Message Filters of weaviate.v1. */
export function writeFilter(writer: BinaryWriter, filter: ServerFilter): void {
  integer(writer, 1, OPERATORS[filter.operator])
  if (filter.operator === 'not') message(writer, 3, (inner) => writeFilter(inner, filter.part))
  else if ('parts' in filter) {
    for (const part of filter.parts) message(writer, 3, (inner) => writeFilter(inner, part))
  } else {
    if ('values' in filter) {
      message(writer, 9, (list) => filter.values.forEach((value) => text(list, 1, value)))
    } else if (typeof filter.value === 'string') text(writer, 4, filter.value)
    else if (typeof filter.value === 'boolean') boolean(writer, 6, filter.value)
    else if (Number.isInteger(filter.value)) integer(writer, 5, filter.value)
    else double(writer, 7, filter.value)
    message(writer, 20, (target) => text(target, 1, filter.property))
  }
}
