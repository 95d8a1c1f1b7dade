import { setImmediate as nextTurn } from 'node:timers/promises'
import { readCodes } from '../commit/compressed.js'
import type { Collection } from '../commit/collection.js'
import type { KeptFiles } from '../commit/compaction/hand-over.js'
import type { CodedSearcher } from './coded-kind.js'

/** Bytes of codes read at a time, then timers and sockets get their turn: what is not in the page cache may take long. */
const PIECE_BYTES = 1 << 20
/** Documents decoded, then coded at a time: the two share kernel memory and each sets it up again. */
const GROUP = 64
/** Fewer documents when they have more tokens than this together: about 25 ms, then timers and sockets get their turn. */
const GROUP_TOKENS = 8192

/**
 * Appends what is kept of the first documents to an empty searcher, piece by piece.
 *
 * @param of the stage's name; how many documents; those before `codesFrom` have their codes as records
 * @throws INDEX_CORRUPT
 */
export async function fill(
  files: KeptFiles,
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

/** How many documents to code at a time from this one on. */
export function groupSize(collection: Collection, from: number): number {
  const most = Math.min(GROUP, collection.total - from)
  let count = 0
  for (let tokens = 0; count < most; count++) {
    tokens += collection.row(from + count).tokens
    if (count > 0 && tokens > GROUP_TOKENS) break
  }
  return count
}
