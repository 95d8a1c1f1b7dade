import { LosslessNumber, parse } from 'lossless-json'
import { describe } from '../../options.js'

/** Whether a number may be in the text that JavaScript writes otherwise: `1.0`, `1e5`, `-0`, or 16 digits and more. */
const MAY_DIFFER = /-0|\d[.eE]|\d{16}/

/**
 * JSON in which no number changes: those that JavaScript would write otherwise than the text does (beyond 2^53, `1.0`, `1e5`) are
 * `LosslessNumber`, which {@link idOf} and {@link numberOf} understand. RFC 8259 §6 leaves their precision to the reader, and Python
 * keeps it.
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

/** An id as it is written, or what is wrong with it. Integers keep all their digits. */
export function idOf(value: unknown): { id: string } | { problem: string } {
  if (typeof value === 'string' && value !== '') return { id: value }
  const source = typeof value === 'number' ? String(value) : value instanceof LosslessNumber ? value.value : undefined
  if (source === undefined) return { problem: `must be a non-empty string, got ${describe(value)}` }
  if (/^-?\d+$/.test(source)) return { id: BigInt(source).toString() }
  if (typeof value === 'number' && !source.includes('e')) return { id: source }
  return { problem: `is the number ${source}, which programs write in different ways; write it as a string` }
}

/** A number as JavaScript has it; undefined for anything else and for what JavaScript can hold as infinity only. */
export function numberOf(value: unknown): number | undefined {
  const number = value instanceof LosslessNumber ? Number(value.value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}
