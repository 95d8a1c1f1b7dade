import { signBytes } from '../../../centroids/codebook.js'
import type { Codebook, SimilarityTable } from '../../../centroids/codebook.js'
import { encodeResiduals, residualBytes } from '../../../centroids/residuals.js'
import type { ResidualSteps } from '../../../centroids/residuals.js'
import type { Kernels } from '../../../math/kernels.js'
import { RESIDUAL_SCRATCH } from '../../../math/residual-kernels.js'
import { createKernels } from '../../../math/simd.js'
import { largest, topK } from '../../../math/top-k.js'
import { align16 } from '../../../math/workspace.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import { centroidLists } from './centroid-lists.js'

/** Bytes of residuals that are copied into kernel memory at a time. */
export const CHUNK_BYTES = 1 << 22

/** A query as the last `score` left it in kernel memory. */
interface Scored {
  readonly query: TokenEmbeddings
  readonly table: SimilarityTable
  /** What 1 became in the whole numbers that the sums for signs were made of; undefined until they are made. */
  scale?: number
}

/**
 * MaxSim of the query with the centroids the documents' tokens are coded as: where documents are many by lists of those with a centroid,
 * as PLAID generates candidates (Santhanam et al., arXiv:2205.09707, section 4.2), else by one look-up for every token of all. Then, for the
 * best of them, MaxSim with the tokens as centroids and residuals give them back. Codes and lists live in kernel memory for good, so that
 * a search copies nothing; residuals beside it.
 *
 * The memory holds `[codebook][starts i32][codes u16][lists][results i32][the query's table]`, then what scoring again needs.
 */
export class CentroidScan {
  readonly codebook: Codebook
  /** Null: there are no residuals, as in indexes of format 1. */
  readonly steps: ResidualSteps | null
  #kernels: Kernels | undefined
  #rows = 0
  #codes = 0
  #rowCapacity = 0
  #codeCapacity = 0
  #residuals = new Uint8Array(0)
  /** One after the last document of each group, which begins where the one before ended; and where its lists are, from the first on. */
  readonly #groups: { readonly to: number; readonly at: number }[] = []
  #listBytes = 0
  #scored: Scored | undefined

  constructor(codebook: Codebook, steps: ResidualSteps | null) {
    this.codebook = codebook
    this.steps = steps
  }

  /** Documents in it: ordinals below this. */
  get rows(): number {
    return this.#rows
  }

  /** Some documents are found by the lists of their centroids. */
  get hasLists(): boolean {
    return this.#groups.length > 0
  }

  /** Bytes a token's code and residual take. */
  get bytesPerToken(): number {
    return 2 + this.#residualBytes
  }

