import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import { idOf, numberOf, parseExactJson } from '../formats/exact-json.js'
import { readLines } from '../formats/lines.js'

/** A document or query of a collection. */
export interface TextRecord {
  readonly id: string
  readonly text: string
  readonly title: string | undefined
  /** LongEmbed puts all lengths of a task into one file. */
  readonly contextLength: number | undefined
  /** The whole line, for fields that only one layout has. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly place: string
}

/** What ids are called: BEIR and MTEB `_id`, BRIGHT `id`, LongEmbed `doc_id` and `qid`. */
const ID_FIELDS = ['_id', 'id', 'doc_id', 'qid'] as const
/**
 * The documents or queries of JSON-lines files, read one after the other.
 *
 * @param textField BRIGHT calls its texts `content` and `query`
 * @throws INPUT_FORMAT naming file and line; DUPLICATE_ID
 */
export async function* readRecords(files: readonly string[], textField = 'text'): AsyncGenerator<TextRecord> {
  const places = new Map<string, string>()
  for await (const { fields, place } of readObjects(files)) {
    const record = parseRecord(fields, place, textField)
    const before = places.get(record.id)
    if (before !== undefined)
      throw new SerotineError('DUPLICATE_ID', `${place}: id ${describe(record.id)} was used before, at ${before}.`)
    places.set(record.id, place)
    yield record
  }
}

/** The objects of JSON-lines files; numbers as {@link parseExactJson} gives them. @throws INPUT_FORMAT */
export async function* readObjects(
  files: readonly string[],
): AsyncGenerator<{ fields: Readonly<Record<string, unknown>>; place: string }> {
  for (const file of files) {
    for await (const { text: line, place } of readLines(file)) {
      let value: unknown
      try {
        value = parseExactJson(line)
      } catch (cause) {
        throw new SerotineError('INPUT_FORMAT', `${place}: not a JSON object: ${(cause as Error).message}`, { cause })
      }
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new SerotineError(
          'INPUT_FORMAT',
          `${place}: expected a JSON object with "_id" and "text", got ${describe(value)}.`,
        )
      }
      yield { fields: value as Record<string, unknown>, place }
    }
  }
}

function parseRecord(fields: Readonly<Record<string, unknown>>, place: string, textField: string): TextRecord {
  const idField = ID_FIELDS.find((name) => fields[name] !== undefined) ?? '_id'
  const id = idOf(fields[idField])
  const text = fields[textField]
  const { title, context_length: contextLength } = fields
  if ('problem' in id) throw new SerotineError('INPUT_FORMAT', `${place}: "${idField}" ${id.problem}.`)
  if (typeof text !== 'string')
    throw new SerotineError('INPUT_FORMAT', `${place}: "${textField}" must be a string, got ${describe(text)}.`)
  if (title !== undefined && title !== null && typeof title !== 'string') {
    throw new SerotineError('INPUT_FORMAT', `${place}: "title" must be a string, got ${describe(title)}.`)
  }
  return {
    id: id.id,
    text,
    title: title ?? undefined,
    contextLength: numberOf(contextLength),
    fields,
    place,
  }
}
