import type { CheckedPieces } from '../../format/checked.js'
import type { CodebookFile } from '../../format/codebook-file.js'
import type { DerivedRole, Manifest } from '../../format/manifest.js'
import type { Collection } from '../collection.js'
import type { StoredDocuments } from '../stored-documents.js'

/** What is kept for searches, and the documents it is of: of an index as it is, or as it is about to be. */
export interface KeptFiles {
  readonly collection: Collection
  readonly manifest: Pick<Manifest, 'derived'>
  readonly codebooks: readonly CodebookFile[]
  /** Committed bytes of one of a stage's files, checked. @throws INDEX_CORRUPT */
  readDerived(name: string, role: DerivedRole): Uint8Array
  /** Codes that a stage has in a file of its own, of a fixed length: damage shows at their end. @throws INDEX_CORRUPT when they are of other documents */
  codesInPieces(name: string): CheckedPieces
  /** Runs `work` while what it reads stays there. */
  reading<T>(work: (now: { readonly stored: StoredDocuments }) => Promise<T>): Promise<T>
}

/** Something that searches need in memory. */
export interface Keeper {
  /**
   * Makes what is in memory anew for an index that is about to be, where it would have to be waited for. What is given puts it in place; undefined:
   * the first search makes it, and says what is wrong if it cannot.
   */
  handOver?(next: KeptFiles): Promise<(() => void) | undefined>
}

/** As `CompactOptions.handOver`, to all of them. */
export function handOverTo(keepers: Iterable<Keeper>): (next: KeptFiles) => Promise<() => void> {
  return async (next) => {
    const places: (() => void)[] = []
    for (const keeper of keepers) {
      const place = await keeper.handOver?.(next).catch(() => undefined)
      if (place) places.push(place)
    }
    return () => places.forEach((place) => place())
  }
}
