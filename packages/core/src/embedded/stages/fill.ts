import { setImmediate as nextTurn } from 'node:timers/promises'
import { readCodes } from '../commit/compressed.js'
import type { IndexFiles } from '../commit/index-files.js'
import type { CodedSearcher } from './coded-kind.js'

/** Bytes of codes read at a time, then timers and sockets get their turn: what is not in the page cache may take long. */
const PIECE_BYTES = 1 << 20

/**
 * Appends what is kept of the first documents to an empty searcher, piece by piece.
 *
 * @param of the stage's name; how many documents; those before `codesFrom` have their codes as records
 * @throws INDEX_CORRUPT
 */
export async function fill(
  files: IndexFiles,
  searcher: CodedSearcher,
  { name, rows, codesFrom }: { readonly name: string; readonly rows: number; readonly codesFrom: number },
): Promise<void> {
  const { perDocument, perToken } = searcher.codeBytes
  const codes = rows > codesFrom ? files.codesInPieces(name) : undefined
  // `reading`: a compaction may replace what is read.
  await files.reading(async ({ stored }) => {
    const lengths = Array.from({ length: rows }, (_, ordinal) => stored.row(ordinal).tokens)
    searcher.reserve?.(lengths)
    for (let from = 0; from < rows;) {
      const { segment, from: row } = stored.locate(from)
      const end = from < codesFrom ? Math.min(rows, from + segment.rows.length - row) : rows
      let [to, bytes] = [from, 0]
      while (to < end && bytes < PIECE_BYTES) bytes += perDocument + perToken * lengths[to++]!
      const piece = from < codesFrom ? readCodes(segment, row, row + to - from) : codes!.next(bytes)
      searcher.append(piece, lengths.slice(from, to))
      from = to
      await nextTurn()
    }
    await codes?.end()
  })
}
