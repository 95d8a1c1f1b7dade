/** Documents are put into lists when their tokens are so many; until then all of their codes are looked at, in half a millisecond. */
const GROUP_TOKENS = 2 ** 19
/** Documents of a group are a multiple of this … */
const ROWS = 16
/** … and at most so many, that 16 bits count them. */
const MOST_ROWS = 65_536

/** Documents of some rows by the centroids of their tokens. */
export interface CentroidLists {
  /** First document; and one after the last. */
  readonly from: number
  readonly to: number
  /** Those with centroid c are `documents` from starts[c] to starts[c + 1]; counted from `from`, ascending. */
  readonly starts: Int32Array
  readonly documents: Uint16Array
}

/**
 * Lists of documents from one on, as soon as they have enough tokens for a group; undefined before.
 *
 * @param starts of every document, and of one more: where its codes begin
 * @param rows documents there are
 */
export function centroidLists(
  codes: Uint16Array,
  starts: Int32Array,
  from: number,
  rows: number,
  centroids: number,
): CentroidLists | undefined {
  let to = from
  const isFull = (): boolean => starts[to]! - starts[from]! >= GROUP_TOKENS || to - from === MOST_ROWS
  while (to + ROWS <= rows && !isFull()) to += ROWS
  if (!isFull()) return undefined
  const listStarts = new Int32Array(centroids + 1)
  /** The last document that a centroid was seen in: each is in a list once. */
  const last = new Int32Array(centroids).fill(-1)
  for (let row = from; row < to; row++) {
    for (let at = starts[row]!; at < starts[row + 1]!; at++) {
      const code = codes[at]!
      if (last[code] === row) continue
      last[code] = row
      listStarts[code + 1]!++
    }
  }
  for (let centroid = 0; centroid < centroids; centroid++) listStarts[centroid + 1]! += listStarts[centroid]!
  const documents = new Uint16Array(listStarts[centroids]!)
  const next = listStarts.slice()
  last.fill(-1)
  for (let row = from; row < to; row++) {
    for (let at = starts[row]!; at < starts[row + 1]!; at++) {
      const code = codes[at]!
      if (last[code] === row) continue
      last[code] = row
      documents[next[code]!++] = row - from
    }
  }
  return { from, to, starts: listStarts, documents }
}
