/**
 * PostgreSQL keeps no NUL and nothing that is not well-formed Unicode, JavaScript's strings do. What it does not keep is written in other characters; all other
 * text is kept as it is, so that it reads as it should in SQL. Different strings stay different.
 *
 * | in JavaScript | in the database |
 * |---|---|
 * | U+0000, U+0001 | U+0001 U+0001, U+0001 U+0002 |
 * | a lone surrogate, U+10FFFF; U+FEFF at the beginning, where decoders lose it | U+10FFFF and four hexadecimal digits for each code unit |
 */
// oxlint-disable-next-line no-control-regex
const ESCAPED = /^\ufeff|[\0\u0001\u{10ffff}\p{Cs}]/u
const ALL_ESCAPED = new RegExp(ESCAPED, 'gu')
// oxlint-disable-next-line no-control-regex
const WRITTEN = /\u0001([\u0001\u0002])|\u{10ffff}([0-9a-f]{4})/gu
/** What `JSON.stringify` makes of such characters, in either case. */
// oxlint-disable-next-line no-control-regex
const ESCAPED_IN_JSON = /\\u000[01]|\\ud[89a-f]|[\0\u0001\u{10ffff}\ufeff\p{Cs}]/iu

/** Whether a string is written otherwise in the database. */
export function isEscaped(text: string): boolean {
  return ESCAPED.test(text)
}

export function toDatabase(text: string): string {
  return ESCAPED.test(text) ? text.replace(ALL_ESCAPED, escapeOf) : text
}

export function fromDatabase(text: string): string {
  return ESCAPED.test(text) ? text.replace(WRITTEN, (_, low?: string, unit?: string) => characterOf(low, unit)) : text
}

/** JSON text, with its strings and names as the database keeps them. */
export function jsonToDatabase(json: string): string {
  return ESCAPED_IN_JSON.test(json) ? JSON.stringify(mapped(JSON.parse(json), toDatabase)) : json
}

/** The value of JSON text of the database. */
export function jsonFromDatabase(json: string): unknown {
  const value: unknown = JSON.parse(json)
  return ESCAPED_IN_JSON.test(json) ? mapped(value, fromDatabase) : value
}

function escapeOf(character: string): string {
  if (character === '\0') return '\u0001\u0001'
  if (character === '\u0001') return '\u0001\u0002'
  return Array.from({ length: character.length }, (_, i) => `\u{10ffff}${hexOf(character, i)}`).join('')
}

function characterOf(low: string | undefined, unit: string | undefined): string {
  if (low !== undefined) return low === '\u0001' ? '\0' : '\u0001'
  return String.fromCharCode(Number.parseInt(unit!, 16))
}

/** Code units as the expression of `unitsSql` writes them: a comma and four hexadecimal digits each. */
export function unitsOf(text: string): string {
  return Array.from({ length: text.length }, (_, i) => `,${hexOf(text, i)}`).join('')
}

function hexOf(text: string, i: number): string {
  return text.charCodeAt(i).toString(16).padStart(4, '0')
}

function mapped(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => mapped(item, map))
  // Not by assignment: `__proto__` is a name like any other.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [map(name), mapped(item, map)]))
}
