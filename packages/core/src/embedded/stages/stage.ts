import type { TokenEmbeddings } from '../../embeddings.js'
import type { Bitset } from '../commit/bitset.js'

/** Documents worth scoring exactly, best first. */
export interface Candidates {
  /** Document ordinals: positions in the order of insertion. */
  readonly ordinals: Int32Array
  /** The stage's estimate of each one's MaxSim. */
  readonly scores: Float32Array
}

/**
 * Finds candidates for exact MaxSim without reading token vectors. Implementations share the collection's rows and
 * differ in how they look through them: `fde` reads every FDE, `hnsw` walks a graph over them, `centroids` keeps codes of
 * its own.
 */
export interface FirstStage {
  /** As reported in search results. */
  readonly name: 'centroids' | 'fde' | 'hnsw'
  /**
   * The `count` best documents that are in `allowed` (fewer when there are fewer), ties by ordinal.
   *
   * @param allowed what lives and passes the filter; ordinals beyond the stage's rows may be missing from it, not the reverse
   */
  search(query: TokenEmbeddings, count: number, allowed: Bitset): Candidates
}
