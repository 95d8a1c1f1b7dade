import { SerotineError } from '../errors.js'
import type { Kernels } from '../math/kernels.js'
import { blocksOf, LANES, packInt16 } from '../math/pack.js'
import { align16, workspace } from '../math/workspace.js'
import type { TokenEmbeddings } from '../embeddings.js'

/** A codebook as plain arrays: what training makes and an index stores. */
export interface CodebookData {
  readonly dim: number
  /** Directions that divide the centroids into cells, `[cells × dim]`, unit length. */
  readonly cells: Float32Array
  /** Centroids, `[blocks × 16 × dim]`, unit length; those of a cell lie together, lanes left over repeat one of them. */
  readonly centroids: Float32Array
  /** Cell c has the blocks of 16 centroids from `cellBlocks[c]` to `cellBlocks[c + 1]`. */
  readonly cellBlocks: Int32Array
}

/** What the levels in memory mean, and where they are. */
export interface SimilarityTable {
  /** u8 `[size × lanes]` */
  readonly levels: number
  readonly step: number
  /** `[query tokens]` */
  readonly lows: Float32Array
  /** Levels a centroid, query tokens rounded up to 16. */
  readonly lanes: number
  /** u8 `[cells × query tokens]`: 1 where the levels are those of centroids, 0 where they are those of the cell. */
  readonly near: number
}

/** Where a codebook is in a kernel memory, in bytes. */
interface Place {
  readonly cells: number
  readonly cellScales: number
  readonly centroids: number
  readonly centroidScales: number
  readonly cellBlocks: number
  /** As `CodebookData.centroids`. */
  readonly directions: number
  readonly end: number
}

/** A token looks for its centroid in this many cells: most find the nearest, and the others one that is nearly as near. */
const PROBES = 2
/**
 * A query token is compared with the centroids of this many cells; those of others count as similar as their cell. Of 56,000 passages and
 * 16,384 centroids in 181 cells, 24 keep as much of the exact top 10 among 100 candidates as all.
 */
const NEAR_CELLS = 24
/** Tokens coded per kernel call. */
const GROUP = 4096

/**
 * Up to 65,536 directions that stand for tokens: a token is coded as the number of the centroid most similar to it, and the
 * similarity of a query token with a document token is taken to be that with its centroid. The stage PLAID calls candidate
 * generation (Santhanam et al., arXiv:2205.09707), over every document instead of inverted lists.
 */
export class Codebook {
  readonly data: CodebookData
  readonly dim: number
  /** Centroids, those that repeat included; a code is below it. */
  readonly size: number
  readonly #packedCells: ReturnType<typeof packInt16>
  readonly #packedCentroids: ReturnType<typeof packInt16>

  constructor(data: CodebookData) {
    const { dim, cells, centroids, cellBlocks } = data
    this.data = data
    this.dim = dim
    this.size = centroids.length / dim
    if (
      this.size % LANES !== 0 ||
      cellBlocks.at(-1) !== this.size / LANES ||
      cellBlocks.length !== cells.length / dim + 1
    ) {
      throw new SerotineError(
        'INDEX_CORRUPT',
        `A codebook of ${this.size} centroids in ${cells.length / dim} cells does not match its list of ${cellBlocks.length - 1} ` +
          'cells. Build the index again.',
      )
    }
    this.#packedCells = packInt16(cells, cells.length / dim, dim)
    this.#packedCentroids = packInt16(centroids, this.size, dim)
  }

  /** Bytes of memory it holds: the float32 numbers, and what they are packed to, a half of these. */
  get memory(): number {
    const { cells, centroids } = this.data
    return (cells.byteLength + centroids.byteLength) * 1.5
  }

