import { resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkOptions } from '../../options.js'
import type { StoreProblem } from '../../store/store.js'
import { checksum } from '../files/byte-log.js'
import type { ByteLog } from '../files/byte-log.js'
import { fileStorage } from '../files/folder.js'
import type { Storage } from '../files/folder.js'
import { corrupt, isDamage, readChecked } from '../format/checked.js'
import { decodeRows } from '../format/document-table.js'
import type { DocumentRow } from '../format/document-table.js'
import { fileName, inspectFolder, MANIFEST_FILE, notAnIndex } from '../format/file-names.js'
import type { Extent, Manifest, SegmentManifest } from '../format/manifest.js'
import { readManifest } from '../format/manifest-file.js'

/** One file of an index, and whether it is what was written. */
export interface VerifiedSection {
  readonly file: string
  /** What it holds. */
  readonly section: string
  /** Committed bytes. */
  readonly bytes: number
  readonly isIntact: boolean
  /** Documents of which it holds something damaged. */
  readonly damaged: number
}

/** What an index's files are like. */
export interface VerifyReport {
  readonly sections: readonly VerifiedSection[]
  /** Empty: everything that was committed can be read. */
  readonly problems: readonly StoreProblem[]
}

/** What vectors are compressed by, with codec `residual`. */
export const CODEBOOK_SECTION = 'codebook'

/** Documents read before timers and sockets get their turn. */
const SLICE = 256

/**
 * Reads every committed byte of the index in a folder and compares checksums. Works where the index cannot be opened, changes nothing, and needs
 * no lock: a commit that ends meanwhile may look like damage, so verify when nobody writes.
 *
 * @example
 * const { problems } = await verifyIndex('./birds')
 * for (const { message } of problems) console.error(message)
 * @throws INDEX_FORMAT when there is no index, INDEX_VERSION; the signal's reason
 */
