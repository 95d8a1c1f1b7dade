import { SerotineError } from '@serotine/core'
import type { Json } from '@serotine/core'
import { InexactNumber, exactId, exactValue, parseExactJson } from './exact-json.js'
import type { Line } from './lines.js'

/** One line of a JSONL file of texts. */
export interface TextRecord {
  /** 1-based line in the file. */
  readonly line: number
  /** `id` or `_id`, as it is written: a string or a number; an integer beyond 2^53 as bigint. */
  readonly id?: string | number | bigint
  readonly text: string
  readonly title?: string
  /** The fields of `metadata` and every other field of the record. */
  readonly fields: Readonly<Record<string, Json>>
  /** Bytes of the file consumed so far. */
  readonly bytes: number
}

export interface RecordOptions {
  /** Called instead of throwing for a line that is not a record; reading goes on with the next one. */
  onBadLine?: (error: SerotineError) => void
}

/**
 * Reads lines as `{"id" | "_id", "text", "title"?, "metadata"?, …}`. Blank lines are skipped.
 *
 * @param name names the file in errors
 * @throws INPUT_FORMAT naming file and line
 */
export async function* readRecords(
  lines: AsyncIterable<Line>,
  name: string,
  options: RecordOptions = {},
): AsyncGenerator<TextRecord> {
  for await (const line of lines) {
    if (line.text.trim() === '') continue
    try {
      yield parseRecord(line, name)
    } catch (error) {
      if (!options.onBadLine || !SerotineError.isInstance(error)) throw error
      options.onBadLine(error)
    }
  }
}

function parseRecord(line: Line, name: string): TextRecord {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${name}:${line.number} ${problem}. A line looks like {"id": "a", "text": "…"}. Mend it, or pass over such lines with --skip-bad-lines.`,
      { cause },
    )
  }
  let value: unknown
  try {
    value = parseExactJson(line.text)
  } catch (cause) {
    if (cause instanceof RangeError) return fail('is nested too deeply', cause)
    return fail(`is not JSON (${(cause as Error).message})`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('is not a JSON object')
  const { id: givenId, _id: beirId, text, title, ...others } = value as Record<string, unknown>
  if (typeof text !== 'string') return fail(text === undefined ? 'has no "text"' : `has a "text" that is not a string`)
  try {
    const id = exactId(givenId ?? beirId ?? undefined)
    if (id === '') return fail('has an empty "id"')
    if (id !== undefined && typeof id !== 'string' && typeof id !== 'number' && typeof id !== 'bigint')
      return fail('has an "id" that is neither a string nor a number')
    const fields = {
      ...others,
      // Neither is the record's, and nothing is lost.
      ...(givenId != null && beirId != null && { _id: beirId }),
      ...(title != null && typeof title !== 'string' && { title }),
    }
    return {
      line: line.number,
      bytes: line.bytes,
      ...(id !== undefined && { id }),
      text,
      ...(typeof title === 'string' && title.trim() !== '' && { title }),
      fields: flatten(exactFields(fields)),
    }
  } catch (cause) {
    if (cause instanceof InexactNumber || cause instanceof RangeError) return fail(cause.message, cause)
    throw cause
  }
}

function exactFields(fields: Readonly<Record<string, unknown>>): Record<string, Json> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, exactValue(value, name)]))
}

/** The fields of `metadata` stand beside the others. */
function flatten({ metadata, ...others }: Readonly<Record<string, Json>>): Record<string, Json> {
  if (metadata === undefined) return others
  const own = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata)
  return own ? { ...others, ...(metadata as Record<string, Json>) } : { ...others, metadata }
}
