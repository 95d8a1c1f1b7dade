import { randomUUID } from 'node:crypto'
import { Document } from '@langchain/core/documents'
import type { DocumentInterface } from '@langchain/core/documents'
import { SerotineError } from '@serotine/core'
import type { IndexedDocument, Json, Metadata, SearchHit } from '@serotine/core'
import { describe } from '@serotine/core/options'

/** Which number `metadata.relevanceScore` and `scoreThreshold` mean. */
export type ScoreKind = 'meanSimilarity' | 'maxSim'

/** What retrievers and rerankers add to the metadata of the documents they return. */
export interface Relevance {
  /** Higher is better. `meanSimilarity`: MaxSim ÷ query tokens, −1 … 1; `maxSim`: the sum itself. */
  relevanceScore: number
  /** 1 for the best. */
  rank: number
}

/** A copy of a document with its score and rank; the original keeps its own metadata. */
export function withRelevance(document: DocumentInterface, relevance: Relevance): Document {
  return copyDocument(document, { ...document.metadata, ...relevance })
}

/** What the index returned, as a LangChain document. */
export function documentFromHit(hit: SearchHit, score: ScoreKind): Document {
  const relevanceScore = score === 'maxSim' ? (hit.maxSim ?? hit.score) : hit.meanSimilarity
  return new Document({
    id: hit.id,
    pageContent: hit.text ?? '',
    metadata: { ...hit.metadata, relevanceScore, rank: hit.rank },
  })
}

/** What the index stores, without scores. */
export function documentFromStored(stored: {
  id: string
  text?: string | undefined
  metadata?: Metadata | undefined
}): Document {
  return new Document({ id: stored.id, pageContent: stored.text ?? '', metadata: { ...stored.metadata } })
}

/**
 * LangChain documents as the index takes them. An id comes from `ids`, else from the document, else it is a new UUID.
 *
 * @throws INVALID_ARGUMENT naming the document
 */
export function toIndexed(
  documents: readonly DocumentInterface[],
  ids?: readonly string[],
): (IndexedDocument & { text: string })[] {
  checkDocuments(documents)
  if (ids && ids.length !== documents.length) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${documents.length} documents came with ${ids.length} ids. Give one id per document.`,
    )
  }
  return documents.map((document, i) => ({
    id: ids?.[i] ?? document.id ?? randomUUID(),
    text: document.pageContent,
    metadata: toJson(document.metadata ?? {}, 'metadata', new Set()) as Metadata,
  }))
}

/** @throws INVALID_ARGUMENT when texts and metadatas do not pair up */
export function documentsOf(
  texts: readonly string[],
  metadatas: readonly object[] | object,
): { pageContent: string; metadata: Record<string, unknown> }[] {
  if (!Array.isArray(texts))
    throw new SerotineError('INVALID_ARGUMENT', `texts must be an array of strings, got ${describe(texts)}.`)
  if (Array.isArray(metadatas) && metadatas.length !== texts.length) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${texts.length} texts came with ${metadatas.length} metadatas. Give one per text, or one object for all.`,
    )
  }
  const metadataOf = (i: number): object => (Array.isArray(metadatas) ? (metadatas[i] as object) : metadatas)
  return texts.map((pageContent, i) => ({ pageContent, metadata: { ...metadataOf(i) } }))
}

/** @throws INVALID_ARGUMENT when it is not an array of documents with text */
export function checkDocuments(documents: unknown): asserts documents is readonly DocumentInterface[] {
  if (!Array.isArray(documents)) {
    throw new SerotineError('INVALID_ARGUMENT', `documents must be an array of Documents, got ${describe(documents)}.`)
  }
  documents.forEach((document: { pageContent?: unknown } | null | undefined, i) => {
    if (typeof document?.pageContent === 'string') return
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `documents[${i}].pageContent must be a string, got ${describe(document?.pageContent)}. Pass Documents.`,
    )
  })
}

/** @throws INVALID_ARGUMENT for a query that is not text, or has no text to match */
export function checkQuery(query: unknown): string {
  if (typeof query === 'string' && query.trim() !== '') return query
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `The query must be a text with at least one word, got ${describe(query)}.`,
  )
}

function copyDocument({ id, pageContent }: DocumentInterface, metadata: Record<string, unknown>): Document {
  return new Document({ pageContent, metadata, ...(id !== undefined && { id }) })
}

/** Levels of metadata that are looked at; the index refuses what goes deeper. */
const DEEPEST = 200

/**
 * Loaders put more than JSON into metadata (Dates, class instances). They become what JSON.stringify makes of them; what
 * it would drop or change silently (functions, NaN, typed arrays, Maps, Errors) stays as it is, for the index to refuse by
 * name.
 */
function toJson(value: unknown, path: string, above: Set<object>): Json | undefined {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || above.size > DEEPEST)
    return value as Json
  if (above.has(value))
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} of a document refers to itself; metadata can only hold JSON values.`,
    )
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return toJson((value as { toJSON: () => unknown }).toJSON(), path, new Set(above).add(value))
  }
  const inside = new Set(above).add(value)
  if (Array.isArray(value)) return value.map((item, i) => toJson(item, `${path}[${i}]`, inside) ?? null)
  // JSON.stringify writes {} for these, as if they had held nothing.
  if (Object.keys(value).length === 0 && !isPlain(value)) return value as unknown as Json
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [key, toJson(item, `${path}.${key}`, inside)])) as Json
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as unknown
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
