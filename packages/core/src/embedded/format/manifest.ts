import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'
import type { FdeConfig, FdeOptions } from '../../fde/config.js'
import type { StoredFdeMeans } from '../../fde/stored-means.js'
import { TOKEN_CODECS } from '../../store/records.js'
import type { TokenCodec } from '../../store/records.js'

/** Format written by this build; older ones are read, newer ones refused. */
export const FORMAT_VERSION = 1
const FORMAT = 'serotine-index'
const FILE = 'manifest.json'

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
  readonly fde: Extent & { readonly rows: number }
}

/** How much of the exact top 10 a first stage keeps, on a sample of the collection. */
export interface SuitabilityReport {
  /** Share of the exact top 10 among the candidates, 0 … 1. */
  readonly recall: number
  /** Documents and pseudo queries it was measured with. */
  readonly documents: number
  readonly queries: number
  readonly candidates: number
  /** Documents in the collection then. */
  readonly collection: number
}

export interface FdeManifest {
  /** What was asked for when the index was made. */
  readonly options: FdeOptions
  /** What it became when the first tokens were seen; null until then, and no document has an FDE. */
  readonly learned: LearnedFde | null
  /** How well the FDEs work, measured on a sample; null until there are enough documents. */
  readonly suitability: SuitabilityReport | null
}

/** Fixed once, so that an FDE made today can be compared with one made tomorrow. */
export interface LearnedFde {
  readonly config: FdeConfig
  /** `FdeEncoder.fingerprint`: other arithmetic or another generator is noticed when the index is opened. */
  readonly fingerprint: string
  /** Mean tokens, and what else it knows about the collection. */
  readonly means: StoredFdeMeans
  /** Length of the mean document token, 0 … 1, and the tokens it was taken from. */
  readonly meanNorm: number
  readonly tokens: number
}

/** The centroid codes: a codebook, and an append-only list of codes (u16, one per token) in the order of the documents. */
export interface CentroidsManifest {
  /** Float32 directions of the cells, then of the centroids. */
  readonly codebook: Extent & { readonly file: string }
  readonly cellBlocks: readonly number[]
  /** Codes of the documents with ordinals below `rows`. */
  readonly codes: Extent & { readonly file: string; readonly rows: number }
  /** Tokens the collection had when the codebook was trained. */
  readonly tokens: number
  readonly suitability: SuitabilityReport | null
}

export interface HnswManifest {
  readonly file: string
  readonly bytes: number
  /** Rows in the graph: ordinals below it. */
  readonly rows: number
  readonly crc: number
}

/** Everything a reader needs to know; replaced as a whole at every commit. */
export interface Manifest {
  readonly generation: number
  readonly codec: TokenCodec
  /** Components per token; null until the first document says. */
  readonly dim: number | null
  readonly model: { readonly name: string; readonly fingerprint: string } | null
  readonly fde: FdeManifest | null
  readonly nextFile: number
  readonly segments: readonly SegmentManifest[]
  /** Ordinals (u32) of deleted documents, in the order of deletion. */
  readonly deleted: Extent & { readonly file: string }
  readonly hnsw: HnswManifest | null
  /** Absent in indexes of builds that had none. */
  readonly centroids?: CentroidsManifest | null
}

/** What the options of `open` decide of a new index. */
export type InitialManifest = Pick<Manifest, 'codec' | 'dim' | 'model' | 'fde'>

/** What is in a folder, before anything is opened. */
export function inspectFolder(folder: string): 'missing' | 'empty' | 'index' {
  if (!existsSync(folder)) return 'missing'
  if (!statSync(folder).isDirectory()) throw notAnIndex(folder, 'it is a file')
  if (existsSync(join(folder, FILE))) return 'index'
  // An interrupted first commit leaves these and nothing else: no document.
  const others = readdirSync(folder).filter((name) => !/^(lock(\..*)?|manifest\.json\.tmp|0+1\.deleted)$/.test(name))
  if (others.length === 0) return 'empty'
  const names = others.slice(0, 3).map(describe).join(', ')
  throw notAnIndex(folder, `it holds ${names}${others.length > 3 ? ' …' : ''} but no ${FILE}`)
}

