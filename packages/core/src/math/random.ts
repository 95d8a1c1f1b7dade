/**
 * The portable generator behind every random matrix of Serotine: 32-bit integer operations only, so that an index written
 * by one version, engine or processor reads the same in the next. Counter-based: any entry can be made alone.
 * Mixing function: the finaliser of MurmurHash3 (Austin Appleby, public domain).
 */
export const GENERATOR_VERSION = 1

/** What a stream of numbers is used for; one seed gives independent streams per purpose and repetition. */
export const STREAM = { simHash: 1, projection: 2, sketch: 3, centroids: 4 } as const
export type StreamTag = (typeof STREAM)[keyof typeof STREAM]

/** MurmurHash3's 32-bit finaliser: a bijection of u32. */
export function fmix32(value: number): number {
  let h = value >>> 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}

/** The two keys of a stream. */
export function streamKeys(seed: number, tag: StreamTag, repetition: number): [k1: number, k2: number] {
  let a = fmix32(seed ^ 0x4d565241)
  a = fmix32(a + Math.imul(tag, 0x9e3779b1))
  a = fmix32(a + Math.imul(repetition, 0x85ebca77))
  return [a, fmix32(a ^ 0xa5a5a5a5)]
}

/** Entry i of a stream as a function: uniform over u32. */
export function stream(seed: number, tag: StreamTag, repetition: number): (i: number) => number {
  const [k1, k2] = streamKeys(seed, tag, repetition)
  return (i) => fmix32(fmix32(Math.imul(i, 0x9e3779b9) + k1) ^ k2)
}

/** Maps a u32 to an integer in [0, n): floor(value · n / 2³²), exact for n up to 2²¹. */
export function scaleU32(value: number, n: number): number {
  return Math.floor((value * n) / 4294967296)
}

/** Number of set bits of a u32. */
export function popcount32(value: number): number {
  let v = value - ((value >>> 1) & 0x55555555)
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333)
  v = (v + (v >>> 4)) & 0x0f0f0f0f
  return Math.imul(v, 0x01010101) >>> 24
}

/** A whole number in −32…32, mean 0, standard deviation 4: 64 hashed bits counted. Near enough a Gaussian, and exact. */
export function binomial(next: (i: number) => number, i: number): number {
  return popcount32(next(2 * i)) + popcount32(next(2 * i + 1)) - 32
}
