import { LosslessNumber, parse } from 'lossless-json'
import type { Json } from '@serotine/core'

/** Whether a number may be in the text that JavaScript writes otherwise: `1.0`, `1e5`, `-0`, or 16 digits and more. */
const MAY_DIFFER = /-0|\d[.eE]|\d{16}/
/** No metadata is nested like that; what writes it back, level by level, would run out of stack. */
const MOST_LEVELS = 500

/** A number that JavaScript cannot hold, or not as it is written. */
export class InexactNumber extends Error {
  override readonly name = 'InexactNumber'
}

/**
 * JSON in which no number has changed unseen: those that JavaScript would write otherwise than the text does are
 * `LosslessNumber`, for {@link exactId} and {@link exactValue} to judge.
 *
 * @throws SyntaxError; RangeError for values nested some thousand levels deep
 */
export function parseExactJson(text: string): unknown {
  // First, for its messages, and since it is several times as fast as reading number by number.
  const value: unknown = JSON.parse(text)
  if (!MAY_DIFFER.test(text)) return value
  return parse(text, null, {
    parseNumber: (source) => (String(Number(source)) === source ? Number(source) : new LosslessNumber(source)),
    // The last one counts, as in JSON.parse and in Python.
    onDuplicateKey: ({ newValue }) => newValue,
  })
}

/** An id with all its digits: integers beyond 2^53 as bigint. @throws InexactNumber for `1.0`, `1e5` and the like */
export function exactId(value: unknown): unknown {
  const isPlain = typeof value === 'number' && !String(value).includes('e')
  if (isPlain || !(typeof value === 'number' || value instanceof LosslessNumber)) return value
  const source = String(value)
  if (!/^-?\d+$/.test(source)) throw new InexactNumber(`has the number ${source} as its "id"; write it as a string`)
  const id = BigInt(source)
  return id >= Number.MIN_SAFE_INTEGER && id <= Number.MAX_SAFE_INTEGER ? Number(id) : id
}

/**
 * A value with numbers of JavaScript only.
 *
 * @param place names the value in errors, e.g. `metadata.author`
 * @throws InexactNumber for integers that would lose digits, and numbers too large or too small; RangeError for values nested
 *   more than 500 levels deep
 */
export function exactValue(value: unknown, place: string, level = 0): Json {
  if (level > MOST_LEVELS) throw new RangeError(`${place.slice(0, 80)}… is nested more than ${MOST_LEVELS} levels deep`)
  if (value instanceof LosslessNumber) return exactNumber(value.value, place)
  if (typeof value === 'number') return exactNumber(String(value), place)
  if (Array.isArray(value)) return value.map((item, i) => exactValue(item, `${place}[${i}]`, level + 1))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, exactValue(item, `${place}.${name}`, level + 1)]),
    )
  }
  return value as Json
}

/** @throws InexactNumber */
export function exactNumber(source: string, place: string): number {
  const number = Number(source)
  const isInteger = /^-?\d+$/.test(source)
  const isExact =
    Number.isFinite(number) &&
    // What JavaScript writes in these digits, it also reads from them, and writes back.
    (String(number) === source ||
      (isInteger ? BigInt(number) === BigInt(source) : number !== 0 || /^-?[0.]+(?:[eE]|$)/.test(source)))
  if (isExact) return number
  const shown = source.length > 40 ? `${source.slice(0, 40)}…` : source
  const problem = isInteger && Number.isFinite(number) ? `would become ${BigInt(number)}` : `would become ${number}`
  throw new InexactNumber(`has the number ${shown} in ${place}, which ${problem}; write it as a string`)
}
