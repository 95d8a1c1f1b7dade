import { ScalarCentroidKernels } from './centroid-kernels.js'
import type { CentroidKernels } from './centroid-kernels.js'
import { dotInFourLanes } from './residual-kernels.js'

/**
 * The arithmetic everything else is built on, as a contract with two implementations: this file's plain TypeScript, which is
 * the truth and the fallback, and the same in WebAssembly SIMD (`simd.ts`). Both work inside one block of linear memory:
 * arguments that name data are byte offsets into it, so that a file can be read straight into the memory and scored there.
 *
 * Both add in the same order and round every step to f32, so their results are equal bit for bit unless a method says otherwise.
 * Offsets of f32 and i32 data are multiples of 4, of 16-bit data multiples of 2. Nothing here checks its arguments.
 */
export interface Kernels extends CentroidKernels {
  readonly simd: boolean
  /** The memory. Read it again after `reserve`: growing detaches the old buffer. */
  readonly buffer: ArrayBuffer
  /** Makes the memory at least this large. Contents stay. */
  reserve(bytes: number): void

  /**
   * Σ over query tokens of the largest dot product with a document token. Query packed by `packLanes`.
   *
   * @param rows f32 `[tokens × dim]`, tokens ≥ 1
   * @param best scratch, f32 `[blocks × 16]`
   */
  maxSimF32(query: number, blocks: number, dim: number, rows: number, tokens: number, best: number): number
  /**
   * The same over int8 codes with one f32 scale per document token. Query packed by `packInt16`: i16 `[blocks × padded/2
   * × 16 × 2]` with f32 `queryScales[blocks × 16]`; `padded` is dim rounded up to 8.
   *
   * @param scratch f32 `[blocks × 16]`, then i16 `[2 × padded]`
   */
  maxSimInt8(
    query: number,
    queryScales: number,
    blocks: number,
    dim: number,
    codes: number,
    scales: number,
    tokens: number,
    scratch: number,
  ): number

  /** IEEE half → single. Exact. Infinities and NaN are not supported. */
  f16ToF32(halves: number, count: number, out: number): void
  /** Single → half, rounded to nearest even; beyond ±65504 it saturates there. */
  f32ToF16(values: number, count: number, out: number): void
  /** One scale per row, largest magnitude / 127; codes are rounded to nearest even. A zero row gets scale 0. */
  quantizeInt8(rows: number, count: number, dim: number, codes: number, stride: number, scales: number): void
  dequantizeInt8(codes: number, stride: number, scales: number, count: number, dim: number, out: number): void

  /** out[i] = query · row i, f32. Equal to the other implementation within rounding (sums are split over lanes). */
  dotsF32(query: number, dim: number, rows: number, count: number, out: number): void
  /** out[i] = (i16 query · int8 row i) · scales[i]. `stride` is a multiple of 16, padded with zeros on both sides. */
  dotsInt8(query: number, stride: number, rows: number, scales: number, count: number, out: number): void

  /** rows −= (row · unit) unit, in place. */
  deflate(rows: number, count: number, dim: number, unit: number): void
  /** rows −= mean, in place. */
  subtract(rows: number, count: number, dim: number, mean: number): void
  /**
   * Bit p of `bits[token × blocks]` (u16 each) = 1 when row · plane p > 0. Planes packed `[blocks × dim × 16]`.
   */
  signBits(planes: number, blocks: number, dim: number, rows: number, tokens: number, bits: number): void
  /**
   * Sums the rows of each partition. The `width` bits of repetition r start at bit r·width of a token's bits; `ids` maps them to
   * a partition id. Adds into `sums` f32 `[reps × 2^width × dim]` and `counts` i32 `[reps × 2^width]`, writes `partitions` i32
   * `[reps × tokens]`.
   */
  accumulate(
    bits: number,
    blocks: number,
    width: number,
    reps: number,
    ids: number,
    rows: number,
    tokens: number,
    dim: number,
    sums: number,
    counts: number,
    partitions: number,
  ): void
  /** out[b] = √Σ sums[b]², 0 where counts[b] = 0. */
  norms(sums: number, counts: number, buckets: number, dim: number, out: number): void
  /** out[target[i]] += sign[i] · weight[b] · values[i], for the buckets of non-zero weight; i runs over `[buckets × dim]`. */
  scatter(
    values: number,
    weights: number,
    buckets: number,
    dim: number,
    targets: number,
    signs: number,
    out: number,
  ): void
  /** out[b × p …] = weight[b] · values[b × dim …] · matrix `[dim × p]`, p a multiple of 4; zero weights are skipped. */
  project(values: number, weights: number, buckets: number, dim: number, matrix: number, p: number, out: number): void
}

