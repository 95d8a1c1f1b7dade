import { setImmediate as nextTurn } from 'node:timers/promises'
import { Codebook } from '../../../centroids/codebook.js'
import { trainCodebook, TRAINING_TOKENS } from '../../../centroids/train.js'
import { SerotineError } from '../../../errors.js'
import type { OnWarning } from '../../../errors.js'
import { checksum } from '../../files/byte-log.js'
import type { ByteLog } from '../../files/byte-log.js'
import { CentroidScan } from './centroid-scan.js'
import { spread } from '../../commit/collection.js'
import type { Collection } from '../../commit/collection.js'
import type { IndexStore } from '../../commit/index-files.js'
import type { CentroidsManifest } from '../../format/manifest.js'
import { readChecked } from '../../format/segment.js'

/** Trained again when the collection has this many times the tokens it had. */
const GROWTH = 4
/** At most this many documents are read for training. */
const TRAINING_DOCUMENTS = 4096
/**
 * Saved when this many documents or tokens have been coded since, and when the index is closed. Readers code what is missing, which
 * is then a matter of tenths of a second.
 */
const SAVE_ROWS = 256
const SAVE_TOKENS = 50_000
/** Documents decoded, then coded at a time: the two share kernel memory and each sets it up again. */
const GROUP = 64
/** Fewer documents when they have more tokens than this together: about 25 ms, then timers and sockets get their turn. */
const GROUP_TOKENS = 8192

/** The files of the scan in memory; the manifest says how much of them is committed. */
interface Saved {
  readonly codebook: CentroidsManifest['codebook']
  readonly codes: ByteLog
  readonly file: string
}

interface Current {
  readonly scan: CentroidScan
  /** Tokens the collection had when the codebook was trained. */
  readonly tokens: number
  saved: Saved | undefined
}

/**
 * The centroid codes of an index: trains the codebook, codes documents, keeps both on disk next to the token vectors they are made
 * from. What is missing or damaged is rebuilt.
 */
export class Centroids {
  readonly #store: IndexStore
  readonly #onWarning: OnWarning | undefined
  #current: Current | undefined
  /** Collection the codes are of: compaction makes another. */
  #of: Collection | undefined
  /** Name of the file of codes that could not be read: do not try again. */
  #damaged: string | undefined
  /** There were codes once, perhaps of an earlier collection. */
  #kept: boolean
  /** Settles when the last change has settled. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Changes under way or waiting that may take seconds. */
  #busy = 0

  constructor(store: IndexStore, onWarning: OnWarning | undefined) {
    this.#store = store
    this.#onWarning = onWarning
    this.#kept = Boolean(store.manifest.centroids)
  }

