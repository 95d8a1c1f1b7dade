import { SerotineError } from '../../errors.js'
import { syncFolder } from '../files/folder.js'
import type { Storage } from '../files/folder.js'
import type { FolderLock } from '../files/lock.js'
import { filesOf } from '../format/file-names.js'
import type { Manifest } from '../format/manifest.js'
import { checksumOf, commitManifest, syncIndex } from '../format/manifest-file.js'
import { ManifestInPlace } from './manifest-in-place.js'

/**
 * Puts the manifests of one index in place, one after the other, and decides what may be removed by what is on disk then:
 *
 * - The old manifest is in place: what was written for the next one is taken back.
 * - The next one is, and the folder is synced: files that it does not mention are removed.
 * - The next one is, but the folder could not be synced. After a power cut the old one may be back, so that the files of both stay until
 *   the folder is synced: by the next change that succeeds, by `close`, or when the index is opened again.
 * - Somebody else's is, or the lock is somebody else's: nothing more is written or removed.
 * - It is not known which, or what was written could not be taken back: nothing is removed, and there are no more changes. Opening the
 *   index again finds one whole state.
 */
export class ManifestWriter {
  readonly #storage: Storage
  readonly #lock: FolderLock | undefined
  readonly #inPlace: ManifestInPlace | undefined
  #isSynced = true
  /** Files whose names have been synced. */
  #known: ReadonlySet<string>
  /** Files that the manifest in place does not mention, and the one before does. */
  readonly #dropped: string[] = []
  /** Why there are no more changes. */
  #poison: SerotineError | undefined

  /** @param checksum of the manifest that is in place */
  constructor(storage: Storage, lock: FolderLock | undefined, manifest: Manifest, checksum: number) {
    this.#storage = storage
    this.#lock = lock
    this.#known = new Set(filesOf(manifest))
    if (storage.folder !== undefined) this.#inPlace = new ManifestInPlace(storage.folder, checksum)
  }

  get isPoisoned(): boolean {
    return this.#poison !== undefined
  }

  /**
   * To be asked right before anything is written: files of the index are not ours when another process writes them.
   *
   * @throws INDEX_POISONED; INDEX_FENCED when somebody else has the lock, or has replaced the folder or the manifest
   */
  check(): void {
    if (this.#poison) {
      const message = `${this.#storage.folder} takes no more changes since one failed. ${this.#poison.message}`
      throw new SerotineError('INDEX_POISONED', message, { cause: this.#poison })
    }
    this.#fence()
  }

  #fence(): void {
    try {
      this.#lock?.check()
      this.#inPlace?.check()
    } catch (error) {
      if (SerotineError.isInstance(error) && error.code === 'INDEX_FENCED') this.#poison = error
      throw error
    }
  }

  /**
   * @returns INDEX_NOT_DURABLE when the manifest is in place and its folder not synced: the caller's state must be the new one before it
   * is thrown
   * @throws when the old manifest is in place; INDEX_POISONED when that is not known
   */
  async put(next: Manifest): Promise<SerotineError | undefined> {
    const { folder } = this.#storage
    if (folder === undefined) return undefined
    const names = filesOf(next)
    // A file system may keep the renaming of a manifest and forget that of a file which it mentions.
    if (names.some((name) => !this.#known.has(name))) syncFolder(folder)
    try {
      const late = await commitManifest(folder, next, () => this.#fence())
      this.#known = new Set(names)
      this.#inPlace!.became(checksumOf(next))
      this.#settled(late)
      return late
    } catch (error) {
      if (SerotineError.isInstance(error) && error.code === 'INDEX_POISONED') this.#poison = error
      throw error
    }
  }

  /**
   * Takes back what was written for a manifest, unless that may be in place.
   *
   * @param error why it is not
   * @returns what to throw: INDEX_POISONED when a step fails
   */
  undo(error: unknown, steps: readonly (() => void)[]): unknown {
    if (this.#poison) return error
    for (const step of steps) {
      try {
        step()
      } catch (cause) {
        const { folder } = this.#storage
        const message = `A change of ${folder} failed (${String(error)}), and what it had written could not be taken back (${String(cause)}). Close the index and open it again: that cuts it off.`
        this.#poison ??= new SerotineError('INDEX_POISONED', message, { cause: error })
      }
    }
    return this.#poison ?? error
  }

  /** Removes files that the manifest in place does not mention, when it is sure to stay there. */
  remove(names: readonly string[]): void {
    this.#dropped.push(...names)
    if (!this.#isSynced || this.#poison) return
    for (const name of this.#dropped.splice(0)) this.#storage.remove(name)
  }

  /** Syncs the folder where that failed before. @throws INDEX_NOT_DURABLE */
  close(): void {
    if (this.#isSynced || this.#poison) return
    const late = syncIndex(this.#storage.folder!)
    this.#settled(late)
    if (late) throw late
  }

  #settled(late: SerotineError | undefined): void {
    this.#isSynced = late === undefined
    this.remove([])
  }
}
