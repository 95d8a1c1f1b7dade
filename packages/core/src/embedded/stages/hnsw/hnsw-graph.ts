import { closeSync, fsyncSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../../errors.js'
import type { FdeEncoder } from '../../../fde/encode.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import type { Bitset } from '../../commit/bitset.js'
import { checksum } from '../../files/byte-log.js'
import type { FdeRows } from '../fde/fde-rows.js'
import type { Candidates, FirstStage } from '../stage.js'

/** The part of `hnswlib-node` that is used. Written out here, because its types are missing wherever the optional package is. */
export interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: 'ip',
    dim: number,
  ) => {
    initIndex(capacity: number, m: number, efConstruction: number, seed: number): void
    resizeIndex(capacity: number): void
    addPoint(point: number[], label: number): void
    setEf(ef: number): void
    searchKnn(
      query: number[],
      k: number,
      filter?: (label: number) => boolean,
    ): { distances: number[]; neighbors: number[] }
    getCurrentCount(): number
    getMaxElements(): number
    readIndexSync(file: string): void
    writeIndex(file: string): Promise<boolean>
  }
}

/** The module, or how to get it: for where a bundler hides the package. */
export type HnswlibSource = Hnswlib | (() => Hnswlib | Promise<Hnswlib>)

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

/** @throws HNSWLIB_MISSING */
export async function loadHnswlib(given?: HnswlibSource): Promise<Hnswlib> {
  try {
    if (given !== undefined) return typeof given === 'function' ? await given() : given
    const loaded = (await import('hnswlib-node')) as Hnswlib & { default?: Hnswlib }
    // A CommonJS package: bundlers and Node disagree on whether its names are also exported by name.
    return loaded.HierarchicalNSW ? loaded : loaded.default!
  } catch (cause) {
    throw new SerotineError(
      'HNSWLIB_MISSING',
      'hnswlib-node cannot be loaded. Run `npm install hnswlib-node` where a C++ compiler is available (with pnpm also ' +
        "`pnpm approve-builds`, or its binary is not built), or use firstStage: 'fde', which scans the FDEs exactly.",
      { cause },
    )
  }
}

/**
 * An HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over the FDE rows, by inner product. Finds what `update` has
 * put into it. Deleted and filtered documents are skipped while searching; the graph is built again after `compact()`,
 * which is ten times faster than replacing points in it.
 */
export class HnswGraph implements FirstStage {
  readonly name = 'hnsw'
  readonly #encoder: FdeEncoder
  readonly #rows: FdeRows
  readonly #graph: InstanceType<Hnswlib['HierarchicalNSW']>
  #capacity: number
  #built: number
  /** The end of the last change or save: hnswlib writes on another thread, and nothing may be added meanwhile. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(hnswlib: Hnswlib, encoder: FdeEncoder, rows: FdeRows, saved?: { file: string; rows: number }) {
    this.#encoder = encoder
    this.#rows = rows
    this.#graph = new hnswlib.HierarchicalNSW('ip', rows.dim)
    if (saved) {
      this.#graph.readIndexSync(saved.file)
      this.#capacity = this.#graph.getMaxElements()
    } else {
      this.#capacity = Math.max(1024, rows.length)
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

  /** An empty graph; `update` fills it. @throws HNSWLIB_MISSING */
  static async create(encoder: FdeEncoder, rows: FdeRows, hnswlib?: HnswlibSource): Promise<HnswGraph> {
    return new HnswGraph(await loadHnswlib(hnswlib), encoder, rows)
  }

  /**
   * A graph saved before. The file is checked first: hnswlib accepts any bytes and ends the process on bad ones.
   *
   * @returns undefined when the file does not match; the graph can be built again from the rows
   * @throws HNSWLIB_MISSING
   */
  static async load(
    file: string,
    saved: SavedGraph,
    encoder: FdeEncoder,
    rows: FdeRows,
    hnswlib?: HnswlibSource,
  ): Promise<HnswGraph | undefined> {
    const library = await loadHnswlib(hnswlib)
    try {
      if (saved.rows > rows.length || statSync(file).size !== saved.bytes || checksumFile(file) !== saved.crc)
        return undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    return new HnswGraph(library, encoder, rows, { file, rows: saved.rows })
  }

  /** Rows in the graph. */
  get built(): number {
    return this.#built
  }

  /** Puts all rows into the graph in slices. What is done stays when aborted. */
  update(signal?: AbortSignal, onRow?: (done: number, total: number) => void): Promise<void> {
    return this.#inTurn(() => this.#update(signal, onRow))
  }

  /** Writes the graph in one step. */
  save(file: string): Promise<SavedGraph> {
    return this.#inTurn(() => this.#save(file))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  async #update(signal?: AbortSignal, onRow?: (done: number, total: number) => void): Promise<void> {
    let sliceStart = performance.now()
    while (this.#built < this.#rows.length) {
      signal?.throwIfAborted()
      if (this.#built === this.#capacity) {
        this.#capacity *= 2
        this.#graph.resizeIndex(this.#capacity)
      }
      // hnswlib-node only takes plain arrays, and ends the process on anything in them that is not a number.
      this.#graph.addPoint(Array.from(this.#rows.row(this.#built)), this.#built)
      this.#built++
      if (performance.now() - sliceStart > SLICE_MS) {
        onRow?.(this.#built, this.#rows.length)
        await nextTurn()
        sliceStart = performance.now()
      }
    }
  }

  search(query: TokenEmbeddings, count: number, allowed: Bitset): Candidates {
    const wanted = Math.min(count, this.#built)
    if (wanted === 0) return { ordinals: new Int32Array(0), scores: new Float32Array(0) }
    this.#graph.setEf(Math.max(EF_SEARCH, 2 * wanted))
    const fde = Array.from(this.#encoder.encodeQuery(query))
    // Called for every node passed on the way, so only given when it is needed; if it threw, the process would end.
    const filter = allowed.count() < this.#built ? (label: number) => allowed.has(label) : undefined
    const { neighbors, distances } = this.#graph.searchKnn(fde, wanted, filter)
    // hnswlib's "distance" by inner product is 1 − the product. Ties come in the order of the walk: sort them.
    const order = neighbors
      .map((_, i) => i)
      .sort((a, b) => distances[a]! - distances[b]! || neighbors[a]! - neighbors[b]!)
    const { repetitions } = this.#encoder.config
    const scores = Float32Array.from(order, (i) => (1 - distances[i]!) / repetitions)
    return { ordinals: Int32Array.from(order, (i) => neighbors[i]!), scores }
  }

  async #save(file: string): Promise<SavedGraph> {
    const rows = this.#built
    await this.#graph.writeIndex(`${file}.tmp`)
    const fd = openSync(`${file}.tmp`, 'r+')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    const saved = { bytes: statSync(`${file}.tmp`).size, rows, crc: checksumFile(`${file}.tmp`) }
    renameSync(`${file}.tmp`, file)
    return saved
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
