import { ScalarSelectionKernels } from './selection-kernels.js'
import type { SelectionKernels } from './selection-kernels.js'

/** Bytes of scratch that `residualScores` takes. */
export const RESIDUAL_SCRATCH = 64 + 64 * 8 + 64 * 32
/** A token whose level is so much lower than the best of its document for every query token is none that residuals would make the best. */
const REACH = 16

/** The arithmetic of signs of residuals; see `Kernels`, of which it is a part. */
export interface ResidualKernels extends SelectionKernels {
  /**
   * On which side of its centroid's direction a row x lies: bit j of its signs, `[count][bytes]`, is 1 when x_j > (x · c) c_j. And
   * `sums` f32 `[count × 4]`: x · c, Σ ±x_j, Σ ±c_j with those signs, c · c.
   *
   * @param rows f32 `[count × dim]`
   * @param centroids f32 `[… × dim]`, of which `codes` (u16) names each row's
   */
  residualSigns(
    rows: number,
    count: number,
    dim: number,
    centroids: number,
    codes: number,
    signs: number,
    sums: number,
  ): void
  /**
   * Sums of ±1 × numbers for every pattern of eight signs, so that a scan takes one look-up for eight dimensions: i16
   * `[lanes ÷ 16][bytes][256][16]` = Σ over the byte's dimensions j of (bit j ? 1 : −1) × rows[dimension][lane].
   *
   * @param rows i16 `[8 × bytes][lanes]`, small enough that the sum of all magnitudes of a lane fits i16; `lanes` is a multiple of 16
   */
  signTable(rows: number, bytes: number, lanes: number, out: number): void
  /**
   * out[i] (f32) = Σ over lanes of the highest, over the tokens of document rows[i] (i32), of
   * `(level × step + lows[lane]) × along × first + signs × across × second`. Levels u8 `[centroids × lanes]` as `levelTable` makes them, at a
   * token's code (u16, document d's from starts[d] to starts[d + 1]); signs as `signTable` made them. In each block of 16 lanes, tokens whose
   * levels are all more than 16 below the document's highest are left out.
   *
   * @param residuals of those documents one after the other, `bytes` of signs a token, then the u8 `first` and `second`
   * @param lows f32 `[lanes]`
   * @param scratch `RESIDUAL_SCRATCH` bytes
   */
  residualScores(
    levels: number,
    lanes: number,
    queryTokens: number,
    step: number,
    lows: number,
    signs: number,
    bytes: number,
    along: number,
    across: number,
    codes: number,
    starts: number,
    rows: number,
    count: number,
    residuals: number,
    scratch: number,
    out: number,
  ): void
  /**
   * What centroids and residuals keep of tokens, first × along × centroid + second × across × ±1 (+ where the bit of the dimension is 1), rounded as
   * `quantizeInt8` does: int8 `[count × dim]` and `scales` f32 `[count]`.
   *
   * @param centroids f32 `[… × dim]`, of which `codes` (u16) names each token's
   * @param residuals of each token a bit a dimension, in whole bytes, then the u8 `first` and `second`
   * @param scratch f32 `[dim]`, and 16 bytes
   */
  decompressInt8(
    centroids: number,
    dim: number,
    codes: number,
    count: number,
    residuals: number,
    along: number,
    across: number,
    scratch: number,
    out: number,
    scales: number,
  ): void
}

const round = Math.fround

/** The plain TypeScript implementation. */
export abstract class ScalarResidualKernels extends ScalarSelectionKernels implements ResidualKernels {
  abstract quantizeInt8(rows: number, count: number, dim: number, codes: number, stride: number, scales: number): void

  residualSigns(
    rows: number,
    count: number,
    dim: number,
    centroids: number,
    codes: number,
    signs: number,
    sums: number,
  ): void {
    const f = new Float32Array(this.buffer)
    const bytes = (dim + 7) >> 3
    const out = new Uint8Array(this.buffer, signs, count * bytes).fill(0)
    for (let i = 0; i < count; i++) {
      const row = (rows >> 2) + i * dim
      const centroid = (centroids >> 2) + new Uint16Array(this.buffer, codes, count)[i]! * dim
      const dot = dotInFourLanes(f, row, centroid, dim)
      const [ofRow, ofCentroid] = [new Float32Array(4), new Float32Array(4)]
      const whole = dim & ~7
      const signed = (k: number): { x: number; c: number } => {
        const [x, c] = [f[row + k]!, f[centroid + k]!]
        const isAbove = x > round(dot * c)
        if (isAbove) out[i * bytes + (k >> 3)]! |= 1 << (k & 7)
        return isAbove ? { x, c } : { x: -x, c: -c }
      }
      for (let k = 0; k < whole; k++) {
        const { x, c } = signed(k)
        ofRow[k & 3]! += x
        ofCentroid[k & 3]! += c
      }
      let [rowSum, centroidSum] = [sumLanes(ofRow), sumLanes(ofCentroid)]
      for (let k = whole; k < dim; k++) {
        const { x, c } = signed(k)
        rowSum = round(rowSum + x)
        centroidSum = round(centroidSum + c)
      }
      f.set([dot, rowSum, centroidSum, dotInFourLanes(f, centroid, centroid, dim)], (sums >> 2) + i * 4)
    }
  }

