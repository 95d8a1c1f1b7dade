import { SerotineError } from '@serotine/core'
import type { Json } from '@serotine/core'
import type { FieldFilter, Filter } from '@serotine/core/store'
import { isEscaped, jsonToDatabase, toDatabase, unitsOf } from '../escaping.js'
import type { Parameters } from './parameters.js'

/** Values of `in` that are looked up in the index one by one; more are compared document by document. */
const INDEXED_AT_MOST = 32
/** Strings that compare by code point as they do by code unit, with whatever the other one is. */
// oxlint-disable-next-line no-control-regex
const PLAIN_ORDER = /^[\u0002-\ud7ff]*$/
const METADATA = 'd.metadata'
const ORDER = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/**
 * A filter as a condition on the documents `d`, true or false for each of them and never null. `filterPredicate` says what it means; values come in as
 * parameters. What the index of metadata (`jsonb_path_ops`) can answer stands beside the exact comparison as `@>`, which holds whenever that does.
 *
 * @throws INVALID_ARGUMENT for a function
 */
export function filterSql(filter: Filter, parameters: Parameters): string {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      if (filter.parts.length === 0) return filter.kind === 'and' ? 'true' : 'false'
      return `(${filter.parts.map((part) => filterSql(part, parameters)).join(` ${filter.kind} `)})`
    }
    case 'not':
      return `not ${filterSql(filter.part, parameters)}`
    case 'field':
      return `(${fieldSql(filter, parameters)})`
    case 'function':
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'A function cannot be asked of a database. Write the filter as fields: { lang: "en", year: { gte: 2020 } }.',
      )
  }
}

function fieldSql({ field, operator, operand }: FieldFilter, parameters: Parameters): string {
  switch (operator) {
    case 'eq':
      return equalsSql(field, operand, parameters)
    case 'ne':
      return `not (${equalsSql(field, operand, parameters)})`
    case 'in':
      return amongSql(field, operand as readonly Json[], parameters)
    case 'nin':
      return `not (${amongSql(field, operand as readonly Json[], parameters)})`
    case 'exists':
      return `(${valueSql(field, parameters)}) is ${operand === true ? 'not null' : 'null'}`
    case 'contains':
      return containsSql(field, operand, parameters)
    default:
      return orderSql(valueSql(field, parameters), ORDER[operator], operand as number | string, parameters)
  }
}

/** A field by its whole name, else by its dotted path; SQL's null where it is not there. `->` with a text takes nothing out of an array. */
function valueSql(field: string, parameters: Parameters): string {
  const step = (name: string): string => `-> ${parameters.text(toDatabase(name))}`
  const whole = `${METADATA} ${step(field)}`
  if (!field.includes('.')) return whole
  return `coalesce(${whole}, ${METADATA} ${field.split('.').map(step).join(' ')})`
}

/** What holds of every document whose field is this value, and can be looked up in the index. */
function indexedSql(field: string, value: Json, parameters: Parameters): string {
  const contains = (object: Json): string => `${METADATA} @> ${json(object, parameters)}`
  const whole = contains({ [field]: value })
  if (!field.includes('.')) return whole
  const nested = field.split('.').reduceRight<Json>((inside, name) => named(name, inside), value)
  return `(${whole} or ${contains(nested)})`
}

function named(name: string, value: Json): Json {
  return Object.fromEntries([[name, value]])
}

function equalsSql(field: string, value: Json, parameters: Parameters): string {
  const same = `coalesce(${valueSql(field, parameters)} = ${json(value, parameters)}, false)`
  return `${indexedSql(field, value, parameters)} and ${same}`
}

function amongSql(field: string, values: readonly Json[], parameters: Parameters): string {
  if (values.length === 0) return 'false'
  const list = `array(select jsonb_array_elements(${json(values, parameters)}))`
  const among = `coalesce((${valueSql(field, parameters)}) = any (${list}), false)`
  if (values.length > INDEXED_AT_MOST) return among
  return `(${values.map((value) => indexedSql(field, value, parameters)).join(' or ')}) and ${among}`
}

/** An array that has this element, or a string that has this substring. Only the first can be looked up in the index, so only what is no string is. */
function containsSql(field: string, operand: Json, parameters: Parameters): string {
  const value = valueSql(field, parameters)
  const element = `exists (select 1 from jsonb_array_elements(${value}) e(value) where e.value = ${json(operand, parameters)})`
  const array = `case when jsonb_typeof(${value}) = 'array' then ${element} else false end`
  if (typeof operand !== 'string') return `${indexedSql(field, [operand], parameters)} and ${array}`
  const text = textOf(value)
  const byUnits = `strpos(${unitsSql(text, parameters)}, ${parameters.text(unitsOf(operand))}) > 0`
  const plainly = (): string => `strpos(${text}, ${parameters.text(operand)}) > 0`
  const substring = isEscaped(operand)
    ? byUnits
    : `case when ${text} ~ ${parameters.text('[\u0001\u{10ffff}]')} then ${byUnits} else ${plainly()} end`
  return `case jsonb_typeof(${value}) when 'array' then ${element} when 'string' then ${substring} else false end`
}

/** Numbers with numbers, strings with strings by code unit; false for anything else. */
function orderSql(value: string, sign: string, operand: number | string, parameters: Parameters): string {
  const ofType = (type: string, comparison: string): string =>
    `case when jsonb_typeof(${value}) = '${type}' then ${comparison} else false end`
  if (typeof operand === 'number') {
    return ofType('number', `(${value})::numeric ${sign} ${parameters.text(String(operand))}::numeric`)
  }
  const text = textOf(value)
  if (PLAIN_ORDER.test(operand)) return ofType('string', `${text} ${sign} ${parameters.text(operand)} collate "C"`)
  return ofType('string', `${unitsSql(text, parameters)} ${sign} ${parameters.text(unitsOf(operand))} collate "C"`)
}

function textOf(value: string): string {
  return `((${value}) #>> '{}') collate "C"`
}

/**
 * A string of the database as its UTF-16 code units, each a comma and four hexadecimal digits: as strings, these compare as JavaScript's do, and a part of them is a part of the string. Slow, and
 * for strings only that are not ordinary text.
 */
function unitsSql(text: string, parameters: Parameters): string {
  const pattern = parameters.text('\u{10ffff}[0-9a-f]{4}|\u0001[\u0001\u0002]|.')
  const hex = (number: string): string => `lpad(to_hex(${number}), 4, '0')`
  const unit =
    `case when length(u.c[1]) = 5 then substr(u.c[1], 2) ` +
    `when length(u.c[1]) = 2 then ${hex('ascii(substr(u.c[1], 2)) - 1')} ` +
    `when ascii(u.c[1]) > 65535 then ${hex('55296 + ((ascii(u.c[1]) - 65536) >> 10)')} || ',' || ` +
    `${hex('56320 + ((ascii(u.c[1]) - 65536) & 1023)')} else ${hex('ascii(u.c[1])')} end`
  return (
    `(select coalesce(string_agg(',' || ${unit}, '' order by u.n), '') collate "C" ` +
    `from regexp_matches(${text}, ${pattern}, 'g') with ordinality u(c, n))`
  )
}

function json(value: Json, parameters: Parameters): string {
  return `${parameters.text(jsonToDatabase(JSON.stringify(value)))}::jsonb`
}