const round = Math.fround
/** Adding and taking away 1.5 · 2²³ rounds an f32 of magnitude below 2²² to the nearest whole number, ties to even. */
const MAGIC = 12582912

/** The plain TypeScript implementation over its own ArrayBuffer. */
export class ScalarKernels extends ScalarCentroidKernels implements Kernels {
  readonly simd = false
  buffer = new ArrayBuffer(0)
  #f32 = new Float32Array(0)
  #i32 = new Int32Array(0)
  #u32 = new Uint32Array(0)
  #i16 = new Int16Array(0)
  #u16 = new Uint16Array(0)
  #i8 = new Int8Array(0)
  #u8 = new Uint8Array(0)

  reserve(bytes: number): void {
    if (bytes <= this.buffer.byteLength) return
    const grown = new ArrayBuffer(Math.ceil(Math.max(bytes, this.buffer.byteLength * 1.5, 65536) / 65536) * 65536)
    this.#u8 = new Uint8Array(grown)
    this.#u8.set(new Uint8Array(this.buffer))
    this.buffer = grown
    this.#f32 = new Float32Array(grown)
    this.#i32 = new Int32Array(grown)
    this.#u32 = new Uint32Array(grown)
    this.#i16 = new Int16Array(grown)
    this.#u16 = new Uint16Array(grown)
    this.#i8 = new Int8Array(grown)
  }

  maxSimF32(query: number, blocks: number, dim: number, rows: number, tokens: number, best: number): number {
    const f = this.#f32
    const max = best >> 2
    f.fill(-Infinity, max, max + blocks * 16)
    for (let token = 0; token < tokens; token++) {
      const row = (rows >> 2) + token * dim
      for (let block = 0; block < blocks; block++) {
        for (let lane = 0; lane < 16; lane += 4) {
          let q = (query >> 2) + block * dim * 16 + lane
          let a = 0
          let b = 0
          let c = 0
          let d = 0
          for (let k = 0; k < dim; k++, q += 16) {
            const x = f[row + k]!
            a = round(a + round(f[q]! * x))
            b = round(b + round(f[q + 1]! * x))
            c = round(c + round(f[q + 2]! * x))
            d = round(d + round(f[q + 3]! * x))
          }
          const m = max + block * 16 + lane
          if (a > f[m]!) f[m] = a
          if (b > f[m + 1]!) f[m + 1] = b
          if (c > f[m + 2]!) f[m + 2] = c
          if (d > f[m + 3]!) f[m + 3] = d
        }
      }
    }
    let sum = 0
    for (let i = 0; i < blocks * 16; i++) sum += f[max + i]!
    return sum
  }

  maxSimInt8(
    query: number,
    queryScales: number,
    blocks: number,
    dim: number,
    codes: number,
    scales: number,
    tokens: number,
    scratch: number,
  ): number {
    const f = this.#f32
    const q16 = this.#i16
    const max = scratch >> 2
    const padded = (dim + 7) & ~7
    f.fill(-Infinity, max, max + blocks * 16)
    for (let token = 0; token < tokens; token++) {
      const row = codes + token * dim
      const scale = f[(scales >> 2) + token]!
      for (let block = 0; block < blocks; block++) {
        for (let lane = 0; lane < 16; lane++) {
          let sum = 0
          // [pair of components][lane][2], as the SIMD kernel's pairwise dot product needs it
          const q = (query >> 1) + block * padded * 16 + lane * 2
          for (let k = 0; k < dim; k++) sum += q16[q + (k >> 1) * 32 + (k & 1)]! * this.#i8[row + k]!
          const similarity = round(round(sum) * scale)
          const m = max + block * 16 + lane
          if (similarity > f[m]!) f[m] = similarity
        }
      }
    }
    let sum = 0
    for (let i = 0; i < blocks * 16; i++) sum += round(f[max + i]! * f[(queryScales >> 2) + i]!)
    return sum
  }

