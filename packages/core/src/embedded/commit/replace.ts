import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { checkOptions } from '../../options.js'
import { SerotineError } from '../../errors.js'
import { lockFolder } from '../files/lock.js'
import { commitManifest, readManifest } from '../format/manifest-file.js'
import { filesOf, highestNumber, inspectFolder, leftovers, shifted } from '../format/file-names.js'
import { syncFolder } from '../files/folder.js'
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
 * other folder is gone afterwards. Both must be closed for writing and be on one file system, as a folder inside an index is.
 *
 * @example
 * const index = await MultiVectorIndex.open('./birds/rebuild', { model })
 * await index.upsert(documents)
 * await index.close()
 * await replaceIndex('./birds', './birds/rebuild')
 * @throws INDEX_LOCKED when one of them is being written; INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT for the new one
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
  mkdirSync(folder, { recursive: true })
  const unlockOld = lockFolder(folder)
  try {
    const unlockNew = lockFolder(by)
    try {
      const before = describeOld(folder)
      const manifest = readManifest(by)
      const shift = before.lastFile
      const next = renumbered(manifest, shift, Math.max(before.generation, manifest.generation) + 1)
      // What a replacement that was killed had moved in bears numbers beyond those of the old index: out of the way first.
      if (before.manifest) for (const name of leftovers(folder, before.manifest)) rmSync(join(folder, name))
      for (const name of filesOf(manifest)) renameSync(join(by, name), join(folder, shifted(name, shift)))
      await options.beforeSwitch?.(next.generation)
      syncFolder(folder)
      await commitManifest(folder, next)
      // Windows refuses to remove files that a reader holds open: the next writer tries again.
      for (const name of leftovers(folder, next)) removeIfPossible(join(folder, name))
    } finally {
      unlockNew()
    }
  } finally {
    unlockOld()
  }
  rmSync(by, { recursive: true, force: true, maxRetries: 3 })
}

/** As much as can be known of the index that goes, which may be damaged or of a newer build. */
function describeOld(folder: string): { manifest?: Manifest; generation: number; lastFile: number } {
  const lastFile = highestNumber(folder)
  try {
    const manifest = readManifest(folder)
    return { manifest, generation: manifest.generation, lastFile: Math.max(lastFile, manifest.nextFile) }
  } catch {
    return { generation: generationIn(join(folder, 'manifest.json')), lastFile }
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
  const { segments, deleted, derived, nextFile } = manifest
  return {
    ...manifest,
    generation,
    nextFile: nextFile + shift,
    segments: segments.map((segment) => ({ ...segment, id: segment.id + shift })),
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
