import type { TermLists } from './term-lists.js'

/**
 * For each term of some consecutive documents, which of them hold it and how often.
 *
 *   hashes   [ 17, 42, 99 ]           a term each, ascending
 *   starts   [ 0, 2, 3, 5 ]           where its postings begin
 *   documents[ 0, 4 | 2 | 1, 4 ]      ordinals, ascending
 *   counts   [ 1, 2 | 1 | 1, 7 ]
 */
export class Postings {
  readonly hashes: Uint32Array
  readonly starts: Uint32Array
  readonly documents: Uint32Array
  readonly counts: Uint8Array

  private constructor(hashes: Uint32Array, starts: Uint32Array, documents: Uint32Array, counts: Uint8Array) {
    this.hashes = hashes
    this.starts = starts
    this.documents = documents
    this.counts = counts
  }

  /** @param first ordinal of the first document */
  static of(lists: TermLists, first: number): Postings {
    const hashes = distinct(lists.hashes)
    const terms = new Uint32Array(lists.hashes.length)
    for (let i = 0; i < terms.length; i++) terms[i] = find(hashes, lists.hashes[i]!)
    const starts = new Uint32Array(hashes.length + 1)
    for (let i = 0; i < terms.length; i++) starts[terms[i]! + 1]!++
    for (let i = 0; i < hashes.length; i++) starts[i + 1]! += starts[i]!
    const [documents, counts] = [new Uint32Array(terms.length), new Uint8Array(terms.length)]
    const next = starts.slice()
    for (let i = 0; i + 1 < lists.starts.length; i++) {
      for (let j = lists.starts[i]!; j < lists.starts[i + 1]!; j++) {
        const at = next[terms[j]!]!++
        documents[at] = first + i
        counts[at] = lists.counts[j]!
      }
    }
    return new Postings(hashes, starts, documents, counts)
  }

  /** Both as one. @param after of documents that come after those of `before` */
  static merged(before: Postings, after: Postings): Postings {
    const all = new Uint32Array(before.hashes.length + after.hashes.length)
    all.set(before.hashes)
    all.set(after.hashes, before.hashes.length)
    const hashes = distinct(all)
    const starts = new Uint32Array(hashes.length + 1)
    const size = before.documents.length + after.documents.length
    const [documents, counts] = [new Uint32Array(size), new Uint8Array(size)]
    const parts = [
      { part: before, at: 0 },
      { part: after, at: 0 },
    ]
    let end = 0
    for (const [i, hash] of hashes.entries()) {
      for (const each of parts) {
        const { part, at } = each
        if (part.hashes[at] !== hash) continue
        const [from, to] = [part.starts[at]!, part.starts[at + 1]!]
        documents.set(part.documents.subarray(from, to), end)
        counts.set(part.counts.subarray(from, to), end)
        end += to - from
        each.at++
      }
      starts[i + 1] = end
    }
    return new Postings(hashes, starts, documents, counts)
  }

  get length(): number {
    return this.documents.length
  }

  get bytes(): number {
    return 8 * this.hashes.length + 5 * this.documents.length
  }

  /** First and last + 1 of a term's postings; equal when it has none. */
  range(hash: number): readonly [number, number] {
    const term = find(this.hashes, hash)
    return this.hashes[term] === hash ? [this.starts[term]!, this.starts[term + 1]!] : [0, 0]
  }
}

function distinct(hashes: Uint32Array): Uint32Array {
  const sorted = hashes.slice().sort()
  let count = 0
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[count++] = sorted[i]!
  return sorted.slice(0, count)
}

/** Where a number is in ascending ones, or would have to be. */
export function find(ascending: Uint32Array, number: number, from = 0, to = ascending.length): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! < number) low = middle + 1
    else high = middle
  }
  return low
}
