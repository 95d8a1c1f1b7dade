import type { CodeBytes, CodebookManifest, DerivedManifest, DerivedRole, Manifest } from '../format/manifest.js'
import { COMPRESSING_STAGE } from '../format/manifest.js'
import { segmentFiles } from '../format/file-names.js'
import type { ByteLog } from '../files/byte-log.js'
import { CodebookFile } from '../format/codebook-file.js'
import type { Segment } from '../format/segment.js'
import type { Collection } from './collection.js'
import { compacted, copyCodes } from './compact.js'
import type { Compacted, ToCompress } from './compact.js'
import type { NewFile } from './derived-files.js'

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
  newFile(kind: `${string}-${DerivedRole}` | 'deleted' | 'codebook'): NewFile
}

/** What compaction does beside leaving out deleted documents. */
export interface CompactOptions {
  readonly compression?: Compression | undefined
  readonly signal?: AbortSignal | undefined
}

/** A file that is to be closed and removed, should compaction fail. */
export interface Made {
  readonly names: readonly string[]
  close(): void
}

/** A compacted index, on disk but for its manifest. */
export interface Written extends Compacted {
  readonly codebooks: readonly CodebookFile[]
  readonly deleted: ByteLog
  /** Of codes, by the name of the stage. */
  readonly logs: ReadonlyMap<string, ByteLog>
  /** All but the generation and the number of the next file. */
  readonly next: Omit<Manifest, 'generation' | 'nextFile'>
}

/**
 * Writes the segments, the codes and the codebooks of a compacted index.
 *
 * @param made what was made is put into it as soon as it is there
 * @returns undefined when there is nothing to do
 */
export async function writeCompacted(
  context: CompactionContext,
  made: Made[],
  { compression, signal }: CompactOptions,
): Promise<Written | undefined> {
  const { collection, manifest, segmentBytes } = context
  const newFile = (kind: Parameters<CompactionContext['newFile']>[0]): NewFile => {
    const file = context.newFile(kind)
    made.push({ names: [file.name], close: () => file.close() })
    return file
  }
  const ofStage = compression && manifest.derived[compression.stage]
  const stageCodes = ofStage && (await context.intactCodes(compression.stage))
  // Damaged codes are made again first.
  const compressing = stageCodes && compression
  const lost = lostCodebooks(context)
  const codebooks = context.codebooks.filter((file) => !lost.includes(file))
  for (const { bytes, about } of compressing?.codebooks ?? []) {
    const file = newFile('codebook')
    file.append(bytes)
    await file.log.sync()
    codebooks.push(new CodebookFile({ ...file.extent, ...about }, manifest.dim!, file.log))
  }
  const toCompress = compressing && {
    to: compression.to,
    codebookOf: (ordinal: number) => codebooks[ofStage!.parts.findLastIndex(({ from }) => from <= ordinal)]!,
    codesOf: codesToCompress(collection, ofStage!, stageCodes),
  }
  const create = (codebook: CodebookFile | undefined): Segment => {
    const number = context.nextNumber()
    let segment: Segment | undefined
    // Before they are there: making the second may fail.
    made.push({ names: segmentFiles(number), close: () => segment?.close() })
    return (segment = context.createSegment(number, codebook))
  }
  const result = await compacted(collection, create, segmentBytes, toCompress, signal)
  if (result.replaced.length === 0 && !toCompress && lost.length === 0) return undefined
  const deleted = newFile('deleted')
  const derived: Record<string, DerivedManifest> = {}
  const logs = new Map<string, ByteLog>()
  for (const [name, kept] of Object.entries(manifest.derived)) {
    if (!kept.codeBytes || !kept.files.codes || (name === COMPRESSING_STAGE && lost.length > 0)) continue
    const copy = newFile(`${name}-codes`)
    logs.set(name, copy.log)
    const own = compressing?.stage === name ? compressing : undefined
    const codes = own ? stageCodes : await context.intactCodes(name)
    const copied = await copyCodes(collection, kept, codes, copy, own?.to, signal)
    await copy.log.sync()
    let { learned } = kept.files
    if (own) {
      const file = newFile(`${name}-learned`)
      file.append(own.learned)
      await file.log.sync()
      learned = file.extent
    }
    derived[name] = { ...kept, ...copied, files: { ...kept.files, ...(learned && { learned }), codes: copy.extent } }
  }
  await Promise.all(result.created.map((segment) => segment.sync()))
  const { codebooks: _codebooks, ...others } = manifest
  const next = {
    ...others,
    segments: result.segments.map((segment) => segment.manifest),
    ...(codebooks.length > 0 && { codebooks: codebooks.map((file) => file.manifest) }),
    deleted: { file: deleted.name, bytes: 0, crc: 0 },
    derived,
  }
  return { ...result, codebooks, deleted: deleted.log, logs, next }
}

/** Codebooks that are damaged and that no living document needs any more: without them, what the first stage keeps is made again. */
function lostCodebooks({ collection, codebooks }: CompactionContext): CodebookFile[] {
  const living = collection.living()
  const needed = new Set<CodebookFile | undefined>()
  let ordinal = 0
  for (const { codebook, rows } of collection.segments)
    for (const _ of rows) if (living.has(ordinal++)) needed.add(codebook)
  return codebooks.filter((codebook) => !needed.has(codebook) && !codebook.isIntact)
}

/** Codes of single documents. */
function codesToCompress(
  collection: Collection,
  { rows, codesFrom = 0, codeBytes }: DerivedManifest,
  codes: Uint8Array,
): ToCompress['codesOf'] {
  const { perDocument, perToken } = codeBytes as CodeBytes
  const starts = new Float64Array(rows - codesFrom + 1)
  for (let ordinal = codesFrom; ordinal < rows; ordinal++) {
    const bytes = perDocument + perToken * collection.row(ordinal).tokens
    starts[ordinal - codesFrom + 1] = starts[ordinal - codesFrom]! + bytes
  }
  return (ordinal) => codes.subarray(starts[ordinal - codesFrom], starts[ordinal - codesFrom + 1])
}
