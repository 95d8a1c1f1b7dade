import { writeFile } from 'node:fs/promises'
import { SerotineError, describe } from '../errors.js'
import { readLines } from './lines.js'
import type { Run, ScoredDocument } from './run.js'

/**
 * Reads judgments: BEIR's TSV (`query-id  corpus-id  score`, with or without that header) or TREC qrels (`query 0 document
 * grade`). A name ending in `.gz` is unpacked.
 *
 * @throws INPUT_FORMAT naming file and line
 */
export async function readQrels(file: string): Promise<Map<string, Map<string, number>>> {
  const qrels = new Map<string, Map<string, number>>()
  let isFirst = true
  for await (const { text, place } of readLines(file)) {
    const columns = splitColumns(text)
    const isHeader = isFirst && columns.length === 3 && !isNumber(columns[2]!)
    isFirst = false
    if (isHeader) continue
    if (columns.length !== 3 && columns.length !== 4) {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${place}: expected "query document grade" or "query 0 document grade", got ${describe(text)}.`,
      )
    }
    const [query, document, grade] = [columns[0]!, columns.at(-2)!, columns.at(-1)!]
    if (!isNumber(grade))
      throw new SerotineError('INPUT_FORMAT', `${place}: the grade ${describe(grade)} is not a number.`)
    let judgments = qrels.get(query)
    if (judgments === undefined) qrels.set(query, (judgments = new Map()))
    const before = judgments.get(document)
    if (before !== undefined && before !== Number(grade)) {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${place}: document ${describe(document)} is judged ${grade} for query ${describe(query)}, but ${before} before.`,
      )
    }
    judgments.set(document, Number(grade))
  }
  return qrels
}

/**
 * A run in TREC format, one line per document: `query Q0 document rank score tag`.
 *
 * @param tag names the run; default `serotine`
 * @throws INVALID_ARGUMENT for an id with white space, which the format cannot hold
 */
export function formatTrecRun(run: Run, tag = 'serotine'): string {
  const lines: string[] = []
  checkWord('tag', tag)
  for (const [query, documents] of run) {
    checkWord('query id', query)
    for (const [i, { id, score }] of documents.entries()) {
      checkWord('document id', id)
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
 * Reads a TREC run file; the documents of a query keep the order of the file.
 *
 * @throws INPUT_FORMAT naming file and line
 */
export async function readTrecRun(file: string): Promise<Map<string, ScoredDocument[]>> {
  const run = new Map<string, ScoredDocument[]>()
  for await (const { text, place } of readLines(file)) {
    const columns = text.trim().split(/\s+/)
    const [query, , id, , score] = columns
    if (columns.length < 5 || !isNumber(score!)) {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${place}: expected "query Q0 document rank score tag", got ${describe(text)}.`,
      )
    }
    const documents = run.get(query!)
    if (documents) documents.push({ id: id!, score: Number(score) })
    else run.set(query!, [{ id: id!, score: Number(score) }])
  }
  return run
}

/** Tabs separate where there are any, since BEIR ids may hold spaces. */
function splitColumns(text: string): string[] {
  return text.includes('\t')
    ? text
        .trim()
        .split('\t')
        .map((column) => column.trim())
    : text.trim().split(/\s+/)
}

function isNumber(text: string): boolean {
  return text !== '' && Number.isFinite(Number(text))
}

function checkWord(what: string, word: string): void {
  if (word !== '' && !/\s/.test(word)) return
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `A TREC run cannot hold the ${what} ${describe(word)}: it is empty or contains white space.`,
  )
}