  signTable(rows: number, bytes: number, lanes: number, out: number): void {
    const numbers = new Int16Array(this.buffer, rows, bytes * 8 * lanes)
    const table = new Int16Array(this.buffer, out, bytes * 256 * lanes)
    let at = 0
    for (let block = 0; block < lanes; block += 16) {
      for (let byte = 0; byte < bytes; byte++) {
        for (let pattern = 0; pattern < 256; pattern++) {
          for (let lane = block; lane < block + 16; lane++) {
            let sum = 0
            for (let bit = 0; bit < 8; bit++) {
              const value = numbers[(byte * 8 + bit) * lanes + lane]!
              sum += (pattern >> bit) & 1 ? value : -value
            }
            table[at++] = sum
          }
        }
      }
    }
  }

  residualScores(
    levels: number,
    lanes: number,
    queryTokens: number,
    step: number,
    lows: number,
    signs: number,
    bytes: number,
    along: number,
    across: number,
    codes: number,
    starts: number,
    rows: number,
    count: number,
    residuals: number,
    _scratch: number,
    out: number,
  ): void {
    const u8 = new Uint8Array(this.buffer)
    const u16 = new Uint16Array(this.buffer)
    const i32 = new Int32Array(this.buffer)
    const f32 = new Float32Array(this.buffer)
    const table = new Int16Array(this.buffer, signs, bytes * 256 * lanes)
    for (let i = 0; i < count; i++) {
      const startAt = (starts >> 2) + i32[(rows >> 2) + i]!
      const [first, end] = [i32[startAt]!, i32[startAt + 1]!]
      const levelAt = (token: number, lane: number): number => u8[levels + u16[(codes >> 1) + token]! * lanes + lane]!
      let sum = 0
      for (let block = 0; block < lanes; block += 16) {
        const own = Array.from({ length: 16 }, (_, k) => block + k)
        const tokens = Array.from({ length: end - first }, (_, token) => first + token)
        const most = own.map((lane) => tokens.reduce((best, token) => Math.max(best, levelAt(token, lane)), 0))
        const near = tokens.filter((token) =>
          own.some((lane, k) => lane < queryTokens && levelAt(token, lane) >= most[k]! - REACH),
        )
        for (const lane of own) {
          const low = f32[(lows >> 2) + lane]!
          let best = -Infinity
          for (const token of near) {
            const at = residuals + (token - first) * (bytes + 2)
            let signed = 0
            for (let byte = 0; byte < bytes; byte++) {
              signed += table[(((lane >> 4) * bytes + byte) * 256 + u8[at + byte]!) * 16 + (lane & 15)]!
            }
            const similarity = round(round(levelAt(token, lane) * round(step)) + low)
            const inDirection = round(similarity * round(u8[at + bytes]! * round(along)))
            best = Math.max(best, round(inDirection + round(signed * round(u8[at + bytes + 1]! * round(across)))))
          }
          sum += best
        }
      }
      residuals += (end - first) * (bytes + 2)
      f32[(out >> 2) + i] = sum
    }
  }

  decompressInt8(
    centroids: number,
    dim: number,
    codes: number,
    count: number,
    residuals: number,
    along: number,
    across: number,
    scratch: number,
    out: number,
    scales: number,
  ): void {
    const u8 = new Uint8Array(this.buffer)
    const f32 = new Float32Array(this.buffer)
    const bytes = (dim + 7) >> 3
    for (let i = 0; i < count; i++) {
      const centroid = (centroids >> 2) + new Uint16Array(this.buffer, codes, count)[i]! * dim
      const signs = residuals + i * (bytes + 2)
      const first = round(u8[signs + bytes]! * round(along))
      const second = round(u8[signs + bytes + 1]! * round(across))
      for (let k = 0; k < dim; k++) {
        const isAbove = (u8[signs + (k >> 3)]! >> (k & 7)) & 1
        f32[(scratch >> 2) + k] = round(f32[centroid + k]! * first) + (isAbove ? second : -second)
      }
      this.quantizeInt8(scratch, 1, dim, out + i * dim, dim, scales + i * 4)
    }
  }
}

/** As SIMD code adds up its four lanes. */
function sumLanes(lanes: Float32Array): number {
  return round(round(lanes[0]! + lanes[1]!) + round(lanes[2]! + lanes[3]!))
}

/** A dot product summed as four lanes do it, so that it equals the SIMD one bit for bit. */
export function dotInFourLanes(f: Float32Array, x: number, y: number, dim: number): number {
  const lanes = new Float32Array(4)
  const whole = dim & ~3
  for (let k = 0; k < whole; k++) lanes[k & 3]! += round(f[x + k]! * f[y + k]!)
  let sum = sumLanes(lanes)
  for (let k = whole; k < dim; k++) sum = round(sum + round(f[x + k]! * f[y + k]!))
  return sum
}
