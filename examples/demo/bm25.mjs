// The keyword baseline: BM25 as Lucene computes it, with English stop words and Porter's stemmer.
// Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020; k1 and b as in Anserini and BEIR.
import { stemmer } from 'stemmer'

// Lucene's English stop words.
const STOP_WORDS = new Set(
  (
    'a an and are as at be but by for if in into is it no not of on or such that the their then there these they this ' +
    'to was will with'
  ).split(' '),
)

export function words(text) {
  const tokens = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return tokens.filter((token) => !STOP_WORDS.has(token)).map(stemmer)
}

export class BM25 {
  #documents
  #k1
  #b
  #postings = new Map()
  #lengths
  #meanLength

  /** @param documents `{ id, text }[]` */
  constructor(documents, { k1 = 0.9, b = 0.4 } = {}) {
    this.#documents = documents
    this.#k1 = k1
    this.#b = b
    this.#lengths = documents.map(({ text }, document) => {
      const counts = new Map()
      const tokens = words(text)
      for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
      for (const [token, count] of counts) {
        let postings = this.#postings.get(token)
        if (postings === undefined) this.#postings.set(token, (postings = []))
        postings.push({ document, count })
      }
      return tokens.length
    })
    this.#meanLength = this.#lengths.reduce((sum, length) => sum + length, 0) / documents.length
  }

  /** The best k as `{ id, score }`; documents that share no word with the query are not returned. */
  search(query, k) {
    const total = this.#documents.length
    const scores = new Float64Array(total)
    for (const token of words(query)) {
      const postings = this.#postings.get(token) ?? []
      const idf = Math.log(1 + (total - postings.length + 0.5) / (postings.length + 0.5))
      for (const { document, count } of postings) {
        const norm = this.#k1 * (1 - this.#b + (this.#b * this.#lengths[document]) / this.#meanLength)
        scores[document] += (idf * count) / (count + norm)
      }
    }
    return Array.from(scores, (score, i) => ({ id: this.#documents[i].id, score }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, k)
  }
}
