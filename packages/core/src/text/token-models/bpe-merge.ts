/** Byte-pair merges over token ids. */
export interface Merges {
  /** Rank of the pair `left * base + right`; lower merges first. */
  readonly ranks: ReadonlyMap<number, number>
  /** The merged id, by rank. */
  readonly results: Int32Array
  /** Larger than every id. */
  readonly base: number
}

/**
 * Applies the merge of lowest rank, leftmost first, until none is left. A heap, so that a long run without blanks costs
 * n log n and not n².
 *
 * @returns ids, and how many symbols of the input each covers
 */
export function mergePairs(
  symbols: Int32Array,
  { ranks, results, base }: Merges,
): { ids: number[]; lengths: number[] } {
  const n = symbols.length
  const ids = symbols.slice()
  const lengths = new Int32Array(n).fill(1)
  const next = Int32Array.from(ids, (_, i) => (i + 1 < n ? i + 1 : -1))
  const previous = Int32Array.from(ids, (_, i) => i - 1)
  // Keys are rank × n + position: the order wanted, in one number.
  const heap: number[] = []
  const rankAt = (i: number): number | undefined => {
    const j = next[i]!
    return j < 0 ? undefined : ranks.get(ids[i]! * base + ids[j]!)
  }
  const offer = (i: number): void => {
    const rank = rankAt(i)
    if (rank !== undefined) pushKey(heap, rank * n + i)
  }
  for (let i = 0; i + 1 < n; i++) offer(i)
  while (heap.length > 0) {
    const key = popKey(heap)
    const i = key % n
    const rank = (key - i) / n
    // Entries of symbols that were merged away, or have grown since, are stale; as in Python, one whose pair now makes
    // the same token by another merge is not.
    const now = lengths[i] === 0 ? undefined : rankAt(i)
    if (now === undefined || results[now] !== results[rank]) continue
    const j = next[i]!
    ids[i] = results[rank]!
    lengths[i]! += lengths[j]!
    lengths[j] = 0
    next[i] = next[j]!
    if (next[j]! >= 0) previous[next[j]!] = i
    if (previous[i]! >= 0) offer(previous[i]!)
    offer(i)
  }
  const merged: { ids: number[]; lengths: number[] } = { ids: [], lengths: [] }
  for (let i = 0; i >= 0 && i < n; i = next[i]!) {
    merged.ids.push(ids[i]!)
    merged.lengths.push(lengths[i]!)
  }
  return merged
}

function pushKey(heap: number[], key: number): void {
  let i = heap.length
  heap.push(key)
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (heap[parent]! <= key) break
    heap[i] = heap[parent]!
    i = parent
  }
  heap[i] = key
}

function popKey(heap: number[]): number {
  const top = heap[0]!
  const last = heap.pop()!
  const size = heap.length
  if (size === 0) return top
  let i = 0
  for (let child = 1; child < size; child = 2 * i + 1) {
    if (child + 1 < size && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= last) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = last
  return top
}
