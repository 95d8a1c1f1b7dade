import { closeSync, existsSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../../errors.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { topK } from '../../../math/top-k.js'
import { Turns } from '../../../store/turns.js'
import type { Bitset } from '../../commit/bitset.js'
import { checksum } from '../../files/byte-log.js'
import type { FdeScan } from '../fde/fde-scan.js'
import type { Found, Searcher } from '../stage.js'
import { GraphVectors } from './graph-vectors.js'
import type { Hnswlib } from './hnswlib.js'

/** Links per node and candidates while building, hnswlib's usual values: with 100 candidates building takes half the time and .02 less is found. */
const M = 16
const EF_CONSTRUCTION = 200
/**
 * What the walk looks for, and the whole FDEs rank again, is this many times the square root of the number of points: 4,000 of 56,000. What
 * a graph is of is shorter than an FDE, so more has to be looked at; how much, does not depend on how many are wanted of it.
 */
const REACH = 17
/** More where many are wanted: as many times that. */
const REACH_EACH = 2
/** The graph is built in slices of about this many milliseconds, so that timers and sockets get their turn. */
const SLICE_MS = 20

/** Bytes of a point: its numbers, links on the lowest level and above, its label. */
export function pointBytes(length: number): number {
  return length * 4 + (2 * M + 1) * 4 + 8 + 16
}

/** A graph's file, for the manifest. */
export interface SavedGraph {
  readonly bytes: number
  /** Points in it: ordinals below it. */
  readonly rows: number
  readonly crc: number
}

type Graph = InstanceType<Hnswlib['HierarchicalNSW']>

/**
 * An HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over vectors made of the FDE rows. Finds what `update` has
 * put into it. Deleted and filtered documents are skipped while searching; the graph is built again after `compact()`,
 * which is ten times faster than replacing points in it.
 */
export class HnswGraph implements Searcher {
  readonly #fdes: FdeScan
  /** What the points are. */
  readonly vectors: GraphVectors
  readonly #graph: Graph
  #capacity: number
  #built: number
  /** Of changes and saves: hnswlib writes on another thread, and nothing may be added meanwhile. */
  readonly #turns = new Turns()

  private constructor(fdes: FdeScan, vectors: GraphVectors, graph: Graph) {
    this.#fdes = fdes
    this.vectors = vectors
    this.#graph = graph
    this.#capacity = graph.getMaxElements()
    this.#built = graph.getCurrentCount()
  }

  /** Bytes of memory it holds, as hnswlib lays it out: it does not say. */
  get memory(): number {
    return this.#capacity * pointBytes(this.vectors.length)
  }

  /** An empty graph; `update` fills it. What its points are is learned from the rows that are there. */
  static async create(hnswlib: Hnswlib, fdes: FdeScan, signal?: AbortSignal): Promise<HnswGraph> {
    const vectors = await GraphVectors.learn(fdes.fdes, signal)
    const graph = new hnswlib.HierarchicalNSW('ip', vectors.length)
    graph.initIndex(Math.max(1024, fdes.rows), M, EF_CONSTRUCTION, 100)
    return new HnswGraph(fdes, vectors, graph)
  }

  /**
   * A graph saved before. The file is checked first: hnswlib accepts any bytes and ends the process on bad ones.
   *
   * @returns undefined when the file does not match, or goes meanwhile; the graph can be built again from the rows
   * @throws INDEX_CORRUPT when it is whole, and of another number of points
   */
  static async load(
    hnswlib: Hnswlib,
    fdes: FdeScan,
    vectors: GraphVectors,
    file: string,
    saved: SavedGraph,
  ): Promise<HnswGraph | undefined> {
    try {
      if (saved.rows > fdes.rows || statSync(file).size !== saved.bytes || (await checksumFile(file)) !== saved.crc)
        return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    const graph = new hnswlib.HierarchicalNSW('ip', vectors.length)
    try {
      await graph.readIndex(file)
    } catch (error) {
      // Whoever writes has replaced it since it was checked: hnswlib opens it by its name once more.
      if (!existsSync(file)) return undefined
      throw error
    }
    const points = graph.getCurrentCount()
    if (points !== saved.rows) {
      throw new SerotineError('INDEX_CORRUPT', `${file} holds ${points} points, the manifest says ${saved.rows}.`)
    }
    return new HnswGraph(fdes, vectors, graph)
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
      this.#graph.addPoint(this.vectors.ofDocument(this.#fdes.fdes.row(this.#built)), this.#built)
      this.#built++
      if (performance.now() - sliceStart > SLICE_MS) {
        onRow?.(this.#built, this.#fdes.rows)
        await nextTurn()
        sliceStart = performance.now()
      }
    }
  }

  /** Walks the graph, scans the rows that are not in it yet, and ranks what was found by the whole FDEs. */
  search(query: TokenEmbeddings, count: number, allowed: Bitset): Found {
    const fde = this.#fdes.encoder.encodeQuery(query)
    const { repetitions } = this.#fdes.encoder.config
    const { fdes } = this.#fdes
    const reach = Math.max(Math.ceil(REACH * Math.sqrt(this.#built)), REACH_EACH * count)
    const found = this.#walk(this.vectors.ofQuery(fde), reach, allowed)
    // By ordinal: ties come in the order of the walk.
    const rows = Int32Array.from(found).sort()
    const products = fdes.innerProductsWith(fde, rows)
    const best = Array.from(topK(products, count), (i) => ({ ordinal: rows[i]!, product: products[i]! }))
    if (this.#built < fdes.length) {
      const all = fdes.innerProducts(fde, this.#built)
      const rest = topK(all, count, (ordinal) => ordinal >= this.#built && allowed.has(ordinal))
      for (const ordinal of rest) best.push({ ordinal, product: all[ordinal]! })
      best.sort((a, b) => b.product - a.product || a.ordinal - b.ordinal)
      best.length = Math.min(best.length, count)
    }
    return {
      ordinals: Int32Array.from(best, ({ ordinal }) => ordinal),
      scores: Float32Array.from(best, ({ product }) => product / repetitions),
    }
  }

  /** Ordinals of the points nearest to a query. */
  #walk(query: number[], reach: number, allowed: Bitset): number[] {
    const count = Math.min(reach, this.#built)
    if (count === 0) return []
    this.#graph.setEf(count)
    // Called for every node passed on the way, so only given when it is needed; if it threw, the process would end.
    const filter = allowed.hasAllBelow(this.#built) ? undefined : (label: number) => allowed.has(label)
    return this.#graph.searchKnn(query, count, filter).neighbors
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
      const saved = { bytes: statSync(whole).size, rows, crc: await checksumFile(whole) }
      renameSync(whole, file)
      return saved
    } catch (error) {
      rmSync(whole, { force: true })
      throw error
    }
  }
}

async function checksumFile(file: string): Promise<number> {
  const fd = openSync(file, 'r')
  try {
    const piece = new Uint8Array(4 << 20)
    let sum = 0
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) {
      sum = checksum(piece.subarray(0, read), sum)
      await nextTurn()
    }
    return sum
  } finally {
    closeSync(fd)
  }
}
