import { SerotineError } from '../errors.js'
import { checkOptions } from '../options.js'
import { checkEmbeddings } from '../embeddings.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { LANES, blocksOf, packInt16, packLanes } from '../math/pack.js'
import { align16, workspace as sharedWorkspace } from '../math/workspace.js'
import type { Workspace } from '../math/workspace.js'

/** How `maxSimMany` scores. */
export interface MaxSimOptions {
  /**
   * Reproduce PyLate's `colbert_scores` on zero-padded batches: for a document shorter than the longest of the call, a query
   * token whose similarities are all negative counts 0 instead of the largest of them. Default false: exact.
   */
  padded?: boolean
}

/**
 * MaxSim, the late-interaction score of ColBERT (Khattab and Zaharia, arXiv:2004.12832): for every query token the largest dot
 * product with any document token, summed over the query tokens. Higher is better; with unit-length tokens it lies between
 * −query tokens and +query tokens.
 *
 * ```
 *           d0    d1    d2   <- document tokens
 *   q0     .91*  .12   .33      largest .91
 *   q1     .05   .40   .77*     largest .77
 *                        MaxSim 1.68     (* what matchTokens reports)
 * ```
 * Similarities are computed in f32, the sum in f64. A query or a document without tokens scores 0.
 *
 * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function maxSim(query: TokenEmbeddings, document: TokenEmbeddings): number {
  return maxSimMany(query, [document])[0]!
}

/**
 * MaxSim of one query with each of several documents.
 *
 * @returns one score per document, in their order
 * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE, UNKNOWN_OPTION
 */
export function maxSimMany(
  query: TokenEmbeddings,
  documents: readonly TokenEmbeddings[],
  options: MaxSimOptions = {},
): Float64Array {
  checkOptions('maxSimMany', options, ['padded'])
  documents.forEach((document, i) => checkEmbeddings(document, query.dim, `document ${i}`))
  // Not Math.max(...): a call takes only some 100,000 arguments.
  const longest = options.padded ? documents.reduce((most, { length }) => Math.max(most, length), 0) : 0
  const scorer = new MaxSimScorer(query)
  return Float64Array.from(documents, (document) => scorer.score(document, document.length < longest))
}

/**
 * MaxSim of query i with document i.
 *
 * @throws INVALID_ARGUMENT when the lists differ in length; DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export function maxSimPairwise(
  queries: readonly TokenEmbeddings[],
  documents: readonly TokenEmbeddings[],
): Float64Array {
  if (queries.length !== documents.length) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `Pairwise scores need as many documents as queries, got ${queries.length} queries and ${documents.length} documents.`,
    )
  }
  return Float64Array.from(queries, (query, i) => maxSim(query, documents[i]!))
}

/**
 * One query, packed once and scored against many documents, in whatever form they are stored.
 *
 * Documents can be given as arrays (`score`, `scoreF16`, `scoreInt8`), or read by the caller straight into kernel memory
 * (`arena`, then `scoreF32At`, `scoreF16At`, `scoreInt8At`), which saves a copy. The arena is borrowed: it is valid until the
 * next call of `arena`, of an array method, or of any other scorer or FDE encoder on this thread, so fill and score it without
 * an `await` in between. Using it later throws.
 *
 * Only the query is checked for NaN; documents from an index were checked when they were added.
 */
export class MaxSimScorer {
  /** Rows of the query. */
  readonly queryTokens: number
  /** Components per token, of the query and of every document. */
  readonly dim: number
  readonly #query: TokenEmbeddings
  readonly #workspace: Workspace
  readonly #blocks: number
  readonly #layout: { f32: number; best: number; int16: number; scales: number; scratch: number; arena: number }
  #packedF32: Float32Array | undefined
  #packedInt16: ReturnType<typeof packInt16> | undefined
  #loadedF32 = false
  #loadedInt16 = false
  #arenaBytes = 0
  /** Where an f16 document is widened to, beyond the arena. */
  #wide = 0

