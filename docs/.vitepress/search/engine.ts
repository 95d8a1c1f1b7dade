import { standardScoreFusion } from '../../../packages/core/src/scoring/fuse.js'
import { commonWords } from '../../../packages/core/src/highlight/common-words.js'
import { matchedWords } from '../../../packages/core/src/highlight/matched-words.js'
import type { MatchedWord } from '../../../packages/core/src/highlight/matched-words.js'
import { matchTokens } from '../../../packages/core/src/scoring/explain.js'
import { MaxSimScorer } from '../../../packages/core/src/scoring/maxsim.js'
import { InvertedIndex } from '../../../packages/core/src/keywords/inverted-index.js'
import { parseKeywordQuery } from '../../../packages/core/src/keywords/query.js'
import { loadStemmer } from '../../../packages/core/src/keywords/stemmers.js'
import { termList } from '../../../packages/core/src/keywords/term-lists.js'
import type { Stemmer } from '../../../packages/core/src/keywords/words.js'
import { scaleOffset } from '../../../packages/core/src/store/records.js'
import { textOf } from './contents.js'
import type { Contents, Passage } from './contents.js'
import type { BrowserEncoder } from './encoder.js'

export interface Hit extends Omit<Passage, 'vectors'> {
  readonly number: number
}

/** Candidates of each side, and how much words count beside MaxSim: as in a hybrid search of an index. */
const [CANDIDATES, KEYWORD_WEIGHT] = [100, 0.25]
/** The hybrid search of an index, over passages that came as files. */
export class SearchEngine {
  readonly #contents: Contents
  readonly #stem: Stemmer
  readonly #words: InvertedIndex
  readonly #common: ReadonlySet<string>
  #encoder: BrowserEncoder | undefined
  #vectors: Uint8Array | undefined

  private constructor(contents: Contents, stem: Stemmer) {
    this.#contents = contents
    this.#stem = stem
    this.#words = new InvertedIndex()
    const lists = contents.passages.map((passage) => termList(textOf(passage), stem))
    const all = new Uint8Array(lists.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const list of lists) {
      all.set(list, at)
      at += list.length
    }
    this.#words.append(all, lists.length)
    this.#common = commonWords(contents.passages.map(({ text }) => text))
  }

  static async open(contents: Contents): Promise<SearchEngine> {
    return new SearchEngine(contents, await loadStemmer('english'))
  }

  /** From now on searches compare every token. */
  useModel(encoder: BrowserEncoder, vectors: Uint8Array): void {
    this.#encoder = encoder
    this.#vectors = vectors
  }

  async search(question: string, count: number): Promise<Hit[]> {
    const everywhere = { has: () => true }
    const byWords = this.#byWords(question, CANDIDATES, everywhere)
    if (!this.#encoder) return this.#hits(byWords, count)
    const similarities = this.#maxSims(await this.#encoder.query(question))
    const order = Array.from(similarities.keys()).sort((a, b) => similarities[b]! - similarities[a]!)
    const candidates = new Set([...order.slice(0, CANDIDATES), ...byWords.map(({ id }) => id)])
    const ranked = Array.from(candidates, (id) => ({ id, score: similarities[id]! }))
    const found = new Map(this.#byWords(question, candidates.size, candidates).map(({ id, score }) => [id, score]))
    const words = Array.from(candidates, (id) => ({ id, score: found.get(id) ?? 0 }))
    return this.#hits(standardScoreFusion([ranked, words], { weights: [1, KEYWORD_WEIGHT] }), count)
  }

  /** The words of a hit's text that answered the question; none before there is a model. */
  async explain(question: string, number: number): Promise<MatchedWord[]> {
    if (!this.#encoder) return []
    const passage = this.#contents.passages[number]!
    const text = textOf(passage)
    const [asked, answered] = [await this.#encoder.query(question), await this.#encoder.document(text)]
    const shift = text.length - passage.text.length
    const matches = matchTokens(asked, answered).map(({ queryToken, documentToken, similarity }) => {
      const [from, { start, end }] = [asked.spans[queryToken]!, answered.spans[documentToken]!]
      // What stands in the title is not of the text that is shown.
      return {
        queryStart: from.start,
        queryEnd: from.end,
        start: start < shift ? -1 : start - shift,
        end: end - shift,
        similarity,
      }
    })
    return matchedWords(passage.text, matches, question, this.#common)
  }

  #byWords(question: string, count: number, allowed: { has(id: number): boolean }): { id: number; score: number }[] {
    const { words } = parseKeywordQuery(question, this.#stem)
    const total = this.#contents.passages.length
    const scope = { total, living: { has: () => true }, size: total, allowed }
    const { ordinals, scores } = this.#words.search(words, count, scope)
    return Array.from(ordinals, (id, i) => ({ id, score: scores[i]! }))
  }

  #maxSims(query: { data: Float32Array; length: number; dim: number }): Float64Array {
    const { passages, dim } = this.#contents
    const bytes = this.#vectors!
    const scorer = new MaxSimScorer(query)
    let at = 0
    return Float64Array.from(passages, ({ vectors }) => {
      const scales = scaleOffset(vectors, dim)
      const length = (scales + 4 * vectors + 15) & ~15
      scorer.arena(length).set(bytes.subarray(at, at + length))
      at += length
      return scorer.scoreInt8At(0, scales, vectors)
    })
  }

  /** The best, each section once. */
  #hits(ranked: readonly { id: number }[], count: number): Hit[] {
    const sections = new Map<string, Hit>()
    for (const { id: number } of ranked) {
      const { vectors: _, ...passage } = this.#contents.passages[number]!
      const section = `${passage.page}#${passage.anchor}`
      if (!sections.has(section)) sections.set(section, { ...passage, number })
      if (sections.size === count) break
    }
    return [...sections.values()]
  }
}
