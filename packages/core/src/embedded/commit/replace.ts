import { constants, linkSync, readFileSync, rmSync } from 'node:fs'
import { copyFile, open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { checkOptions } from '../../options.js'
import { SerotineError } from '../../errors.js'
import { lockFolder } from '../files/lock.js'
import { commitManifest, readManifest } from '../format/manifest-file.js'
import { filesOf, highestNumber, inspectFolder, leftovers, MANIFEST_FILE, shifted } from '../format/file-names.js'
import { makeFolder, renameWithPatience, syncFolder } from '../files/folder.js'
import type { Manifest } from '../format/manifest.js'

/** What is to happen before the new index takes over. */
export interface ReplaceOptions {
  /**
   * Called when everything of the new index is in its place except the manifest, with the generation it will have: the last
   * chance to write what belongs to it. When it throws, the old index stays.
   */
  beforeSwitch?: (generation: number) => void | Promise<void>
}

/**
 * Puts an index that was built in another folder in the place of the one in `folder`, in one step: whoever opens the folder
 * finds the old index or the new one, whatever happens in between, and whoever has the old one open goes on reading it. The
 * other folder is gone afterwards; when this throws, both indexes are as they were. Both must be closed for writing. On different
 * file systems, or on one without hard links, the files are copied.
 *
 * @example
 * const index = await MultiVectorIndex.open('./birds/rebuild', { model })
 * await index.upsert(documents)
 * await index.close()
 * await replaceIndex('./birds', './birds/rebuild')
 * @throws INDEX_LOCKED when one of them is being written; INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT for the new one;
 * INDEX_NOT_DURABLE when the new one is in place, but a power cut may bring back the old one until the folder is opened to write;
 * INDEX_POISONED when it is not known which is in place. After these two the other folder is not an index any more, and is left there
 */
export async function replaceIndex(folder: string, by: string, options: ReplaceOptions = {}): Promise<void> {
  checkOptions('replaceIndex', options, ['beforeSwitch'])
  // Once and for all: the process may be elsewhere after `beforeSwitch`.
  await replace(resolve(folder), resolve(by), options)
}

async function replace(folder: string, by: string, options: ReplaceOptions): Promise<void> {
  if (folder === by) {
    throw new SerotineError('INVALID_ARGUMENT', `replaceIndex takes two folders, got ${folder} twice.`)
  }
  readManifest(by)
  inspectFolder(folder)
  makeFolder(folder)
  const lockOld = await lockFolder(folder)
  try {
    const lockNew = await lockFolder(by)
    try {
      const before = describeOld(folder)
      const manifest = readManifest(by)
      const shift = before.lastFile
      const next = renumbered(manifest, shift, Math.max(before.generation, manifest.generation) + 1)
      // What a replacement that was killed had brought in bears numbers beyond those of the old index: out of the way first.
      if (before.manifest) for (const name of leftovers(folder, before.manifest)) rmSync(join(folder, name))
      const late = await switchTo(
        next,
        folder,
        by,
        new Map(filesOf(manifest).map((name) => [name, shifted(name, shift)])),
        () => lockOld.check(),
        options,
      )
      if (late) throw late
      // Windows refuses to remove files that a reader holds open: the next writer tries again.
      for (const name of leftovers(folder, next)) removeIfPossible(join(folder, name))
    } finally {
      lockNew.release()
    }
  } finally {
    lockOld.release()
  }
  rmSync(by, { recursive: true, force: true, maxRetries: 3 })
}

/**
 * Brings the files in and puts their manifest in place. Until then both folders hold a whole index.
 *
 * @param names of the files in the other folder, and here
 * @param fence throws when the folder is no longer ours to write
 * @returns as `commitManifest`
 */
async function switchTo(
  next: Manifest,
  folder: string,
  by: string,
  names: ReadonlyMap<string, string>,
  fence: () => void,
  { beforeSwitch }: ReplaceOptions,
): Promise<SerotineError | undefined> {
  const brought: string[] = []
  const [manifestFile, aside] = [join(by, MANIFEST_FILE), join(by, `${MANIFEST_FILE}.replaced`)]
  let isAside = false
  try {
    for (const [from, to] of names) {
      brought.push(join(folder, to))
      await linkOrCopy(join(by, from), join(folder, to))
    }
    await beforeSwitch?.(next.generation)
    syncFolder(folder)
    // From now on nobody may write to the other folder: its files are those of this one, too.
    await renameWithPatience(manifestFile, aside)
    isAside = true
    syncFolder(by)
    return await commitManifest(folder, next, fence)
  } catch (error) {
    // The manifest may be in place, and need everything.
    if (SerotineError.isInstance(error) && error.code === 'INDEX_POISONED') throw error
    for (const path of brought) removeIfPossible(path)
    if (isAside) await renameWithPatience(aside, manifestFile)
    throw error
  }
}

/** Not moved: a replacement that fails or is killed must leave the new index where it is. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    linkSync(from, to)
  } catch {
    await copyFile(from, to, constants.COPYFILE_EXCL)
    const file = await open(to, 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

/** As much as can be known of the index that goes, which may be damaged or of a newer build. */
function describeOld(folder: string): { manifest?: Manifest; generation: number; lastFile: number } {
  const lastFile = highestNumber(folder)
  try {
    const manifest = readManifest(folder)
    return { manifest, generation: manifest.generation, lastFile: Math.max(lastFile, manifest.nextFile) }
  } catch {
    return { generation: generationIn(join(folder, MANIFEST_FILE)), lastFile }
  }
}

function generationIn(path: string): number {
  try {
    const { generation } = JSON.parse(readFileSync(path, 'utf8')) as { generation?: unknown }
    return Number.isSafeInteger(generation) ? (generation as number) : 0
  } catch {
    return 0
  }
}

function renumbered(manifest: Manifest, shift: number, generation: number): Manifest {
  const moved = <T extends { readonly file: string }>(part: T): T => ({ ...part, file: shifted(part.file, shift) })
  const { segments, codebooks, deleted, derived, nextFile } = manifest
  return {
    ...manifest,
    generation,
    nextFile: nextFile + shift,
    segments: segments.map((segment) => {
      const { id, codebook } = segment
      return { ...segment, id: id + shift, ...(codebook && { codebook: shifted(codebook, shift) }) }
    }),
    ...(codebooks && { codebooks: codebooks.map(moved) }),
    deleted: moved(deleted),
    derived: mapped(derived, (kept) => ({ ...kept, files: mapped(kept.files, moved) })),
  }
}

function mapped<T>(parts: Readonly<Record<string, T>>, change: (part: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, change(part)]))
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true, maxRetries: 3, retryDelay: 50 })
  } catch {
    return
  }
}
