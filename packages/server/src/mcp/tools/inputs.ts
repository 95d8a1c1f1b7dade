import { z } from 'zod'
import type { ServerLimits } from '../../options.js'

/** A query, as a model is told of it. */
export function queryText({ queryCharacters }: Pick<ServerLimits, 'queryCharacters'>) {
  return z
    .string()
    .max(queryCharacters, `it is longer than ${queryCharacters} characters; ask a shorter question`)
    .regex(/\S/, 'it must be a text with at least one word')
    .meta({ description: 'what to ask' })
}

export const indexName = z
  .string()
  .optional()
  .meta({ description: 'name of the index, as list_indexes says; default: the first' })
