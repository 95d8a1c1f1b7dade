import { statSync } from 'node:fs'
import { join } from 'node:path'
import { SerotineError } from '../../errors.js'
import { MANIFEST_FILE } from '../format/file-names.js'
import { readVersionedManifest } from '../format/manifest-file.js'

/** Tells whether the manifest in a folder is still the one that this process read or put there. */
export class ManifestInPlace {
  readonly #folder: string
  #checksum: number
  /** Of its file, when it was last seen: as long as it is the same, nothing has to be read. */
  #file: string | undefined

  constructor(folder: string, checksum: number) {
    this.#folder = folder
    this.#checksum = checksum
  }

  /** This process has put another one there. */
  became(checksum: number): void {
    this.#checksum = checksum
    try {
      this.#file = this.#identify()
    } catch {
      // It is there all the same: it will be read the next time.
      this.#file = undefined
    }
  }

  /** @throws INDEX_FENCED; what reading throws */
  check(): void {
    const file = this.#identify()
    if (file !== undefined && file === this.#file) return
    // Some file systems number files anew from time to time.
    const found = file === undefined ? undefined : readVersionedManifest(this.#folder)
    if (found?.checksum !== this.#checksum) {
      const what = found ? `has been changed by another process (generation ${found.manifest.generation})` : 'is gone'
      throw new SerotineError(
        'INDEX_FENCED',
        `The manifest of ${this.#folder} ${what} while this process was writing, or the folder was replaced: nothing more is written. Open the ` +
          'index again to see what is there, and repeat the change.',
      )
    }
    this.#file = file
  }

  #identify(): string | undefined {
    const stat = statSync(join(this.#folder, MANIFEST_FILE), { throwIfNoEntry: false })
    return stat && `${stat.ino} ${stat.size} ${stat.mtimeMs}`
  }
}