function notAnIndex(folder: string, why: string): SerotineError {
  return new SerotineError(
    'INDEX_FORMAT',
    `${folder} is not a Serotine index: ${why}. Nothing was changed; choose another folder.`,
  )
}

/** @throws INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT */
export function readManifest(folder: string): Manifest {
  const path = join(folder, FILE)
  let parsed: { format?: unknown; version?: unknown; checksum?: unknown }
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) throw cause
    throw new SerotineError(
      'INDEX_CORRUPT',
      `${path} is not JSON. The file is damaged; restore it or build the index again.`,
      { cause },
    )
  }
  if (typeof parsed !== 'object' || parsed === null || parsed.format !== FORMAT) {
    throw notAnIndex(folder, `its ${FILE} does not say "format": "${FORMAT}"`)
  }
  const { format: _format, version, checksum, ...manifest } = parsed
  if (!Number.isInteger(version) || (version as number) > FORMAT_VERSION) {
    throw new SerotineError(
      'INDEX_VERSION',
      `${folder} is index format ${describe(version)}; this build reads up to ${FORMAT_VERSION}. Upgrade @serotine/core.`,
    )
  }
  const result = manifest as unknown as Manifest
  if (checksum !== checksumOf(version as number, result) || !TOKEN_CODECS.includes(result.codec)) {
    throw new SerotineError(
      'INDEX_CORRUPT',
      `${path} fails its checksum. The file is damaged; restore it or build the index again.`,
    )
  }
  return result
}

function checksumOf(version: number, manifest: Manifest): number {
  return crc32(JSON.stringify([version, manifest]))
}

/** Puts the manifest in place in one step: whoever opens the folder sees the old state or the new one. */
export async function commitManifest(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, FILE)
  const whole = { format: FORMAT, version: FORMAT_VERSION, checksum: checksumOf(FORMAT_VERSION, manifest), ...manifest }
  const fd = openSync(`${path}.tmp`, 'w')
  try {
    const bytes = Buffer.from(`${JSON.stringify(whole)}\n`)
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  await renameWithPatience(`${path}.tmp`, path)
  syncFolder(folder)
}

/** Virus scanners and indexers on Windows hold new files open for a moment. */
async function renameWithPatience(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return renameSync(from, to)
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? ''
      if (attempt > 8 || !['EPERM', 'EBUSY', 'EACCES'].includes(code)) throw cause
      await sleep(10 * attempt)
    }
  }
}

/** Makes the new names in a folder survive a power cut. */
export function syncFolder(folder: string): void {
  // Windows cannot open a folder as a file, and needs no such call.
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Names of files in the folder that Serotine wrote and the manifest no longer mentions. */
export function leftovers(folder: string, manifest: Manifest): string[] {
  const { deleted, hnsw, centroids } = manifest
  const derived = [...(hnsw ? [hnsw] : []), ...(centroids ? [centroids.codebook, centroids.codes] : [])]
  const known = new Set([deleted, ...derived].map(({ file }) => file))
  for (const { id } of manifest.segments) for (const name of segmentFiles(id)) known.add(name)
  return readdirSync(folder).filter((name) => OURS.test(name) && !known.has(name))
}

export const OURS = /^\d{6,}\.(tokens|texts|table|fde|deleted|hnsw|centroids|codes)(\.tmp)?$/

type FileKind = 'tokens' | 'texts' | 'table' | 'fde' | 'deleted' | 'hnsw' | 'centroids' | 'codes'

export function fileName(id: number, kind: FileKind): string {
  return `${String(id).padStart(6, '0')}.${kind}`
}

export function segmentFiles(id: number): string[] {
  return (['tokens', 'texts', 'table', 'fde'] as const).map((kind) => fileName(id, kind))
}
