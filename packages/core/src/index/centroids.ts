import { setImmediate as nextTurn } from 'node:timers/promises'
import { Codebook } from '../centroids/codebook.js'
import { trainCodebook, TRAINING_TOKENS } from '../centroids/train.js'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { checksum } from './bytes.js'
import type { ByteLog } from './bytes.js'
import { CentroidScan } from './centroid-scan.js'
import { decodeRecord } from './codec.js'
import type { Collection } from './collection.js'
import type { IndexStore } from './index-store.js'
import type { CentroidsManifest } from './manifest.js'
import { readChecked } from './token-store.js'

/** Trained again when the collection has so many times the tokens it had. */
const GROWTH = 4
/** At most so many documents are read for training. */
const TRAINING_DOCUMENTS = 4096
/** Saved when so many documents have been coded since, and when the index is closed; searches code what is missing. */
const SAVE_ROWS = 256
/** Documents decoded, then coded at a time: the two share kernel memory and each sets it up anew. */
const GROUP = 64

/** What is on disk of the scan in memory. */
interface Saved {
  readonly codebook: CentroidsManifest['codebook']
  readonly codes: ByteLog
  readonly file: string
  crc: number
  rows: number
}

interface Current {
  readonly scan: CentroidScan
  /** Tokens the collection had when the codebook was trained. */
  readonly tokens: number
  saved: Saved | undefined
}

/**
 * The centroid codes of an index: trains the codebook, codes documents, keeps both on disk beside the token vectors they are made
 * from. What is missing or damaged is made again.
 */
export class Centroids {
  readonly #store: IndexStore
  readonly #onWarning: OnWarning | undefined
  #current: Current | undefined
  /** Collection the codes are of: compaction makes another. */
  #of: Collection | undefined
  /** Ends when the last change has ended. */
  #turn: Promise<unknown> = Promise.resolve()
  #busy = 0

  constructor(store: IndexStore, onWarning: OnWarning | undefined) {
    this.#store = store
    this.#onWarning = onWarning
  }

  /**
   * The codes of all documents, for a search.
   *
   * @param atMost documents that may have to be coded first, and whether a codebook may have to be trained; undefined when it is
   * more, or while another change is under way
   */
  async ready(
    collection: Collection, atMost: { rows: number; train: boolean }, signal?: AbortSignal,
  ): Promise<CentroidScan | undefined> {
    if (this.#of === collection && this.#current?.scan.rows === collection.total) return this.#current.scan
    if (this.#busy > 0 && !atMost.train) return undefined
    return this.#inTurn(async () => {
      const current = this.#load(collection) ?? (atMost.train ? await this.#train(collection, signal) : undefined)
      if (!current || collection.total - current.scan.rows > atMost.rows) return undefined
      this.#current = current
      await this.#code(current.scan, collection, signal)
      return current.scan
    })
  }

