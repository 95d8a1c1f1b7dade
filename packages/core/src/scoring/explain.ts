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

/** A token of a text. Offsets count UTF-16 units; −1 for tokens that are not text. */
export interface TextToken {
  /** As in the vocabulary. */
  readonly token: string
  /** Character span in the text. */
  readonly start: number
  readonly end: number
}

/** How similar each token of a query is to each of a document: what MaxSim takes the best of, row by row. */
export interface TokenSimilarities {
  readonly queryTokens: readonly TextToken[]
  /** Tokens that count: without those of the skiplist. */
  readonly documentTokens: readonly TextToken[]
  /** Dot products, `[queryTokens × documentTokens]`. */
  readonly similarities: Float32Array
}

/** Where one query token found its best document token. Offsets count UTF-16 units; −1 for tokens that are not text. */
export interface TextMatch {
  /** As in the vocabulary. */
  readonly queryToken: string
  /** Character span in the query. */
  readonly queryStart: number
  readonly queryEnd: number
  /** The document's, as in the vocabulary. */
  readonly token: string
  /** Character span in the document text. */
  readonly start: number
  readonly end: number
  /** Dot product of the two token vectors. */
  readonly similarity: number
}

/**
 * The document token each query token found: the summands of MaxSim, in the order of the query. A document without tokens
 * matches nothing: `[]`.
 *
 * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function matchTokens(query: TokenEmbeddings, document: TokenEmbeddings): TokenMatch[] {
  const dots = dotProducts(query, document)
  if (document.length === 0) return []
  return Array.from({ length: query.length }, (_, queryToken) => {
    let [documentToken, similarity] = [0, -Infinity]
    for (let token = 0; token < document.length; token++) {
      const dot = dots[queryToken * document.length + token]!
      if (dot > similarity) [documentToken, similarity] = [token, dot]
    }
    return { queryToken, documentToken, similarity }
  })
}

/**
 * All dot products of two texts' tokens, `[query tokens × document tokens]`.
 *
 * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function dotProducts(query: TokenEmbeddings, document: TokenEmbeddings): Float64Array {
  checkEmbeddings(query, query.dim, 'the query')
  checkEmbeddings(document, query.dim, 'the document')
  const { dim } = query
  const dots = new Float64Array(query.length * document.length)
  for (let i = 0; i < query.length; i++) {
    for (let j = 0; j < document.length; j++) {
      let dot = 0
      for (let k = 0; k < dim; k++) dot += query.data[i * dim + k]! * document.data[j * dim + k]!
      dots[i * document.length + j] = dot
    }
  }
  return dots
}
