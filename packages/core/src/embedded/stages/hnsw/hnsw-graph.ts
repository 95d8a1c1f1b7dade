import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../../errors.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { topK } from '../../../math/top-k.js'
import { Turns } from '../../../store/turns.js'
import type { Bitset } from '../../commit/bitset.js'
import { checksum } from '../../files/byte-log.js'
import type { FdeScan } from '../fde/fde-scan.js'
import type { Found, Searcher } from '../stage.js'
import type { Hnswlib } from './hnswlib.js'

/** Links per node and candidates while building; hnswlib's usual values. */
const M = 16
const EF_CONSTRUCTION = 200
/** Measured at 100 results: recall of the exact FDE top 100 is .92 with ef 100, .98 with 200, .998 with 400. */
const EF_SEARCH = 200
/** The graph is built in slices of about this many milliseconds, so that timers and sockets get their turn. */
const SLICE_MS = 20

/** A graph's file, for the manifest. */
export interface SavedGraph {
  readonly bytes: number
  /** Points in it: ordinals below it. */
  readonly rows: number
  readonly crc: number
}

/**
 * An HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over the FDE rows, by inner product. Finds what `update` has
 * put into it. Deleted and filtered documents are skipped while searching; the graph is built again after `compact()`,
 * which is ten times faster than replacing points in it.
 */
export class HnswGraph implements Searcher {
  readonly #fdes: FdeScan
  readonly #graph: InstanceType<Hnswlib['HierarchicalNSW']>
  #capacity: number
  #built: number
  /** Of changes and saves: hnswlib writes on another thread, and nothing may be added meanwhile. */
  readonly #turns = new Turns()

  private constructor(hnswlib: Hnswlib, fdes: FdeScan, saved?: { file: string; rows: number }) {
    this.#fdes = fdes
    this.#graph = new hnswlib.HierarchicalNSW('ip', fdes.encoder.outputDim)
    if (saved) {
      this.#graph.readIndexSync(saved.file)
      this.#capacity = this.#graph.getMaxElements()
    } else {
      this.#capacity = Math.max(1024, fdes.rows)
      this.#graph.initIndex(this.#capacity, M, EF_CONSTRUCTION, 100)
    }
    this.#built = this.#graph.getCurrentCount()
    if (saved && this.#built !== saved.rows) {
      throw new SerotineError(
        'INDEX_CORRUPT',
        `${saved.file} holds ${this.#built} points, the manifest says ${saved.rows}.`,
      )
    }
  }

  /** An empty graph; `update` fills it. */
  static create(hnswlib: Hnswlib, fdes: FdeScan): HnswGraph {
    return new HnswGraph(hnswlib, fdes)
  }

  /**
   * A graph saved before. The file is checked first: hnswlib accepts any bytes and ends the process on bad ones.
   *
   * @returns undefined when the file does not match; the graph can be built again from the rows
   */
  static load(hnswlib: Hnswlib, fdes: FdeScan, file: string, saved: SavedGraph): HnswGraph | undefined {
    try {
      if (saved.rows > fdes.rows || statSync(file).size !== saved.bytes || checksumFile(file) !== saved.crc)
        return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    return new HnswGraph(hnswlib, fdes, { file, rows: saved.rows })
  }

  /** Rows in the graph. */
  get rows(): number {
    return this.#built
  }

  /** Whether the graph is over these FDEs. */
  isOver(fdes: FdeScan): boolean {
    return this.#fdes === fdes
  }

  /** Puts all rows into the graph in slices. What is done stays when aborted. */
  update(signal?: AbortSignal, onRow?: (done: number, total: number) => void): Promise<void> {
    return this.#turns.take(() => this.#update(signal, onRow))
  }

  /** Writes the graph in one step. */
  save(file: string): Promise<SavedGraph> {
    return this.#turns.take(() => this.#save(file))
  }

  async #update(signal?: AbortSignal, onRow?: (done: number, total: number) => void): Promise<void> {
    let sliceStart = performance.now()
    while (this.#built < this.#fdes.rows) {
      signal?.throwIfAborted()
      if (this.#built === this.#capacity) {
        this.#capacity *= 2
        this.#graph.resizeIndex(this.#capacity)
      }
      // hnswlib-node only takes plain arrays, and ends the process on anything in them that is not a number.
      this.#graph.addPoint(Array.from(this.#fdes.fdes.row(this.#built)), this.#built)
      this.#built++
      if (performance.now() - sliceStart > SLICE_MS) {
        onRow?.(this.#built, this.#fdes.rows)
        await nextTurn()
        sliceStart = performance.now()
      }
    }
  }

  /** Walks the graph, and scans the rows that are not in it yet. */
  search(query: TokenEmbeddings, count: number, allowed: Bitset): Found {
    const fde = this.#fdes.encoder.encodeQuery(query)
    const { repetitions } = this.#fdes.encoder.config
    const found = this.#built === 0 ? [] : this.#walk(Array.from(fde), Math.min(count, this.#built), allowed)
    if (this.#built < this.#fdes.rows) {
      const products = this.#fdes.fdes.innerProducts(fde, this.#built)
      const rest = topK(products, count, (ordinal) => ordinal >= this.#built && allowed.has(ordinal))
      for (const ordinal of rest) found.push({ ordinal, product: products[ordinal]! })
    }
    // Ties come in the order of the walk: sort them.
    found.sort((a, b) => b.product - a.product || a.ordinal - b.ordinal)
    found.length = Math.min(found.length, count)
    return {
      ordinals: Int32Array.from(found, ({ ordinal }) => ordinal),
      scores: Float32Array.from(found, ({ product }) => product / repetitions),
    }
  }

  #walk(fde: number[], count: number, allowed: Bitset): { ordinal: number; product: number }[] {
    this.#graph.setEf(Math.max(EF_SEARCH, 2 * count))
    // Called for every node passed on the way, so only given when it is needed; if it threw, the process would end.
    const filter = allowed.hasAllBelow(this.#built) ? undefined : (label: number) => allowed.has(label)
    const { neighbors, distances } = this.#graph.searchKnn(fde, count, filter)
    // hnswlib's "distance" by inner product is 1 − the product.
    return neighbors.map((ordinal, i) => ({ ordinal, product: 1 - distances[i]! }))
  }

  async #save(file: string): Promise<SavedGraph> {
    const rows = this.#built
    const whole = `${file}.tmp`
    try {
      await this.#graph.writeIndex(whole)
      const fd = openSync(whole, 'r+')
      try {
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      const saved = { bytes: statSync(whole).size, rows, crc: checksumFile(whole) }
      renameSync(whole, file)
      return saved
    } catch (error) {
      rmSync(whole, { force: true })
      throw error
    }
  }
}

function checksumFile(file: string): number {
  const fd = openSync(file, 'r')
  try {
    const piece = new Uint8Array(4 << 20)
    let sum = 0
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece))
      sum = checksum(piece.subarray(0, read), sum)
    return sum
  } finally {
    closeSync(fd)
  }
}