  /**
   * The codes of all documents, for a search.
   *
   * @param atMost documents that may have to be coded first, and whether a codebook may have to be trained; undefined when it is
   * more, or while another change is under way
   */
  async ready(
    collection: Collection,
    atMost: { rows: number; train: boolean },
    signal?: AbortSignal,
  ): Promise<CentroidScan | undefined> {
    if (this.#of === collection && this.#current?.scan.rows === collection.total) return this.#current.scan
    if (this.#busy > 0 && !atMost.train) return undefined
    const work = async () => {
      const current = this.#load(collection) ?? (atMost.train ? await this.#train(collection, signal) : undefined)
      if (!current || collection.total - current.scan.rows > atMost.rows) return undefined
      this.#current = current
      await this.#code(current.scan, collection, signal)
      return current.scan
    }
    const mayTrain = atMost.train && !this.#isLoaded(collection)
    return mayTrain ? this.#whileBusy(() => this.#inTurn(work, signal)) : this.#inTurn(work, signal)
  }

  /** After documents were added: trains where there is nothing or it is outgrown, codes what is new, saves now and then. */
  update(collection: Collection, signal?: AbortSignal, onRow?: (done: number, total: number) => void): Promise<void> {
    const isOutgrown = (current: Current | undefined) => !current || collection.tokens >= current.tokens * GROWTH
    return this.#whileBusy(async () => {
      // A separate turn: searches that wait for it continue with these codes while others are made.
      await this.#inTurn(async () => {
        const current = this.#load(collection)
        if (current) await this.#code(current.scan, collection, signal, isOutgrown(current) ? undefined : onRow)
      }, signal)
      await this.#inTurn(async () => {
        let current = this.#load(collection)
        if (isOutgrown(current)) {
          const trained = await this.#train(collection, signal)
          if (!trained) return
          await this.#code(trained.scan, collection, signal, onRow)
          this.#forget()
          this.#current = current = trained
        }
        await this.#save(current!, SAVE_ROWS, SAVE_TOKENS)
      }, signal)
    })
  }

  /** There are codes, or there were before compaction, or there would be if none were damaged. */
  get isKept(): boolean {
    return this.#kept
  }

  /** Saves what is not saved yet. */
  flush(collection: Collection): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isLoaded(collection) && this.#current?.saved) await this.#save(this.#current, 1, 1)
    }).finally(() => this.#forget())
  }

  #forget(): void {
    this.#current?.saved?.codes.close()
    this.#current = undefined
  }

  #isLoaded(collection: Collection): boolean {
    return this.#of === collection && this.#current !== undefined
  }

  async #whileBusy<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++
    try {
      return await work()
    } finally {
      this.#busy--
    }
  }

  /** Runs work after what came before it. The signal ends the wait at once; the work looks after it itself. */
  #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted()
      const stop = () => reject(signal!.reason as Error)
      signal?.addEventListener('abort', stop, { once: true })
      const done = this.#turn.then(() => {
        signal?.removeEventListener('abort', stop)
        signal?.throwIfAborted()
        return work()
      })
      this.#turn = done.catch(() => {})
      done.then(resolve, reject)
    })
  }

  /** What is in memory or on disk for this collection. */
  #load(collection: Collection): Current | undefined {
    if (this.#isLoaded(collection)) return this.#current
    this.#forget()
    this.#of = collection
    const { centroids, dim } = this.#store.manifest
    if (!centroids || dim === null || collection !== this.#store.collection) return undefined
    if (centroids.codes.file === this.#damaged) return undefined
    try {
      this.#current = this.#read(centroids, dim, collection)
    } catch (error) {
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_CORRUPT') throw error
      this.#damaged = centroids.codes.file
      // A writer may have replaced a reader's files since: nothing is wrong then.
      if (!this.#store.readonly) {
        const message = `${error.message} The centroid codes will be rebuilt from the vectors, by the next upsert() at the latest.`
        this.#onWarning?.({ code: 'INDEX_REPAIRED', message })
      }
    }
    return this.#current
  }

  #read({ codebook, cellBlocks, codes, tokens }: CentroidsManifest, dim: number, collection: Collection): Current {
    const open: ByteLog[] = []
    try {
      const log = this.#store.openLog(codebook.file, codebook.bytes)
      open.push(log)
      const numbers = new Float32Array(readChecked(log, codebook, 'centroids').buffer)
      const split = (cellBlocks.length - 1) * dim
      const scan = new CentroidScan(
        new Codebook({
          dim,
          cells: numbers.subarray(0, split),
          centroids: numbers.subarray(split),
          cellBlocks: Int32Array.from(cellBlocks),
        }),
      )
      const codeLog = this.#store.openLog(codes.file, codes.bytes)
      open.push(codeLog)
      const all = new Uint16Array(readChecked(codeLog, codes, 'centroid codes').buffer)
      const rows = Math.min(codes.rows, collection.total)
      const lengths = Int32Array.from({ length: rows }, (_, ordinal) => collection.row(ordinal).tokens)
      // A build that does not know about codes compacts the index and leaves them as they were.
      if (rows < codes.rows || lengths.reduce((sum, length) => sum + length, 0) !== all.length) {
        throw new SerotineError(
          'INDEX_CORRUPT',
          `The codes in ${codeLog.name} do not belong to the documents in the index.`,
        )
      }
      scan.append(all, lengths)
      log.close()
      return { scan, tokens, saved: { codebook, codes: codeLog, file: codes.file } }
    } catch (error) {
      for (const log of open) log.close()
      throw error
    }
  }

  /** Undefined when no document has tokens. */
  async #train(collection: Collection, signal: AbortSignal | undefined): Promise<Current | undefined> {
    const dim = this.#store.manifest.dim!
    const { tokens } = collection
    if (tokens === 0) return undefined
    const chosen = spread([...collection.searchable()], TRAINING_DOCUMENTS)
    const held = chosen.reduce((sum, ordinal) => sum + collection.row(ordinal).tokens, 0)
    const wanted = Math.min(held, TRAINING_TOKENS)
    const rows = new Float32Array(wanted * dim)
    let [seen, taken] = [0, 0]
    for (const [i, ordinal] of chosen.entries()) {
      const { data, length } = this.#decode(collection, ordinal, dim)
      // Evenly over all tokens of the chosen documents.
      for (let token = 0; token < length; token++, seen++) {
        if (Math.floor(((seen + 1) * wanted) / held) === taken) continue
        rows.set(data.subarray(token * dim, (token + 1) * dim), taken++ * dim)
      }
      if (i % GROUP === GROUP - 1) await nextTurn()
      signal?.throwIfAborted()
    }
    const scan = new CentroidScan(await trainCodebook(rows, dim, { signal }))
    this.#kept = true
    return { scan, tokens, saved: undefined }
  }

  async #code(
    scan: CentroidScan,
    collection: Collection,
    signal: AbortSignal | undefined,
    onRow?: (done: number, total: number) => void,
  ): Promise<void> {
    const dim = this.#store.manifest.dim!
    while (scan.rows < collection.total) {
      signal?.throwIfAborted()
      const from = scan.rows
      const count = groupSize(collection, from)
      const documents = Array.from({ length: count }, (_, i) => this.#decode(collection, from + i, dim))
      const lengths = documents.map(({ length }) => length)
      const data = new Float32Array(lengths.reduce((sum, length) => sum + length, 0) * dim)
      let at = 0
      for (const document of documents) {
        data.set(document.data.subarray(0, document.length * dim), at)
        at += document.length * dim
      }
      scan.append(scan.codebook.encode({ data, length: data.length / dim, dim }), lengths)
      onRow?.(scan.rows, collection.total)
      await nextTurn()
    }
  }

  #decode(collection: Collection, ordinal: number, dim: number) {
    return collection.readEmbeddings(ordinal, this.#store.manifest.codec, dim)
  }

  /** Where neither this many documents nor this many tokens are new, nothing happens. */
  async #save(current: Current, rows: number, codes: number): Promise<void> {
    const { scan, tokens } = current
    if (this.#store.readonly) return
    const before = this.#store.manifest.centroids
    const isNew = !before || before.codes.file !== current.saved?.file
    if (!isNew && scan.rows - before.codes.rows < rows && scan.codes - before.codes.bytes / 2 < codes) return
    const saved = (current.saved ??= await this.#create(scan))
    const committed = isNew ? { rows: 0, crc: 0 } : before.codes
    const more = scan.codesSince(committed.rows)
    const bytes = new Uint8Array(more.buffer, more.byteOffset, more.byteLength)
    try {
      saved.codes.append(bytes)
      await saved.codes.sync()
      const extent = {
        file: saved.file,
        bytes: saved.codes.length,
        crc: checksum(bytes, committed.crc),
        rows: scan.rows,
      }
      const cellBlocks = [...scan.codebook.data.cellBlocks]
      const suitability = isNew ? null : before.suitability
      const { codebook } = saved
      await this.#store.commitManifest({ centroids: { codebook, cellBlocks, codes: extent, tokens, suitability } })
    } catch (error) {
      // Not what was there before: the new manifest may already be in place when something fails.
      const { centroids } = this.#store.manifest
      saved.codes.truncate(centroids?.codes.file === saved.file ? centroids.codes.bytes : 0)
      throw error
    }
    if (isNew && before) for (const { file } of [before.codebook, before.codes]) this.#store.removeFile(file)
  }

  async #create({ codebook: { data } }: CentroidScan): Promise<Saved> {
    const bytes = new Uint8Array(data.cells.byteLength + data.centroids.byteLength)
    bytes.set(new Uint8Array(data.cells.buffer, data.cells.byteOffset, data.cells.byteLength))
    bytes.set(
      new Uint8Array(data.centroids.buffer, data.centroids.byteOffset, data.centroids.byteLength),
      data.cells.byteLength,
    )
    const { name, log } = this.#store.createLog('centroids')
    try {
      log.append(bytes)
      await log.sync()
      const codes = this.#store.createLog('codes')
      return { codebook: { file: name, bytes: bytes.length, crc: checksum(bytes) }, codes: codes.log, file: codes.name }
    } catch (error) {
      this.#store.removeFile(name)
      throw error
    } finally {
      log.close()
    }
  }
}

/** How many documents to code at a time from this one on. */
function groupSize(collection: Collection, from: number): number {
  const most = Math.min(GROUP, collection.total - from)
  let count = 0
  for (let tokens = 0; count < most; count++) {
    tokens += collection.row(from + count).tokens
    if (count > 0 && tokens > GROUP_TOKENS) break
  }
  return count
}
