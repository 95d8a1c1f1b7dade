import type { TokenEmbeddings } from '../../embeddings.js'
import type { Warning } from '../../errors.js'
import { evenly } from '../../math/evenly.js'
import type { EncodeQueries, Suitability } from '../store.js'

/** Measured when the collection has this many documents … */
const FIRST_AT = 1000
/** … and again when it is this many times as large, or when a stage has learned anew. */
const GROWTH = 2
const QUERIES = 24
/** Words, or tokens, of a document that stand for a query. */
const QUERY_WORDS = 10
/** Characters of a text that its words are looked for in. */
const CHARACTERS = 10_000
/** Documents of the exact ranking that candidates should keep. */
export const TOP = 10
/** Numbers of candidates to choose from, and the share of the exact top 10 that is enough. */
const CANDIDATES = [100, 200, 300, 500, 1000] as const
const ENOUGH = 0.985
/** So many do for most collections: taken where nothing was measured, and what these miss is said. */
export const USUAL_CANDIDATES = CANDIDATES[0]
/** Below this share, the candidates miss most of what MaxSim would have found. */
const UNSUITABLE_BELOW = 0.5
/** The most that a search takes by itself. */
export const MOST_CANDIDATES = CANDIDATES[4]
/** Up to this many tokens the truth is MaxSim of everything, of more MaxSim of the first so many candidates. */
export const TRUTH_TOKENS = 300_000
export const TRUTH_CANDIDATES = 2000

/** Whether the suitability of a first stage is to be measured. @param known what was found last, by the encodings that serve */
export function suitabilityIsDue(documents: number, known: Suitability | null | undefined): boolean {
  return documents >= Math.max(FIRST_AT, (known?.collection ?? 0) * GROWTH)
}

/**
 * Candidates that a search takes: as many as it asks for, else as many as were measured to be enough for 10 hits and as many beyond these for more.
 *
 * @param k hits
 */
export function candidatesWanted(
  { k = 1, count }: { readonly k?: number | undefined; readonly count?: number | undefined },
  known: Suitability | null | undefined,
): number {
  return Math.max(k, count ?? (known?.candidates ?? USUAL_CANDIDATES) + Math.max(0, k - TOP))
}

/** Places, in the order in which documents came, of those that pieces are taken of: half from all over the collection, half from its last sixteenth. */
export function pieceOrigins(documents: number): number[] {
  if (documents === 0) return []
  const recent = Math.max(1, documents >> 4)
  const first = documents - recent
  return [...evenly(documents, QUERIES / 2), ...evenly(recent, QUERIES / 2).map((place) => first + place)]
}

/** A document that a piece is taken of. */
export interface Whole {
  /** Undefined: none is kept, or it cannot be read. */
  readonly text: string | undefined
  readonly embeddings: () => TokenEmbeddings
}

/**
 * Queries of pieces of documents: their middle words through the model, where there is one and all have some, else the vectors of their middle tokens.
 *
 * @param encodeQueries undefined: there is no model, or it is not the collection's
 */
export async function piecesAsQueries(
  documents: readonly Whole[],
  encodeQueries: EncodeQueries | undefined,
): Promise<TokenEmbeddings[]> {
  if (encodeQueries) {
    const texts = documents.flatMap(({ text }) => middleWords(text) ?? [])
    if (texts.length === documents.length) return encodeQueries(texts)
  }
  return documents.map(({ embeddings }) => middleTokens(embeddings()))
}

/** Undefined when there is too little text to take a piece out of. */
function middleWords(text: string | undefined): string | undefined {
  const words = text?.slice(0, CHARACTERS).split(/\s+/).filter(Boolean) ?? []
  if (words.length === 0) return undefined
  const start = Math.max(0, (words.length - QUERY_WORDS) >> 1)
  return words.slice(start, start + QUERY_WORDS).join(' ')
}

function middleTokens({ data, length, dim }: TokenEmbeddings): TokenEmbeddings {
  const start = Math.max(0, (length - QUERY_WORDS) >> 1)
  const count = Math.min(QUERY_WORDS, length)
  return { data: data.slice(start * dim, (start + count) * dim), length: count, dim }
}

/** What was measured, and the share that the usual number of candidates keeps. */
export interface MeasuredSuitability {
  readonly suitability: Suitability
  readonly ofUsual: number
}

/**
 * The fewest candidates that keep enough of the exact top 10.
 *
 * @param found of each query, the candidates in the order of the first stage
 * @param best of each query, the exact top 10
 * @param collection documents that there are
 */
export function chooseCandidates<T>(
  found: readonly ArrayLike<T>[],
  best: readonly (readonly T[])[],
  collection: number,
): MeasuredSuitability {
  const shares = CANDIDATES.map(() => 0)
  for (const [query, documents] of best.entries()) {
    const ranks = new Map(Array.from(found[query]!, (document, rank) => [document, rank]))
    for (const [i, candidates] of CANDIDATES.entries()) {
      const kept = documents.filter((document) => (ranks.get(document) ?? Infinity) < candidates)
      shares[i]! += kept.length / Math.max(1, documents.length) / best.length
    }
  }
  const enough = shares.findIndex((share) => share >= ENOUGH)
  const at = enough < 0 ? CANDIDATES.length - 1 : enough
  const suitability = { recall: shares[at]!, candidates: CANDIDATES[at]!, queries: best.length, collection }
  return { suitability, ofUsual: shares[0]! }
}

/**
 * What is to be said where candidates miss most of what MaxSim would have found; undefined where they do not.
 *
 * @param stage that finds them @param remedy what to do about it
 */
export function unsuitable(
  stage: 'FDE' | 'centroid',
  { suitability, ofUsual }: MeasuredSuitability,
  remedy: string,
): Warning | undefined {
  if (ofUsual >= UNSUITABLE_BELOW) return undefined
  const { queries, candidates } = suitability
  return {
    code: stage === 'FDE' ? 'FDE_UNSUITABLE' : 'CENTROIDS_UNSUITABLE',
    message:
      `The ${stage} first stage keeps ${Math.round(ofUsual * 100)} % of the exact top ${TOP} among ${USUAL_CANDIDATES} candidates ` +
      `(${queries} pieces of text against all documents), so searches take ${candidates}. ${remedy}`,
  }
}
