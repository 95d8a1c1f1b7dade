import { topK } from '../math/top-k.js'
import { find, Postings } from './postings.js'
import { readTermLists } from './term-lists.js'

/** k1 and b as in Anserini and BEIR. */
const [K1, B] = [0.9, 0.4]

/** Documents by ordinal. */
export interface Ordinals {
  has(ordinal: number): boolean
}

/** A term that is looked for. */
export interface QueryTerm {
  readonly hash: number
  /** How often the query has it. */
  readonly count: number
}

/** The documents that are searched. */
export interface Scope {
  /** Ordinals below it exist. */
  readonly total: number
  /** Documents that live: what term statistics are of. */
  readonly living: Ordinals
  /** How many those are. */
  readonly size: number
  /** Those that may be found. */
  readonly allowed: Ordinals
}

/** Documents, best first. */
export interface KeywordRanking {
  readonly ordinals: Uint32Array
  readonly scores: Float64Array
}

/**
 * Which documents hold which terms, in memory, and BM25 over it as Lucene computes it (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020). What is
 * added becomes a part of its own; parts are merged as soon as the last is as large as the one before, so that there are few of them and each posting is
 * copied a logarithmic number of times.
 */
export class InvertedIndex {
  readonly #parts: Postings[] = []
  /** Words of each document. */
  #words = new Uint32Array(256)
  #rows = 0
  /** One number per document, zero between two searches. */
  #scores = new Float64Array(0)

  /** Documents in it: ordinals below this. */
  get rows(): number {
    return this.#rows
  }

  get bytes(): number {
    const own = this.#words.byteLength + this.#scores.byteLength
    return this.#parts.reduce((sum, { bytes }) => sum + bytes, own)
  }

  /** Different terms; those of parts that were not merged yet may count twice. */
  get terms(): number {
    return this.#parts.reduce((sum, { hashes }) => sum + hashes.length, 0)
  }

  /** Adds documents. @param lists as `termList` makes them, one after the other */
  append(lists: Uint8Array, documents: number): void {
    if (documents === 0) return
    const read = readTermLists(lists, documents)
    if (this.#rows + documents > this.#words.length) {
      const grown = new Uint32Array(Math.max(this.#rows + documents, this.#words.length * 2))
      grown.set(this.#words.subarray(0, this.#rows))
      this.#words = grown
    }
    this.#words.set(read.words, this.#rows)
    let last = Postings.of(read, this.#rows)
    this.#rows += documents
    for (let before = this.#parts.at(-1); before && before.length <= 2 * last.length; before = this.#parts.at(-1)) {
      this.#parts.pop()
      last = Postings.merged(before, last)
    }
    this.#parts.push(last)
  }

  /** The `count` best of those allowed that hold a term; ties by ordinal. */
  search(terms: readonly QueryTerm[], count: number, scope: Scope): KeywordRanking {
    const { total, allowed } = scope
    if (this.#scores.length < total) this.#scores = new Float64Array(this.#words.length)
    const scores = this.#scores.subarray(0, total)
    const mean = this.#meanWords(scope)
    for (const { hash, count: weight } of terms) {
      const idf = weight * this.#idf(hash, scope)
      for (const part of this.#parts) {
        const { documents, counts } = part
        const [from, to] = part.range(hash)
        for (let at = from; at < to && documents[at]! < total; at++) {
          const ordinal = documents[at]!
          if (allowed.has(ordinal)) scores[ordinal]! += idf * this.#saturated(ordinal, counts[at]!, mean)
        }
      }
    }
    const best = topK(scores, count, (ordinal) => scores[ordinal]! > 0)
    const found = Float64Array.from(best, (ordinal) => scores[ordinal]!)
    scores.fill(0)
    return { ordinals: Uint32Array.from(best), scores: found }
  }

  /** Documents of the scope that hold every one of these terms. */
  withAll(hashes: readonly number[], scope: Scope): number[] {
    const wanted = [...new Set(hashes)]
    const counts = new Map<number, number>()
    for (const [i, hash] of wanted.entries()) {
      this.#eachPosting(hash, scope, (ordinal) => {
        if (i === 0 ? scope.allowed.has(ordinal) : counts.get(ordinal) === i) counts.set(ordinal, i + 1)
      })
    }
    return [...counts].flatMap(([ordinal, held]) => (held === wanted.length ? [ordinal] : []))
  }

  /** What each term gives a document, in the order of the terms; 0 where it lacks one. */
  contributions(terms: readonly QueryTerm[], ordinals: readonly number[], scope: Scope): Float64Array[] {
    const mean = this.#meanWords(scope)
    const weights = terms.map(({ hash, count }) => count * this.#idf(hash, scope))
    return ordinals.map((ordinal) =>
      Float64Array.from(terms, ({ hash }, i) => {
        const occurrences = this.#occurrences(hash, ordinal)
        return occurrences === 0 ? 0 : weights[i]! * this.#saturated(ordinal, occurrences, mean)
      }),
    )
  }

  #occurrences(hash: number, ordinal: number): number {
    for (const part of this.#parts) {
      const [from, to] = part.range(hash)
      const at = find(part.documents, ordinal, from, to)
      if (at < to && part.documents[at] === ordinal) return part.counts[at]!
    }
    return 0
  }

  #eachPosting(hash: number, { total }: Scope, visit: (ordinal: number, occurrences: number) => void): void {
    for (const part of this.#parts) {
      const [from, to] = part.range(hash)
      for (let at = from; at < to; at++) {
        const ordinal = part.documents[at]!
        if (ordinal >= total) break
        visit(ordinal, part.counts[at]!)
      }
    }
  }

  #idf(hash: number, { total, living, size }: Scope): number {
    let documents = 0
    for (const part of this.#parts) {
      const [from, to] = part.range(hash)
      // Where all live, they need not be looked at.
      if (size === total) documents += find(part.documents, total, from, to) - from
      else
        for (let at = from; at < to && part.documents[at]! < total; at++)
          if (living.has(part.documents[at]!)) documents++
    }
    return Math.log(1 + (size - documents + 0.5) / (documents + 0.5))
  }

  #meanWords({ total, living, size }: Scope): number {
    let words = 0
    for (let ordinal = 0; ordinal < total; ordinal++) {
      if (size === total || living.has(ordinal)) words += this.#words[ordinal]!
    }
    return words > 0 ? words / size : 1
  }

  #saturated(ordinal: number, occurrences: number, mean: number): number {
    return occurrences / (occurrences + K1 * (1 - B + (B * this.#words[ordinal]!) / mean))
  }
}