  f16ToF32(halves: number, count: number, out: number): void {
    for (let i = 0; i < count; i++) {
      const h = this.#u16[(halves >> 1) + i]!
      // Put the half's bits where a single has them and let 2¹¹² correct the exponent's bias, subnormals included.
      this.#u32[(out >> 2) + i] = (h & 0x7fff) << 13
      const magnitude = this.#f32[(out >> 2) + i]! * 2 ** 112
      this.#f32[(out >> 2) + i] = h & 0x8000 ? -magnitude : magnitude
    }
  }

  f32ToF16(values: number, count: number, out: number): void {
    const one = new Float32Array(1)
    const bits = new Uint32Array(one.buffer)
    for (let i = 0; i < count; i++) {
      const value = this.#f32[(values >> 2) + i]!
      const magnitude = Math.min(Math.abs(value), 65504)
      let half: number
      if (magnitude < 2 ** -14) {
        half = round(round(magnitude * 2 ** 24) + MAGIC) - MAGIC
      } else {
        one[0] = magnitude
        const b = bits[0]!
        half = Math.min((b - 0x38000000 + 0xfff + ((b >>> 13) & 1)) >>> 13, 0x7bff)
      }
      this.#u16[(out >> 1) + i] = value < 0 || Object.is(value, -0) ? half | 0x8000 : half
    }
  }

  quantizeInt8(rows: number, count: number, dim: number, codes: number, stride: number, scales: number): void {
    const f = this.#f32
    for (let i = 0; i < count; i++) {
      const row = (rows >> 2) + i * dim
      let largest = 0
      for (let k = 0; k < dim; k++) largest = Math.max(largest, Math.abs(f[row + k]!))
      // Below this the reciprocal would overflow; such a row is zero for every purpose.
      const zero = largest < 1e-30
      f[(scales >> 2) + i] = zero ? 0 : round(largest / 127)
      const inverse = zero ? 0 : round(127 / largest)
      for (let k = 0; k < dim; k++) {
        const code = round(round(round(f[row + k]! * inverse) + MAGIC) - MAGIC)
        this.#i8[codes + i * stride + k] = code > 127 ? 127 : code < -127 ? -127 : code
      }
    }
  }

  dequantizeInt8(codes: number, stride: number, scales: number, count: number, dim: number, out: number): void {
    for (let i = 0; i < count; i++) {
      const scale = this.#f32[(scales >> 2) + i]!
      for (let k = 0; k < dim; k++) this.#f32[(out >> 2) + i * dim + k] = this.#i8[codes + i * stride + k]! * scale
    }
  }

  dotsF32(query: number, dim: number, rows: number, count: number, out: number): void {
    for (let i = 0; i < count; i++) {
      let sum = 0
      for (let k = 0; k < dim; k++) sum += this.#f32[(query >> 2) + k]! * this.#f32[(rows >> 2) + i * dim + k]!
      this.#f32[(out >> 2) + i] = sum
    }
  }

  dotsInt8(query: number, stride: number, rows: number, scales: number, count: number, out: number): void {
    for (let i = 0; i < count; i++) {
      let sum = 0
      for (let k = 0; k < stride; k++) sum += this.#i16[(query >> 1) + k]! * this.#i8[rows + i * stride + k]!
      this.#f32[(out >> 2) + i] = round(sum) * this.#f32[(scales >> 2) + i]!
    }
  }

