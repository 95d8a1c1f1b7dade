import { InvalidArgumentError } from 'commander'
import type { SearchOptions } from '@serotine/core'

/** Parsers of flag values. Each gets the text and what the flag gave before, when it may be repeated. */

export function parseInteger(text: string, min: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min) return value
  throw new InvalidArgumentError(`It must be an integer of at least ${min}.`)
}

export function parseWeight(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value
  throw new InvalidArgumentError('It must be a number of at least 0.')
}

/** `a b c`, `a,b,c`, one character, or a JSON array; `""` is the empty list. Repeating the flag adds words. */
export function parseWords(text: string, previous: unknown): string[] {
  const before = Array.isArray(previous) ? (previous as string[]) : []
  const list = parseJson(text, '[')
  if (Array.isArray(list)) {
    if (list.every((word) => typeof word === 'string')) return [...before, ...(list as string[])]
    throw new InvalidArgumentError('The JSON array must hold strings.')
  }
  // Punctuation is what skiplists are made of: a lone "," is a word, not a separator.
  if ([...text].length === 1 && text.trim() !== '') return [...before, text]
  return [...before, ...text.split(/[\s,]+/).filter((word) => word !== '')]
}

/**
 * The parser and default of a list option, as commander's `option` takes them: the first use replaces the default, further ones
 * add to it; nothing is there twice.
 */
export function parseList(usual: readonly string[]): [(text: string, previous: unknown) => string[], string[]] {
  const fallback = [...usual]
  const parse = (text: string, previous: unknown): string[] => [
    ...new Set(parseWords(text, previous === fallback ? undefined : previous)),
  ]
  return [parse, fallback]
}

/** One pattern per flag; `""` starts with none. */
export function parsePattern(text: string, previous: unknown): string[] {
  return text === '' ? [] : [...(Array.isArray(previous) ? (previous as string[]) : []), text]
}

/** `name=text`, repeatable, or a JSON object of strings. */
export function parseKeyValue(text: string, previous: unknown): Record<string, string> {
  const before = (previous ?? {}) as Record<string, string>
  const object = parseJson(text, '{')
  if (object) {
    if (Object.values(object).every((value) => typeof value === 'string'))
      return { ...before, ...(object as Record<string, string>) }
    throw new InvalidArgumentError('The JSON object must hold strings.')
  }
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must look like name=text.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** One more of a repeatable option. */
export function append(text: string, previous: unknown): string[] {
  return [...((previous as string[] | undefined) ?? []), text]
}

type DenseOverrides = Record<string, { useResidual?: boolean; activation?: string }>

/** `2_Dense.useResidual=true`, repeatable, or a JSON object. `use_residual`, as the checkpoint's file spells it, is understood. */
export function parseDenseOverride(text: string, previous: unknown): DenseOverrides {
  const before = (previous ?? {}) as DenseOverrides
  const object = parseJson(text, '{')
  if (object) return { ...before, ...(object as DenseOverrides) }
  const match = /^(.+)\.(useResidual|use_residual|activation)=(.+)$/.exec(text)
  if (!match) throw new InvalidArgumentError('It must look like 2_Dense.useResidual=true or 2_Dense.activation=gelu.')
  const [, layer, key, value] = match as unknown as [string, string, string, string]
  if (key !== 'activation' && value !== 'true' && value !== 'false')
    throw new InvalidArgumentError(`${key} is true or false.`)
  const change = key === 'activation' ? { activation: value } : { useResidual: value === 'true' }
  return { ...before, [layer]: { ...before[layer], ...change } }
}

/** A preset's name, FDE options as JSON (the library knows which exist), or `none`. */
export function parseFde(text: string): unknown {
  if (text === 'none' || text === 'false') return false
  return parseJson(text, '{') ?? text
}

/** A language, which the library checks. */
export function parseKeywords(text: string): unknown {
  return text === 'off' ? false : { language: text }
}

/** JSON when the text starts like it; undefined when it does not, or for `[` when it is not JSON (`[MASK]` is a word). */
function parseJson(text: string, opening: '[' | '{'): object | undefined {
  if (!text.trimStart().startsWith(opening)) return undefined
  try {
    return JSON.parse(text) as object
  } catch (error) {
    if (opening === '[') return undefined
    throw new InvalidArgumentError(`It is not JSON (${(error as Error).message}).`)
  }
}

/** `--hybrid` and `--hybrid-weight`. */
export interface HybridValues {
  hybrid?: boolean
  hybridWeight?: number
}

export function hybridOf({ hybrid, hybridWeight: weight }: HybridValues): Pick<SearchOptions, 'hybrid'> {
  if (weight !== undefined && hybrid !== false) return { hybrid: { weight } }
  return hybrid === undefined ? {} : { hybrid }
}
