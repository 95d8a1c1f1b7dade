import type { Codebook } from '../../../centroids/codebook.js'
import type { Kernels } from '../../../math/kernels.js'
import { createKernels } from '../../../math/simd.js'
import { topK } from '../../../math/top-k.js'
import { align16 } from '../../../math/workspace.js'
import type { TokenEmbeddings } from '../../../embeddings.js'
import type { Bitset } from '../../commit/bitset.js'
import type { CodedSearcher } from '../coded-stage.js'
import type { Found } from '../stage.js'

/**
 * MaxSim of the query with the centroids the documents' tokens are coded as, for all documents: one table look-up per token.
 * The codes live in kernel memory for good, 2 bytes per token, so that a search copies nothing.
 *
 * The memory holds `[codebook][starts i32][codes u16][results i32][the query's table]`.
 */
export class CentroidScan implements CodedSearcher {
  readonly codeBytes = { perDocument: 0, perToken: 2 }
  readonly codebook: Codebook
  #kernels: Kernels | undefined
  #rows = 0
  #codes = 0
  #rowCapacity = 0
  #codeCapacity = 0

  constructor(codebook: Codebook) {
    this.codebook = codebook
  }

  /** Documents in it: ordinals below this. */
  get rows(): number {
    return this.#rows
  }

  /** Float32 directions of the cells, then of the centroids. */
  get learned(): Uint8Array {
    const { cells, centroids } = this.codebook.data
    const bytes = new Uint8Array(cells.byteLength + centroids.byteLength)
    bytes.set(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength))
    bytes.set(new Uint8Array(centroids.buffer, centroids.byteOffset, centroids.byteLength), cells.byteLength)
    return bytes
  }

  get facts(): { readonly cellBlocks: readonly number[] } {
    return { cellBlocks: [...this.codebook.data.cellBlocks] }
  }

  /** u16, one per token. */
  encode(documents: readonly TokenEmbeddings[]): Uint8Array {
    const { dim } = this.codebook
    const tokens = documents.reduce((sum, { length }) => sum + length, 0)
    const data = new Float32Array(tokens * dim)
    let at = 0
    for (const document of documents) {
      data.set(document.data.subarray(0, document.length * dim), at)
      at += document.length * dim
    }
    return new Uint8Array(this.codebook.encode({ data, length: tokens, dim }).buffer)
  }

  /** Adds documents: the codes of their tokens, and how many tokens each has. */
  append(bytes: Uint8Array, lengths: readonly number[]): void {
    const count = bytes.length / 2
    this.#grow(this.#rows + lengths.length, this.#codes + count)
    const { buffer } = this.#kernels!
    new Uint8Array(buffer, this.#codesAt, this.#codeCapacity * 2).set(bytes, this.#codes * 2)
    const starts = new Int32Array(buffer, this.#startsAt, this.#rowCapacity + 1)
    let end = this.#codes
    for (let i = 0; i < lengths.length; i++) starts[++this.#rows] = end += lengths[i]!
    this.#codes = end
  }

  search(query: TokenEmbeddings, count: number, allowed: Bitset): Found {
    if (this.#rows === 0 || query.length === 0) return { ordinals: new Int32Array(0), scores: new Float32Array(0) }
    const kernels = this.#kernels!
    const results = align16(this.#codesAt + this.#codeCapacity * 2)
    const table = align16(results + this.#rows * 4)
    kernels.reserve(table + this.codebook.tableBytes(query.length) + 64)
    const { step, lows, lanes } = this.codebook.similarityTable(kernels, 0, table, query)
    kernels.scanCodes(table, lanes, this.#codesAt, this.#startsAt, this.#rows, results)
    const levels = new Float32Array(new Int32Array(kernels.buffer, results, this.#rows))
    const ordinals = topK(levels, count, (ordinal) => allowed.has(ordinal))
    const low = lows.reduce((sum, value) => sum + value, 0)
    return { ordinals, scores: Float32Array.from(ordinals, (ordinal) => levels[ordinal]! * step + low) }
  }

  get #startsAt(): number {
    return align16(this.codebook.bytes)
  }

  get #codesAt(): number {
    return this.#codesAfter(this.#rowCapacity)
  }

  #codesAfter(rows: number): number {
    return align16(this.#startsAt + (rows + 1) * 4)
  }

  #grow(rows: number, codes: number): void {
    if (this.#kernels && rows <= this.#rowCapacity && codes <= this.#codeCapacity) return
    const before = this.#codesAt
    // Half as much again, so that a growing collection is not moved with every batch.
    const rowCapacity = rows > this.#rowCapacity ? Math.ceil(rows * 1.5) : this.#rowCapacity
    const codeCapacity = codes > this.#codeCapacity ? Math.ceil(codes * 1.5) : this.#codeCapacity
    const kernels = (this.#kernels ??= createKernels())
    // Throws where there is no memory: then all is still where it was.
    kernels.reserve(this.#codesAfter(rowCapacity) + codeCapacity * 2 + 64)
    this.#rowCapacity = rowCapacity
    this.#codeCapacity = codeCapacity
    if (this.#rows === 0) {
      this.codebook.load(kernels, 0)
      new Int32Array(kernels.buffer, this.#startsAt, 1)[0] = 0
    } else {
      new Uint8Array(kernels.buffer).copyWithin(this.#codesAt, before, before + this.#codes * 2)
    }
  }
}