  /** @throws EMBEDDINGS_SHAPE, NOT_FINITE */
  constructor(query: TokenEmbeddings, workspace: Workspace = sharedWorkspace) {
    checkEmbeddings(query, query.dim, 'the query')
    this.#query = query
    this.#workspace = workspace
    this.queryTokens = query.length
    this.dim = query.dim
    this.#blocks = blocksOf(query.length)
    const padded = (query.dim + 7) & ~7
    const best = align16(64 + this.#blocks * LANES * query.dim * 4)
    const int16 = best + this.#blocks * LANES * 4
    const scales = int16 + this.#blocks * LANES * padded * 2
    const scratch = scales + this.#blocks * LANES * 4
    this.#layout = {
      f32: 64,
      best,
      int16,
      scales,
      scratch,
      arena: align16(scratch + this.#blocks * LANES * 4 + padded * 4),
    }
  }

  /**
   * MaxSim with one document in f32.
   *
   * @param clampAtZero each query token counts at least 0 (see `MaxSimOptions.padded`). Default false
   * @throws DIM_MISMATCH
   */
  score(document: TokenEmbeddings, clampAtZero = false): number {
    if (document.dim !== this.dim) throw mismatch(document.dim, this.dim)
    if (document.length === 0) return 0
    this.arena(document.length * this.dim * 4).set(bytesOf(document.data))
    const score = this.scoreF32At(0, document.length)
    return clampAtZero ? this.#sumOfPositives() : score
  }

  /** MaxSim with one document stored as IEEE half precision, `[tokens × dim]`. @throws EMBEDDINGS_SHAPE */
  scoreF16(halves: Uint16Array): number {
    const tokens = this.#tokensOf(halves.length)
    this.arena(halves.byteLength).set(bytesOf(halves))
    return this.scoreF16At(0, tokens)
  }

  /** MaxSim with one document stored as int8 codes `[tokens × dim]` and one scale per token. @throws EMBEDDINGS_SHAPE */
  scoreInt8(codes: Int8Array, scales: Float32Array): number {
    const tokens = this.#tokensOf(codes.length)
    if (scales.length !== tokens) {
      throw new SerotineError(
        'EMBEDDINGS_SHAPE',
        `${tokens} tokens of int8 codes need ${tokens} scales, got ${scales.length}.`,
      )
    }
    const at = align16(codes.length)
    const arena = this.arena(at + scales.byteLength)
    arena.set(bytesOf(codes))
    arena.set(bytesOf(scales), at)
    return this.scoreInt8At(0, at, tokens)
  }

  /** Kernel memory to read documents into, 16-byte aligned; offsets of the `…At` methods count from its start. */
  arena(bytes: number): Uint8Array {
    // 64 bytes more: kernels may read (never use) a little beyond the last row.
    this.#wide = align16(this.#layout.arena + bytes + 64)
    if (!this.#workspace.claim(this, this.#wide)) this.#loadedF32 = this.#loadedInt16 = false
    this.#arenaBytes = bytes
    return new Uint8Array(this.#workspace.kernels.buffer, this.#layout.arena, bytes)
  }

  /** MaxSim with the f32 rows at `offset` (bytes, a multiple of 4) of the arena. @throws INVALID_ARGUMENT outside of it, or when it is lost */
  scoreF32At(offset: number, tokens: number): number {
    this.#checkArena(offset, tokens * this.dim * 4, 4)
    if (tokens === 0 || this.queryTokens === 0) return 0
    return this.#scoreRows(this.#layout.arena + offset, tokens)
  }

  /** MaxSim with the half-precision rows at `offset` (bytes, a multiple of 2) of the arena. @throws INVALID_ARGUMENT like `scoreF32At` */
  scoreF16At(offset: number, tokens: number): number {
    this.#checkArena(offset, tokens * this.dim * 2, 2)
    if (tokens === 0 || this.queryTokens === 0) return 0
    const { kernels } = this.#workspace
    this.#workspace.claim(this, this.#wide + tokens * this.dim * 4 + 64)
    kernels.f16ToF32(this.#layout.arena + offset, tokens * this.dim, this.#wide)
    return this.#scoreRows(this.#wide, tokens)
  }

  /**
   * MaxSim with the int8 codes at `codes` and the f32 scales at `scales` (bytes, a multiple of 4) of the arena.
   *
   * @throws INVALID_ARGUMENT like `scoreF32At`
   */
  scoreInt8At(codes: number, scales: number, tokens: number): number {
    this.#checkArena(codes, tokens * this.dim, 1)
    this.#checkArena(scales, tokens * 4, 4)
    if (tokens === 0 || this.queryTokens === 0) return 0
    const { kernels } = this.#workspace
    const { int16, scales: queryScales, scratch, arena } = this.#layout
    if (!this.#loadedInt16) {
      this.#packedInt16 ??= packInt16(this.#query.data, this.queryTokens, this.dim)
      new Int16Array(kernels.buffer, int16).set(this.#packedInt16.codes)
      new Float32Array(kernels.buffer, queryScales).set(this.#packedInt16.scales)
      this.#loadedInt16 = true
    }
    return kernels.maxSimInt8(
      int16,
      queryScales,
      this.#blocks,
      this.dim,
      arena + codes,
      arena + scales,
      tokens,
      scratch,
    )
  }

  #scoreRows(rows: number, tokens: number): number {
    const { kernels } = this.#workspace
    if (!this.#loadedF32) {
      this.#packedF32 ??= packLanes(this.#query.data, this.queryTokens, this.dim)
      new Float32Array(kernels.buffer, this.#layout.f32).set(this.#packedF32)
      this.#loadedF32 = true
    }
    return kernels.maxSimF32(this.#layout.f32, this.#blocks, this.dim, rows, tokens, this.#layout.best)
  }

  /** After an f32 score: the kernel leaves each query token's best similarity in its scratch. */
  #sumOfPositives(): number {
    const best = new Float32Array(this.#workspace.kernels.buffer, this.#layout.best, this.queryTokens)
    return best.reduce((sum, similarity) => sum + Math.max(0, similarity), 0)
  }

  #tokensOf(numbers: number): number {
    if (numbers % this.dim === 0) return numbers / this.dim
    throw new SerotineError(
      'EMBEDDINGS_SHAPE',
      `${numbers} numbers are not a whole number of ${this.dim}-dimensional tokens.`,
    )
  }

  #checkArena(offset: number, bytes: number, alignment: number): void {
    if (!this.#workspace.isOwner(this)) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        'The arena was taken by another scorer. Fill and score it without an await in between.',
      )
    }
    if (!(offset >= 0 && bytes >= 0 && offset + bytes <= this.#arenaBytes) || offset % alignment !== 0) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `${bytes} bytes at ${offset} do not fit the arena of ${this.#arenaBytes} bytes (offsets are multiples of ${alignment}).`,
      )
    }
  }
}

function mismatch(document: number, query: number): SerotineError {
  return new SerotineError(
    'DIM_MISMATCH',
    `The document has dimension ${document}, but the query has ${query}. Were they made by the same model?`,
  )
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
