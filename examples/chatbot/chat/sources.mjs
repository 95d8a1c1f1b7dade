// What was found, as an answer cites it and as the page shows it.
import { nameOf } from '../library/library.mjs'
import { highlight } from './lit-words.mjs'
import { wordsOf } from './rewrite.mjs'

/**
 * @typedef {object} Source
 * @property {number} number what is cited: 1 for the best
 * @property {string} id
 * @property {string} name of the file
 * @property {string} [heading]
 * @property {number} [page]
 * @property {number} [line]
 * @property {number} [lineEnd]
 * @property {string} text
 * @property {boolean} isMarkdown
 * @property {number} maxSim
 * @property {number} meanSimilarity MaxSim ÷ tokens of the question, −1 … 1
 * @property {number} [firstStageRank] absent where every passage was scored exactly
 * @property {string[]} words of the question that the passage holds
 * @property {import('./lit-words.mjs').Highlight} highlight
 *
 * @typedef {object} SearchSummary
 * @property {string} question what was searched for
 * @property {string} firstStage
 * @property {number} candidates scored by exact MaxSim
 * @property {number} passages in the library
 * @property {number} best mean similarity of the best passage
 * @property {number} threshold below which it does not count
 * @property {Record<string, number>} milliseconds of each part
 */

/**
 * @param {readonly import('@langchain/core/documents').DocumentInterface[]} documents
 * @param {import('@serotine/core').SearchResult} found
 * @param {{ question: string, library: import('../library/library.mjs').Library, signal?: AbortSignal }} options
 * @returns {Promise<Source[]>}
 */
export async function sourcesOf(documents, found, { question, library, signal }) {
  const isBackground = await library.backgroundWords()
  const asked = wordsOf(question)
  const hits = new Map(found.hits.map((hit) => [hit.id, hit]))
  return Promise.all(
    documents.map(async ({ id = '', pageContent, metadata }, i) => {
      const hit = hits.get(id)
      const headLength = Number(metadata['headLength'] ?? 0)
      const text = pageContent.slice(headLength)
      const compared = await library.model.similarities(question, pageContent, signal ? { signal } : {})
      const firstStageRank = (found.firstStageIds?.indexOf(id) ?? -1) + 1
      const name = nameOf(String(metadata['source']))
      return {
        number: i + 1,
        id,
        name,
        ...(headLength > 0 && { heading: pageContent.slice(0, headLength).trim() }),
        ...pick(metadata, 'page', 'number'),
        ...pick(metadata, 'line', 'number'),
        ...pick(metadata, 'lineEnd', 'number'),
        text,
        isMarkdown: /\.(md|mdx|markdown)$/i.test(name),
        maxSim: hit?.maxSim ?? hit?.score ?? 0,
        meanSimilarity: Number(metadata['relevanceScore']),
        ...(firstStageRank > 0 && { firstStageRank }),
        words: asked.filter((word) => hit?.keywords?.words.some((stem) => isOf(word, stem))),
        highlight: highlight(question, pageContent, headLength, compared, isBackground),
      }
    }),
  )
}

/**
 * Hits tell words as they are looked for, without their endings: "bites" is "bite" there, "bodies" is "bodi".
 *
 * @param {string} word
 * @param {string} stem
 */
function isOf(word, stem) {
  return word.toLowerCase().startsWith(stem.length > 4 ? stem.slice(0, -1) : stem)
}

/**
 * @param {Record<string, unknown>} metadata
 * @param {string} field
 * @param {'string' | 'number'} type
 */
function pick(metadata, field, type) {
  return typeof metadata[field] === type ? { [field]: metadata[field] } : {}
}
