import { describe } from '../options.js'
import { SerotineError } from '../errors.js'

/** A JSON value: what metadata may hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
/** What a document carries besides its text: JSON values by name. */
export type Metadata = { readonly [key: string]: Json }

/**
 * Metadata as the JSON text that is stored. Properties that are undefined are left out, as JSON.stringify does;
 * anything else JSON cannot hold is an error, because it would come back changed.
 *
 * @throws INVALID_ARGUMENT naming the path of the offending value
 */
export function metadataJson(metadata: unknown, what: string): string {
  if (metadata === undefined) return '{}'
  if (typeof metadata !== 'object' || metadata === null || !isPlain(metadata)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The metadata of ${what} must be a plain object, got ${describe(metadata)}.`,
    )
  }
  check(metadata, 'metadata', what, 0)
  return JSON.stringify(metadata)
}

/** Levels of arrays and objects inside each other. */
export const DEEPEST = 100

function check(value: unknown, path: string, what: string, depth: number): void {
  if (depth > DEEPEST) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The metadata of ${what} is nested more than ${DEEPEST} levels deep or refers to itself.`,
    )
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number' && Number.isFinite(value)) return
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`, what, depth + 1)
    return
  }
  if (typeof value === 'object' && isPlain(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined) check(item, `${path}.${key}`, what, depth + 1)
    }
    return
  }
  const kind = value instanceof Date ? 'a Date (store date.toISOString() or date.getTime())' : describe(value)
  throw new SerotineError('INVALID_ARGUMENT', `${path} of ${what} is ${kind}; metadata can only hold JSON values.`)
}

export function isPlain(value: object): boolean {
  if (Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value) as unknown
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** The fields of many documents' metadata, and those inside objects by their dotted path; sorted. */
export function fieldNames(all: Iterable<Metadata>): string[] {
  const names = new Set<string>()
  const visit = (metadata: Metadata, path: string): void => {
    for (const [key, value] of Object.entries(metadata)) {
      names.add(path + key)
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        visit(value as Metadata, `${path}${key}.`)
    }
  }
  for (const metadata of all) visit(metadata, '')
  return [...names].sort()
}

/** Whether two JSON values are equal; the order of an object's properties does not matter. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a as Metadata)
  const right = b as Metadata
  if (left.length !== Object.keys(right).length) return false
  return left.every(([key, value]) => Object.hasOwn(right, key) && sameJson(value, right[key]))
}
