import { join } from 'node:path'
import { SerotineError } from '../../errors.js'
import { checksum } from '../files/byte-log.js'
import type { ByteLog } from '../files/byte-log.js'
import type { Storage } from '../files/folder.js'
import type { FolderLock } from '../files/lock.js'
import { readChecked } from '../format/checked.js'
import type { CheckedPieces } from '../format/checked.js'
import type { CodebookFile } from '../format/codebook-file.js'
import type { DocumentRow } from '../format/document-table.js'
import { droppedFiles, fileName } from '../format/file-names.js'
import type { DerivedManifest, DerivedRole, Manifest } from '../format/manifest.js'
import { Segment } from '../format/segment.js'
import type { RecordedDocument } from '../format/segment.js'
import { Collection } from './collection.js'
import { checkCodes, codesLength, ofOtherDocuments } from './compaction/codes.js'
import type { CompactionContext, CompactOptions, Made, Written } from './compaction/compaction.js'
import { planSteps, segmentBytesFor } from './compaction/plan.js'
import { writeRenumbered } from './compaction/renumber.js'
import { writeStep } from './compaction/step.js'
import { Successor } from './compaction/successor.js'
import type { KeptFiles } from './compaction/hand-over.js'
import { DerivedFiles, NewFile } from './derived-files.js'
import type { Coder } from './derived-files.js'
import { encodeCodes } from './encode-codes.js'
import { ManifestWriter } from './manifest-writer.js'
import { Snapshots } from './snapshot.js'
import type { Snapshot } from './snapshot.js'

/** What one commit changes. */
export interface Changes {
  readonly documents: readonly RecordedDocument[]
  /** Ordinals to delete: removed documents, and the old state of replaced ones. */
  readonly deleted: readonly number[]
  readonly dim: number
  readonly model: Manifest['model']
}

/** The files of an index as they were found. */
export interface OpenedFiles {
  readonly storage: Storage
  readonly readonly: boolean
  /** Undefined in memory and for readers. */
  readonly lock: FolderLock | undefined
  readonly manifest: Manifest
  /** Of the manifest as it is on disk. */
  readonly checksum: number
  readonly segments: Segment[]
  readonly codebooks: readonly CodebookFile[]
  readonly deleted: ByteLog
  /** Undefined: as many as suit the index. */
  readonly segmentBytes: number | undefined
}

/**
 * The files of one index and what is in them. All changes go through `commit`, `commitDerived` and `compact`, one after the other:
 * afterwards they are on disk as a whole, or, when it throws, not at all. Two errors say otherwise. INDEX_NOT_DURABLE: the change was
 * made and shows, but a power cut may undo it until the folder is synced. INDEX_POISONED: what is on disk is not known; what was there
 * before can still be read, and every further change is refused.
 */
export class IndexFiles implements KeptFiles {
  readonly readonly: boolean
  readonly #storage: Storage
  readonly #lock: FolderLock | undefined
  readonly #askedSegmentBytes: number | undefined
  readonly #derived: DerivedFiles
  readonly #writer: ManifestWriter
  #manifest: Manifest
  /** No file of this index has had this number or a higher one. */
  #nextFile: number
  #collection: Collection
  #codebooks: readonly CodebookFile[]
  #deleted: ByteLog
  readonly #snapshots: Snapshots

  constructor(opened: OpenedFiles) {
    const { storage, readonly, lock, manifest, checksum, segments, codebooks, deleted, segmentBytes } = opened
    this.readonly = readonly
    this.#storage = storage
    this.#lock = lock
    this.#askedSegmentBytes = segmentBytes
    this.#derived = new DerivedFiles(storage)
    this.#writer = new ManifestWriter(storage, lock, manifest, checksum)
    this.#snapshots = new Snapshots((names) => this.#writer.remove(names))
    this.#manifest = manifest
    this.#nextFile = manifest.nextFile
    this.#codebooks = codebooks
    this.#deleted = deleted
    const ordinals = readChecked(deleted, manifest.deleted, 'list of deleted documents')
    this.#collection = new Collection(segments, new Uint32Array(ordinals.buffer))
  }

  get folder(): string | undefined {
    return this.#storage.folder
  }

