import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import type { DerivedRole, Manifest } from './manifest.js'

export const MANIFEST_FILE = 'manifest.json'

/** Files we may have written: `000001.tokens`, `000004.centroids-codes`; `fde` and the short names after it are of version 1. */
const OURS =
  /^\d{6,}\.(tokens|texts|table|deleted|codebook|[a-z]+-(learned|codes|graph)|fde|hnsw|centroids|codes)(\.tmp)?$/

export const SEGMENT_KINDS = ['tokens', 'texts', 'table'] as const
export type SegmentKind = (typeof SEGMENT_KINDS)[number]
/** No file of an index has had this number before. */
export function fileName(
  number: number,
  kind: SegmentKind | 'deleted' | 'codebook' | `${string}-${DerivedRole}`,
): string {
  return `${String(number).padStart(6, '0')}.${kind}`
}

export function segmentFiles(id: number): string[] {
  return SEGMENT_KINDS.map((kind) => fileName(id, kind))
}

/** Names of all files the manifest mentions. */
export function filesOf({ segments, codebooks = [], deleted, derived }: Manifest): string[] {
  const ofStages = Object.values(derived).flatMap(({ files }) => Object.values(files).map(({ file }) => file))
  const ofSegments = segments.flatMap(({ id }) => segmentFiles(id))
  return [...ofSegments, ...codebooks.map(({ file }) => file), deleted.file, ...ofStages]
}

/** Names of files that a manifest mentions and the next one does not. */
export function droppedFiles(before: Manifest, next: Manifest): string[] {
  const kept = new Set(filesOf(next))
  return filesOf(before).filter((name) => !kept.has(name))
}

/** Names of files in the folder that Serotine wrote and the manifest does not mention. For the holder of the lock. */
export function leftovers(folder: string, manifest: Manifest): string[] {
  const known = new Set(filesOf(manifest))
  return readdirSync(folder).filter((name) => (OURS.test(name) && !known.has(name)) || name === `${MANIFEST_FILE}.tmp`)
}

/** Whether all files that the manifest mentions are there, as long as it says. Where not, they may be of another manifest. */
export function isComplete(folder: string, manifest: Manifest): boolean {
  const lengths = new Map(filesOf(manifest).map((name) => [name, 0]))
  const ofStages = Object.values(manifest.derived).flatMap(({ files }) => Object.values(files))
  for (const { file, bytes } of [...ofStages, ...(manifest.codebooks ?? [])]) lengths.set(file, bytes)
  return [...lengths].every(([name, bytes]) => {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false })
    return stat !== undefined && stat.size >= bytes
  })
}

/** The highest number a file in the folder bears; 0 when there are none. */
export function highestNumber(folder: string): number {
  const numbers = readdirSync(folder).flatMap((name) => (OURS.test(name) ? [Number.parseInt(name, 10)] : []))
  return numbers.reduce((a, b) => Math.max(a, b), 0)
}

/** The name of a file whose number is `shift` higher. */
export function shifted(name: string, shift: number): string {
  return name.replace(/^\d+/, (digits) => String(Number(digits) + shift).padStart(6, '0'))
}

/** What is in a folder, before anything is opened. @throws INDEX_FORMAT when it is something else */
export function inspectFolder(folder: string): 'missing' | 'empty' | 'index' {
  if (!existsSync(folder)) return 'missing'
  if (!statSync(folder).isDirectory()) throw notAnIndex(folder, 'it is a file')
  if (existsSync(join(folder, MANIFEST_FILE))) return 'index'
  // An interrupted first commit leaves these and nothing else: no document.
  const others = readdirSync(folder).filter((name) => !/^(lock(\..*)?|manifest\.json\.tmp|0+1\.deleted)$/.test(name))
  if (others.length === 0) return 'empty'
  const names = others.slice(0, 3).map(describe).join(', ')
  throw notAnIndex(folder, `it holds ${names}${others.length > 3 ? ' …' : ''} but no ${MANIFEST_FILE}`)
}

export function notAnIndex(folder: string, why: string): SerotineError {
  return new SerotineError(
    'INDEX_FORMAT',
    `${folder} is not a Serotine index: ${why}. Nothing was changed; choose another folder.`,
  )
}
