import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from '../options.js'
import { SerotineError } from '../errors.js'

/** One JSON object of a checkpoint; every accessor names file, key and value when the type is wrong. */
export class JsonFile {
  constructor(
    readonly path: string,
    readonly values: Readonly<Record<string, unknown>>,
  ) {}

  /** undefined when the file does not exist. @throws MODEL_CORRUPT */
  static async read(folder: string, name: string): Promise<JsonFile | undefined> {
    const values = await readJson(folder, name)
    if (values === undefined) return undefined
    const path = join(folder, name)
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      throw new SerotineError('MODEL_CORRUPT', `${path} must hold a JSON object, got ${describe(values)}.`)
    }
    return new JsonFile(path, values as Record<string, unknown>)
  }

  /** A file that is not there: every key is absent. */
  static absent(folder: string, name: string): JsonFile {
    return new JsonFile(join(folder, name), {})
  }

  has(key: string): boolean {
    return this.values[key] !== undefined && this.values[key] !== null
  }

  integer(key: string): number | undefined {
    return this.#get(key, 'an integer', (value): value is number => Number.isInteger(value))
  }

  number(key: string): number | undefined {
    return this.#get(key, 'a number', (value): value is number => typeof value === 'number' && Number.isFinite(value))
  }

  string(key: string): string | undefined {
    return this.#get(key, 'a string', (value): value is string => typeof value === 'string')
  }

  boolean(key: string): boolean | undefined {
    return this.#get(key, 'true or false', (value): value is boolean => typeof value === 'boolean')
  }

  strings(key: string): string[] | undefined {
    return this.#get(
      key,
      'a list of strings',
      (value): value is string[] => Array.isArray(value) && value.every((item) => typeof item === 'string'),
    )
  }

  object(key: string): JsonFile | undefined {
    const value = this.#get(
      key,
      'an object',
      (found): found is Record<string, unknown> => typeof found === 'object' && !Array.isArray(found),
    )
    return value && new JsonFile(`${this.path}, "${key}"`, value)
  }

  /** As `integer`, and it must be there and at least 1. */
  size(key: string): number {
    const value = this.integer(key)
    if (value !== undefined && value >= 1) return value
    throw this.wrong(key, 'a positive integer')
  }

  wrong(key: string, expected: string): SerotineError {
    return new SerotineError(
      'MODEL_CORRUPT',
      `${this.path}: "${key}" must be ${expected}, got ${describe(this.values[key])}.`,
    )
  }

  #get<T>(key: string, expected: string, matches: (value: unknown) => value is T): T | undefined {
    const value = this.values[key]
    if (value === undefined || value === null) return undefined
    if (matches(value)) return value
    throw this.wrong(key, expected)
  }
}

/** Any JSON value; undefined when the file does not exist. @throws MODEL_CORRUPT */
export async function readJson(folder: string, name: string): Promise<unknown> {
  const path = join(folder, name)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' || (cause as NodeJS.ErrnoException).code === 'ENOTDIR')
      return undefined
    throw new SerotineError('MODEL_FILES_MISSING', `${path} cannot be read: ${(cause as Error).message}.`, { cause })
  }
  let value: unknown
  try {
    // Windows editors put a byte order mark in front.
    value = JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  } catch (cause) {
    const hint = text.startsWith('version https://git-lfs')
      ? 'It is a Git LFS pointer: run "git lfs pull".'
      : 'Download or copy it again.'
    throw new SerotineError('MODEL_CORRUPT', `${path} is not JSON. ${hint}`, { cause })
  }
  if (isTooDeep(value)) throw new SerotineError('MODEL_CORRUPT', `${path} is nested more than ${DEEPEST} levels deep.`)
  return value
}

/** No file of a checkpoint comes near; deeper ones would overflow whatever walks them. */
const DEEPEST = 64

function isTooDeep(value: unknown): boolean {
  let level = typeof value === 'object' && value !== null ? [value as unknown] : []
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return true
    const next: unknown[] = []
    for (const one of level) {
      for (const inner of Object.values(one as object))
        if (typeof inner === 'object' && inner !== null) next.push(inner)
    }
    level = next
  }
  return false
}
