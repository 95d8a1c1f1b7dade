import { resolve } from 'node:path'
import { SerotineError } from '../../errors.js'
import { fileStorage, makeFolder, memoryStorage, syncFolder } from '../files/folder.js'
import type { Storage } from '../files/folder.js'
import { lockFolder } from '../files/lock.js'
import type { FolderLock } from '../files/lock.js'
import { fileName, inspectFolder, isComplete, leftovers } from '../format/file-names.js'
import type { InitialManifest, Manifest } from '../format/manifest.js'
import { checksumOf, commitManifest, readManifest, readVersionedManifest, syncIndex } from '../format/manifest-file.js'
import type { FoundManifest } from '../format/manifest-file.js'
import { CodebookFile } from '../format/codebook-file.js'
import { Segment } from '../format/segment.js'
import { IndexFiles } from './index-files.js'
import type { OpenedFiles } from './index-files.js'

export interface OpenFilesOptions {
  readonly readonly: boolean
  readonly create: boolean
  readonly segmentBytes?: number | undefined
}

/**
 * Opens the index in a folder, or makes an empty one of the form given; undefined = in memory.
 *
 * @throws INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT, INDEX_LOCKED; INDEX_NOT_DURABLE when the folder cannot be synced: nothing was
 * removed, and opening it again tries once more
 */
export async function openFiles(
  where: string | undefined,
  initial: InitialManifest,
  options: OpenFilesOptions,
): Promise<IndexFiles> {
  const empty: Manifest = {
    generation: 0,
    ...initial,
    nextFile: 2,
    segments: [],
    deleted: { file: fileName(1, 'deleted'), bytes: 0, crc: 0 },
    derived: {},
  }
  const { segmentBytes } = options
  const made = (storage: Storage, lock?: FolderLock): OpenedFiles => ({
    storage,
    readonly: false,
    lock,
    manifest: empty,
    checksum: checksumOf(empty),
    segments: [],
    codebooks: [],
    deleted: storage.create(empty.deleted.file),
    segmentBytes,
  })
  if (where === undefined) return new IndexFiles(made(memoryStorage()))
  // Once and for all: files are opened later too, and the process may be elsewhere by then.
  const folder = resolve(where)
  const found = inspectFolder(folder)
  if (found !== 'index' && (options.readonly || !options.create)) {
    const remedy = options.readonly
      ? 'Open it without { readonly: true } to create one.'
      : 'Leave out { create: false } to create one.'
    throw new SerotineError('INDEX_FORMAT', `There is no index in ${folder}. ${remedy}`)
  }
  if (options.readonly) return openReader(folder, segmentBytes)
  if (found !== 'index') makeFolder(folder)
  const lock = await lockFolder(folder)
  try {
    const storage = fileStorage(folder, false)
    // Checked again: between the first check and the lock, another process may have made the index.
    if (inspectFolder(folder) !== 'index') {
      const opened = made(storage, lock)
      try {
        syncFolder(folder)
        const late = await commitManifest(folder, empty, () => lock.check())
        if (late) throw late
        return new IndexFiles(opened)
      } catch (error) {
        opened.deleted.close()
        throw error
      }
    }
    const found = readVersionedManifest(folder)
    const files = openStored(storage, lock, found, segmentBytes)
    try {
      // Its writer may have been killed before it had synced the folder: a power cut would bring back a manifest that needs what is removed now.
      const late = syncIndex(folder)
      if (late) throw late
      const { version, manifest } = found
      // Only now, and only then: a manifest whose files are not all there may be older than they are.
      if (isComplete(folder, manifest)) {
        files.trim()
        // A build that reads version 1 needs its files.
        if (version > 1) for (const name of leftovers(folder, manifest)) storage.remove(name)
      }
      return files
    } catch (error) {
      files.close()
      throw error
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function openReader(folder: string, segmentBytes: number | undefined): IndexFiles {
  for (let attempt = 0; ; attempt++) {
    const found = readVersionedManifest(folder)
    let files: IndexFiles | undefined
    try {
      files = openStored(fileStorage(folder, true), undefined, found, segmentBytes)
      files.holdDerived()
      return files
    } catch (error) {
      // A writer may have changed the index between the two reads, and removed the files of this manifest.
      const isCurrent = attempt > 5 || readManifest(folder).generation === found.manifest.generation
      // Documents can be read without what first stages keep.
      if (isCurrent && files) return files
      files?.close()
      if (isCurrent) throw error
    }
  }
}

/** Opens and checks what the manifest mentions; without a lock to read it only. */
function openStored(
  storage: Storage,
  lock: FolderLock | undefined,
  { manifest, checksum }: FoundManifest,
  segmentBytes: number | undefined,
): IndexFiles {
  const opened: { close(): void }[] = []
  try {
    const codebooks = (manifest.codebooks ?? []).map((codebook) => {
      const file = CodebookFile.open(storage, codebook, manifest.dim!)
      opened.push(file)
      return file
    })
    const segments = manifest.segments.map((segment) => {
      const files = Segment.open(storage, segment, codebooks)
      opened.push(files)
      return files
    })
    const deleted = storage.open(manifest.deleted.file, manifest.deleted.bytes)
    opened.push(deleted)
    const readonly = lock === undefined
    return new IndexFiles({ storage, readonly, lock, manifest, checksum, segments, codebooks, deleted, segmentBytes })
  } catch (error) {
    for (const file of opened) file.close()
    throw error
  }
}
