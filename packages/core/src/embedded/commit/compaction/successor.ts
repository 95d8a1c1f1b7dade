import type { ByteLog } from '../../files/byte-log.js'
import { CheckedPieces, readChecked } from '../../format/checked.js'
import type { CodebookFile } from '../../format/codebook-file.js'
import type { DerivedRole, Manifest } from '../../format/manifest.js'
import { Collection } from '../collection.js'
import type { DerivedFiles } from '../derived-files.js'
import type { StoredDocuments } from '../stored-documents.js'
import type { Renumbered, Written } from './compaction.js'
import type { KeptFiles } from './hand-over.js'

/**
 * The index as the last step of a compaction leaves it, before that is committed: what searches need in memory is made for it while they go on with
 * what they have. Good for as long as no other change can be made.
 */
export class Successor implements KeptFiles {
  readonly collection: Collection
  readonly manifest: Pick<Manifest, 'derived'>
  readonly codebooks: readonly CodebookFile[]
  readonly #logs: ReadonlyMap<string, ByteLog>
  readonly #derived: DerivedFiles

  constructor(manifest: Written['next'], { segments, dead, codebooks, logs }: Renumbered, derived: DerivedFiles) {
    this.collection = new Collection(segments, dead)
    this.manifest = manifest
    this.codebooks = codebooks
    this.#logs = logs
    this.#derived = derived
  }

  readDerived(name: string, role: DerivedRole): Uint8Array {
    if (role !== 'codes') return this.#derived.read(name, role, this.manifest)
    return readChecked(this.#logs.get(name)!, this.manifest.derived[name]!.files.codes!, `codes of ${name}`)
  }

  codesInPieces(name: string): CheckedPieces {
    return new CheckedPieces(this.#logs.get(name)!, this.manifest.derived[name]!.files.codes!, `codes of ${name}`)
  }

  async reading<T>(work: (now: { readonly stored: StoredDocuments }) => Promise<T>): Promise<T> {
    return work(this.collection)
  }
}