  /** Bytes of memory it holds. */
  get memory(): number {
    return (this.#kernels?.buffer.byteLength ?? 0) + this.#residuals.byteLength + this.codebook.memory
  }

  /** Of each document the u16 codes of its tokens, then their residuals. */
  encode(documents: readonly TokenEmbeddings[]): Uint8Array {
    const { dim } = this.codebook
    const tokens = documents.reduce((sum, { length }) => sum + length, 0)
    const rows = new Float32Array(tokens * dim)
    let at = 0
    for (const document of documents) {
      rows.set(document.data.subarray(0, document.length * dim), at)
      at += document.length * dim
    }
    const codes = this.codebook.encode({ data: rows, length: tokens, dim })
    const codeBytes = new Uint8Array(codes.buffer)
    if (!this.steps) return codeBytes
    const residuals = encodeResiduals(this.codebook, { data: rows, length: tokens, dim }, codes, this.steps)
    const out = new Uint8Array(tokens * this.bytesPerToken)
    let [first, to] = [0, 0]
    for (const { length } of documents) {
      out.set(codeBytes.subarray(first * 2, (first + length) * 2), to)
      to += length * 2
      out.set(residuals.subarray(first * this.#residualBytes, (first + length) * this.#residualBytes), to)
      to += length * this.#residualBytes
      first += length
    }
    return out
  }

  /** Makes room for documents of so many tokens. */
  reserve(lengths: readonly number[]): void {
    const codes = lengths.reduce((sum, length) => sum + length, 0)
    this.#grow(this.#rows + lengths.length, this.#codes + codes)
  }

  /** Adds documents: what `encode` gave for them, and how many tokens each has. */
  append(bytes: Uint8Array, lengths: readonly number[]): void {
    const count = bytes.length / this.bytesPerToken
    this.#grow(this.#rows + lengths.length, this.#codes + count)
    const { buffer } = this.#kernels!
    const codes = new Uint8Array(buffer, this.#codesAt, this.#codeCapacity * 2)
    const starts = new Int32Array(buffer, this.#startsAt, this.#rowCapacity + 1)
    let from = 0
    for (const length of lengths) {
      codes.set(bytes.subarray(from, from + length * 2), this.#codes * 2)
      from += length * 2
      this.#residuals.set(bytes.subarray(from, from + length * this.#residualBytes), this.#codes * this.#residualBytes)
      from += length * this.#residualBytes
      starts[++this.#rows] = this.#codes += length
    }
    this.#list()
  }

  /** Puts documents into lists where there are enough for a group. */
  #list(): void {
    const kernels = this.#kernels!
    const { size } = this.codebook
    for (;;) {
      const codes = new Uint16Array(kernels.buffer, this.#codesAt, this.#codes)
      const starts = new Int32Array(kernels.buffer, this.#startsAt, this.#rows + 1)
      const lists = centroidLists(codes, starts, this.#groups.at(-1)?.to ?? 0, this.#rows, size)
      if (!lists) return
      const at = this.#listBytes
      const bytes = (size + 1) * 4 + lists.documents.length * 2
      kernels.reserve(this.#listsAt + at + bytes + 64)
      new Int32Array(kernels.buffer, this.#listsAt + at).set(lists.starts)
      new Uint16Array(kernels.buffer, this.#listsAt + at + (size + 1) * 4).set(lists.documents)
      this.#groups.push({ to: lists.to, at })
      this.#listBytes = align16(at + bytes)
      this.#scored = undefined
    }
  }

  /**
   * Estimated MaxSim, by centroids alone, of the first documents, as many as `out` has room for.
   *
   * @param wanted for each token only about so many of the most similar centroids count, and no document less than those; undefined: all
   */
  score(query: TokenEmbeddings, out: Float32Array, wanted = this.codebook.size): void {
    const count = Math.min(this.#rows, out.length)
    if (count === 0) return
    const kernels = this.#kernels!
    const { codebook } = this
    // Those that hold documents beyond `out` would have to be cut.
    const groups = this.#groups.filter(({ to }) => to <= count)
    const results = align16(this.#listsAt + this.#listBytes)
    const rowsAt = align16(results + count * 4)
    const listsAt = rowsAt + groups.length * 4 + 4
    const floorsAt = align16(listsAt + groups.length * 4)
    const tableAt = align16(floorsAt + query.length + 32)
    const scratch = align16(tableAt + codebook.tableBytes(query.length))
    kernels.reserve(scratch + 1024 + codebook.size * 4 + count + 64)
    const table = codebook.similarityTable(kernels, 0, tableAt, query)
    const { step, lows, lanes, near } = table
    new Int32Array(kernels.buffer, rowsAt).set([0, ...groups.map(({ to }) => to)])
    new Uint32Array(kernels.buffer, listsAt).set(groups.map(({ at }) => this.#listsAt + at))
    new Uint8Array(kernels.buffer, floorsAt, lanes).fill(0)
    kernels.scanLists(
      tableAt,
      lanes,
      query.length,
      near,
      codebook.cellBlocksAt(0),
      codebook.cells,
      wanted,
      groups.length,
      rowsAt,
      listsAt,
      scratch,
      floorsAt,
      results,
    )
    const listed = groups.at(-1)?.to ?? 0
    kernels.scanCodes(
      tableAt,
      lanes,
      floorsAt,
      this.#codesAt,
      this.#startsAt + listed * 4,
      count - listed,
      results + listed * 4,
    )
    const levels = new Int32Array(kernels.buffer, results, count)
    const low = lows.reduce((sum, value) => sum + value, 0)
    for (let i = 0; i < count; i++) out[i] = levels[i]! * step + low
    this.#scored = { query, table }
  }

  /** As `topK`, in memory that `score` and `rescore` do not use at the same time. */
  largest(scores: Float32Array, count: number): Int32Array {
    if (!this.#kernels || !this.#scored) return topK(scores, count)
    const { levels, lanes } = this.#scored.table
    delete this.#scored.scale
    return largest(this.#kernels, align16(levels + this.codebook.size * lanes), scores, count)
  }

  /** Estimated MaxSim, with residuals, of these documents for the query of the last `score`; undefined where there are none. */
  rescore(rows: Int32Array): Float32Array | undefined {
    if (!this.steps || !this.#scored) return undefined
    const { query, table } = this.#scored
    const { levels, step, lows, lanes } = table
    const bytes = signBytes(this.codebook.dim)
    const kernels = this.#kernels!
    const queryAt = align16(levels + this.codebook.size * lanes)
    const signsAt = align16(queryAt + bytes * 8 * lanes * 2)
    const lowsAt = signsAt + bytes * 256 * lanes * 2
    const scratchAt = lowsAt + lanes * 4
    const rowsAt = scratchAt + RESIDUAL_SCRATCH
    const outAt = align16(rowsAt + rows.length * 4)
    const residualsAt = align16(outAt + rows.length * 4)
    kernels.reserve(residualsAt + CHUNK_BYTES + 64)
    if (this.#scored.scale === undefined) {
      this.#scored.scale = packSigned(query, lanes, new Int16Array(kernels.buffer, queryAt, bytes * 8 * lanes))
      kernels.signTable(queryAt, bytes, lanes, signsAt)
      new Float32Array(kernels.buffer, lowsAt, lanes).fill(0).set(lows)
    }
    const { scale } = this.#scored
    new Int32Array(kernels.buffer, rowsAt).set(rows)
    for (let from = 0; from < rows.length;) {
      const count = this.#copyResiduals(rows, from, residualsAt)
      kernels.residualScores(
        levels,
        lanes,
        query.length,
        step,
        lowsAt,
        signsAt,
        bytes,
        this.steps.along,
        this.steps.across / scale,
        this.#codesAt,
        this.#startsAt,
        rowsAt + from * 4,
        count,
        residualsAt,
        scratchAt,
        outAt + from * 4,
      )
      from += count
    }
    return new Float32Array(kernels.buffer, outAt, rows.length).slice()
  }

  /** Puts residuals of documents from the i-th on into kernel memory, as many as a chunk holds; returns of how many. */
  #copyResiduals(rows: Int32Array, first: number, at: number): number {
    const { buffer } = this.#kernels!
    const starts = new Int32Array(buffer, this.#startsAt, this.#rows + 1)
    const chunk = new Uint8Array(buffer, at)
    let to = 0
    let i = first
    for (; i < rows.length; i++) {
      const own = this.#residuals.subarray(
        starts[rows[i]!]! * this.#residualBytes,
        starts[rows[i]! + 1]! * this.#residualBytes,
      )
      // A document larger than a chunk goes alone.
      if (i > first && to + own.length > CHUNK_BYTES) break
      if (own.length > CHUNK_BYTES) return this.#copyLarge(own, at)
      chunk.set(own, to)
      to += own.length
    }
    return i - first
  }

  #copyLarge(own: Uint8Array, at: number): number {
    this.#kernels!.reserve(at + own.length + 64)
    new Uint8Array(this.#kernels!.buffer, at).set(own)
    return 1
  }

  get #residualBytes(): number {
    return this.steps ? residualBytes(this.codebook.dim) : 0
  }

  get #startsAt(): number {
    return align16(this.codebook.bytes)
  }

  get #codesAt(): number {
    return this.#codesAfter(this.#rowCapacity)
  }

  get #listsAt(): number {
    return align16(this.#codesAt + this.#codeCapacity * 2)
  }

  #codesAfter(rows: number): number {
    return align16(this.#startsAt + (rows + 1) * 4)
  }

  #grow(rows: number, codes: number): void {
    if (this.#kernels && rows <= this.#rowCapacity && codes <= this.#codeCapacity) return
    const before = { codes: this.#codesAt, lists: this.#listsAt }
    // Half as much again, so that a growing collection is not moved with every batch; what is read back may be all there ever is.
    const room = this.#rows === 0 ? 1 : 1.5
    const rowCapacity = rows > this.#rowCapacity ? Math.ceil(rows * room) : this.#rowCapacity
    const codeCapacity = codes > this.#codeCapacity ? Math.ceil(codes * room) : this.#codeCapacity
    const kernels = (this.#kernels ??= createKernels())
    // Throws where there is no memory: then all is still where it was.
    kernels.reserve(this.#codesAfter(rowCapacity) + codeCapacity * 2 + this.#listBytes + 128)
    const residuals = new Uint8Array(codeCapacity * this.#residualBytes)
    residuals.set(this.#residuals.subarray(0, this.#codes * this.#residualBytes))
    this.#residuals = residuals
    this.#rowCapacity = rowCapacity
    this.#codeCapacity = codeCapacity
    this.#scored = undefined
    if (this.#rows === 0) {
      this.codebook.load(kernels, 0)
      new Int32Array(kernels.buffer, this.#startsAt, 1)[0] = 0
    } else {
      // The last first: all of it moves up.
      const memory = new Uint8Array(kernels.buffer)
      memory.copyWithin(this.#listsAt, before.lists, before.lists + this.#listBytes)
      memory.copyWithin(this.#codesAt, before.codes, before.codes + this.#codes * 2)
    }
  }
}

/** A query as whole numbers `[dimensions][lanes]`, as large as the sum over all dimensions allows; returns what 1 became. */
function packSigned({ data, length, dim }: TokenEmbeddings, lanes: number, out: Int16Array): number {
  let most = 0
  for (let token = 0; token < length; token++) {
    let sum = 0
    for (let k = 0; k < dim; k++) sum += Math.abs(data[token * dim + k]!)
    most = Math.max(most, sum)
  }
  // Rounding adds up to a half a dimension.
  const scale = most > 0 ? (32767 - dim / 2 - 1) / most : 1
  out.fill(0)
  for (let token = 0; token < length; token++) {
    for (let k = 0; k < dim; k++) out[k * lanes + token] = Math.round(data[token * dim + k]! * scale)
  }
  return scale
}
