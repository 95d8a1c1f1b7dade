import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { SerotineError } from '../../errors.js'
import { checksum, fileStorage, memoryStorage } from '../files/byte-log.js'
import type { ByteLog, Storage } from '../files/byte-log.js'
import { Collection } from './collection.js'
import { compacted } from './compact.js'
import type { DocumentRow } from '../format/document-table.js'
import { Encodings } from '../stages/fde/fde-stage.js'
import { lockFolder } from '../files/lock.js'
import { commitManifest, fileName, inspectFolder, leftovers, readManifest, segmentFiles } from '../format/manifest.js'
import type { CentroidsManifest, HnswManifest, InitialManifest, Manifest } from '../format/manifest.js'
import { readChecked, Segment } from '../format/segment.js'
import type { StoredDocument } from '../format/segment.js'

/** A new segment is begun when the last one's vectors reach this, so that compacting one rewrites no more. */
const SEGMENT_BYTES = 2 ** 30

/** What one commit changes. */
export interface Changes {
  readonly documents: readonly StoredDocument[]
  /** Ordinals to delete: removed documents, and the old state of replaced ones. */
  readonly deleted: readonly number[]
  readonly dim: number
  readonly model: Manifest['model']
}

/**
 * The files of one index and what is in them. All changes go through `commit`: afterwards they are on disk as a whole, or,
 * when it throws, not at all.
 */
export class IndexStore {
  readonly readonly: boolean
  readonly #storage: Storage
  readonly #unlock: () => void
  readonly #segmentBytes: number
  #manifest: Manifest
  #collection: Collection
  #encodings: Encodings | undefined
  #deleted: ByteLog
  /** Files that compaction replaced, still open for searches that began before it. */
  #retired: { close(): void; names: readonly string[] }[] = []
  #searches = 0

  private constructor(
    storage: Storage,
    readonly: boolean,
    unlock: () => void,
    manifest: Manifest,
    segments: Segment[],
    deleted: ByteLog,
    segmentBytes = SEGMENT_BYTES,
  ) {
    this.#storage = storage
    this.readonly = readonly
    this.#unlock = unlock
    this.#manifest = manifest
    this.#deleted = deleted
    this.#segmentBytes = segmentBytes
    this.#collection = new Collection(segments, readOrdinals(deleted, manifest))
    this.#encodings = Encodings.open(manifest, storage.folder)
  }

  /**
   * Opens the index in `folder`, or makes an empty one of the form given; undefined = in memory.
   *
   * @throws INDEX_FORMAT, INDEX_VERSION, INDEX_CORRUPT, INDEX_LOCKED
   */
  static async open(
    folder: string | undefined,
    initial: InitialManifest,
    options: { readonly: boolean; create: boolean; segmentBytes?: number | undefined },
  ): Promise<IndexStore> {
    const empty: Manifest = {
      ...initial,
      generation: 0,
      nextFile: 2,
      segments: [],
      deleted: { file: fileName(1, 'deleted'), bytes: 0, crc: 0 },
      hnsw: null,
      centroids: null,
    }
    if (folder === undefined) {
      const storage = memoryStorage()
      return new IndexStore(
        storage,
        false,
        () => {},
        empty,
        [],
        storage.create(empty.deleted.file),
        options.segmentBytes,
      )
    }
    const found = inspectFolder(folder)
    if (found !== 'index' && (options.readonly || !options.create)) {
      const remedy = options.readonly
        ? 'Open it without { readonly: true } to create one.'
        : 'Leave out { create: false } to create one.'
      throw new SerotineError('INDEX_FORMAT', `There is no index in ${folder}. ${remedy}`)
    }
    if (options.readonly) return IndexStore.#openReader(folder)
    mkdirSync(folder, { recursive: true })
    const unlock = lockFolder(folder)
    try {
      const storage = fileStorage(folder, false)
      // Checked again: between the first check and the lock, another process may have made the index.
      if (inspectFolder(folder) !== 'index') {
        const log = storage.create(empty.deleted.file)
        await commitManifest(folder, empty)
        return new IndexStore(storage, false, unlock, empty, [], log, options.segmentBytes)
      }
      const manifest = readManifest(folder)
      for (const name of leftovers(folder, manifest)) storage.remove(name)
      return IndexStore.#openFiles(storage, false, unlock, manifest, options.segmentBytes)
    } catch (error) {
      unlock()
      throw error
    }
  }

