import type { TokenEmbeddings } from '../../embeddings.js'
import type { SerotineError, Warning } from '../../errors.js'
import type { Json } from '../../store/metadata.js'
import type { Collection } from '../commit/collection.js'
import type { Compression } from '../commit/compaction/compaction.js'
import type { CodebookFile } from '../format/codebook-file.js'
import type { CodeBytes, DerivedManifest } from '../format/manifest.js'
import type { CollectionSize, Searcher, StageSize } from './stage.js'

/** Codes of documents in memory, and what they were coded by. */
export interface CodedSearcher extends Searcher {
  readonly codeBytes: CodeBytes
  /** Parts of the collection that were learned from each for itself. */
  readonly partCount: number
  readonly facts: { readonly [name: string]: Json }
  /** Bytes of memory it holds. */
  readonly memory: number
  /** Codes of documents, one after the other, each of `codeBytes`. */
  encode(documents: readonly TokenEmbeddings[]): Uint8Array
  append(codes: Uint8Array, lengths: readonly number[]): void
  /** Makes room for documents of so many tokens, where they come piece by piece; nothing is in it yet. */
  reserve?(lengths: readonly number[]): void
}

/** What is in memory, and what the manifest says of it. */
export interface Kept {
  readonly searcher: CodedSearcher
  readonly derived: DerivedManifest
}

/** Learn from this ordinal on; or trust the codes of documents before this one; or nothing. */
export type Due = { readonly learn: number } | { readonly trust: number } | undefined

/** Facts to keep, and what is to be said of them. */
export interface Measured {
  readonly facts: DerivedManifest['facts']
  readonly warning: Warning | undefined
}

/** What is particular to one first stage that codes every document by something it learned from the collection. */
export interface CodedKind {
  readonly name: string
  /** Of the files; those of another version are made again. */
  readonly version: number
  /** Its codes may be all that is kept of vectors. */
  readonly compresses: boolean
  isKept(collection: Collection): boolean
  /** As `Stage.refusal`. */
  refusal?(asked: string): SerotineError | undefined
  keep(): void
  /** As `Stage.expected`. */
  expected(size: CollectionSize): StageSize | undefined
  /** What there is to do, given what is there. */
  due(collection: Collection, current: Kept | undefined, signal: AbortSignal | undefined): Due | Promise<Due>
  /**
   * Learns from the documents from an ordinal on. Those before it keep their codes, which are in the searcher already; those after it
   * are not coded yet. Undefined: there is too little.
   */
  learn(
    collection: Collection,
    from: number,
    current: Kept | undefined,
    signal: AbortSignal | undefined,
  ): Promise<CodedSearcher | undefined>
  /** What `restore` makes the searcher of again, beside the codebooks that vectors were compressed by. */
  learned(searcher: CodedSearcher): Uint8Array
  /** Vectors that may go now. @param share of the tokens that are compressed already; fewer are not worth it */
  compression?(collection: Collection, current: Kept, share: number): Compression | undefined
  /** Finds out what `compression` has to know; undefined: nothing new. */
  measure?(collection: Collection, current: Kept, signal: AbortSignal | undefined): Promise<Measured | undefined>
  /** As `Stage.keeps`. */
  keeps?(collection: Collection, derived: DerivedManifest): number
  /** An empty searcher, which the codes are to be appended to. @param codebooks that vectors were compressed by @throws INDEX_CORRUPT */
  restore(
    learned: Uint8Array,
    derived: Pick<DerivedManifest, 'facts' | 'parts'>,
    codebooks: readonly CodebookFile[],
  ): CodedSearcher
  /** For people. */
  facts(derived: DerivedManifest | undefined): Readonly<Record<string, number | string | null>>
}
