import type { Kernels } from '../math/kernels.js'
import { createKernels } from '../math/simd.js'
import { align16 } from '../math/workspace.js'
import { residualBytes } from './residuals.js'
import type { ResidualSteps } from './residuals.js'

/**
 * Tokens as centroid and residual, made vectors again: ColBERTv2's residual compression (Santhanam et al., arXiv:2112.01488, section 3.3), as
 * `encodeResiduals` makes it.
 */
export class ResidualCodec {
  readonly dim: number
  readonly #centroids: Float32Array
  readonly #steps: ResidualSteps
  /** The centroids, then what a call needs. Made on first use. */
  #kernels: Kernels | undefined

  /** @param centroids `[… × dim]` */
  constructor(dim: number, centroids: Float32Array, steps: ResidualSteps) {
    this.dim = dim
    this.#centroids = centroids
    this.#steps = steps
  }

  /** Bytes of the codes of so many tokens. */
  codeBytes(tokens: number): number {
    return tokens * (2 + residualBytes(this.dim))
  }

  /**
   * Writes the vectors that codes stand for as int8 with a scale each, `[tokens × dim]` from the beginning of `out` and f32 `[tokens]` from
   * `scalesAt`.
   *
   * @param codes of one document: the u16 centroid of each of its tokens, then the residual of each
   */
  decompress(codes: Uint8Array, tokens: number, out: Uint8Array, scalesAt: number): void {
    const { dim } = this
    const codesAt = align16(this.#centroids.byteLength)
    const row = align16(codesAt + codes.length)
    const int8 = align16(row + dim * 4 + 16)
    const scales = align16(int8 + tokens * dim)
    const kernels = this.#with(scales + tokens * 4 + 64)
    const memory = new Uint8Array(kernels.buffer)
    memory.set(codes, codesAt)
    const { along, across } = this.#steps
    kernels.decompressInt8(0, dim, codesAt, tokens, codesAt + tokens * 2, along, across, row, int8, scales)
    out.set(memory.subarray(int8, int8 + tokens * dim))
    out.set(memory.subarray(scales, scales + tokens * 4), scalesAt)
  }

  #with(bytes: number): Kernels {
    const isNew = this.#kernels === undefined
    const kernels = (this.#kernels ??= createKernels())
    kernels.reserve(bytes)
    if (isNew) new Float32Array(kernels.buffer, 0, this.#centroids.length).set(this.#centroids)
    return kernels
  }
}
