import { SerotineError } from '../errors.js'
import type { Kernels } from '../math/kernels.js'
import { LANES, packInt16 } from '../math/pack.js'
import { align16 } from '../math/workspace.js'
import type { FdeConfig } from './config.js'

/** Tokens coded per kernel call. */
const GROUP = 256

/** Centroids are stored as whole numbers, this much a unit: only their directions count. */
export const CENTROID_UNIT = 127

/** The partitions of `partitioning: 'centroids'`: one codebook of 2^k directions per repetition. */
export class Codebooks {
  /** Bytes they take in a kernel memory. */
  readonly bytes: number
  /** Bytes `assign` needs beyond. */
  readonly scratchBytes: number
  readonly #config: Pick<FdeConfig, 'repetitions' | 'simHashBits' | 'dim'>
  readonly #packed: ReturnType<typeof packInt16>
  readonly #padded: number

  /**
   * @param centroids `[repetitions × 2^simHashBits × dim]`, in any unit
   * @throws INVALID_ARGUMENT when there are none, EMBEDDINGS_SHAPE
   */
  constructor(
    centroids: Int8Array | Float32Array | undefined,
    config: Pick<FdeConfig, 'repetitions' | 'simHashBits' | 'dim'>,
  ) {
    const { repetitions, simHashBits, dim } = config
    if (!centroids) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        "partitioning: 'centroids' needs means.centroids. Learn them with learnFde(), or use partitioning: 'hyperplanes'.",
      )
    }
    const count = repetitions << simHashBits
    if (centroids.length !== count * dim) {
      throw new SerotineError(
        'EMBEDDINGS_SHAPE',
        `means.centroids must hold repetitions × 2^simHashBits × dim = ${count * dim} numbers, got ${centroids.length}.`,
      )
    }
    this.#config = config
    this.#packed = packInt16(Float32Array.from(centroids), count, dim)
    this.#padded = (dim + 7) & ~7
    this.bytes = align16(this.#packed.codes.byteLength) + align16(this.#packed.scales.byteLength) + 16
    this.scratchBytes = align16(GROUP * dim + 64) + GROUP * 6 + align16(this.#padded * 2) + 4 * (48 + LANES) + 64
  }

  /** Puts them into a memory that has room for them. */
  load(kernels: Kernels, at: number): void {
    const { codes, scales } = this.#packed
    new Int16Array(kernels.buffer, at).set(codes)
    new Float32Array(kernels.buffer, at + align16(codes.byteLength)).set(scales)
    // For the kernel all centroids of a codebook are in one cell.
    new Int32Array(kernels.buffer, at + this.bytes - 16).set([0, 2 ** this.#config.simHashBits / LANES])
  }

  /**
   * Each token's most similar centroid in each repetition, written where `signBits` would write the sides of hyperplanes: the k
   * bits of repetition r begin at bit r·k of a token's `blocks` u16. Tokens are rounded to int8 for it.
   *
   * @param loaded where `load` put the codebooks
   * @param bits `[tokens × blocks]` u16, and 4 bytes beyond
   */
  assign(
    kernels: Kernels,
    loaded: number,
    rows: number,
    tokens: number,
    blocks: number,
    bits: number,
    scratch: number,
  ): void {
    const { repetitions, simHashBits, dim } = this.#config
    const words = blocks * 2
    const scales = loaded + align16(this.#packed.codes.byteLength)
    const cellBlocks = loaded + this.bytes - 16
    const tokenScales = scratch + align16(GROUP * dim + 64)
    const found = tokenScales + GROUP * 4
    const work = align16(found + GROUP * 2)
    const bytes = new Uint8Array(kernels.buffer, bits, tokens * words + 4).fill(0)
    const nearest = new Uint16Array(kernels.buffer, found, GROUP)
    for (let from = 0; from < tokens; from += GROUP) {
      const count = Math.min(GROUP, tokens - from)
      kernels.quantizeInt8(rows + from * dim * 4, count, dim, scratch, dim, tokenScales)
      for (let r = 0; r < repetitions; r++) {
        const first = r << simHashBits
        const [codebook, scale] = [loaded + first * this.#padded * 2, scales + first * 4]
        kernels.nearestInt8(scratch, count, dim, codebook, scale, 1, codebook, scale, cellBlocks, 1, work, found)
        const bit = r * simHashBits
        for (let token = 0; token < count; token++) {
          const pattern = nearest[token]! << (bit & 7)
          const at = (from + token) * words + (bit >> 3)
          bytes[at]! |= pattern
          bytes[at + 1]! |= pattern >> 8
          bytes[at + 2]! |= pattern >> 16
        }
      }
    }
  }
}
