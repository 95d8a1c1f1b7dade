import { SerotineError } from '@serotine/core'
import type { Json } from '@serotine/core'
import type { Line } from './lines.js'

/** One line of a JSONL file of texts. */
export interface TextRecord {
  /** 1-based line in the file. */
  readonly line: number
  /** `id` or `_id`, as written: a string or a number. */
  readonly id?: string | number
  readonly text: string
  readonly title?: string
  /** The fields of `metadata` and every other field of the record. */
  readonly fields: Readonly<Record<string, Json>>
  /** Bytes of the file consumed so far. */
  readonly bytes: number
}

export interface RecordOptions {
  /** Called instead of throwing for a line that is not a record; reading continues with the next one. */
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
      `${name}:${line.number} ${problem}. A line looks like {"id": "a", "text": "…"}. Fix it, or skip such lines with --skip-bad-lines.`,
      { cause },
    )
  }
  let value: unknown
  try {
    value = JSON.parse(line.text)
  } catch (cause) {
    return fail(`is not JSON (${(cause as Error).message})`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('is not a JSON object')
  const { id: givenId, _id: beirId, text, title, metadata, ...others } = value as Record<string, Json>
  const id = givenId ?? beirId
  if (typeof text !== 'string') return fail(text === undefined ? 'has no "text"' : `has a "text" that is not a string`)
  if (id !== undefined && typeof id !== 'string' && typeof id !== 'number')
    return fail('has an "id" that is neither a string nor a number')
  const own = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata)
  const fields = own
    ? { ...others, ...(metadata as Record<string, Json>) }
    : metadata === undefined
      ? others
      : { ...others, metadata }
  return {
    line: line.number,
    bytes: line.bytes,
    ...(id !== undefined && { id }),
    text,
    ...(typeof title === 'string' && title.trim() !== '' && { title }),
    fields,
  }
}
