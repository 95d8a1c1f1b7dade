import { SerotineError } from '@serotine/core'
import { describe } from '@serotine/core/options'

type Operator = (value: unknown, wanted: unknown) => boolean

/** As LangGraph's own stores compare. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  $eq: (value, wanted) => value === wanted,
  $ne: (value, wanted) => value !== wanted,
  $gt: (value, wanted) => Number(value) > Number(wanted),
  $gte: (value, wanted) => Number(value) >= Number(wanted),
  $lt: (value, wanted) => Number(value) < Number(wanted),
  $lte: (value, wanted) => Number(value) <= Number(wanted),
  $in: (value, wanted) => Array.isArray(wanted) && wanted.includes(value),
  $nin: (value, wanted) => !Array.isArray(wanted) || !wanted.includes(value),
}

/**
 * Whether a memory passes a filter: each field equals what is asked for, or meets its operators.
 *
 * @throws INVALID_ARGUMENT for an operator that does not exist, and for undefined, which would let everything pass
 */
export function passesFilter(
  value: Readonly<Record<string, unknown>>,
  filter?: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(filter ?? {}).every(([field, wanted]) => {
    if (wanted === undefined) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `The filter's ${describe(field)} is undefined. Leave it out, or give a value.`,
      )
    }
    const own = Object.hasOwn(value, field) ? value[field] : undefined
    const operators = operatorsOf(wanted)
    return operators ? operators.every(([name, argument]) => operator(name)(own, argument)) : equal(own, wanted)
  })
}

/** Undefined: a plain value. */
function operatorsOf(wanted: unknown): [string, unknown][] | undefined {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return undefined
  const entries = Object.entries(wanted)
  return entries.length > 0 && entries.every(([name]) => name.startsWith('$')) ? entries : undefined
}

function operator(name: string): Operator {
  const found = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined
  if (found) return found
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `There is no operator ${name}. There are ${Object.keys(OPERATORS).join(', ')}.`,
  )
}

function equal(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
}