  /**
   * Code of every token, `[length]`; its direction counts, not its length.
   *
   * @param probes in how many cells a token looks for its centroid
   */
  encode({ data, length, dim }: TokenEmbeddings, probes = PROBES): Uint16Array {
    const out = new Uint16Array(length)
    const { kernels } = workspace
    const count = Math.min(GROUP, length)
    const place = this.#place(0)
    const codes = place.end
    const scratch = align16(codes + count * dim + 64)
    const rows = align16(scratch + align16(dim * 2 + 16) + 192 + this.#packedCells.scales.byteLength)
    const scales = rows + count * dim * 4
    const found = align16(scales + count * 4)
    if (!workspace.claim(this, found + count * 2 + 64)) this.load(kernels, 0)
    const cells = this.data.cellBlocks.length - 1
    for (let from = 0; from < length; from += GROUP) {
      const now = Math.min(GROUP, length - from)
      new Float32Array(kernels.buffer, rows, now * dim).set(data.subarray(from * dim, (from + now) * dim))
      kernels.quantizeInt8(rows, now, dim, codes, dim, scales)
      kernels.nearestInt8(
        codes,
        now,
        dim,
        place.cells,
        place.cellScales,
        cells,
        place.centroids,
        place.centroidScales,
        place.cellBlocks,
        Math.min(probes, cells),
        scratch,
        found,
      )
      out.set(new Uint16Array(kernels.buffer, found, now), from)
    }
    return out
  }

  /** What `Kernels.residualSigns` says of coded tokens: `[length × bytes of signs]` and `[length × 4]`. */
  residualSigns({ data, length, dim }: TokenEmbeddings, codes: Uint16Array): { signs: Uint8Array; sums: Float32Array } {
    const bytes = signBytes(dim)
    const out = { signs: new Uint8Array(length * bytes), sums: new Float32Array(length * 4) }
    const { kernels } = workspace
    const count = Math.min(GROUP, length)
    const { directions, end: rows } = this.#place(0)
    const codesAt = rows + count * dim * 4
    const sumsAt = align16(codesAt + count * 2)
    const signsAt = sumsAt + count * 16
    if (!workspace.claim(this, signsAt + count * bytes + 64)) this.load(kernels, 0)
    for (let from = 0; from < length; from += GROUP) {
      const now = Math.min(GROUP, length - from)
      new Float32Array(kernels.buffer, rows, now * dim).set(data.subarray(from * dim, (from + now) * dim))
      new Uint16Array(kernels.buffer, codesAt, now).set(codes.subarray(from, from + now))
      kernels.residualSigns(rows, now, dim, directions, codesAt, signsAt, sumsAt)
      out.signs.set(new Uint8Array(kernels.buffer, signsAt, now * bytes), from * bytes)
      out.sums.set(new Float32Array(kernels.buffer, sumsAt, now * 4), from * 4)
    }
    return out
  }

  /** Puts the codebook into a memory that has room for it; returns where it ends. */
  load(kernels: Kernels, at: number): number {
    const place = this.#place(at)
    new Int16Array(kernels.buffer, place.cells).set(this.#packedCells.codes)
    new Float32Array(kernels.buffer, place.cellScales).set(this.#packedCells.scales)
    new Int16Array(kernels.buffer, place.centroids).set(this.#packedCentroids.codes)
    new Float32Array(kernels.buffer, place.centroidScales).set(this.#packedCentroids.scales)
    new Int32Array(kernels.buffer, place.cellBlocks).set(this.data.cellBlocks)
    new Float32Array(kernels.buffer, place.directions).set(this.data.centroids)
    return place.end
  }

  /** Bytes `load` takes. */
  get bytes(): number {
    return this.#place(0).end
  }

  /** Where cell c has the blocks of 16 centroids from the c-th i32 to the next, of a codebook loaded at an offset. */
  cellBlocksAt(loaded: number): number {
    return this.#place(loaded).cellBlocks
  }

  get cells(): number {
    return this.data.cellBlocks.length - 1
  }

  /** Bytes `similarityTable` takes. */
  tableBytes(queryTokens: number): number {
    return align16(this.size * lanesOf(queryTokens)) + this.#tableScratch(queryTokens)
  }

  /**
   * For a query, u8 levels `[size × lanes]` at `at`: level × step + lows[token] is the similarity of the token with the centroid, or with its
   * cell when that is not one of the 24 most similar to the token; within step ÷ 2. The kernels are to hold this codebook, loaded at `loaded`.
   */
  similarityTable(kernels: Kernels, loaded: number, at: number, query: TokenEmbeddings): SimilarityTable {
    const { length, dim } = query
    const { cells } = this
    const place = this.#place(loaded)
    const lanes = lanesOf(length)
    const near = align16(at + this.size * lanes)
    const rows = align16(near + cells * length)
    const codes = rows + length * dim * 4
    const scales = align16(codes + length * dim + 64)
    const lows = scales + length * 4
    const scratch = align16(lows + length * 4)
    const ofCells = scratch + align16(length * (dim + 8) * 2)
    const similarities = ofCells + length * blocksOf(cells) * LANES * 4
    new Float32Array(kernels.buffer, rows, length * dim).set(query.data.subarray(0, length * dim))
    kernels.quantizeInt8(rows, length, dim, codes, dim, scales)
    const cellBlocks = blocksOf(cells)
    kernels.similaritiesInt8(codes, scales, length, dim, place.cells, place.cellScales, cellBlocks, scratch, ofCells)
    nearCells(
      new Float32Array(kernels.buffer, ofCells, length * cellBlocks * LANES),
      cells,
      new Uint8Array(kernels.buffer, near, cells * length),
    )
    kernels.similaritiesNear(
      codes,
      scales,
      length,
      dim,
      place.centroids,
      place.centroidScales,
      place.cellBlocks,
      cells,
      near,
      scratch,
      similarities,
    )
    const step = kernels.levelTable(ofCells, similarities, near, place.cellBlocks, cells, length, lanes, lows, at)
    return { levels: at, step, lows: new Float32Array(kernels.buffer, lows, length).slice(), lanes, near }
  }

  #tableScratch(queryTokens: number): number {
    return queryTokens * (this.dim * 7 + 24 + this.size * 4 + this.cells * 5 + 64) + 320
  }

  #place(at: number): Place {
    const cells = align16(at)
    const cellScales = align16(cells + this.#packedCells.codes.byteLength)
    const centroids = align16(cellScales + this.#packedCells.scales.byteLength)
    const centroidScales = align16(centroids + this.#packedCentroids.codes.byteLength)
    const cellBlocks = align16(centroidScales + this.#packedCentroids.scales.byteLength)
    const directions = align16(cellBlocks + this.data.cellBlocks.byteLength)
    const end = align16(directions + this.data.centroids.byteLength)
    return { cells, cellScales, centroids, centroidScales, cellBlocks, directions, end }
  }
}

/** Bytes that hold a bit for each dimension. */
export function signBytes(dim: number): number {
  return (dim + 7) >> 3
}

function lanesOf(queryTokens: number): number {
  return blocksOf(queryTokens) * LANES
}

/** Marks the cells most similar to each token. Similarities `[tokens × cells rounded up to 16]`, marks `[cells × tokens]`. */
function nearCells(similarities: Float32Array, cells: number, marks: Uint8Array): void {
  const padded = blocksOf(cells) * LANES
  const tokens = marks.length / cells
  marks.fill(cells <= NEAR_CELLS ? 1 : 0)
  if (cells <= NEAR_CELLS) return
  for (let token = 0; token < tokens; token++) {
    const own = similarities.subarray(token * padded, token * padded + cells)
    const least = own.slice().sort()[cells - NEAR_CELLS]!
    for (let cell = 0; cell < cells; cell++) if (own[cell]! >= least) marks[cell * tokens + token] = 1
  }
}
