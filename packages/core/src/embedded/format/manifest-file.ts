import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { SerotineError } from '../../errors.js'
import { describe } from '../../options.js'
import { TOKEN_CODECS } from '../../store/records.js'
import { renameWithPatience, syncFolder } from '../files/folder.js'
import { MANIFEST_FILE, notAnIndex } from './file-names.js'
import type { Manifest } from './manifest.js'
import { fromVersion1 } from './version-1.js'
import type { Version1Manifest } from './version-1.js'

/** The newest format this build knows; older ones are read, newer ones refused. */
const NEWEST_VERSION = 3
/** Of an index whose codec is not `residual`: builds from before that codec go on reading and writing it. */
const USUAL_VERSION = 2
const FORMAT = 'serotine-index'

/** @throws INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT */
export function readManifest(folder: string): Manifest {
  return readVersionedManifest(folder).manifest
}

/** A manifest as it was found. */
export interface FoundManifest {
  /** Of the format that it has on disk. */
  readonly version: number
  readonly manifest: Manifest
  /** What it says of itself: another one has another. */
  readonly checksum: number
}

/** @throws as `readManifest` */
export function readVersionedManifest(folder: string): FoundManifest {
  const path = join(folder, MANIFEST_FILE)
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
    throw notAnIndex(folder, `its ${MANIFEST_FILE} does not say "format": "${FORMAT}"`)
  }
  const { format: _format, version, checksum, ...rest } = parsed
  if (!Number.isInteger(version) || (version as number) > NEWEST_VERSION) {
    throw new SerotineError(
      'INDEX_VERSION',
      `${folder} is index format ${describe(version)}; this build reads up to ${NEWEST_VERSION}. Upgrade @serotine/core.`,
    )
  }
  const manifest = rest as unknown as Manifest
  if (checksum !== checksumOf(manifest, version as number) || !TOKEN_CODECS.includes(manifest.codec)) {
    throw new SerotineError(
      'INDEX_CORRUPT',
      `${path} fails its checksum. The file is damaged; restore it or build the index again.`,
    )
  }
  const found = { version: version as number, checksum }
  if (version === 1) return { ...found, manifest: fromVersion1(manifest as unknown as Version1Manifest) }
  return { ...found, manifest }
}

/** What a manifest is written as. */
export function versionOf({ codec }: Pick<Manifest, 'codec'>): number {
  return codec === 'residual' ? NEWEST_VERSION : USUAL_VERSION
}

/** What a manifest says of itself, in the version that it is written as or another. */
export function checksumOf(manifest: Manifest, version = versionOf(manifest)): number {
  return crc32(JSON.stringify([version, manifest]))
}

/**
 * Puts the manifest in place in one step: whoever opens the folder sees the old state or the new one.
 *
 * @param fence throws when the folder is no longer ours to write; asked before anything is written and once more before the step
 * @returns INDEX_NOT_DURABLE when it is in place, but after a power cut the old one may be: the files of both must stay
 * @throws INDEX_POISONED when it is not known which is in place; anything else when the old one is
 */
export async function commitManifest(
  folder: string,
  manifest: Manifest,
  fence: () => void = () => {},
): Promise<SerotineError | undefined> {
  fence()
  const path = join(folder, MANIFEST_FILE)
  const version = versionOf(manifest)
  const whole = { format: FORMAT, version, checksum: checksumOf(manifest), ...manifest }
  const bytes = Buffer.from(`${JSON.stringify(whole)}\n`)
  const fd = openSync(`${path}.tmp`, 'w')
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  fence()
  try {
    await renameWithPatience(`${path}.tmp`, path)
  } catch (cause) {
    // A network file system may report that to have failed which it has done.
    if (!isInPlace(folder, bytes, cause)) throw cause
  }
  return syncIndex(folder)
}

/** @throws INDEX_POISONED when that cannot be read */
function isInPlace(folder: string, manifest: Uint8Array, failure: unknown): boolean {
  try {
    return readFileSync(join(folder, MANIFEST_FILE)).equals(manifest)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw new SerotineError(
      'INDEX_POISONED',
      `Whether the last change of ${folder} was made is unknown (${String(failure)}, then ${String(cause)}). Nothing was removed; close ` +
        'the index and open it again to see.',
      { cause: failure },
    )
  }
}

/** Makes the manifest in place survive a power cut. @returns INDEX_NOT_DURABLE when that fails */
export function syncIndex(folder: string): SerotineError | undefined {
  try {
    syncFolder(folder)
    return undefined
  } catch (cause) {
    return new SerotineError(
      'INDEX_NOT_DURABLE',
      `What was changed in ${folder} is there, but may not survive a power cut: the folder could not be synced (${String(cause)}). The ` +
        'next change that succeeds makes up for it, or closing the index, or opening it again to write.',
      { cause },
    )
  }
}
