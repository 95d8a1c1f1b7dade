import type { OnWarning } from '../errors.js'
import { topK } from '../math/top-k.js'
import type { Encoder, TokenEmbeddings } from '../types.js'
import { Bitset } from './bitset.js'
import { decodeRecord } from './codec.js'
import type { Collection } from './collection.js'
import type { IndexStore } from './index-store.js'
import type { SuitabilityReport } from './manifest.js'
import { exactScores } from './rerank.js'
import { FdeScan } from './scan.js'

/** Measured when the collection has this many documents … */
const FIRST_AT = 1000
/** … and again when it is so many times as large. */
const GROWTH = 4
/** On at most so many documents: 20 queries score them in about a second, 1 % of what encoding them took. */
const DOCUMENTS = 3000
const QUERIES = 20
const CANDIDATES = 100
const TOP = 10
/** Words, or tokens, of a document that stand for a query. */
const QUERY_WORDS = 10
/** Below this share, the candidates miss most of what MaxSim would have found. */
const UNSUITABLE_BELOW = 0.5

/** Whether the collection has grown enough to be measured (again). */
export function isSuitabilityDue({ encodings, collection, manifest }: IndexStore): boolean {
  if (!encodings?.encoder || collection.searchableCount < FIRST_AT) return false
  const last = manifest.fde?.suitability
  return !last || collection.searchableCount >= last.collection * GROWTH
}

/**
 * How much of the exact top 10 is among the 100 best FDEs, on a sample: pieces of documents are the queries, as texts through the
 * model where there are both, else as their stored vectors.
 */
export async function measureSuitability(
  store: IndexStore, model: Encoder | undefined, onWarning: OnWarning | undefined, signal: AbortSignal | undefined,
): Promise<SuitabilityReport> {
  const { collection, encodings, manifest } = store
  const documents = spread([...collection.searchable()], DOCUMENTS)
  const allowed = new Bitset(collection.total)
  for (const ordinal of documents) allowed.add(ordinal)
  const queries = await pseudoQueries(store, model, collection, spread([...documents], QUERIES), signal)
  const scan = new FdeScan(encodings!.encoder!, encodings!.rows(collection))
  let recall = 0
  for (const query of queries) {
    const candidates = new Set(scan.search(query, CANDIDATES, allowed).ordinals)
    const { scores } = await exactScores(collection, manifest.codec, query, documents, signal)
    const best = topK(scores, TOP)
    recall += best.filter((i) => candidates.has(documents[i]!)).length / best.length / queries.length
  }
  if (recall < UNSUITABLE_BELOW) {
    onWarning?.({
      code: 'FDE_UNSUITABLE',
      message:
        `The FDE first stage keeps ${Math.round(recall * 100)} % of the exact top ${TOP} among ${CANDIDATES} candidates ` +
        `(${queries.length} pieces of text against ${documents.length} documents). Search with more candidates or stage: ` +
        "'exact', or build the index with fde: 'quality'.",
    })
  }
  const sizes = { documents: documents.length, queries: queries.length, collection: collection.searchableCount }
  return { recall, candidates: CANDIDATES, ...sizes }
}

/** Evenly spread over the collection; the same every time. */
function spread(ordinals: readonly number[], count: number): Int32Array {
  if (ordinals.length <= count) return Int32Array.from(ordinals)
  return Int32Array.from({ length: count }, (_, i) => ordinals[Math.floor(((i + 0.5) * ordinals.length) / count)]!)
}

async function pseudoQueries(
  store: IndexStore, model: Encoder | undefined, collection: Collection, ordinals: Int32Array, signal: AbortSignal | undefined,
): Promise<TokenEmbeddings[]> {
  const texts = model && store.manifest.model ? Array.from(ordinals, (ordinal) => middleWords(collection.readText(ordinal))) : []
  const written = texts.filter((text) => text !== undefined)
  if (model && written.length === ordinals.length) {
    // These are pieces of documents, not what the caller wrote: that they are cut is nobody's concern.
    return model.encodeQueries(written, { onWarning: () => {}, ...(signal && { signal }) })
  }
  return Array.from(ordinals, (ordinal) => middleTokens(store, collection, ordinal))
}

/** Undefined when there is too little text to take a piece out of. */
function middleWords(text: string | undefined): string | undefined {
  const words = text?.slice(0, 10_000).split(/\s+/).filter(Boolean) ?? []
  if (words.length === 0) return undefined
  const start = Math.max(0, (words.length - QUERY_WORDS) >> 1)
  return words.slice(start, start + QUERY_WORDS).join(' ')
}

function middleTokens({ manifest }: IndexStore, collection: Collection, ordinal: number): TokenEmbeddings {
  const { tokens } = collection.row(ordinal)
  const { data, length, dim } = decodeRecord(manifest.codec, collection.readRecord(ordinal), tokens, manifest.dim!)
  const start = Math.max(0, (length - QUERY_WORDS) >> 1)
  const count = Math.min(QUERY_WORDS, length)
  return { data: data.slice(start * dim, (start + count) * dim), length: count, dim }
}
