import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import type { OnWarning, Warning } from '../../errors.js'
import { topK } from '../../math/top-k.js'
import { exactScores } from '../../store/exact-scores.js'
import type { EncodeQueries, Suitability } from '../../store/store.js'
import type { Bitset } from '../commit/bitset.js'
import type { IndexFiles } from '../commit/index-files.js'
import { readTokens } from '../commit/read-tokens.js'
import type { Snapshot } from '../commit/snapshot.js'
import { spread } from './sample.js'
import type { Searcher, Stage, Work } from './stage.js'

/** Measured when the collection has this many documents … */
const FIRST_AT = 1000
/** … and again when it is this many times as large, or when a stage has learned anew. */
const GROWTH = 2
const QUERIES = 24
/** Up to this many tokens the truth is MaxSim of everything, of more MaxSim of the first so many candidates of each stage there is. */
const TRUTH_TOKENS = 300_000
const TRUTH_CANDIDATES = 2000
const TOP = 10
/** Numbers of candidates to choose from, and the share of the exact top 10 that is enough. */
const CANDIDATES = [100, 200, 300, 500, 1000]
/** So many do for most collections: what these miss is said. */
const USUAL = 100
const ENOUGH = 0.985
/** Words, or tokens, of a document that stand for a query. */
const QUERY_WORDS = 10
/** Below this share, the candidates miss most of what MaxSim would have found. */
const UNSUITABLE_BELOW = 0.5

/** Measures the stages that are new, or whose collection has grown since, and commits what was found. */
export async function keepSuitability(
  files: IndexFiles,
  stages: Iterable<Stage>,
  encodeQueries: EncodeQueries | undefined,
  onWarning: OnWarning | undefined,
  work: Work,
): Promise<void> {
  const { collection } = files
  if (collection.searchableCount < FIRST_AT) return
  const isDue = ({ name }: Stage): boolean => {
    const derived = files.manifest.derived[name]
    return derived !== undefined && collection.searchableCount >= (derived.suitability?.collection ?? 0) * GROWTH
  }
  const all = [...stages]
  if (!all.some(isDue)) return
  const due: { name: string; searcher: Searcher }[] = []
  /** What a graph does not reach is not among its own candidates, however many. */
  const others: Searcher[] = []
  for (const stage of all) {
    const searcher = await stage.searcher(collection)
    if (!searcher) continue
    if (isDue(stage)) due.push({ name: stage.name, searcher })
    else others.push(searcher)
  }
  if (due.length === 0) return
  const searchers = due.map(({ searcher }) => searcher)
  const reports = await files.reading(async (snapshot) => {
    // Compacted meanwhile: the ordinals are others.
    if (snapshot.collection !== collection) return undefined
    return measured(snapshot, files, { searchers, others }, encodeQueries, work.signal)
  })
  if (!reports) return
  for (const [i, { name }] of due.entries()) {
    const { suitability } = reports[i]!
    await work.inTurn(async () => {
      const derived = files.manifest.derived[name]
      if (derived) await files.commitDerived(name, { ...derived, suitability })
    })
  }
  // Last, so that what it throws does not have everything measured again.
  for (const [i, { name }] of due.entries()) {
    const { suitability, ofUsual } = reports[i]!
    if (ofUsual < UNSUITABLE_BELOW) onWarning?.(unsuitable(name, ofUsual, suitability))
  }
}

/**
 * How much of the exact top 10 is among so many candidates, of the whole collection: pieces of documents are the queries, half of them
 * of those added last, as texts through the model where there are both, else as their stored vectors. The document that a piece is of does not
 * count: no stage would miss it.
 */
