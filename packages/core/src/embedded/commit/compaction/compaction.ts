import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ByteLog } from '../../files/byte-log.js'
import { segmentFiles } from '../../format/file-names.js'
import type { CodebookFile } from '../../format/codebook-file.js'
import type { CodebookManifest, DerivedRole, Manifest } from '../../format/manifest.js'
import type { Segment } from '../../format/segment.js'
import type { Collection } from '../collection.js'
import type { NewFile } from '../derived-files.js'
import type { KeptFiles } from './hand-over.js'

/** Vectors that are given up for the codes that a first stage has of them. */
export interface Compression {
  /** The first stage. */
  readonly stage: string
  /** Of documents before this ordinal: as many parts of the stage as there are codebooks then. */
  readonly to: number
  /** Those that the manifest has not, in the order of the stage's parts. */
  readonly codebooks: readonly {
    readonly bytes: Uint8Array
    readonly about: Omit<CodebookManifest, 'file' | 'bytes' | 'crc'>
  }[]
  /** What the stage has learned beside all of these. */
  readonly learned: Uint8Array
}

/** What is compacted, and how files are made. */
export interface CompactionContext {
  readonly collection: Collection
  readonly manifest: Manifest
  readonly codebooks: readonly CodebookFile[]
  readonly segmentBytes: number
  /** Codes that a stage has in a file of its own; undefined when they are damaged, or of other documents. */
  intactCodes(name: string): Promise<Uint8Array | undefined>
  /** Of the next file. */
  nextNumber(): number
  createSegment(number: number, codebook: CodebookFile | undefined): Segment
  /** As `Segment.over`. */
  segmentOver(number: number, from: Segment, rows: readonly number[]): Promise<Segment>
  newFile(kind: `${string}-${DerivedRole}` | 'deleted' | 'codebook'): NewFile
}

/** What compaction does, and how. */
export interface CompactOptions {
  /** Asked for when it begins, and again before the last step. */
  readonly compression?: (() => Promise<Compression | undefined>) | undefined
  /** Segments are rewritten where deleted documents take up this share of their bytes, or more. Default: where there are any. */
  readonly share?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told before the step in which ordinals change is committed, while searches go on; what it gives is called when it has been. */
  readonly handOver?: ((next: KeptFiles) => Promise<() => void>) | undefined
  /** Runs each step when no other change is under way, and others in between. Default: the caller sees to that. */
  readonly inTurn?: (<T>(step: () => Promise<T>) => Promise<T>) | undefined
}

/** A file that is to be closed and removed, should a step fail. */
export interface Made {
  readonly names: readonly string[]
  close(): void
}

/** A step of a compaction, on disk but for its manifest. */
export interface Written {
  readonly created: readonly Segment[]
  /** What these take the place of. */
  readonly replaced: readonly Segment[]
  /** Ordinals change with it. */
  readonly renumbered?: Renumbered
  /** All but the generation and the number of the next file. */
  readonly next: Omit<Manifest, 'generation' | 'nextFile'>
}

export interface Renumbered {
  readonly segments: Segment[]
  /** New ordinals of deleted documents that still take up room. */
  readonly dead: readonly number[]
  readonly codebooks: readonly CodebookFile[]
  readonly deleted: ByteLog
  /** Of codes, by the name of the stage. */
  readonly logs: ReadonlyMap<string, ByteLog>
}

/** Makes an empty segment, and sees to it that it is removed, should the step fail. */
export function createSegment(context: CompactionContext, made: Made[], codebook: CodebookFile | undefined): Segment {
  const number = context.nextNumber()
  let segment: Segment | undefined
  // Before they are there: making the second may fail.
  made.push({ names: segmentFiles(number), close: () => segment?.close() })
  return (segment = context.createSegment(number, codebook))
}

/** As `createSegment`, over the bytes of another one. */
export async function segmentOver(
  context: CompactionContext,
  made: Made[],
  from: Segment,
  rows: readonly number[],
): Promise<Segment> {
  const number = context.nextNumber()
  let segment: Segment | undefined
  made.push({ names: segmentFiles(number), close: () => segment?.close() })
  return (segment = await context.segmentOver(number, from, rows))
}

/** Milliseconds of copying, then timers and sockets get their turn. */
const SLICE_MS = 15

/** A function to be called after each document that is copied. @throws the signal's reason */
export function slices(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let end = performance.now() + SLICE_MS
  return () => {
    signal?.throwIfAborted()
    if (performance.now() < end) return undefined
    return nextTurn().then(() => void (end = performance.now() + SLICE_MS))
  }
}
