import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import { readCells, splitAtBlanks } from './delimited.js'
import { readLines } from './lines.js'

/** Which columns of a file with a header hold what. */
interface Columns {
  readonly document: number
  readonly grade: number
}

const QUERY_NAMES = /^#?\s*(?:query|topic|q)(?:[-_ ]?(?:id|no|num|number))?$/i
const DOCUMENT_NAMES = /^(?:corpus|document|doc|passage|d|p)[-_ ]?(?:id|no)$/i
const GRADE_NAMES = /^(?:score|grade|rel|relevance|relevancy|label|rating|judge?ment)$/i

/**
 * Reads judgments: BEIR's TSV (`query-id  corpus-id  score`, with or without that header, quoted as Python's csv module does,
 * more columns passed over where there is a header) or TREC qrels (`query 0 document grade`). A name ending in `.gz` is unpacked.
 *
 * @throws INPUT_FORMAT naming file and line: a line of another form, a grade that is no integer, a document judged twice and
 *   differently, a quote never closed; naming the file that holds no judgment
 */
export async function readQrels(file: string): Promise<Map<string, Map<string, number>>> {
  const qrels = new Map<string, Map<string, number>>()
  let columns: Columns | undefined
  let isFirst = true
  let isBeir = false
  for await (const { cells, place, text } of readRows(file, () => isBeir)) {
    if (isFirst) {
      isFirst = false
      columns = headerOf(cells)
      isBeir = columns !== undefined && text.includes('\t')
      if (columns) continue
    }
    const form = columns ?? { document: cells.length - 2, grade: cells.length - 1 }
    const fits = columns ? cells.length > columns.grade : cells.length === 3 || cells.length === 4
    const [query, document, grade] = [cells[0], cells[form.document], cells[form.grade]?.trim()]
    if (!fits || !query || !document || grade === undefined) {
      throw new SerotineError(
        'INPUT_FORMAT',
        `${place}: expected "query document grade" or "query 0 document grade", got ${describe(text)}.`,
      )
    }
    if (!/^[+-]?\d+$/.test(grade) || !Number.isSafeInteger(Number(grade)))
      throw new SerotineError('INPUT_FORMAT', `${place}: the grade ${describe(grade)} is not an integer.`)
    addJudgment(qrels, { query, document, grade: Number(grade) }, place)
  }
  if (qrels.size === 0) throw new SerotineError('INPUT_FORMAT', `${file} holds no judgments.`)
  return qrels
}

/** @throws INPUT_FORMAT for a document that was judged differently before */
export function addJudgment(
  qrels: Map<string, Map<string, number>>,
  { query, document, grade }: { readonly query: string; readonly document: string; readonly grade: number },
  place: string,
): void {
  let judgments = qrels.get(query)
  if (judgments === undefined) qrels.set(query, (judgments = new Map()))
  const before = judgments.get(document)
  if (before !== undefined && before !== grade) {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${place}: document ${describe(document)} is judged ${grade} for query ${describe(query)}, but ${before} before.`,
    )
  }
  judgments.set(document, grade)
}

/** A first line that names columns, and which; undefined for a judgment. */
function headerOf(cells: readonly string[]): Columns | undefined {
  const names = cells.map((cell) => cell.trim())
  const named = names.findIndex((name) => GRADE_NAMES.test(name))
  if (names.length < 3 || !(QUERY_NAMES.test(names[0]!) || named > 1)) return undefined
  if (names.some((name) => /^[+-]?\d+$/.test(name) && name !== '0')) return undefined
  const grade = named > 1 ? named : 2
  const document = names.findIndex((name, i) => i > 0 && DOCUMENT_NAMES.test(name))
  // BEIR goes by position, whatever the columns are called.
  return { document: document > 0 && document !== grade ? document : grade - 1, grade }
}

interface Row {
  readonly cells: string[]
  readonly place: string
  readonly text: string
}

/**
 * The rows of a file that are not blank.
 *
 * @param isBeir whether a header with tabs was read
 * @throws INPUT_FORMAT
 */
async function* readRows(file: string, isBeir: () => boolean): AsyncGenerator<Row> {
  let open: Row | undefined
  for await (const { text, place } of readLines(file, { blank: true })) {
    if (!open && text.trim() === '') continue
    // Tabs separate where there are any: ids may hold blanks. A first cell may go on over the end of its line.
    if (!open && !text.includes('\t') && !(isBeir() && text.startsWith('"'))) {
      yield { cells: splitAtBlanks(text), place, text }
      continue
    }
    const trec = text.split('\t')
    // TREC knows no quotes.
    if (!open && !isBeir() && trec.length === 4 && /^\s*[+-]?\d+\s*$/.test(trec[3]!)) {
      const { cells, isOpen } = readCells(text)
      if (isOpen || cells.length === 4) {
        yield { cells: trec, place, text }
        continue
      }
    }
    const { cells, isOpen } = readCells(text, open?.cells)
    const row: Row = { cells, place: open?.place ?? place, text: open?.text ?? text }
    open = isOpen ? row : undefined
    if (!isOpen) yield row
  }
  if (open) {
    throw new SerotineError(
      'INPUT_FORMAT',
      `${open.place}: a quote is opened and never closed in ${describe(open.text)}. Write "" for a quote in a quoted cell.`,
    )
  }
}
