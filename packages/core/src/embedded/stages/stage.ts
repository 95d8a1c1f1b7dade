import type { TokenEmbeddings } from '../../embeddings.js'
import type { OnWarning, SerotineError, Warning } from '../../errors.js'
import type { FirstStage } from '../../store/store.js'
import type { Bitset } from '../commit/bitset.js'
import type { Collection } from '../commit/collection.js'
import type { Compression } from '../commit/compaction/compaction.js'
import type { Keeper } from '../commit/compaction/hand-over.js'
import type { Coder } from '../commit/derived-files.js'
import type { IndexFiles } from '../commit/index-files.js'

/** Documents worth scoring exactly, best first. */
export interface Found {
  /** Document ordinals: positions in the order of insertion. */
  readonly ordinals: Int32Array
  /** The stage's estimate of each one's MaxSim. */
  readonly scores: Float32Array
}

/** Finds candidates for exact MaxSim without reading token vectors. */
export interface Searcher {
  /** Documents it covers: ordinals below this. */
  readonly rows: number
  /**
   * The `count` best documents that are in `allowed` (fewer when there are fewer), ties by ordinal.
   *
   * @param allowed what lives and passes the filter; ordinals beyond the stage's rows may be missing from the result
   */
  search(query: TokenEmbeddings, count: number, allowed: Bitset): Found
}

/** What a stage is asked to estimate itself for. */
export interface CollectionSize {
  readonly documents: number
  readonly tokens: number
  readonly dim: number
}

/** Bytes on disk, and in memory while searches use it, about. */
export interface StageSize {
  readonly bytes: number
  readonly memory: number
}

/** One first stage of an index: how it looks, and how what it looks at is kept. Searches only use what is there. */
export interface Stage extends Keeper {
  readonly name: string
  /** The index is to have it: what is not there yet is made by `upkeep`. */
  readonly isKept: boolean
  /** Documents that `searcher` would cover; 0: nothing is there. */
  readonly rows: number
  /** Ordinals below it are known to be found as well as was measured; those after it are to be candidates whatever the searcher says. */
  readonly trusted: number
  /** Why the index cannot have it; undefined where it can. @param asked the name it was asked for by */
  refusal?(asked: string): SerotineError | undefined
  /** Bytes it holds in memory, about. Default: not known. */
  readonly memory?: number
  /** Share of the exact top 10 by the vectors that is the exact top 10 by what is left of them, where some were compressed. Default: 1. */
  readonly keeps?: number
  /** What it would take for a collection of this size; undefined where it would not be kept. */
  expected?(size: CollectionSize): StageSize | undefined
  /** Keeps it from now on, whatever the index was opened with. */
  keep(): void
  /** Makes sure that what it needs from outside is there, when the index is opened. @throws HNSWLIB_MISSING */
  check?(): Promise<void>
  /** What can be searched now; undefined when there is nothing, or when the collection is no longer that of the index. */
  searcher(collection: Collection): Promise<Searcher | undefined>
  /** Codes documents as they are committed; undefined when it has none, or is behind. */
  coder?(): Promise<Coder | undefined>
  /** Learns, codes, builds what is due, and commits it. */
  upkeep(work: Work): Promise<void>
  /** Finds out whether vectors may go for the codes of this stage, and commits what it found; what is to be said of it. */
  measure?(work: Work): Promise<Warning | undefined>
  /** Vectors that may go. @param share of the tokens that are compressed already; fewer are not worth it */
  compression?(share: number): Promise<Compression | undefined>
  /** Saves what a commit does not; the index is about to be closed. */
  flush?(): Promise<void>
  /** For people. */
  facts(): Readonly<Record<string, number | string | null>>
}

/** How upkeep is done. */
export interface Work {
  readonly signal: AbortSignal | undefined
  onDocument(done: number, total: number): void
  /** Runs a change of the files when no other is under way. */
  inTurn<T>(change: () => Promise<T>): Promise<T>
}

/** What a stage is made with. */
export interface StageContext {
  readonly files: IndexFiles
  /** What the index was opened with. */
  readonly preferred: FirstStage
  readonly onWarning: OnWarning | undefined
  /** The `hnswlib-node` module or a function that imports it. */
  readonly hnswlib: unknown
  /** `muvera` builds a graph from this many FDE numbers on. */
  readonly graphNumbers: number
  /** Vectors of so many tokens or more are compressed, with codec `residual`. */
  readonly compressTokens: number
  /** A stage made before this one. */
  stage(name: string): Stage
}
