import type { TokenEmbeddings } from '../../embeddings.js'
import { checksum } from '../files/byte-log.js'
import type { ByteLog } from '../files/byte-log.js'
import type { Storage } from '../files/folder.js'
import { CheckedPieces, readChecked, readCheckedInSlices } from '../format/checked.js'
import type { DerivedManifest, DerivedRole, Extent, Manifest } from '../format/manifest.js'
import type { RecordedDocument } from '../format/segment.js'

/** Documents that are being committed. */
export interface CodedBatch {
  readonly documents: readonly RecordedDocument[]
  /** Decoded from their records when first wanted, so that codes made later are the same. */
  readonly embeddings: readonly TokenEmbeddings[]
}

/** Makes codes of documents while they are committed, so that both become visible together. */
export interface Coder {
  /** Name of the stage in the manifest. */
  readonly name: string
  /** What there is before the first document: its codes begin with it. Absent: something has to be learned first. */
  readonly beginning?: Pick<DerivedManifest, 'version' | 'codeBytes' | 'facts'> | undefined
  /** Codes of these documents, one after the other. */
  encode(batch: CodedBatch): Uint8Array
  /** The codes are committed. */
  accept(codes: Uint8Array, lengths: readonly number[]): void
}

/** A file that no manifest mentions yet. */
export class NewFile {
  readonly name: string
  /** Undefined in memory. */
  readonly path: string | undefined
  readonly log: ByteLog
  #crc = 0

  constructor(name: string, path: string | undefined, log: ByteLog) {
    this.name = name
    this.path = path
    this.log = log
  }

  append(bytes: Uint8Array): void {
    this.log.append(bytes)
    this.#crc = checksum(bytes, this.#crc)
  }

  /** For the manifest: what was appended so far. */
  get extent(): Extent & { readonly file: string } {
    return { file: this.name, bytes: this.log.length, crc: this.#crc }
  }

  close(): void {
    this.log.close()
  }
}

/** The logs of codes that commits append to, by the name of the first stage. */
export class DerivedFiles {
  readonly #storage: Storage
  readonly #codes = new Map<string, ByteLog>()
  /** Files of a reader, by name: a writer may remove them before they are wanted. */
  readonly #held = new Map<string, ByteLog>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Opens what the manifest mentions, so that it can be read for as long as this is open. @throws INDEX_CORRUPT when one is missing */
  hold({ derived }: Manifest): void {
    for (const { files } of Object.values(derived)) {
      for (const { file, bytes } of Object.values(files)) this.#held.set(file, this.#storage.open(file, bytes))
    }
  }

  /** The log of a stage's codes; opened when it is first wanted. @throws INDEX_CORRUPT when it is missing or short */
  codesOf(name: string, { derived }: Pick<Manifest, 'derived'>): ByteLog | undefined {
    const extent = derived[name]?.files.codes
    if (!extent) return undefined
    const known = this.#codes.get(name)
    if (known) return known
    const log = this.#held.get(extent.file) ?? this.#storage.open(extent.file, extent.bytes)
    log.trim()
    this.#codes.set(name, log)
    return log
  }

  /** Committed bytes of one of a stage's files, checked. @throws INDEX_CORRUPT */
  read(name: string, role: DerivedRole, manifest: Pick<Manifest, 'derived'>): Uint8Array {
    const extent = manifest.derived[name]!.files[role]!
    const kept = role === 'codes' ? this.codesOf(name, manifest)! : this.#held.get(extent.file)
    const log = kept ?? this.#storage.open(extent.file, extent.bytes)
    try {
      return readChecked(log, extent, `${role} of the first stage ${name}`)
    } finally {
      if (!kept) log.close()
    }
  }

  /** The codes of a stage, as `read` gives them, while others get their turn. No commit may come between. */
  async readCodes(name: string, manifest: Manifest): Promise<Uint8Array> {
    const log = this.codesOf(name, manifest)!
    return readCheckedInSlices(log, manifest.derived[name]!.files.codes!, `codes of the first stage ${name}`)
  }

  /** The codes of a stage, in pieces. No commit may come between. */
  codesInPieces(name: string, manifest: Manifest): CheckedPieces {
    const log = this.codesOf(name, manifest)!
    return new CheckedPieces(log, manifest.derived[name]!.files.codes!, `codes of the first stage ${name}`)
  }

  /** Appends codes of documents that are being committed; gives the stage's next manifest. */
  append(name: string, manifest: Manifest, codes: Uint8Array, documents: number): DerivedManifest {
    const derived = manifest.derived[name]!
    const log = this.codesOf(name, manifest)!
    log.append(codes)
    const { file, crc } = derived.files.codes!
    const extent = { file, bytes: log.length, crc: checksum(codes, crc) }
    return { ...derived, rows: derived.rows + documents, files: { ...derived.files, codes: extent } }
  }

  async sync(): Promise<void> {
    await Promise.all([...this.#codes.values()].map((log) => log.sync()))
  }

  /** Forgets what was appended since the manifest. */
  rollback({ derived }: Manifest): void {
    for (const [name, log] of this.#codes) log.truncate(derived[name]?.files.codes?.bytes ?? 0)
  }

  /** From now on codes go to another log; the old one is closed. */
  use(name: string, log: ByteLog | undefined): void {
    for (const before of this.swap(name, log)) before.close()
  }

  /** As `use`; gives the old one, which somebody may be reading. */
  swap(name: string, log: ByteLog | undefined): ByteLog[] {
    const before = this.#codes.get(name)
    if (log) this.#codes.set(name, log)
    else this.#codes.delete(name)
    return before ? [before] : []
  }

  close(): void {
    for (const log of [...this.#codes.values(), ...this.#held.values()]) log.close()
    this.#codes.clear()
    this.#held.clear()
  }
}
