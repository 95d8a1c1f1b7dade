import type { TokenEmbeddings } from '../../embeddings.js'
import type { OnWarning, Warning } from '../../errors.js'
import { topK } from '../../math/top-k.js'
import { exactScores } from '../../store/exact-scores.js'
import type { EncodeQueries, Suitability } from '../../store/store.js'
import { Bitset } from '../commit/bitset.js'
import type { IndexFiles } from '../commit/index-files.js'
import { readTokens } from '../commit/read-tokens.js'
import type { Snapshot } from '../commit/snapshot.js'
import { spread } from './sample.js'
import type { Searcher, Stage, Work } from './stage.js'

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
  const due: { name: string; searcher: Searcher }[] = []
  for (const stage of stages) {
    const derived = files.manifest.derived[stage.name]
    const isDue = derived && collection.searchableCount >= (derived.suitability?.collection ?? 0) * GROWTH
    // Stages without codes look through those of another, which is measured.
    const searcher = isDue && derived.codeBytes ? await stage.searcher(collection) : undefined
    if (searcher) due.push({ name: stage.name, searcher })
  }
  if (due.length === 0) return
  const searchers = due.map(({ searcher }) => searcher)
  const reports = await files.reading(async (snapshot) => {
    // Compacted meanwhile: the ordinals are others.
    if (snapshot.collection !== collection) return undefined
    return measured(snapshot, files, searchers, encodeQueries, work.signal)
  })
  if (!reports) return
  for (const [i, { name }] of due.entries()) {
    const suitability = reports[i]!
    await work.inTurn(async () => {
      const derived = files.manifest.derived[name]
      if (derived) await files.commitDerived(name, { ...derived, suitability })
    })
  }
  // Last, so that what it throws does not have everything measured again.
  for (const [i, { name }] of due.entries())
    if (reports[i]!.recall < UNSUITABLE_BELOW) onWarning?.(unsuitable(name, reports[i]!))
}

/**
 * How much of the exact top 10 is among the 100 candidates of each stage, on a sample: pieces of documents are the queries, as
 * texts through the model where there are both, else as their stored vectors.
 */
async function measured(
  snapshot: Snapshot,
  files: IndexFiles,
  searchers: readonly Searcher[],
  encodeQueries: EncodeQueries | undefined,
  signal: AbortSignal | undefined,
): Promise<Suitability[]> {
  const { codec } = files.manifest
  const documents = spread([...snapshot.allowed(undefined).documents], DOCUMENTS)
  const allowed = new Bitset(snapshot.total)
  for (const ordinal of documents) allowed.add(ordinal)
  const ids = Array.from(documents, (ordinal) => snapshot.row(ordinal).id)
  const queries = await pseudoQueries(files, snapshot, spread(documents, QUERIES), encodeQueries)
  const reader = { readTokens: readTokens.bind(undefined, snapshot) }
  const recalls = searchers.map(() => 0)
  for (const query of queries) {
    const { scores } = await exactScores(reader, codec, query, ids, signal)
    const best = topK(scores, TOP)
    for (const [i, searcher] of searchers.entries()) {
      const candidates = new Set(searcher.search(query, CANDIDATES, allowed).ordinals)
      recalls[i]! += best.filter((at) => candidates.has(documents[at]!)).length / best.length / queries.length
    }
  }
  const { searchableCount } = snapshot.collection
  const sizes = { documents: documents.length, queries: queries.length, collection: searchableCount }
  return recalls.map((recall) => ({ recall, candidates: CANDIDATES, ...sizes }))
}

function unsuitable(stage: string, { recall, queries, documents }: Suitability): Warning {
  const isFde = stage === 'fde'
  const remedy = isFde
    ? "Search with more candidates or firstStage: 'exact', or build the index with fde: 'quality'."
    : "Search with more candidates or firstStage: 'exact'."
  return {
    code: isFde ? 'FDE_UNSUITABLE' : 'CENTROIDS_UNSUITABLE',
    message:
      `The ${isFde ? 'FDE' : 'centroid'} first stage keeps ${Math.round(recall * 100)} % of the exact top ${TOP} among ${CANDIDATES} ` +
      `candidates (${queries} pieces of text against ${documents} documents). ${remedy}`,
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
    const texts = Array.from(ordinals, (ordinal) => middleWords(collection.readText(ordinal)))
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
