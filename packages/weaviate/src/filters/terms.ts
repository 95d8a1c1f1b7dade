import { createHash } from 'node:crypto'
import type { Json, Metadata } from '@serotine/core'

/**
 * Metadata as words that Weaviate finds exactly. Its own types cannot hold them: a field that is a number here and a string there, null, arrays of
 * both, objects. Each word says one thing of one field, hashed, so that neither length nor signs, spaces or capitals matter.
 */
export function termsOf(metadata: Metadata): string[] {
  const terms = new Set<string>()
  for (const [field, value] of fieldsOf(metadata)) {
    terms.add(existsTerm(field))
    terms.add(equalTerm(field, value))
    if (typeof value === 'string') terms.add(stringTerm(field))
    if (typeof value === 'number') for (const prefix of prefixesOf(value)) terms.add(numberTerm(field, prefix))
    if (Array.isArray(value)) for (const item of value as readonly Json[]) terms.add(containsTerm(field, item))
  }
  return [...terms]
}

/** Every name by which a filter may ask, and what it is asking about: whole names, and paths into objects that none of them hides. */
function* fieldsOf(metadata: Metadata): Generator<[string, Json]> {
  for (const [name, value] of Object.entries(metadata)) {
    yield [name, value]
    if (name.includes('.')) continue
    for (const [path, inner] of pathsInto(name, value)) {
      if (!Object.hasOwn(metadata, path)) yield [path, inner]
    }
  }
}

function* pathsInto(path: string, value: Json): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  for (const [name, inner] of Object.entries(value as Metadata)) {
    // A path is cut at its dots, so that nothing leads to such a name.
    if (name.includes('.')) continue
    yield [`${path}.${name}`, inner]
    yield* pathsInto(`${path}.${name}`, inner)
  }
}

export const existsTerm = (field: string): string => term('exists', field)
export const stringTerm = (field: string): string => term('string', field)
export const equalTerm = (field: string, value: Json): string => term('equal', field, canonical(value))
export const containsTerm = (field: string, item: Json): string => term('contains', field, canonical(item))
const numberTerm = (field: string, prefix: string): string => term('number', field, prefix)

/**
 * Words of the numbers above or below one: those that have the same first digits and then a higher, or a lower one. 16 words stand for a number, up to
 * 241 for a range.
 */
export function rangeTerms(field: string, operator: 'gt' | 'gte' | 'lt' | 'lte', value: number): string[] {
  const digits = digitsOf(value)
  const terms: string[] = operator === 'gte' || operator === 'lte' ? [numberTerm(field, digits)] : []
  const isAbove = operator === 'gt' || operator === 'gte'
  for (let i = 0; i < digits.length; i++) {
    const own = parseInt(digits[i]!, 16)
    for (let digit = isAbove ? own + 1 : 0; digit < (isAbove ? 16 : own); digit++)
      terms.push(numberTerm(field, digits.slice(0, i) + digit.toString(16)))
  }
  return terms
}

function prefixesOf(value: number): string[] {
  const digits = digitsOf(value)
  return Array.from({ length: digits.length }, (_, i) => digits.slice(0, i + 1))
}

/** 16 hexadecimal digits in the order of the numbers. */
function digitsOf(value: number): string {
  const view = new DataView(new ArrayBuffer(8))
  // Adding 0 makes a zero of a negative zero.
  view.setFloat64(0, value + 0)
  const bits = view.getBigUint64(0)
  const sign = 1n << 63n
  const ordered = (bits & sign) === 0n ? bits | sign : bits ^ 0xffffffffffffffffn
  return ordered.toString(16).padStart(16, '0')
}

/** Equal for equal values, whatever the order of their properties. */
function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join()}]`
  const entries = Object.entries(value as Metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()}}`
}

/** 120 bits, in letters, digits, `-` and `_`. */
function term(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().toString('base64url', 0, 15)
}
