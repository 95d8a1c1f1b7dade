import type { ResidualSteps } from '../../centroids/residuals.js'
import type { FdeOptions } from '../../fde/config.js'
import type { Json } from '../../store/metadata.js'
import type { KeywordSettings } from '../../store/keywords.js'
import type { TokenCodec } from '../../store/records.js'
import type { Suitability } from '../../store/store.js'

/** The first stage whose codes may be all that is kept of vectors: `Manifest.codebooks` are of its first parts. */
export const COMPRESSING_STAGE = 'centroids'

/** What a file of a first stage holds: what was learned, codes of the documents one after the other, or a graph of them. */
export type DerivedRole = 'learned' | 'codes' | 'graph'

/** Committed extent of one append-only file that is checked when it is read into memory. */
export interface Extent {
  readonly bytes: number
  readonly crc: number
}

/** One group of append-only files, `<id>.tokens` … */
export interface SegmentManifest {
  readonly id: number
  readonly documents: number
  /** Records and texts carry a checksum each, in the table: checked when they are read. */
  readonly tokenBytes: number
  readonly textBytes: number
  readonly table: Extent
  /** File of the codebook that its records are residual codes by; absent: vectors. Such segments come first, in the order of the codebooks. */
  readonly codebook?: string
}

/** What the vectors of segments were compressed by: directions of its cells, then of its centroids, f32 `[… × dim]`. */
export interface CodebookManifest extends Extent {
  readonly file: string
  /** As `CodebookData.cellBlocks`. */
  readonly cellBlocks: readonly number[]
  readonly residuals: ResidualSteps
  /** Tokens of the documents it was learned from. */
  readonly tokens: number
  /** Mean similarity of a token that was not learned from with its centroid; null: not known. */
  readonly similarity: number | null
}

/**
 * What a first stage keeps beside the documents. It can always be made again from them, and is treated alike whatever stage it is of:
 * its files are committed with the documents, copied by compaction where every document has codes of its own, else dropped.
 */
export interface DerivedManifest {
  /** Of the stage's own form; another one is made again. */
  readonly version: number
  /** Documents in it: ordinals below this. */
  readonly rows: number
  /** Codes of documents before this one are their records in the segments; `codes` begins with it. Absent: 0. */
  readonly codesFrom?: number
  readonly files: Readonly<Partial<Record<DerivedRole, Extent & { readonly file: string }>>>
  /**
   * Bytes of a document's codes: `perDocument + perToken × tokens`; `counted`: they begin with their own length, a u32. Null: there are no
   * codes to be had of one document.
   */
  readonly codeBytes: CodeBytes | 'counted' | null
  /** Documents that were learned from and coded together, in their order; the first begins at 0. */
  readonly parts: readonly DerivedPart[]
  /** What the stage has to know and the files do not say. */
  readonly facts: { readonly [name: string]: Json }
  readonly suitability: Suitability | null
}

export interface CodeBytes {
  readonly perDocument: number
  readonly perToken: number
}

/** Ordinals, which compaction renumbers. */
export interface DerivedPart {
  readonly from: number
  /** What was learned is of the documents before this one; those after it came later. */
  readonly learned: number
  /** Documents before this one are known to fit what was learned; those after it are always candidates. */
  readonly trusted: number
}

/** Everything a reader needs to know; replaced as a whole at every commit. */
export interface Manifest {
  readonly generation: number
  readonly codec: TokenCodec
  /** Components per token; null until the first document says. */
  readonly dim: number | null
  readonly model: { readonly name: string; readonly fingerprint: string } | null
  /** What FDEs were asked for when the index was made; null: none. */
  readonly fde: FdeOptions | null
  readonly nextFile: number
  readonly segments: readonly SegmentManifest[]
  /** Only with codec `residual`: one for each part of the first stage `centroids`, the first so many, in their order. */
  readonly codebooks?: readonly CodebookManifest[]
  /** Ordinals (u32) of deleted documents, in the order of deletion. */
  readonly deleted: Extent & { readonly file: string }
  /** How documents are found by their words; false: not at all. Absent: nothing was said when the index was made, as in older builds. */
  readonly keywords?: KeywordSettings | false
  /** By the name of the first stage; `keywords`: the terms of every document. */
  readonly derived: Readonly<Record<string, DerivedManifest>>
}

/** What is decided when an index is made. */
export type InitialManifest = Pick<Manifest, 'codec' | 'dim' | 'model' | 'fde' | 'keywords'>