export async function verifyIndex(
  folder: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<VerifyReport> {
  checkOptions('verifyIndex', options, ['signal'])
  const where = resolve(folder)
  if (inspectFolder(where) !== 'index') throw notAnIndex(where, `it has no ${MANIFEST_FILE}`)
  const report = new Report()
  let manifest: Manifest
  try {
    manifest = readManifest(where)
  } catch (error) {
    report.add(MANIFEST_FILE, 'manifest', 0, [whole('manifest', MANIFEST_FILE, error)])
    return report
  }
  report.add(MANIFEST_FILE, 'manifest', 0, [])
  const storage = fileStorage(where, true)
  let deleted: Set<number> | undefined
  const { codebooks: _codebooks, ...others } = manifest
  for (const { section, extent } of extentsOf(others)) {
    const { bytes, problems } = checkExtent(storage, extent, section)
    report.add(extent.file, section, extent.bytes, problems)
    if (section === 'deleted' && bytes) deleted = new Set(new Uint32Array(bytes.buffer))
    await nextTurn()
    options.signal?.throwIfAborted()
  }
  let first = 0
  const compressed: [SegmentManifest, DocumentRow[]][] = []
  for (const segment of manifest.segments) {
    const start = first
    // Of a list that is damaged nothing is known: all count.
    const isLiving = (row: number): boolean => deleted?.has(start + row) !== true
    const rows = await verifySegment(storage, segment, isLiving, report, options.signal)
    if (segment.codebook) compressed.push([segment, rows.filter((_, i) => isLiving(i))])
    first += segment.documents
  }
  for (const codebook of manifest.codebooks ?? []) {
    const { problems } = checkExtent(storage, codebook, CODEBOOK_SECTION)
    const own = problems.length > 0 ? compressed.filter(([segment]) => segment.codebook === codebook.file) : []
    // Without it, there are no vectors.
    const lost = own.flatMap(([, rows]) => rows.map(({ id }) => ({ id, ...problems[0]!, section: 'vectors' })))
    report.add(codebook.file, CODEBOOK_SECTION, codebook.bytes, [...problems, ...lost])
    await nextTurn()
    options.signal?.throwIfAborted()
  }
  return report
}

class Report implements VerifyReport {
  readonly sections: VerifiedSection[] = []
  readonly problems: StoreProblem[] = []

  add(file: string, section: string, bytes: number, problems: readonly StoreProblem[]): void {
    const damaged = problems.filter(({ id }) => id !== undefined).length
    this.sections.push({ file, section, bytes, isIntact: problems.length === 0, damaged })
    this.problems.push(...problems)
  }
}

type FileExtent = Extent & { readonly file: string }

/** Everything in a manifest that is one checked piece of a file, whatever it is for. */
function* extentsOf(value: unknown, names: readonly string[] = []): Generator<{ section: string; extent: FileExtent }> {
  if (typeof value !== 'object' || value === null) return
  const { file, bytes, crc } = value as Partial<FileExtent>
  if (typeof file === 'string' && typeof bytes === 'number' && typeof crc === 'number') {
    yield { section: names.join(' '), extent: value as FileExtent }
  } else {
    for (const [name, part] of Object.entries(value)) {
      yield* extentsOf(part, ['derived', 'files'].includes(name) ? names : [...names, name])
    }
  }
}

function checkExtent(
  storage: Storage,
  extent: FileExtent,
  section: string,
): { bytes?: Uint8Array; problems: StoreProblem[] } {
  try {
    return { bytes: readOnce(storage, extent.file, extent, section), problems: [] }
  } catch (error) {
    if (!isDamage(error)) throw error
    return { problems: [whole(section, extent.file, error)] }
  }
}

function readOnce(storage: Storage, file: string, extent: Extent, section: string): Uint8Array {
  const log = storage.open(file, extent.bytes)
  try {
    return readChecked(log, extent, section)
  } finally {
    log.close()
  }
}

async function verifySegment(
  storage: Storage,
  { id, tokenBytes, textBytes, table, documents }: SegmentManifest,
  isLiving: (row: number) => boolean,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<DocumentRow[]> {
  const names = { table: fileName(id, 'table'), tokens: fileName(id, 'tokens'), texts: fileName(id, 'texts') }
  let rows: DocumentRow[] = []
  const ofTable = attempt('table', names.table, () => {
    rows = decodeRows(readOnce(storage, names.table, table, 'document table'), names.table)
    if (rows.length !== documents) throw corrupt(names.table, `the number of rows (${rows.length}, not ${documents})`)
  })
  report.add(names.table, 'table', table.bytes, ofTable)
  for (const [section, file, bytes] of [
    ['vectors', names.tokens, tokenBytes],
    ['text', names.texts, textBytes],
  ] as const) {
    let log: ByteLog | undefined
    const problems = attempt(section, file, () => (log = storage.open(file, bytes)))
    try {
      for (const [i, row] of rows.entries()) {
        if (!log || !isLiving(i)) continue
        const found = attempt(section, file, () => checkRow(log!, row, section))
        problems.push(...found.map((problem) => ({ id: row.id, ...problem })))
        if (i % SLICE === SLICE - 1) await nextTurn()
        signal?.throwIfAborted()
      }
    } finally {
      log?.close()
    }
    report.add(file, section === 'text' ? 'texts' : section, bytes, problems)
  }
  return rows
}

function checkRow(log: ByteLog, row: DocumentRow, section: 'vectors' | 'text'): void {
  const [offset, length, crc] =
    section === 'vectors'
      ? [row.tokenOffset, row.tokenBytes, row.tokenCrc]
      : [row.textOffset, row.textBytes, row.textCrc]
  if (offset < 0) return
  const bytes = new Uint8Array(length)
  log.read(bytes, offset)
  if (checksum(bytes) !== crc) throw corrupt(log.name, `the ${section} of document ${JSON.stringify(row.id)}`, '')
}

function attempt(section: string, file: string, read: () => unknown): StoreProblem[] {
  try {
    read()
    return []
  } catch (error) {
    if (!isDamage(error)) throw error
    return [whole(section, file, error)]
  }
}

function whole(section: string, file: string, error: unknown): StoreProblem {
  return { section, file, message: (error instanceof Error ? error.message : String(error)).trim() }
}