  /** No more changes, but reading. */
  get isPoisoned(): boolean {
    return this.#writer.isPoisoned
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  /** What vectors were compressed by, in the order of the first documents. */
  get codebooks(): readonly CodebookFile[] {
    return this.#codebooks
  }

  /** As of the last commit; compaction makes another. */
  get collection(): Collection {
    return this.#collection
  }

  /** Adds and deletes documents in one step, with their codes for the first stages that have everything so far. */
  async commit({ documents, deleted, dim, model }: Changes, coders: readonly Coder[] = []): Promise<void> {
    this.#writer.check()
    const collection = this.#collection
    const segment = this.#segmentToFill()
    const lengths = documents.map(({ tokens }) => tokens)
    const begun = coders.filter(({ name, beginning }) => {
      return beginning && collection.total === 0 && this.#manifest.derived[name] === undefined
    })
    const current = coders.filter(({ name }) => this.#manifest.derived[name]?.rows === collection.total)
    current.push(...begun)
    const created: NewFile[] = []
    const codes = await encodeCodes(documents, this.#manifest.codec, dim, current)
    const ordinals = new Uint8Array(Uint32Array.from(deleted).buffer)
    let rows: DocumentRow[]
    let next: Manifest
    let late: unknown
    // Once more: coding takes its time.
    this.#writer.check()
    try {
      rows = documents.map((document) => segment.append(document))
      this.#deleted.append(ordinals)
      const derived = { ...this.#manifest.derived }
      for (const [i, { name, beginning }] of current.entries()) {
        if (this.#manifest.derived[name]) {
          derived[name] = this.#derived.append(name, this.#manifest, codes[i]!, documents.length)
          continue
        }
        const file = this.newFile(`${name}-codes`)
        created.push(file)
        file.append(codes[i]!)
        this.#derived.use(name, file.log)
        const rows = documents.length
        derived[name] = { ...beginning!, rows, files: { codes: file.extent }, parts: [], suitability: null }
      }
      next = {
        ...this.#manifest,
        generation: this.#manifest.generation + 1,
        nextFile: this.#nextFile,
        dim,
        model,
        segments: collection.segments.map(({ manifest }) => manifest),
        deleted: {
          file: this.#manifest.deleted.file,
          bytes: this.#deleted.length,
          crc: checksum(ordinals, this.#manifest.deleted.crc),
        },
        derived,
      }
      await Promise.all([segment.sync(), this.#deleted.sync(), this.#derived.sync()])
      late = await this.#writer.put(next)
    } catch (error) {
      throw this.#writer.undo(error, [
        () => segment.rollback(),
        () => this.#deleted.truncate(this.#manifest.deleted.bytes),
        () => begun.forEach(({ name }) => this.#derived.use(name, undefined)),
        () => created.forEach((file) => this.discard(file)),
        () => this.#derived.rollback(this.#manifest),
      ])
    }
    this.#manifest = next
    segment.commit()
    for (const ordinal of deleted) {
      const { id } = collection.row(ordinal)
      if (collection.ordinalOf(id) === ordinal) this.#snapshots.remember(collection, id, ordinal)
    }
    collection.apply(
      rows.map((row) => ({ segment, row })),
      deleted,
    )
    for (const [i, coder] of current.entries()) {
      try {
        coder.accept(codes[i]!, lengths)
      } catch (error) {
        late ??= error
      }
    }
    if (late !== undefined) throw late
  }

  /**
   * Changes what is kept for one first stage; undefined: nothing from now on. Files that are no longer mentioned are removed.
   *
   * @param codes the log that commits are to append to
   * @param settings what else of the manifest changes with it
   */
  async commitDerived(
    name: string,
    derived: DerivedManifest | undefined,
    codes?: ByteLog,
    settings: Pick<Manifest, 'keywords'> = {},
  ): Promise<void> {
    this.#writer.check()
    const before = this.#manifest
    const { [name]: _before, ...others } = this.#manifest.derived
    const next: Manifest = {
      ...this.#manifest,
      ...settings,
      generation: this.#manifest.generation + 1,
      nextFile: this.#nextFile,
      derived: derived ? { ...others, [name]: derived } : others,
    }
    const late = await this.#writer.put(next)
    this.#manifest = next
    if (codes || !derived?.files.codes) this.#derived.use(name, codes)
    this.#writer.remove(droppedFiles(before, next))
    if (late !== undefined) throw late
  }

  /**
   * Frees the bytes of deleted documents in steps, each of them a commit: what was done stays when a later one fails. Who reads meanwhile sees
   * what he saw before, and keeps those files that he reads.
   */
  async compact(options: CompactOptions = {}): Promise<void> {
    const { compression, share = 0, signal, handOver, inTurn = (step) => step() } = options
    const steps = await inTurn(async () => {
      this.#writer.check()
      const { to } = (await compression?.()) ?? {}
      return planSteps(this.#collection, { segmentBytes: this.#segmentBytes, share, to })
    })
    for (const group of steps) {
      await inTurn(async () => {
        // Somebody else may have compacted in between.
        if (!group.every((segment) => this.#collection.segments.includes(segment))) return
        await this.#rewrite((made) => writeStep(this.#compacting(), group, made, signal))
      })
    }
    const end = async (made: Made[]) => writeRenumbered(this.#compacting(), made, await compression?.(), signal)
    await inTurn(() => this.#rewrite(end, handOver))
  }

  /** One step of a compaction. @param write undefined: there is nothing to do */
  async #rewrite(
    write: (made: Made[]) => Promise<Written | undefined>,
    handOver?: CompactOptions['handOver'],
  ): Promise<void> {
    this.#writer.check()
    const made: Made[] = []
    let written: Written | undefined
    let [successor, putInPlace]: [Successor?, (() => void)?] = []
    let next: Manifest
    let late: unknown
    try {
      written = await write(made)
      if (!written) return
      if (written.renumbered) successor = new Successor(written.next, written.renumbered, this.#derived)
      if (successor) putInPlace = await handOver?.(successor)
      next = { ...written.next, generation: this.#manifest.generation + 1, nextFile: this.#nextFile }
      late = await this.#writer.put(next)
    } catch (error) {
      for (const each of made) each.close()
      if (!this.isPoisoned) for (const { names } of made) for (const name of names) this.#storage.remove(name)
      throw error
    }
    const { created, replaced, renumbered } = written
    for (const segment of created) segment.commit()
    const retired: { close(): void }[] = [...replaced]
    if (renumbered) {
      const { codebooks, logs } = renumbered
      retired.push(this.#deleted, ...this.#codebooks.filter((file) => !codebooks.includes(file)))
      this.#deleted = renumbered.deleted
      for (const name of Object.keys(this.#manifest.derived)) retired.push(...this.#derived.swap(name, logs.get(name)))
      this.#codebooks = codebooks
      this.#collection = successor!.collection
    } else this.#collection.replace(replaced, created)
    this.#snapshots.retire(retired, droppedFiles(this.#manifest, next))
    this.#manifest = next
    putInPlace?.()
    if (late !== undefined) throw late
  }

  /** Cuts off what an interrupted commit left behind the committed bytes of each file. */
  trim(): void {
    for (const segment of this.#collection.segments) segment.trim()
    this.#deleted.trim()
  }

  #compacting(): CompactionContext {
    return {
      collection: this.#collection,
      manifest: this.#manifest,
      codebooks: this.#codebooks,
      segmentBytes: this.#segmentBytes,
      intactCodes: (name) => this.#intactCodes(name),
      nextNumber: () => this.#nextFile++,
      createSegment: (number, codebook) => Segment.create(this.#storage, number, codebook),
      segmentOver: (number, from, rows) => Segment.over(this.#storage, number, from, rows),
      newFile: (kind) => this.newFile(kind),
    }
  }

  /** An empty file of a new name, for a first stage. */
  newFile(kind: `${string}-${DerivedRole}` | 'deleted' | 'codebook'): NewFile {
    this.#writer.check()
    const name = fileName(this.#nextFile++, kind)
    const { folder } = this.#storage
    return new NewFile(name, folder === undefined ? undefined : join(folder, name), this.#storage.create(name))
  }

  /** Closes and removes a file that no manifest mentions. */
  discard(file: NewFile): void {
    file.close()
    // Else one may.
    if (!this.isPoisoned) this.#storage.remove(file.name)
  }

  /** For readers: keeps the files of first stages readable though a writer removes them. @throws INDEX_CORRUPT when one is missing, or a codebook */
  holdDerived(): void {
    for (const codebook of this.#codebooks) codebook.check()
    this.#derived.hold(this.#manifest)
  }

  /** Committed bytes of one of a stage's files, checked. @throws INDEX_CORRUPT */
  readDerived(name: string, role: DerivedRole): Uint8Array {
    return this.#derived.read(name, role, this.#manifest)
  }

  /** Codes that a stage has in a file of its own, from document `codesFrom` on, one after the other. @throws INDEX_CORRUPT when they are damaged, or of other documents */
  readCodes(name: string): Uint8Array {
    return checkCodes(this.#collection, this.#manifest.derived[name]!, this.readDerived(name, 'codes'))
  }

  /** As `readCodes`, in pieces, of codes of a fixed length: damage shows at their end. */
  codesInPieces(name: string): CheckedPieces {
    const derived = this.#manifest.derived[name]!
    if (codesLength(this.#collection, derived) !== derived.files.codes!.bytes) throw ofOtherDocuments(derived)
    return this.#derived.codesInPieces(name, this.#manifest)
  }

  /** Runs `work` on what is there now, and keeps its files open until it is done. */
  async reading<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const snapshot = this.begin()
    try {
      return await work(snapshot)
    } finally {
      this.end(snapshot)
    }
  }

  /** As `reading`, for readers that come back: until `end` is called. */
  begin(): Snapshot {
    return this.#snapshots.begin(this.#collection)
  }

  end(snapshot: Snapshot): void {
    this.#snapshots.end(snapshot)
  }

  /** @throws INDEX_NOT_DURABLE */
  close(): void {
    try {
      for (const file of [...this.#collection.segments, ...this.#codebooks]) file.close()
      this.#deleted.close()
      this.#derived.close()
      this.#snapshots.close()
      this.#writer.close()
    } finally {
      this.#lock?.release()
    }
  }

  /** Undefined when they are damaged, or of other documents. */
  async #intactCodes(name: string): Promise<Uint8Array | undefined> {
    try {
      const codes = await this.#derived.readCodes(name, this.#manifest)
      return checkCodes(this.#collection, this.#manifest.derived[name]!, codes)
    } catch (error) {
      if (SerotineError.isInstance(error) && error.code === 'INDEX_CORRUPT') return undefined
      throw error
    }
  }

  get #segmentBytes(): number {
    return this.#askedSegmentBytes ?? segmentBytesFor(this.#manifest)
  }

  #segmentToFill(): Segment {
    const last = this.#collection.segments.at(-1)
    if (last && !last.codebook && last.tokenBytes < this.#segmentBytes) return last
    const segment = Segment.create(this.#storage, this.#nextFile++)
    this.#collection.addSegment(segment)
    return segment
  }
}
