import { holdsAll, parseKeywordQuery } from '../../packages/core/src/keywords/query.js'
import { wordsOf } from '../../packages/core/src/keywords/words.js'
import type { Stemmer } from '../../packages/core/src/keywords/words.js'
import type { KeywordMatch } from '../../packages/core/src/store/keywords.js'

/** BM25 as it is written down, from the texts of all documents: what an inverted index has to answer. k1 = .9, b = .4. */
export function plainBm25(
  documents: readonly { readonly id: string; readonly text?: string | undefined }[],
  query: string,
  stem: Stemmer,
): KeywordMatch[] {
  const analysed = documents.map(({ id, text = '' }) => {
    const words = [...wordsOf(text, stem)]
    return { id, text, terms: words.map(({ term }) => term), length: words.filter(({ isExtra }) => !isExtra).length }
  })
  const total = analysed.length
  const mean = analysed.reduce((sum, { length }) => sum + length, 0) / total || 1
  const { words, phrases } = parseKeywordQuery(query, stem)
  const matches = analysed.flatMap(({ id, text, terms, length }) => {
    if (phrases.length > 0 && !holdsAll(text, phrases)) return []
    const parts = words.flatMap(({ term, count }) => {
      const occurrences = Math.min(255, terms.filter((other) => other === term).length)
      if (occurrences === 0) return []
      const holding = analysed.filter((other) => other.terms.includes(term)).length
      const idf = Math.log(1 + (total - holding + 0.5) / (holding + 0.5))
      return [{ term, part: (count * idf * occurrences) / (occurrences + 0.9 * (1 - 0.4 + (0.4 * length) / mean)) }]
    })
    const score = parts.reduce((sum, { part }) => sum + part, 0)
    return [{ id, score, words: parts.sort((a, b) => b.part - a.part).map(({ term }) => term) }]
  })
  return matches.sort((a, b) => b.score - a.score)
}
