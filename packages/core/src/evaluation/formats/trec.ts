import { writeFile } from 'node:fs/promises'
import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import { splitAtBlanks } from './delimited.js'
import { readLines } from './lines.js'
import type { Run, ScoredDocument } from '../run.js'

/**
 * A run in TREC's form, one line a document: `query Q0 document rank score tag`.
 *
 * @param tag names the run; default `serotine`
 * @throws INVALID_ARGUMENT for an id with white space, which the format cannot hold; NOT_FINITE
 */
export function formatTrecRun(run: Run, tag = 'serotine'): string {
  const lines: string[] = []
  checkWord('tag', tag)
  for (const [query, documents] of run) {
    checkWord('query id', query)
    for (const [i, { id, score }] of documents.entries()) {
      checkWord('document id', id)
      if (!Number.isFinite(score)) {
        throw new SerotineError(
          'NOT_FINITE',
          `In the run of query ${describe(query)}, document ${describe(id)} has the score ${describe(score)}.`,
        )
      }
      lines.push(`${query} Q0 ${id} ${i + 1} ${score} ${tag}\n`)
    }
  }
  return lines.join('')
}

/** Writes {@link formatTrecRun} to a file, for trec_eval, ir_measures or ranx. */
export async function writeTrecRun(file: string, run: Run, tag?: string): Promise<void> {
  await writeFile(file, formatTrecRun(run, tag))
}

/**
 * Reads a TREC run file, `query Q0 document rank score tag`; the documents of a query keep the order of the file. Tabs separate
 * where a line has any, so that ids may hold blanks. A name ending in `.gz` is unpacked.
 *
 * @throws INPUT_FORMAT naming file and line, or a file that holds no line; DUPLICATE_ID for a document a query has twice
 */
export async function readTrecRun(file: string): Promise<Map<string, ScoredDocument[]>> {
  const run = new Map<string, Map<string, number>>()
  for await (const { text, place } of readLines(file)) {
    const columns = text.includes('\t') ? text.split('\t') : splitAtBlanks(text)
    const [query, , id, rank = '', score = ''] = columns
    // The tag may be missing. A rank that is no number means that an id with a blank moved the columns.
    const fits = (columns.length === 5 || columns.length === 6) && NUMBER.test(rank.trim()) && NUMBER.test(score.trim())
    if (!query || !id || !fits || !Number.isFinite(Number(score))) {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${place}: expected "query Q0 document rank score tag", with tabs between them where ids hold blanks, got ` +
          `${describe(text)}.`,
      )
    }
    let documents = run.get(query)
    if (!documents) run.set(query, (documents = new Map()))
    if (documents.has(id)) {
      throw new SerotineError(
        'DUPLICATE_ID',
        `${place}: query ${describe(query)} has the document ${describe(id)} already.`,
      )
    }
    documents.set(id, Number(score))
  }
  if (run.size === 0) throw new SerotineError('INPUT_FORMAT', `${file} holds no line of a run.`)
  return new Map([...run].map(([query, documents]) => [query, Array.from(documents, ([id, score]) => ({ id, score }))]))
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/**
 * Requires ids that a run file can hold: before a model spends hours, not after.
 *
 * @throws INVALID_ARGUMENT for an id with white space, which the format cannot hold
 */
export function checkTrecIds(collection: {
  readonly queries: readonly { readonly id: string }[]
  readonly documents: readonly { readonly id: string }[]
}): void {
  for (const { id } of collection.queries) checkWord('query id', id)
  for (const { id } of collection.documents) checkWord('document id', id)
}

function checkWord(what: string, word: string): void {
  if (word !== '' && !/\s/.test(word) && !LONE_SURROGATE.test(word)) return
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `A TREC run cannot hold the ${what} ${describe(word)}: it is empty, has white space, or is not valid Unicode. Name it otherwise.`,
  )
}

const LONE_SURROGATE = /\p{Surrogate}/u