async function measured(
  snapshot: Snapshot,
  files: IndexFiles,
  { searchers, others }: { readonly searchers: readonly Searcher[]; readonly others: readonly Searcher[] },
  encodeQueries: EncodeQueries | undefined,
  signal: AbortSignal | undefined,
): Promise<{ suitability: Suitability; ofUsual: number }[]> {
  const { codec } = files.manifest
  // Searches meanwhile use the snapshot's own.
  const documents = snapshot.allowed(undefined).documents.clone()
  const ordinals = [...documents]
  const origins = queryDocuments(ordinals)
  const queries = await pseudoQueries(files, snapshot, origins, encodeQueries)
  const idOf = (ordinal: number): string => snapshot.row(ordinal).id
  const reader = { readTokens: readTokens.bind(undefined, snapshot) }
  const isWhole = snapshot.tokens <= TRUTH_TOKENS
  const recalls = searchers.map(() => CANDIDATES.map(() => 0))
  for (const [at, query] of queries.entries()) {
    documents.delete(origins[at]!)
    const found = searchers.map((searcher) => searcher.search(query, CANDIDATES.at(-1)!, documents).ordinals)
    const scored = isWhole ? [...documents] : likeliest(query, [...searchers, ...others], documents)
    documents.add(origins[at]!)
    const { scores } = await exactScores(reader, codec, query, scored.map(idOf), signal, () => {})
    const best = Array.from(topK(scores, TOP), (rank) => scored[rank]!)
    for (const [i, some] of found.entries()) {
      const ranks = best.map((ordinal) => some.indexOf(ordinal))
      for (const [j, candidates] of CANDIDATES.entries()) {
        const kept = ranks.filter((rank) => rank >= 0 && rank < candidates).length
        recalls[i]![j]! += kept / best.length / queries.length
      }
    }
    signal?.throwIfAborted()
    await nextTurn()
  }
  const collection = ordinals.length
  return recalls.map((ofStage) => {
    const enough = ofStage.findIndex((recall) => recall >= ENOUGH)
    const at = enough < 0 ? CANDIDATES.length - 1 : enough
    const suitability = { recall: ofStage[at]!, candidates: CANDIDATES[at]!, queries: queries.length, collection }
    return { suitability, ofUsual: ofStage[CANDIDATES.indexOf(USUAL)]! }
  })
}

/** The best candidates of each stage, ascending. */
function likeliest(query: TokenEmbeddings, searchers: readonly Searcher[], documents: Bitset): number[] {
  const all = searchers.flatMap((searcher) => [...searcher.search(query, TRUTH_CANDIDATES, documents).ordinals])
  return [...new Set(all)].sort((a, b) => a - b)
}

/** Half of the documents from all over the collection, half from its last sixteenth. */
function queryDocuments(ordinals: readonly number[]): Int32Array {
  const recent = ordinals.slice(-Math.max(1, ordinals.length >> 4))
  return Int32Array.from([...spread(ordinals, QUERIES / 2), ...spread(recent, QUERIES / 2)])
}

function unsuitable(stage: string, recall: number, { queries, candidates }: Suitability): Warning {
  const isFde = stage !== 'centroids'
  const remedy = isFde
    ? "Search with firstStage: 'exact', or build the index with fde: 'quality'."
    : "Search with firstStage: 'exact'."
  return {
    code: isFde ? 'FDE_UNSUITABLE' : 'CENTROIDS_UNSUITABLE',
    message:
      `The ${isFde ? 'FDE' : 'centroid'} first stage keeps ${Math.round(recall * 100)} % of the exact top ${TOP} among ` +
      `${USUAL} candidates (${queries} pieces of text against all documents), so searches take ${candidates}. ${remedy}`,
  }
}

async function pseudoQueries(
  files: IndexFiles,
  snapshot: Snapshot,
  ordinals: Int32Array,
  encodeQueries: EncodeQueries | undefined,
): Promise<TokenEmbeddings[]> {
  const { codec, dim, model } = files.manifest
  const { collection } = snapshot
  if (encodeQueries && model) {
    const texts = Array.from(ordinals, (ordinal) =>
      middleWords(collection.isIntact(ordinal) ? collection.readText(ordinal) : undefined),
    )
    const written = texts.filter((text) => text !== undefined)
    if (written.length === ordinals.length) return encodeQueries(written)
  }
  return Array.from(ordinals, (ordinal) => middleTokens(collection.readEmbeddings(ordinal, codec, dim!)))
}

/** Undefined when there is too little text to take a piece out of. */
function middleWords(text: string | undefined): string | undefined {
  const words = text?.slice(0, 10_000).split(/\s+/).filter(Boolean) ?? []
  if (words.length === 0) return undefined
  const start = Math.max(0, (words.length - QUERY_WORDS) >> 1)
  return words.slice(start, start + QUERY_WORDS).join(' ')
}

function middleTokens({ data, length, dim }: TokenEmbeddings): TokenEmbeddings {
  const start = Math.max(0, (length - QUERY_WORDS) >> 1)
  const count = Math.min(QUERY_WORDS, length)
  return { data: data.slice(start * dim, (start + count) * dim), length: count, dim }
}
