import type { OnWarning, Warning } from '../../errors.js'
import { topK } from '../../math/top-k.js'
import type { Encoder } from '../../encoder.js'
import type { TokenEmbeddings } from '../../embeddings.js'
import { Bitset } from '../commit/bitset.js'
import { spread } from '../commit/collection.js'
import type { Collection } from '../commit/collection.js'
import type { IndexStore } from '../commit/index-files.js'
import type { SuitabilityReport } from '../format/manifest.js'
import { exactScores } from '../../index/rerank.js'
import type { FirstStage } from './stage.js'
import { FdeScan } from './fde/fde-scan.js'

/** Measured when the collection has this many documents … */
const FIRST_AT = 1000
/** … and again when it is this many times as large. */
const GROWTH = 4
/** On at most this many documents: 20 queries score them in about a second, 1 % of what encoding them took. */
const DOCUMENTS = 3000
const QUERIES = 20
const CANDIDATES = 100
const TOP = 10
/** Words, or tokens, of a document that stand for a query. */
const QUERY_WORDS = 10
/** Below this share, the candidates miss most of what MaxSim would have found. */
const UNSUITABLE_BELOW = 0.5

/** The stages to be measured (again), because they are new or the collection has grown since. */
export async function stagesToMeasure(
  { encodings, collection, manifest }: IndexStore,
  centroids: () => Promise<FirstStage | undefined>,
): Promise<FirstStage[]> {
  const isDue = (last: SuitabilityReport | null | undefined) =>
    !last || collection.searchableCount >= last.collection * GROWTH
  if (collection.searchableCount < FIRST_AT) return []
  const due: FirstStage[] = []
  if (encodings?.encoder && isDue(manifest.fde?.suitability))
    due.push(new FdeScan(encodings.encoder, encodings.rows(collection)))
  const codes = manifest.centroids && isDue(manifest.centroids.suitability) ? await centroids() : undefined
  if (codes) due.push(codes)
  return due
}

/**
 * How much of the exact top 10 is among the 100 candidates of each stage, on a sample: pieces of documents are the queries, as
 * texts through the model where there are both, else as their stored vectors.
 */
export async function measureSuitability(
  store: IndexStore,
  stages: readonly FirstStage[],
  model: Encoder | undefined,
  onWarning: OnWarning | undefined,
  signal: AbortSignal | undefined,
): Promise<Partial<Record<FirstStage['name'], SuitabilityReport>>> {
  const { collection, manifest } = store
  const documents = spread([...collection.searchable()], DOCUMENTS)
  const allowed = new Bitset(collection.total)
  for (const ordinal of documents) allowed.add(ordinal)
  const queries = await pseudoQueries(store, model, collection, spread(documents, QUERIES), signal)
  const recalls = stages.map(() => 0)
  for (const query of queries) {
    const { scores } = await exactScores(collection, manifest.codec, query, documents, signal)
    const best = topK(scores, TOP)
    for (const [i, stage] of stages.entries()) {
      const candidates = new Set(stage.search(query, CANDIDATES, allowed).ordinals)
      recalls[i]! += best.filter((at) => candidates.has(documents[at]!)).length / best.length / queries.length
    }
  }
  const sizes = { documents: documents.length, queries: queries.length, collection: collection.searchableCount }
  const reports: Partial<Record<FirstStage['name'], SuitabilityReport>> = {}
  for (const [i, { name }] of stages.entries()) {
    const recall = recalls[i]!
    reports[name] = { recall, candidates: CANDIDATES, ...sizes }
    if (recall < UNSUITABLE_BELOW) onWarning?.(unsuitable(name, recall, sizes))
  }
  return reports
}

function unsuitable(stage: FirstStage['name'], recall: number, sizes: { documents: number; queries: number }): Warning {
  const isFde = stage !== 'centroids'
  const remedy = isFde
    ? "Search with more candidates or stage: 'exact', or build the index with fde: 'quality'."
    : "Search with more candidates or stage: 'exact'."
  return {
    code: isFde ? 'FDE_UNSUITABLE' : 'CENTROIDS_UNSUITABLE',
    message:
      `The ${isFde ? 'FDE' : 'centroid'} first stage keeps ${Math.round(recall * 100)} % of the exact top ${TOP} among ${CANDIDATES} ` +
      `candidates (${sizes.queries} pieces of text against ${sizes.documents} documents). ${remedy}`,
  }
}

async function pseudoQueries(
  store: IndexStore,
  model: Encoder | undefined,
  collection: Collection,
  ordinals: Int32Array,
  signal: AbortSignal | undefined,
): Promise<TokenEmbeddings[]> {
  const texts =
    model && store.manifest.model ? Array.from(ordinals, (ordinal) => middleWords(collection.readText(ordinal))) : []
  const written = texts.filter((text) => text !== undefined)
  if (model && written.length === ordinals.length) {
    // These are pieces of documents, not what the caller wrote: nobody needs to know that they are cut.
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
  const { data, length, dim } = collection.readEmbeddings(ordinal, manifest.codec, manifest.dim!)
  const start = Math.max(0, (length - QUERY_WORDS) >> 1)
  const count = Math.min(QUERY_WORDS, length)
  return { data: data.slice(start * dim, (start + count) * dim), length: count, dim }
}
