// What the guide does with one vector per chunk and a database: here with one vector per word and no database.
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { readTexts } from 'serotine'

export interface RelevantContent {
  /** What an answer cites: [1] is the best. */
  number: number
  name: string
  /** MaxSim ÷ tokens of the question: −1 … 1. */
  similarity: number
  source: string
  line: number
}

let opening: Promise<MultiVectorIndex> | undefined

/** The passages of all files in DOCUMENTS (default: `documents`), read at the first use. Pass a folder to `open` to keep the index on disk. */
export function openIndex(): Promise<MultiVectorIndex> {
  opening ??= (async () => {
    const folder = process.env['DOCUMENTS'] ?? 'documents'
    const index = await MultiVectorIndex.open(undefined, { model: await ColBERT.shared() })
    await index.upsert(readTexts([folder], { root: folder }))
    return index
  })()
  // What failed is tried again at the next question.
  opening.catch(() => (opening = undefined))
  return opening
}

/** The passages that say most about a question. Names and numbers count by their letters, too (`hybrid`). */
export async function findRelevantContent(userQuery: string): Promise<RelevantContent[]> {
  const index = await openIndex()
  const hits = await index.search(userQuery, { k: 4, hybrid: true })
  return hits.map(({ rank, text, meanSimilarity, metadata }) => ({
    number: rank,
    name: text ?? '',
    similarity: meanSimilarity,
    source: String(metadata['source']),
    line: Number(metadata['line'] ?? 1),
  }))
}
