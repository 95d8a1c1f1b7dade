import type { Kernels } from '../../packages/core/src/math/kernels.js'

/**
 * Places arrays in the memory of kernels at steps of 16 bytes, with room for `scratch` bytes behind them; what was not written is 0xff, NaN as
 * f32. Returns their offsets, and that of the room.
 */
export function place(kernels: Kernels, arrays: readonly ArrayBufferView[], scratch: number): number[] {
  const offsets: number[] = []
  let at = 1024
  for (const array of arrays) {
    offsets.push(at)
    at = (at + array.byteLength + 31) & ~15
  }
  offsets.push(at)
  kernels.reserve(at + scratch + 4096)
  new Uint8Array(kernels.buffer).fill(0xff)
  arrays.forEach((array, i) => {
    new Uint8Array(kernels.buffer, offsets[i]!).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  })
  return offsets
}
