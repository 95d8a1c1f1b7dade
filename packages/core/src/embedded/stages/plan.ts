import type { FirstStage, FirstStageName } from '../../store/store.js'

/**
 * Up to this many tokens among the documents to consider, all are scored exactly: about 30 ms on one core (12 ms for each 100,000
 * int8 tokens of 128 numbers and 32 query tokens, `bench/first-stages.mjs`). A first stage would take 3 ms and miss a document now and then.
 */
export const EXACT_TOKENS = 250_000
/**
 * `muvera` builds a graph from this many FDE numbers (documents × numbers each) on: about 230,000 documents of the `compact` preset, 58,000
 * of `quality`. A graph loses candidates, so a scan serves until it takes some 80 ms. CPU time of one core by `bench/first-stages.mjs` and
 * `bench/large.mjs`: a scan of 10,000 `compact` FDEs takes 3.3 ms, of 50,000 17 ms, of 56,000 `quality` FDEs 64 ms.
 */
export const GRAPH_NUMBERS = 600_000_000
/** With codec `residual`, vectors are compressed from this many tokens on, 33 MB as int8: a codebook takes 2 MB then, codes 5. */
export const COMPRESS_TOKENS = EXACT_TOKENS
/** When fewer of the documents pass the filter, the graph would walk past most of its nodes: a scan is faster. */
const GRAPH_SHARE = 0.2
/** `muvera` scans when more documents than these are not in the graph yet. */
const MISSING_AT_MOST = 500

/** Counts and options: all that the choice of a first stage depends on. */
export interface Question {
  readonly asked: FirstStage
  /** Exact MaxSim follows. */
  readonly rerank: boolean
  readonly candidates: number
  /** Documents with tokens that pass the filter. */
  readonly allowed: { readonly count: number; readonly tokens: number }
  /** Documents that take up room: living and deleted. */
  readonly total: number
  /** Documents each stage covers, the first so many; absent or 0: nothing. */
  readonly rows: Readonly<Record<string, number | undefined>>
  /** Documents are many enough for a graph. */
  readonly isLarge: boolean
}

/** Which first stage serves a search. Searches and statistics ask this one function. */
export function plan({ asked, rerank, candidates, allowed, total, rows, isLarge }: Question): FirstStageName {
  /** Everything: a document that is not in it would never be found. */
  const covers = (name: string): boolean => (rows[name] ?? 0) >= Math.max(total, 1)
  const isSelective = allowed.count < total * GRAPH_SHARE
  if (asked === 'exact') return 'exact'
  if (rerank && (asked === 'auto' || asked === 'muvera') && allowed.count <= candidates) return 'exact'
  if (rerank && asked === 'auto' && allowed.tokens <= EXACT_TOKENS) return 'exact'
  if (asked === 'auto') return covers('centroids') ? 'centroids' : covers('fde') ? 'fde' : 'exact'
  if (asked === 'muvera' || asked === 'hnsw') {
    if (!covers('fde')) return 'exact'
    // What is not in the graph yet is scanned.
    const inGraph = rows.hnsw ?? 0
    const isWorthwhile = asked === 'hnsw' || (isLarge && total - inGraph <= MISSING_AT_MOST)
    return inGraph > 0 && isWorthwhile && !isSelective ? 'hnsw' : 'fde'
  }
  return covers(asked) ? asked : 'exact'
}

/** The stage that has to be kept; undefined: none. */
export function stageOf(firstStage: FirstStage): string | undefined {
  if (firstStage === 'auto' || firstStage === 'exact') return undefined
  return firstStage === 'muvera' ? 'fde' : firstStage
}
