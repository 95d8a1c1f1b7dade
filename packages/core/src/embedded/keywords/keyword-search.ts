import { setImmediate as nextTurn } from 'node:timers/promises'
import type { InvertedIndex, Scope } from '../../keywords/inverted-index.js'
import { holdsAll, parseKeywordQuery } from '../../keywords/query.js'
import type { Phrase, QueryWord } from '../../keywords/query.js'
import { filterPredicate } from '../../store/filter-predicate.js'
import type { KeywordMatch, KeywordQuery } from '../../store/keywords.js'
import { Bitset } from '../commit/bitset.js'
import type { Snapshot } from '../commit/snapshot.js'
import type { KeywordLists } from './keyword-lists.js'

/** Texts read in a row before timers and sockets get their turn. */
const READ_AT_ONCE = 64
/** Most texts that are read to see whether what is quoted is in them, those with the best words first: 0.1 s. */
const READ_AT_MOST = 10_000

/** As `StoreReader.keywords`. */
export async function searchKeywords(
  snapshot: Snapshot,
  lists: KeywordLists,
  { text, count, also = [], filter, signal }: KeywordQuery,
): Promise<readonly KeywordMatch[]> {
  signal?.throwIfAborted()
  const index = await lists.index(snapshot, signal)
  const { words, phrases } = parseKeywordQuery(text, await lists.stemmer())
  const allowed = snapshot.allowed(filter && filterPredicate(filter), signal).documents
  const scope: Scope = { total: snapshot.total, living: snapshot.living, size: snapshot.size, allowed }
  const quoting = new Quoting(snapshot, phrases, signal)
  const best = await bestOf(index, words, phrases, count, scope, quoting)
  const found = new Set(best)
  const others: number[] = []
  for (const id of also) {
    const ordinal = snapshot.ordinalOf(id)
    if (ordinal === undefined || found.has(ordinal) || !allowed.has(ordinal)) continue
    found.add(ordinal)
    if (await quoting.holds(ordinal)) others.push(ordinal)
  }
  const ordinals = [...best, ...others]
  const given = index.contributions(words, ordinals, scope)
  return ordinals.map((ordinal, i) => matchOf(snapshot.row(ordinal).id, words, given[i]!))
}

async function bestOf(
  index: InvertedIndex,
  words: readonly QueryWord[],
  phrases: readonly Phrase[],
  count: number,
  scope: Scope,
  quoting: Quoting,
): Promise<number[]> {
  if (count === 0) return []
  if (phrases.length === 0) return [...index.search(words, count, scope).ordinals]
  const having = new Bitset(scope.total)
  const hashes = phrases.flatMap((phrase) => phrase.hashes)
  for (const ordinal of index.withAll(hashes, scope)) having.add(ordinal)
  const best: number[] = []
  for (const ordinal of index.search(words, READ_AT_MOST, { ...scope, allowed: having }).ordinals) {
    if (await quoting.holds(ordinal)) best.push(ordinal)
    if (best.length === count) break
  }
  return best
}

/** Reads texts to see whether what is quoted is in them. */
class Quoting {
  readonly #snapshot: Snapshot
  readonly #phrases: readonly Phrase[]
  readonly #signal: AbortSignal | undefined
  #read = 0

  constructor(snapshot: Snapshot, phrases: readonly Phrase[], signal: AbortSignal | undefined) {
    this.#snapshot = snapshot
    this.#phrases = phrases
    this.#signal = signal
  }

  async holds(ordinal: number): Promise<boolean> {
    if (this.#phrases.length === 0) return true
    if (++this.#read % READ_AT_ONCE === 0) await nextTurn()
    this.#signal?.throwIfAborted()
    const text = this.#snapshot.stored.readText(ordinal)
    return text !== undefined && holdsAll(text, this.#phrases)
  }
}

function matchOf(id: string, words: readonly QueryWord[], given: Float64Array): KeywordMatch {
  const held = words.map(({ term }, i) => ({ term, part: given[i]! })).filter(({ part }) => part > 0)
  held.sort((a, b) => b.part - a.part)
  return { id, score: given.reduce((sum, part) => sum + part, 0), words: held.map(({ term }) => term) }
}