  /** After documents were added: trains where there is nothing or it is outgrown, codes what is new, saves now and then. */
  update(collection: Collection, signal?: AbortSignal, onRow?: (done: number, total: number) => void): Promise<void> {
    return this.#inTurn(async () => {
      let current = this.#load(collection)
      if (!current || collection.tokens >= current.tokens * GROWTH) {
        const trained = await this.#train(collection, signal)
        await this.#code(trained.scan, collection, signal, onRow)
        // Searches use the old codes until here.
        if (current) this.#forget()
        current = trained
      } else {
        await this.#code(current.scan, collection, signal, onRow)
      }
      this.#current = current
      this.#of = collection
      await this.#save(current, SAVE_ROWS)
    })
  }

  /** A codebook is there, or was committed. */
  has(collection: Collection): boolean {
    if (this.#of === collection && this.#current) return true
    return collection === this.#store.collection && Boolean(this.#store.manifest.centroids)
  }

  /** Saves what is not saved yet. */
  flush(collection: Collection): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#of === collection && this.#current?.saved) await this.#save(this.#current, 1)
    }).finally(() => this.#forget())
  }

  #forget(): void {
    this.#current?.saved?.codes.close()
    this.#current = undefined
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++
    const done = this.#turn.then(work).finally(() => this.#busy--)
    this.#turn = done.catch(() => {})
    return done
  }

  /** What is in memory or on disk for this collection. */
  #load(collection: Collection): Current | undefined {
    if (this.#of === collection && this.#current) return this.#current
    this.#forget()
    this.#of = collection
    const { centroids, dim } = this.#store.manifest
    if (!centroids || dim === null || collection !== this.#store.collection) return undefined
    try {
      this.#current = this.#read(centroids, dim, collection)
    } catch (error) {
      if (!SerotineError.isInstance(error) || error.code !== 'INDEX_CORRUPT') throw error
      // A reader's files may have been replaced by the writer since: nothing is wrong then.
      if (!this.#store.readonly) {
        const message = `${error.message} The centroid codes are made again from the vectors.`
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
      const scan = new CentroidScan(new Codebook({
        dim, cells: numbers.subarray(0, split), centroids: numbers.subarray(split), cellBlocks: Int32Array.from(cellBlocks),
      }))
      const codeLog = this.#store.openLog(codes.file, codes.bytes)
      open.push(codeLog)
      const all = new Uint16Array(readChecked(codeLog, codes, 'centroid codes').buffer)
      const lengths = Int32Array.from({ length: codes.rows }, (_, ordinal) => collection.row(ordinal).tokens)
      scan.append(all, lengths)
      log.close()
      return { scan, tokens, saved: { codebook, codes: codeLog, file: codes.file, crc: codes.crc, rows: codes.rows } }
    } catch (error) {
      for (const log of open) log.close()
      throw error
    }
  }

  async #train(collection: Collection, signal: AbortSignal | undefined): Promise<Current> {
    const dim = this.#store.manifest.dim!
    const living = [...collection.searchable()]
    const documents = Math.min(living.length, TRAINING_DOCUMENTS)
    const chosen = Array.from({ length: documents }, (_, i) => living[Math.floor(((i + 0.5) * living.length) / documents)]!)
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
    }
    signal?.throwIfAborted()
    return { scan: new CentroidScan(await trainCodebook(rows, dim, { signal })), tokens: collection.tokens, saved: undefined }
  }

  async #code(
    scan: CentroidScan, collection: Collection, signal: AbortSignal | undefined, onRow?: (done: number, total: number) => void,
  ): Promise<void> {
    const dim = this.#store.manifest.dim!
    while (scan.rows < collection.total) {
      signal?.throwIfAborted()
      const from = scan.rows
      const count = Math.min(GROUP, collection.total - from)
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
    return decodeRecord(this.#store.manifest.codec, collection.readRecord(ordinal), collection.row(ordinal).tokens, dim)
  }

  async #save(current: Current, atLeast: number): Promise<void> {
    const { scan, tokens } = current
    const before = this.#store.manifest.centroids
    if (this.#store.readonly || (current.saved && scan.rows - current.saved.rows < atLeast)) return
    const isNew = current.saved === undefined
    const saved = (current.saved ??= await this.#create(scan))
    const more = scan.codesSince(saved.rows)
    const bytes = new Uint8Array(more.buffer, more.byteOffset, more.byteLength)
    const committed = saved.codes.length
    try {
      saved.codes.append(bytes)
      await saved.codes.sync()
      const crc = checksum(bytes, saved.crc)
      const codes = { file: saved.file, bytes: saved.codes.length, crc, rows: scan.rows }
      const cellBlocks = [...scan.codebook.data.cellBlocks]
      const suitability = isNew ? null : (before?.suitability ?? null)
      await this.#store.commitManifest({ centroids: { codebook: saved.codebook, cellBlocks, codes, tokens, suitability } })
      saved.crc = crc
      saved.rows = scan.rows
    } catch (error) {
      saved.codes.truncate(committed)
      throw error
    }
    if (isNew && before) for (const { file } of [before.codebook, before.codes]) this.#store.removeFile(file)
  }

  async #create({ codebook: { data } }: CentroidScan): Promise<Saved> {
    const { name, log } = this.#store.createLog('centroids')
    const bytes = new Uint8Array(data.cells.byteLength + data.centroids.byteLength)
    bytes.set(new Uint8Array(data.cells.buffer, data.cells.byteOffset, data.cells.byteLength))
    bytes.set(new Uint8Array(data.centroids.buffer, data.centroids.byteOffset, data.centroids.byteLength), data.cells.byteLength)
    log.append(bytes)
    await log.sync()
    log.close()
    const codes = this.#store.createLog('codes')
    const codebook = { file: name, bytes: bytes.length, crc: checksum(bytes) }
    return { codebook, codes: codes.log, file: codes.name, crc: 0, rows: 0 }
  }
}
