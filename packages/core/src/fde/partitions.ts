import { popcount32 } from '../math/random.js'
import type { FdeConfig } from './config.js'

/**
 * Sign bits → partition id, as a table over bit patterns (bit j = hyperplane j).
 *
 * `plain`: the pattern itself. `gray` (Google): the prefix-XOR of the bits, hyperplane 0 most significant, so that neighbouring
 * ids differ in one hyperplane.
 */
export function partitionIds(bits: number, code: FdeConfig['code']): Int32Array {
  return Int32Array.from({ length: 2 ** bits }, (_, pattern) => {
    if (code === 'plain') return pattern
    let id = 0
    for (let j = 0; j < bits; j++) id = 2 * id + (((pattern >> j) & 1) ^ (id & 1))
    return id
  })
}

/** The inverse of `partitionIds`. */
export function partitionPatterns(bits: number, code: FdeConfig['code']): Int32Array {
  const patterns = new Int32Array(2 ** bits)
  partitionIds(bits, code).forEach((id, pattern) => (patterns[id] = pattern))
  return patterns
}

/**
 * The token that fills each empty partition: the one whose sign bits differ from the partition's in the fewest places.
 * All tokens of a partition are equally near, so only the first token of each occupied partition can win.
 *
 * @param partitions `[repetitions × tokens]`
 * @param counts tokens per partition, `[repetitions × 2^bits]`
 * @param tie among equally near tokens: `token` = first in the text, `cluster` = of the lowest partition id
 * @returns `[repetitions × 2^bits]`, −1 for occupied partitions
 */
export function emptyPartitionSources(
  partitions: Int32Array,
  tokens: number,
  counts: Int32Array,
  repetitions: number,
  bits: number,
  code: FdeConfig['code'],
  tie: FdeConfig['tie'],
): Int32Array {
  const size = 2 ** bits
  const patterns = partitionPatterns(bits, code)
  const sources = new Int32Array(repetitions * size).fill(-1)
  const firstToken = new Int32Array(size)
  for (let r = 0; r < repetitions; r++) {
    firstToken.fill(-1)
    const occupied: number[] = []
    for (let token = 0; token < tokens; token++) {
      const id = partitions[r * tokens + token]!
      if (firstToken[id] !== -1) continue
      firstToken[id] = token
      occupied.push(id) // in text order
    }
    if (tie === 'cluster') occupied.sort((a, b) => a - b)
    for (let id = 0; id < size; id++) {
      if (counts[r * size + id]! > 0) continue
      let nearest = bits + 1
      for (const other of occupied) {
        const distance = popcount32(patterns[id]! ^ patterns[other]!)
        if (distance >= nearest) continue
        nearest = distance
        sources[r * size + id] = firstToken[other]!
      }
    }
  }
  return sources
}
