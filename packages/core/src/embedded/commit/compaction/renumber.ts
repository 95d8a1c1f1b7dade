import { CodebookFile } from '../../format/codebook-file.js'
import { COMPRESSING_STAGE } from '../../format/manifest.js'
import type { CodeBytes, DerivedManifest } from '../../format/manifest.js'
import type { ByteLog } from '../../files/byte-log.js'
import type { DocumentRow } from '../../format/document-table.js'
import type { Segment } from '../../format/segment.js'
import { Bitset } from '../bitset.js'
import type { Collection } from '../collection.js'
import type { NewFile } from '../derived-files.js'
import { copyCodes } from './codes.js'
import { createSegment, segmentOver, slices } from './compaction.js'
import type { CompactionContext, Compression, Made, Written } from './compaction.js'
import { copyDocument } from './copy.js'

/** What to compress: documents from the first that is not to one that stays, each by the codebook of its part. */
interface ToCompress {
  readonly to: number
  codebookOf(ordinal: number): CodebookFile
  /** The codes of a document that is not compressed yet. */
  codesOf(ordinal: number): Uint8Array
}

/**
 * Writes the last step of a compaction: rows of deleted documents whose bytes are gone go as well, so that ordinals change, with the codes that first
 * stages have of them. Vectors that are to be compressed become codes. Segments of whose documents some are deleted and others not stay as
 * they are, unless steps before have rewritten them.
 *
 * @param made what was made is put into it as soon as it is there
 * @returns undefined when there is nothing to do
 */
export async function writeRenumbered(
  context: CompactionContext,
  made: Made[],
  compression: Compression | undefined,
  signal?: AbortSignal,
): Promise<Written | undefined> {
  const { collection, manifest } = context
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
  const { segments, created, replaced, left, dead } = await leftOf(context, made, toCompress, signal)
  if (replaced.length === 0 && !toCompress && lost.length === 0) return undefined
  const deleted = newFile('deleted')
  if (dead.length > 0) {
    deleted.append(new Uint8Array(Uint32Array.from(dead).buffer))
    await deleted.log.sync()
  }
  const derived: Record<string, DerivedManifest> = {}
  const logs = new Map<string, ByteLog>()
  for (const [name, kept] of Object.entries(manifest.derived)) {
    if (!kept.codeBytes || !kept.files.codes || (name === COMPRESSING_STAGE && lost.length > 0)) continue
    const copy = newFile(`${name}-codes`)
    logs.set(name, copy.log)
    const own = compressing?.stage === name ? compressing : undefined
    const codes = own ? stageCodes : await context.intactCodes(name)
    const copied = await copyCodes(collection, kept, codes, copy, { left, from: own?.to, signal })
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
  await Promise.all(created.map((segment) => segment.sync()))
  const { codebooks: _codebooks, ...others } = manifest
  const next = {
    ...others,
    segments: segments.map((segment) => segment.manifest),
    ...(codebooks.length > 0 && { codebooks: codebooks.map((file) => file.manifest) }),
    deleted: deleted.extent,
    derived,
  }
  return { created, replaced, next, renumbered: { segments, dead, codebooks, deleted: deleted.log, logs } }
}

/** What there is when deleted documents without bytes are gone. */
interface Left {
  readonly segments: Segment[]
  readonly created: Segment[]
  readonly replaced: Segment[]
  /** Documents that keep a row, by the ordinals they had. */
  readonly left: Bitset
  /** Those of them that are deleted, by their new ordinals. */
  readonly dead: readonly number[]
}

/** Decides what becomes of each segment: it stays, has fewer rows over the same bytes, is written anew in codes, or goes. */
async function leftOf(
  context: CompactionContext,
  made: Made[],
  toCompress: ToCompress | undefined,
  signal: AbortSignal | undefined,
): Promise<Left> {
  const { collection, segmentBytes } = context
  const living = collection.living()
  const turn = slices(signal)
  const [segments, created, replaced]: Segment[][] = [[], [], []]
  const [left, dead] = [new Bitset(collection.total), [] as number[]]
  let count = 0
  const keep = (ordinal: number): void => {
    left.add(ordinal)
    if (!living.has(ordinal)) dead.push(count)
    count++
  }
  /** Codebook of each document. */
  const codebookOf = (segment: Segment, ordinal: number): CodebookFile | undefined => {
    if (segment.codebook || !toCompress || ordinal >= toCompress.to) return segment.codebook
    return toCompress.codebookOf(ordinal)
  }
  /** The segment being filled; one after it that is not written anew ends it, so that the order is preserved. */
  let target: Segment | undefined
  for (const [position, segment] of [...collection.segments].entries()) {
    const first = collection.stored.startOf(position)
    const rows = [...segment.rows.keys()].filter((i) => living.has(first + i))
    if (toCompress && !segment.codebook && first < toCompress.to && rows.length > 0) {
      replaced!.push(segment)
      for (const i of rows) {
        const codebook = codebookOf(segment, first + i)
        if (!target || target.codebook !== codebook || target.tokenBytes >= segmentBytes) {
          target = createSegment(context, made, codebook)
          created!.push(target)
          segments!.push(target)
        }
        copyDocument(segment, i, target, codebook === segment.codebook ? undefined : toCompress!.codesOf(first + i))
        keep(first + i)
        await turn()
      }
      continue
    }
    target = undefined
    const withBytes = [...segment.rows.keys()].filter(
      (i) => living.has(first + i) || (rows.length > 0 && hasBytes(segment.rows[i]!)),
    )
    for (const i of withBytes) keep(first + i)
    if (withBytes.length === segment.rows.length) segments!.push(segment)
    else {
      replaced!.push(segment)
      if (withBytes.length === 0) continue
      const over = await segmentOver(context, made, segment, withBytes)
      created!.push(over)
      segments!.push(over)
    }
    signal?.throwIfAborted()
  }
  return { segments: segments!, created: created!, replaced: replaced!, left, dead }
}

function hasBytes({ tokenBytes, textBytes }: DocumentRow): boolean {
  return tokenBytes > 0 || textBytes > 0
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
