import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import type { OnWarning, Warning } from '../../errors.js'
import { topK } from '../../math/top-k.js'
import { exactScores } from '../../store/exact-scores.js'
import type { EncodeQueries } from '../../store/store.js'
import {
  chooseCandidates,
  MOST_CANDIDATES,
  pieceOrigins,
  piecesAsQueries,
  suitabilityIsDue,
  TOP,
  TRUTH_CANDIDATES,
  TRUTH_TOKENS,
  unsuitable,
} from '../../store/suitability/rules.js'
import type { MeasuredSuitability } from '../../store/suitability/rules.js'
import type { Bitset } from '../commit/bitset.js'
import type { IndexFiles } from '../commit/index-files.js'
import { readTokens } from '../commit/read-tokens.js'
import type { Snapshot } from '../commit/snapshot.js'
import type { Searcher, Stage, Work } from './stage.js'

/** Measures the stages that are new, or whose collection has grown since, and commits what was found. */
export async function keepSuitability(
  files: IndexFiles,
  stages: Iterable<Stage>,
  encodeQueries: EncodeQueries | undefined,
  onWarning: OnWarning | undefined,
  work: Work,
): Promise<void> {
  const { collection } = files
  const isDue = ({ name }: Stage): boolean => {
    const derived = files.manifest.derived[name]
    return derived !== undefined && suitabilityIsDue(collection.searchableCount, derived.suitability)
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
    const warning = warningOf(name, reports[i]!)
    if (warning) onWarning?.(warning)
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
): Promise<MeasuredSuitability[]> {
  const { codec } = files.manifest
  // Searches meanwhile use the snapshot's own.
  const documents = snapshot.allowed(undefined).documents.clone()
  const ordinals = [...documents]
  const origins = pieceOrigins(ordinals.length).map((place) => ordinals[place]!)
  const queries = await pseudoQueries(files, snapshot, origins, encodeQueries)
  const idOf = (ordinal: number): string => snapshot.row(ordinal).id
  const reader = { readTokens: readTokens.bind(undefined, snapshot) }
  const found = searchers.map((): Int32Array[] => [])
  const best: number[][] = []
  for (const [at, query] of queries.entries()) {
    documents.delete(origins[at]!)
    for (const [i, searcher] of searchers.entries()) {
      found[i]!.push(searcher.search(query, MOST_CANDIDATES, documents).ordinals)
    }
    const isWhole = snapshot.tokens <= TRUTH_TOKENS
    const scored = isWhole ? [...documents] : likeliest(query, [...searchers, ...others], documents)
    documents.add(origins[at]!)
    const { scores } = await exactScores(reader, codec, query, scored.map(idOf), signal, () => {})
    best.push(Array.from(topK(scores, TOP), (rank) => scored[rank]!))
    signal?.throwIfAborted()
    await nextTurn()
  }
  return found.map((ofStage) => chooseCandidates(ofStage, best, ordinals.length))
}

/** The best candidates of each stage, ascending. */
function likeliest(query: TokenEmbeddings, searchers: readonly Searcher[], documents: Bitset): number[] {
  const all = searchers.flatMap((searcher) => [...searcher.search(query, TRUTH_CANDIDATES, documents).ordinals])
  return [...new Set(all)].sort((a, b) => a - b)
}

function warningOf(stage: string, measured: MeasuredSuitability): Warning | undefined {
  return stage === 'centroids'
    ? unsuitable('centroid', measured, "Search with firstStage: 'exact'.")
    : unsuitable('FDE', measured, "Search with firstStage: 'exact', or build the index with fde: 'quality'.")
}

function pseudoQueries(
  files: IndexFiles,
  { collection }: Snapshot,
  ordinals: readonly number[],
  encodeQueries: EncodeQueries | undefined,
): Promise<TokenEmbeddings[]> {
  const { codec, dim, model } = files.manifest
  const documents = ordinals.map((ordinal) => ({
    text: collection.isIntact(ordinal) ? collection.readText(ordinal) : undefined,
    embeddings: () => collection.readEmbeddings(ordinal, codec, dim!),
  }))
  return piecesAsQueries(documents, model ? encodeQueries : undefined)
}
