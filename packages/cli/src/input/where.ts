import { InvalidArgumentError } from 'commander'
import { SerotineError } from '@serotine/core'
import { nearestName } from '@serotine/core/options'
import type { SearchOptions, Where } from '@serotine/core'
import { exactNumber, exactValue, parseExactJson } from './exact-json.js'

type Fields = Exclude<Where, (...args: never[]) => unknown>

const CONDITION = /^([^=!<>~\s]+)\s*(>=|<=|!=|=|>|<|~)\s*(.*)$/s
const OPERATORS: Readonly<Record<string, string>> = {
  '=': 'eq',
  '!=': 'ne',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  '~': 'contains',
}

/**
 * A filter as one writes it in a shell: `lang=en`, `year>=2020`, `kind!=draft`, `tags~urgent`, `lang=en,de`, repeated for
 * all to hold, or the library's JSON.
 */
export function parseWhere(text: string, previous: unknown): Fields {
  const condition = text.trimStart().startsWith('{') ? parseJson(text) : parseCondition(text)
  if (!previous) return condition
  // Two conditions may name the same field.
  const before = previous as Fields
  return {
    and: [
      ...('and' in before && Array.isArray(before.and) && Object.keys(before).length === 1 ? before.and : [before]),
      condition,
    ],
  } as Fields
}

function parseJson(text: string): Fields {
  let value: unknown
  try {
    value = parseExactJson(text)
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON (${(error as Error).message}).`)
  }
  return orInvalid(() => exactValue(value, 'the condition')) as Fields
}

function parseCondition(text: string): Fields {
  const match = CONDITION.exec(text)
  if (!match) throw new InvalidArgumentError('It must look like lang=en, year>=2020, tags~urgent, or be a JSON object.')
  const [, field, sign, rest] = match as unknown as [string, string, string, string]
  const values = rest.split(',').map((value) => literal(value.trim(), field))
  const several = values.length > 1 && (sign === '=' || sign === '!=')
  if (several) return { [field]: sign === '=' ? { in: values } : { nin: values } } as Fields
  return { [field]: { [OPERATORS[sign]!]: values.length > 1 ? rest : values[0]! } } as Fields
}

/** `2020` → number, `true` → boolean, `null` → null, `"2020"` → the string. */
function literal(text: string, field: string): string | number | boolean | null {
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) return orInvalid(() => exactNumber(text, field))
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === 'null') return null
  if (/^".*"$/s.test(text)) {
    try {
      return JSON.parse(text) as string
    } catch {
      return text
    }
  }
  return text
}

/** A number that JavaScript cannot hold would find other documents than those that were asked for. */
function orInvalid<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new InvalidArgumentError(`It ${(error as Error).message}, as in id="123".`)
  }
}

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
