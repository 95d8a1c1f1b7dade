import { checkEmbeddings } from '../embeddings.js'
import type { TokenEmbeddings } from '../embeddings.js'

/** What one query token contributed to a MaxSim score. */
export interface TokenMatch {
  /** Row of the query's embeddings. */
  queryToken: number
  /** Row of the document's embeddings: the most similar token, the first of equals. */
  documentToken: number
  /** Their dot product; over all query tokens these add up to MaxSim. */
  similarity: number
}

/**
 * The document token each query token found: the summands of MaxSim, in the order of the query. A document without tokens
 * matches nothing: `[]`.
 *
 * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function matchTokens(query: TokenEmbeddings, document: TokenEmbeddings): TokenMatch[] {
  checkEmbeddings(query, query.dim, 'the query')
  checkEmbeddings(document, query.dim, 'the document')
  if (document.length === 0) return []
  const { dim } = query
  return Array.from({ length: query.length }, (_, queryToken) => {
    let [documentToken, similarity] = [0, -Infinity]
    for (let token = 0; token < document.length; token++) {
      let dot = 0
      for (let k = 0; k < dim; k++) dot += query.data[queryToken * dim + k]! * document.data[token * dim + k]!
      if (dot > similarity) [documentToken, similarity] = [token, dot]
    }
    return { queryToken, documentToken, similarity }
  })
}
