/** How finely `reaching` divides the range of the scores. */
const BINS = 4096
/** Bytes of scratch that `reaching` takes. */
export const BINS_BYTES = (BINS + 1) * 4

/** Choosing the best of many; see `Kernels`, of which it is a part. */
export interface SelectionKernels {
  /**
   * Indices (i32, ascending) of the scores that reach a bound close below the `wanted`-th best: at least so many. Returns how many there are;
   * −1 when the scores are all equal, or not all finite.
   *
   * @param scores f32 `[count]`
   * @param bins scratch, `BINS_BYTES`
   * @param out i32 `[count]`
   */
  reaching(scores: number, count: number, wanted: number, bins: number, out: number): number
}

export abstract class ScalarSelectionKernels implements SelectionKernels {
  abstract readonly buffer: ArrayBuffer

  reaching(scores: number, count: number, wanted: number, bins: number, out: number): number {
    const values = new Float32Array(this.buffer, scores, count)
    const low = values.reduce((least, value) => Math.min(least, value), Infinity)
    const range = Math.fround(values.reduce((most, value) => Math.max(most, value), -Infinity) - low)
    const perBin = Math.fround(BINS / range)
    if (!(range < Infinity && perBin < Infinity)) return -1
    const counts = new Int32Array(this.buffer, bins, BINS + 1).fill(0)
    for (const value of values) counts[Math.fround(Math.fround(value - low) * perBin) | 0]!++
    let bin = BINS
    for (let seen = counts[BINS]!; bin > 0 && seen < wanted;) seen += counts[--bin]!
    // A bin lower, as rounding may put a score into the bin beside its own.
    const bound = Math.fround(low + Math.fround((bin - 1) / perBin))
    const indices = new Int32Array(this.buffer, out, count)
    let found = 0
    for (let i = 0; i < count; i++) if (values[i]! >= bound) indices[found++] = i
    return found
  }
}