  static #openReader(folder: string): IndexStore {
    for (let attempt = 0; ; attempt++) {
      const manifest = readManifest(folder)
      try {
        return IndexStore.#openFiles(fileStorage(folder, true), true, () => {}, manifest)
      } catch (error) {
        // A writer may have compacted between the two reads, and removed the files of this manifest.
        if (attempt > 5 || readManifest(folder).generation === manifest.generation) throw error
      }
    }
  }

  static #openFiles(
    storage: Storage,
    readonly: boolean,
    unlock: () => void,
    manifest: Manifest,
    segmentBytes?: number,
  ): IndexStore {
    const opened: { close(): void }[] = []
    try {
      const segments = manifest.segments.map((segment) => {
        const files = Segment.open(storage, segment)
        opened.push(files)
        return files
      })
      const deleted = storage.open(manifest.deleted.file, manifest.deleted.bytes)
      opened.push(deleted)
      return new IndexStore(storage, readonly, unlock, manifest, segments, deleted, segmentBytes)
    } catch (error) {
      for (const file of opened) file.close()
      throw error
    }
  }

  get folder(): string | undefined {
    return this.#storage.folder
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  get collection(): Collection {
    return this.#collection
  }

  get encodings(): Encodings | undefined {
    return this.#encodings
  }

  /** Deleted documents that still take up room. */
  get deletedCount(): number {
    return this.#collection.total - this.#collection.size
  }

  /** Adds and deletes documents in one step. */
  async commit({ documents, deleted, dim, model }: Changes): Promise<void> {
    const collection = this.#collection
    const segment = this.#segmentToFill()
    const learned = await this.#encodings?.learnFrom(this.#manifest.codec, dim, collection, documents)
    const ordinals = new Uint8Array(Uint32Array.from(deleted).buffer)
    let rows: DocumentRow[]
    let next: Manifest
    let late: unknown
    try {
      rows = documents.map((document) => segment.append(document))
      await this.#encodings?.encodePending(this.#manifest.codec, dim, collection.segments, learned)
      this.#deleted.append(ordinals)
      next = {
        ...this.#manifest,
        generation: this.#manifest.generation + 1,
        dim,
        model,
        fde: this.#encodings?.manifest(learned) ?? null,
        segments: collection.segments.map(({ manifest }) => manifest),
        deleted: {
          file: this.#manifest.deleted.file,
          bytes: this.#deleted.length,
          crc: checksum(ordinals, this.#manifest.deleted.crc),
        },
      }
      await Promise.all([...collection.segments.map((each) => each.sync()), this.#deleted.sync()])
      late = await this.#putInPlace(next)
    } catch (error) {
      for (const each of collection.segments) each.rollback()
      this.#deleted.truncate(this.#manifest.deleted.bytes)
      throw error
    }
    this.#manifest = next
    for (const each of collection.segments) each.commit()
    if (learned) this.#encodings?.accept(learned)
    collection.apply(
      rows.map((row) => ({ segment, row })),
      deleted,
    )
    if (late !== undefined) throw late
  }

  /** Changes only what the manifest says about first stages. */
  async commitManifest(change: {
    fde?: Manifest['fde']
    hnsw?: HnswManifest | null
    centroids?: CentroidsManifest | null
  }): Promise<void> {
    const next: Manifest = { ...this.#manifest, generation: this.#manifest.generation + 1, ...change }
    const late = await this.#putInPlace(next)
    this.#manifest = next
    if (late !== undefined) throw late
  }

  /** Rewrites segments that hold deleted documents without them. Searches that run meanwhile see what they saw before. */
  async compact(signal?: AbortSignal): Promise<void> {
    let { nextFile } = this.#manifest
    const old = this.#collection
    const create = () => Segment.create(this.#storage, nextFile++)
    const result = await compacted(old, this.#encodings?.dim ?? 0, create, this.#segmentBytes, signal)
    if (result.replaced.length === 0) return
    const file = fileName(nextFile++, 'deleted')
    const log = this.#storage.create(file)
    const next: Manifest = {
      ...this.#manifest,
      generation: this.#manifest.generation + 1,
      nextFile,
      segments: result.segments.map(({ manifest }) => manifest),
      deleted: { file, bytes: 0, crc: 0 },
      hnsw: null,
      centroids: null,
    }
    let late: unknown
    try {
      await Promise.all(result.created.map((segment) => segment.sync()))
      late = await this.#putInPlace(next)
    } catch (error) {
      this.#discard([...result.created, log], [file, ...result.created.flatMap(({ id }) => segmentFiles(id))])
      throw error
    }
    for (const segment of result.created) segment.commit()
    const names = [this.#manifest.deleted.file, ...result.replaced.flatMap(({ id }) => segmentFiles(id))]
    const { hnsw, centroids } = this.#manifest
    for (const each of [hnsw, centroids?.codebook, centroids?.codes]) if (each) names.push(each.file)
    const closing = [this.#deleted, ...result.replaced]
    this.#retired.push({ close: () => closing.forEach((each) => each.close()), names })
    this.#deleted = log
    this.#manifest = next
    this.#collection = new Collection(result.segments, [])
    this.#encodings?.forgetRows()
    this.#removeRetired()
    if (late !== undefined) throw late
  }

  /** A name no file of this index has had; the number is used up with the next commit of it. */
  newFile(kind: 'hnsw'): { name: string; path: string | undefined } {
    const name = fileName(this.#manifest.nextFile, kind)
    this.#manifest = { ...this.#manifest, nextFile: this.#manifest.nextFile + 1 }
    return { name, path: this.#storage.folder === undefined ? undefined : join(this.#storage.folder, name) }
  }

  /** An empty file of a new name, for a first stage. */
  createLog(kind: 'centroids' | 'codes'): { name: string; log: ByteLog } {
    const name = fileName(this.#manifest.nextFile, kind)
    this.#manifest = { ...this.#manifest, nextFile: this.#manifest.nextFile + 1 }
    return { name, log: this.#storage.create(name) }
  }

  /** @throws INDEX_CORRUPT when it is missing or short */
  openLog(name: string, length: number): ByteLog {
    return this.#storage.open(name, length)
  }

  removeFile(name: string): void {
    this.#storage.remove(name)
  }

  /** Keeps the files a search reads open until it is done. */
  async whileReading<T>(search: (collection: Collection) => Promise<T>): Promise<T> {
    this.#searches++
    try {
      return await search(this.#collection)
    } finally {
      this.#searches--
      this.#removeRetired()
    }
  }

  close(): void {
    for (const segment of this.#collection.segments) segment.close()
    this.#deleted.close()
    this.#searches = 0
    this.#removeRetired()
    this.#unlock()
  }

  /**
   * Throws when the old manifest is still the one on disk. When the new one is, but may not survive a power cut, returns the
   * error instead: the caller's state must be the new one before it is reported.
   */
  async #putInPlace(next: Manifest): Promise<unknown> {
    const { folder } = this.#storage
    if (folder === undefined) return undefined
    try {
      await commitManifest(folder, next)
      return undefined
    } catch (error) {
      if (readManifest(folder).generation !== next.generation) throw error
      return error
    }
  }

  #segmentToFill(): Segment {
    const last = this.#collection.segments.at(-1)
    if (last && last.tokenBytes < this.#segmentBytes) return last
    const segment = Segment.create(this.#storage, this.#manifest.nextFile)
    this.#manifest = { ...this.#manifest, nextFile: this.#manifest.nextFile + 1 }
    this.#collection.addSegment(segment)
    return segment
  }

  #discard(files: readonly { close(): void }[], names: readonly string[]): void {
    for (const file of files) file.close()
    for (const name of names) this.#storage.remove(name)
  }

  #removeRetired(): void {
    if (this.#searches > 0) return
    for (const { close, names } of this.#retired.splice(0)) {
      close()
      for (const name of names) this.#storage.remove(name)
    }
  }
}

function readOrdinals(log: ByteLog, { deleted }: Manifest): Uint32Array {
  const bytes = readChecked(log, deleted, 'list of deleted documents')
  return new Uint32Array(bytes.buffer)
}
