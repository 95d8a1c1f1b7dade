import { SerotineError, nearestName } from '@serotine/core'
import type { SearchOptions } from '@serotine/core'

/**
 * A condition on a field that no passage has is a slip: it would find nothing, or with `!=` everything. Asking whether a field
 * is there is not.
 *
 * @param fields of the index
 * @throws UNKNOWN_OPTION naming the field, with the nearest one
 */
export function checkFields(where: NonNullable<SearchOptions['where']>, fields: readonly string[]): void {
  // An empty index has no fields to know.
  if (fields.length === 0) return
  for (const field of fieldsOf(where)) {
    if (fields.includes(field)) continue
    const guess = nearestName(field, fields)
    const hint = guess ? `Did you mean ${JSON.stringify(guess)}?` : `Fields: ${fields.join(', ')}.`
    throw new SerotineError('UNKNOWN_OPTION', `--where: no passage has a field ${JSON.stringify(field)}. ${hint}`)
  }
}

function* fieldsOf(where: unknown): Generator<string> {
  // What is not a filter is refused by the search, with a better message.
  if (typeof where !== 'object' || where === null) return
  for (const [key, value] of Object.entries(where as Record<string, unknown>)) {
    if (key === 'and' || key === 'or') {
      if (Array.isArray(value)) for (const part of value) yield* fieldsOf(part)
    } else if (key === 'not') yield* fieldsOf(value)
    else if (!key.startsWith('$') && !onlyAsksWhether(value)) yield key
  }
}

function onlyAsksWhether(condition: unknown): boolean {
  return typeof condition === 'object' && condition !== null && Object.keys(condition).join() === 'exists'
}
