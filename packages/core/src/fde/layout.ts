import { LANES } from '../math/pack.js'
import { align16 } from '../math/workspace.js'
import type { FdeConfig } from './config.js'
import type { linearMap } from './matrices.js'

/** Where the matrices live in kernel memory. */
export function residentLayout(
  planeBytes: number,
  ids: Int32Array,
  map: ReturnType<typeof linearMap>,
  dim: number,
  directions: number,
) {
  const after = (at: number, numbers: number): number => align16(at + numbers * 4)
  const at = {
    planes: 64,
    ids: 0,
    targets: 0,
    signs: 0,
    dense: 0,
    documentMean: 0,
    queryMean: 0,
    directions: 0,
    end: 0,
  }
  at.ids = align16(at.planes + planeBytes)
  at.targets = after(at.ids, ids.length)
  at.signs = after(at.targets, map.targets.length)
  at.dense = after(at.signs, map.signs.length)
  at.documentMean = after(at.dense, map.dense?.matrix.length ?? 0)
  at.queryMean = after(at.documentMean, dim)
  at.directions = after(at.queryMean, dim)
  at.end = after(at.directions, directions)
  return at
}

/** Where the text being encoded lives, beyond the matrices. */
export function workingLayout(
  start: number,
  config: FdeConfig,
  tokens: number,
  blocks: number,
  map: ReturnType<typeof linearMap>,
  outputDim: number,
  scratchBytes: number,
) {
  const { dim, repetitions, simHashBits } = config
  const buckets = repetitions << simHashBits
  const after = (at: number, bytes: number): number => align16(at + bytes)
  const rows = start
  const bits = after(rows, tokens * dim * 4 + 64)
  // A token's bits are read 32 at a time, from any byte.
  const sums = after(bits, tokens * blocks * (LANES / 8) + 16)
  const counts = after(sums, buckets * dim * 4)
  const partitions = after(counts, buckets * 4)
  const weights = after(partitions, repetitions * tokens * 4)
  const projected = after(weights, buckets * 4)
  const out = after(projected, map.dense ? buckets * map.dense.columns * 4 : 0)
  const scratch = after(out, outputDim * 4)
  return { rows, bits, sums, counts, partitions, weights, projected, out, scratch, end: after(scratch, scratchBytes) }
}
export type WorkingLayout = ReturnType<typeof workingLayout>