  deflate(rows: number, count: number, dim: number, unit: number): void {
    const f = this.#f32
    const u = unit >> 2
    for (let i = 0; i < count; i++) {
      const row = (rows >> 2) + i * dim
      const dot = dotInFourLanes(f, row, u, dim)
      for (let k = 0; k < dim; k++) f[row + k] = round(f[row + k]! - round(dot * f[u + k]!))
    }
  }

  subtract(rows: number, count: number, dim: number, mean: number): void {
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < dim; k++) this.#f32[(rows >> 2) + i * dim + k]! -= this.#f32[(mean >> 2) + k]!
    }
  }

  signBits(planes: number, blocks: number, dim: number, rows: number, tokens: number, bits: number): void {
    const f = this.#f32
    const sums = new Float32Array(16)
    for (let token = 0; token < tokens; token++) {
      const row = (rows >> 2) + token * dim
      for (let block = 0; block < blocks; block++) {
        sums.fill(0)
        const plane = (planes >> 2) + block * dim * 16
        for (let k = 0; k < dim; k++) {
          const x = f[row + k]!
          for (let lane = 0; lane < 16; lane++) sums[lane]! += round(f[plane + k * 16 + lane]! * x)
        }
        let word = 0
        for (let lane = 0; lane < 16; lane++) if (sums[lane]! > 0) word |= 1 << lane
        this.#u16[(bits >> 1) + token * blocks + block] = word
      }
    }
  }

  accumulate(
    bits: number,
    blocks: number,
    width: number,
    reps: number,
    ids: number,
    rows: number,
    tokens: number,
    dim: number,
    sums: number,
    counts: number,
    partitions: number,
  ): void {
    const f = this.#f32
    for (let r = 0; r < reps; r++) {
      for (let token = 0; token < tokens; token++) {
        let pattern = 0
        for (let j = 0; j < width; j++) {
          const bit = r * width + j
          pattern |= ((this.#u16[(bits >> 1) + token * blocks + (bit >> 4)]! >> (bit & 15)) & 1) << j
        }
        const id = this.#i32[(ids >> 2) + pattern]!
        const bucket = (r << width) + id
        this.#i32[(partitions >> 2) + r * tokens + token] = id
        this.#i32[(counts >> 2) + bucket]! += 1
        const from = (rows >> 2) + token * dim
        const to = (sums >> 2) + bucket * dim
        for (let k = 0; k < dim; k++) f[to + k]! += f[from + k]!
      }
    }
  }

  norms(sums: number, counts: number, buckets: number, dim: number, out: number): void {
    for (let b = 0; b < buckets; b++) {
      const row = (sums >> 2) + b * dim
      const empty = this.#i32[(counts >> 2) + b] === 0
      this.#f32[(out >> 2) + b] = empty ? 0 : Math.sqrt(dotInFourLanes(this.#f32, row, row, dim))
    }
  }

  scatter(
    values: number,
    weights: number,
    buckets: number,
    dim: number,
    targets: number,
    signs: number,
    out: number,
  ): void {
    const f = this.#f32
    for (let b = 0; b < buckets; b++) {
      const weight = f[(weights >> 2) + b]!
      if (weight === 0) continue
      for (let i = b * dim; i < (b + 1) * dim; i++) {
        f[(out >> 2) + this.#i32[(targets >> 2) + i]!]! += round(
          round(f[(signs >> 2) + i]! * weight) * f[(values >> 2) + i]!,
        )
      }
    }
  }

  project(values: number, weights: number, buckets: number, dim: number, matrix: number, p: number, out: number): void {
    const f = this.#f32
    for (let b = 0; b < buckets; b++) {
      const weight = f[(weights >> 2) + b]!
      if (weight === 0) continue
      for (let j = 0; j < p; j++) {
        let sum = 0
        for (let k = 0; k < dim; k++)
          sum = round(sum + round(f[(values >> 2) + b * dim + k]! * f[(matrix >> 2) + k * p + j]!))
        f[(out >> 2) + b * p + j] = sum * weight
      }
    }
  }
}
