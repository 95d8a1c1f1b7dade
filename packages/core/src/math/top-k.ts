import type { Kernels } from './kernels.js'
import { BINS_BYTES } from './selection-kernels.js'
import { align16 } from './workspace.js'

/** From so many scores on a histogram costs less than it saves. */
const MANY = 4096
const BINS = 4096

/**
 * The indices of the k largest scores, best first; equal scores keep their order (lower index first).
 * A heap of k: O(n log k), no copy of the scores; of many, only those that pass a bound which a histogram of them gives.
 *
 * @param k more than `scores.length` gives all of them
 * @param keep leaves out the indices for which it returns false
 */
export function topK(scores: Float32Array | Float64Array, k: number, keep?: (index: number) => boolean): Int32Array {
  const limit = Math.min(Math.max(0, Math.floor(k)), scores.length)
  const heap = new Int32Array(limit)
  let size = 0
  if (limit === 0) return heap
  const bound = scores.length >= MANY ? lowerBound(scores, limit, keep) : -Infinity

  // The heap's root is the worst kept entry: lowest score, and among equals the highest index.
  const worse = (a: number, b: number): boolean => {
    const [ofA, ofB] = [scores[a]!, scores[b]!]
    return ofA < ofB || (ofA === ofB && a > b)
  }
  const sink = (end: number): void => {
    let parent = 0
    const moved = heap[0]!
    for (;;) {
      let child = 2 * parent + 1
      if (child >= end) break
      if (child + 1 < end && worse(heap[child + 1]!, heap[child]!)) child++
      if (!worse(heap[child]!, moved)) break
      heap[parent] = heap[child]!
      parent = child
    }
    heap[parent] = moved
  }

  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! < bound || (size === limit && !worse(heap[0]!, i))) continue
    if (keep && !keep(i)) continue
    if (size < limit) {
      let child = size++
      while (child > 0) {
        const parent = (child - 1) >> 1
        if (!worse(i, heap[parent]!)) break
        heap[child] = heap[parent]!
        child = parent
      }
      heap[child] = i
    } else {
      heap[0] = i
      sink(size)
    }
  }
  for (let end = size - 1; end > 0; end--) {
    const worst = heap[0]!
    heap[0] = heap[end]!
    sink(end)
    heap[end] = worst
  }
  return size === limit ? heap : heap.slice(0, size)
}

/** A key of `largest` holds a score and, below it, a place smaller than this. */
const PLACES = 2 ** 21

/**
 * As `topK`, by a kernel: a third of the time.
 *
 * @param at where in the kernels' memory there is, or will be, room that nobody uses
 */
export function largest(kernels: Kernels, at: number, scores: Float32Array, k: number): Int32Array {
  const { length } = scores
  const bins = align16(at + scores.byteLength)
  const out = align16(bins + BINS_BYTES)
  kernels.reserve(out + length * 4 + 64)
  new Float32Array(kernels.buffer, at, length).set(scores)
  const found = kernels.reaching(at, length, Math.min(k, length), bins, out)
  if (found < 0 || found > PLACES) return topK(scores, k)
  const indices = new Int32Array(kernels.buffer, out, found)
  // Score and place as one number each, so that they are sorted without a function: the bits of floats, those of negative ones turned, are in their order.
  const bits = new Uint32Array(Float32Array.from(indices, (i) => scores[i]! + 0).buffer)
  const keys = Float64Array.from(bits, (bit, place) => {
    const ascending = bit >= 2 ** 31 ? 2 ** 32 - 1 - bit : bit + 2 ** 31
    return (2 ** 32 - 1 - ascending) * PLACES + place
  }).sort()
  return Int32Array.from(keys.subarray(0, k), (key) => indices[key % PLACES]!)
}

/** A score that at least `count` of those kept reach, close below the count-th best; −Infinity where there are fewer, or none is finite. */
function lowerBound(scores: Float32Array | Float64Array, count: number, keep?: (index: number) => boolean): number {
  let [low, high] = [Infinity, -Infinity]
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!
    if (score < low) low = score
    if (score > high) high = score
  }
  const range = high - low
  const perBin = BINS / range
  if (!(range < Infinity && perBin < Infinity)) return -Infinity
  const counts = new Int32Array(BINS + 1)
  for (let i = 0; i < scores.length; i++) {
    if (!keep || keep(i)) counts[((scores[i]! - low) * perBin) | 0]!++
  }
  let seen = 0
  for (let bin = BINS; bin > 0; bin--) {
    seen += counts[bin]!
    // A bin lower, as rounding may put a score into the bin beside its own.
    if (seen >= count) return low + (bin - 1) / perBin
  }
  return -Infinity
}
