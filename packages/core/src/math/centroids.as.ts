// Kernels of the centroid codebook in WebAssembly SIMD; centroid-kernels.ts says what each function does. See kernels.as.ts.
// @ts-nocheck
import { splat } from './lanes.as'

/** One widened row against one packed block of 16 centroids: 16 similarities. */
@inline
function blockInt8(packed: usize, padded: i32, row: usize, scale: v128, scales: usize, out: usize): void {
  let a = i32x4.splat(0), b = a, c = a, d = a
  const end = packed + (<usize>padded << 5)
  while (packed < end) {
    const x = splat(row)
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load(packed), x))
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load(packed, 16), x))
    c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load(packed, 32), x))
    d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load(packed, 48), x))
    packed += 64; row += 4
  }
  v128.store(out, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(a), scale), v128.load(scales)))
  v128.store(out, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(b), scale), v128.load(scales, 16)), 16)
  v128.store(out, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(c), scale), v128.load(scales, 32)), 32)
  v128.store(out, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(d), scale), v128.load(scales, 48)), 48)
}

@inline
function widenRow(codes: usize, padded: i32, out: usize): void {
  for (let k = 0; k < padded; k += 8) v128.store(out + (<usize>k << 1), v128.load8x8_s(codes + <usize>k))
}

export function similaritiesInt8(
  codes: usize, scales: usize, tokens: i32, dim: i32, packed: usize, packedScales: usize, blocks: i32, scratch: usize, out: usize,
): void {
  const padded = (dim + 7) & ~7
  const stride = <usize>padded << 1
  for (let token = 0; token < tokens; token++) widenRow(codes + <usize>(token * dim), padded, scratch + <usize>token * stride)
  // A block is read once, for all tokens: thousands of centroids do not fit the nearer caches.
  for (let block = 0; block < blocks; block++) {
    const at = <usize>block << 6
    let to = out + at
    let row = scratch
    for (let token = 0; token < tokens; token++) {
      const scale = splat(scales + (<usize>token << 2))
      blockInt8(packed + (<usize>(block * padded) << 5), padded, row, scale, packedScales + at, to)
      to += <usize>blocks << 6
      row += stride
    }
  }
}

export function nearestInt8(
  codes: usize, tokens: i32, dim: i32, coarse: usize, coarseScales: usize, cells: i32,
  fine: usize, fineScales: usize, cellBlocks: usize, probes: i32, scratch: usize, out: usize,
): void {
  const padded = (dim + 7) & ~7
  const one = f32x4.splat(1)
  const row = scratch
  const here = row + (<usize>padded << 1)
  const bestAt = here + 64
  const indexAt = bestAt + 64
  const cellAt = indexAt + 64
  const coarseBlocks = (cells + 15) >> 4
  for (let token = 0; token < tokens; token++) {
    widenRow(codes + <usize>(token * dim), padded, row)
    for (let block = 0; block < coarseBlocks; block++) {
      const at = <usize>block << 6
      blockInt8(coarse + (<usize>(block * padded) << 5), padded, row, one, coarseScales + at, cellAt + at)
    }
    let best0 = f32x4.splat(-Infinity), best1 = best0, best2 = best0, best3 = best0
    let index0 = i32x4.splat(0), index1 = index0, index2 = index0, index3 = index0
    for (let probe = 0; probe < probes; probe++) {
      let cell = 0
      let most = -Infinity as f32
      for (let i = 0; i < cells; i++) {
        const similarity = load<f32>(cellAt + (<usize>i << 2))
        if (similarity > most) { most = similarity; cell = i }
      }
      store<f32>(cellAt + (<usize>cell << 2), -Infinity)
      const end = load<i32>(cellBlocks + (<usize>cell << 2), 4)
      for (let block = load<i32>(cellBlocks + (<usize>cell << 2)); block < end; block++) {
        blockInt8(fine + (<usize>(block * padded) << 5), padded, row, one, fineScales + (<usize>block << 6), here)
        const id = i32x4.splat(block)
        let v = v128.load(here)
        let m = f32x4.gt(v, best0)
        best0 = v128.bitselect(v, best0, m); index0 = v128.bitselect(id, index0, m)
        v = v128.load(here, 16); m = f32x4.gt(v, best1)
        best1 = v128.bitselect(v, best1, m); index1 = v128.bitselect(id, index1, m)
        v = v128.load(here, 32); m = f32x4.gt(v, best2)
        best2 = v128.bitselect(v, best2, m); index2 = v128.bitselect(id, index2, m)
        v = v128.load(here, 48); m = f32x4.gt(v, best3)
        best3 = v128.bitselect(v, best3, m); index3 = v128.bitselect(id, index3, m)
      }
    }
    v128.store(bestAt, best0); v128.store(bestAt, best1, 16)
    v128.store(bestAt, best2, 32); v128.store(bestAt, best3, 48)
    v128.store(indexAt, index0); v128.store(indexAt, index1, 16)
    v128.store(indexAt, index2, 32); v128.store(indexAt, index3, 48)
    let lane = 0
    let most = load<f32>(bestAt)
    for (let i = 1; i < 16; i++) {
      const similarity = load<f32>(bestAt + (<usize>i << 2))
      if (similarity > most) { most = similarity; lane = i }
    }
    store<u16>(out + (<usize>token << 1), <u16>((load<i32>(indexAt + (<usize>lane << 2)) << 4) + lane))
  }
}

