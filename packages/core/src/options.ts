import { SerotineError } from './errors.js'

/**
 * Rejects unknown option names, with a suggestion.
 *
 * @param aliases names other libraries use → ours, e.g. `{ topK: 'k', filter: 'where' }`
 */
export function checkOptions(
  where: string,
  options: unknown,
  allowed: readonly string[],
  aliases: Readonly<Record<string, string>> = {},
): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new SerotineError('INVALID_ARGUMENT', `${where} takes an options object, got ${describe(options)}.`)
  }
  for (const key of Object.keys(options)) {
    if (allowed.includes(key)) continue
    const guess = aliases[key] ?? nearestName(key, allowed)
    const hint = guess ? `Did you mean "${guess}"?` : `Options: ${allowed.join(', ')}.`
    throw new SerotineError('UNKNOWN_OPTION', `${where} has no option "${key}". ${hint}`)
  }
}

/** Requires an integer within [min, max]; the message names the option and the value. */
export function checkInteger(name: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be an integer ${range}, got ${describe(value)}.`)
}

/** Requires a string; the message names the argument. */
export function checkString(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be a string, got ${describe(value)}.`)
}

/** A short, safe rendering of any value for an error message. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (ArrayBuffer.isView(value)) return value.constructor.name
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** The allowed name closest to a misspelt one, or undefined when none is close (edit distance above a third). */
export function nearestName(name: string, allowed: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of allowed) {
    const distance = editDistance(name.toLowerCase().replaceAll('_', ''), candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}
