import { constantAnswer } from '@serotine/core/store'
import type { CandidateQuery, GetOptions, KeywordQuery, ScanOptions, Stemmer, StoreReader } from '@serotine/core/store'
import type { Encoders } from '../schema/encoders.js'
import { findCandidates } from './candidates.js'
import { countDocuments, getDocuments, readRecords, scanDocuments } from './documents.js'
import { findByWords } from './keywords.js'
import type { Snapshot } from './snapshot.js'

/** Runs work on a state of the collection. */
export type Within = <T>(work: (snapshot: Snapshot) => Promise<T>, signal?: AbortSignal) => Promise<T>

/** What is read of a collection: by each method on one state, or by all of them on the same, as `within` has it. */
export class PgvectorReader implements StoreReader {
  readonly keywords?: NonNullable<StoreReader['keywords']>
  readonly #within: Within
  readonly #encoders: Encoders

  constructor(within: Within, encoders: Encoders, stemmer: (() => Promise<Stemmer>) | undefined) {
    this.#within = within
    this.#encoders = encoders
    if (stemmer) {
      this.keywords = async (query: KeywordQuery) => {
        query.signal?.throwIfAborted()
        const stem = await stemmer()
        return this.#within((snapshot) => findByWords(snapshot, query, stem), query.signal)
      }
    }
  }

  async candidates(query: CandidateQuery) {
    query.signal?.throwIfAborted()
    return this.#within((snapshot) => findCandidates(snapshot, this.#encoders, query), query.signal)
  }

  readonly readTokens: StoreReader['readTokens'] = async (ids, sink, signal) => {
    signal?.throwIfAborted()
    if (ids.length > 0) await this.#within((snapshot) => readRecords(snapshot, ids, sink), signal)
  }

  async get(ids: readonly string[], { text = true }: GetOptions = {}) {
    return this.#within((snapshot) => getDocuments(snapshot, ids, text))
  }

  scan(options: ScanOptions = {}) {
    return scanDocuments((work) => this.#within(work, options.signal), options)
  }

  readonly count: StoreReader['count'] = async (filter) => {
    const none = filter !== undefined && constantAnswer(filter) === false
    return this.#within((snapshot) => (none ? Promise.resolve(0) : countDocuments(snapshot, filter)))
  }

  async tokens() {
    return this.#within((snapshot) => countDocuments(snapshot, undefined, 'coalesce(sum(d.tokens), 0)'))
  }
}
