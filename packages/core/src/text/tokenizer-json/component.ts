import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'

/** One JSON object of tokenizer.json, with its `type`. */
export type Component = Record<string, unknown>

/** @throws MODEL_CORRUPT when `value` is no object */
export function asComponent(value: unknown, where: string): Component {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Component
  throw damaged(`${where} must be an object, got ${describe(value)}`)
}

/** @throws MODEL_CORRUPT when it is no list, or one of more than 100 */
export function componentList(value: unknown, where: string): Component[] {
  if (!Array.isArray(value) || value.length > 100)
    throw damaged(`${where} must be a list of steps, got ${describe(value)}`)
  return value.map((one) => asComponent(one, where))
}

export function flag(component: Component, key: string, fallback: boolean): boolean {
  const value = component[key] ?? fallback
  if (typeof value === 'boolean') return value
  throw damaged(`"${key}" of ${String(component.type)} must be true or false, got ${describe(value)}`)
}

export function text(component: Component, key: string): string {
  const value = component[key]
  if (typeof value === 'string') return value
  throw damaged(`"${key}" of ${String(component.type)} must be a string, got ${describe(value)}`)
}

export function optionalText(component: Component, key: string): string | undefined {
  return component[key] === undefined || component[key] === null ? undefined : text(component, key)
}

/** A non-negative integer. */
export function count(component: Component, key: string, fallback: number): number {
  const value = component[key] ?? fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw damaged(`"${key}" of ${String(component.type)} must be a whole number, got ${describe(value)}`)
}

export function damaged(what: string): SerotineError {
  return new SerotineError('MODEL_CORRUPT', `tokenizer.json is damaged: ${what}. Download the model again.`)
}

/** @param what names the component and its setting */
export function notRun(what: string): SerotineError {
  return new SerotineError(
    'MODEL_UNSUPPORTED',
    `tokenizer.json cannot be run exactly as Python runs it: ${what}. Make the tokenizer yourself and pass it as ` +
      '`tokenizer`, e.g. from transformers.js AutoTokenizer.',
  )
}

/** Steps nested deeper than this are refused. */
export const DEEPEST = 20