/** Numbers → whole numbers 0 … 255 in i32 lanes, to nearest even. */
@inline
function levels(values: v128, low: v128, inverse: v128): v128 {
  const level = f32x4.nearest(f32x4.mul(f32x4.sub(values, low), inverse))
  return i32x4.min_s(i32x4.trunc_sat_f32x4_s(level), i32x4.splat(255))
}

@inline
function leastLane(v: v128): f32 {
  const half = f32x4.min(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1))
  return min(f32x4.extract_lane(half, 0), f32x4.extract_lane(half, 1))
}

export function scoreTable(similarities: usize, tokens: i32, centroids: i32, lanes: i32, lows: usize, out: usize): f32 {
  let widest: f32 = 0
  for (let token = 0; token < tokens; token++) {
    const row = similarities + (<usize>(token * centroids) << 2)
    let low = v128.load(row), high = low
    for (let i = 4; i < centroids; i += 4) {
      const v = v128.load(row + (<usize>i << 2))
      low = f32x4.min(low, v)
      high = f32x4.max(high, v)
    }
    const lowest = leastLane(low)
    const highest = -leastLane(f32x4.neg(high))
    store<f32>(lows + (<usize>token << 2), lowest)
    widest = max(widest, highest - lowest)
  }
  const step = widest / <f32>255
  const inverse = f32x4.splat(step > 0 ? <f32>1 / step : 0)
  memory.fill(out, 0, <usize>(centroids * lanes))
  for (let token = 0; token < tokens; token++) {
    const row = similarities + (<usize>(token * centroids) << 2)
    const low = splat(lows + (<usize>token << 2))
    let to = out + <usize>token
    for (let i = 0; i < centroids; i += 4) {
      const level = levels(v128.load(row + (<usize>i << 2)), low, inverse)
      store<u8>(to, <u8>i32x4.extract_lane(level, 0)); to += <usize>lanes
      store<u8>(to, <u8>i32x4.extract_lane(level, 1)); to += <usize>lanes
      store<u8>(to, <u8>i32x4.extract_lane(level, 2)); to += <usize>lanes
      store<u8>(to, <u8>i32x4.extract_lane(level, 3)); to += <usize>lanes
    }
  }
  return step
}

@inline
function sumBytes(v: v128): i32 {
  const s = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v))
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)
}

/** Two vectors of 16 query tokens at a time: most queries have up to 32 tokens, and a row of the table is then two loads. */
export function scanCodes(table: usize, lanes: i32, codes: usize, starts: usize, documents: i32, out: usize): void {
  for (let document = 0; document < documents; document++) {
    const first = codes + (<usize>load<i32>(starts + (<usize>document << 2)) << 1)
    const end = codes + (<usize>load<i32>(starts + (<usize>document << 2), 4) << 1)
    let sum = 0
    let lane = 0
    for (; lane + 32 <= lanes; lane += 32) {
      let a = i8x16.splat(0), b = a
      for (let at = first; at < end; at += 2) {
        const row = table + <usize>(<i32>load<u16>(at) * lanes + lane)
        a = i8x16.max_u(a, v128.load(row))
        b = i8x16.max_u(b, v128.load(row, 16))
      }
      sum += sumBytes(a) + sumBytes(b)
    }
    if (lane < lanes) {
      let a = i8x16.splat(0)
      for (let at = first; at < end; at += 2) {
        a = i8x16.max_u(a, v128.load(table + <usize>(<i32>load<u16>(at) * lanes + lane)))
      }
      sum += sumBytes(a)
    }
    store<i32>(out + (<usize>document << 2), sum)
  }
}
