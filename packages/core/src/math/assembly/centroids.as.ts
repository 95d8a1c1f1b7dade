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

export function similaritiesNear(
  codes: usize, scales: usize, tokens: i32, dim: i32, packed: usize, packedScales: usize, cellBlocks: usize, cells: i32,
  near: usize, scratch: usize, out: usize,
): void {
  const padded = (dim + 7) & ~7
  const stride = <usize>padded << 1
  const rowBytes = <usize>load<i32>(cellBlocks + (<usize>cells << 2)) << 6
  for (let token = 0; token < tokens; token++) widenRow(codes + <usize>(token * dim), padded, scratch + <usize>token * stride)
  // A cell is read once, for all tokens: thousands of centroids do not fit the nearer caches.
  for (let cell = 0; cell < cells; cell++) {
    const first = load<i32>(cellBlocks + (<usize>cell << 2))
    const end = load<i32>(cellBlocks + (<usize>cell << 2), 4)
    for (let token = 0; token < tokens; token++) {
      if (!load<u8>(near++)) continue
      const scale = splat(scales + (<usize>token << 2))
      const row = scratch + <usize>token * stride
      const to = out + <usize>token * rowBytes
      for (let block = first; block < end; block++) {
        const at = <usize>block << 6
        blockInt8(packed + (<usize>(block * padded) << 5), padded, row, scale, packedScales + at, to + at)
      }
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

@inline
function storeLevels(level: v128, to: usize, lanes: usize): void {
  store<u8>(to, <u8>i32x4.extract_lane(level, 0)); to += lanes
  store<u8>(to, <u8>i32x4.extract_lane(level, 1)); to += lanes
  store<u8>(to, <u8>i32x4.extract_lane(level, 2)); to += lanes
  store<u8>(to, <u8>i32x4.extract_lane(level, 3))
}

export function levelTable(
  ofCells: usize, similarities: usize, near: usize, cellBlocks: usize, cells: i32, tokens: i32, lanes: i32, lows: usize, out: usize,
): f32 {
  const blocks = load<i32>(cellBlocks + (<usize>cells << 2))
  const padded = (cells + 15) & ~15
  let widest: f32 = 0
  for (let token = 0; token < tokens; token++) {
    const ofCell = ofCells + (<usize>(token * padded) << 2)
    let lowest = Infinity as f32
    for (let cell = 0; cell < cells; cell++) lowest = min(lowest, load<f32>(ofCell + (<usize>cell << 2)))
    let high = f32x4.splat(lowest), low = high
    for (let cell = 0; cell < cells; cell++) {
      if (!load<u8>(near + <usize>(cell * tokens + token))) {
        high = f32x4.max(high, splat(ofCell + (<usize>cell << 2)))
        continue
      }
      const row = similarities + (<usize>(token * blocks) << 6)
      const end = row + (<usize>load<i32>(cellBlocks + (<usize>cell << 2), 4) << 6)
      for (let at = row + (<usize>load<i32>(cellBlocks + (<usize>cell << 2)) << 6); at < end; at += 16) {
        const v = v128.load(at)
        high = f32x4.max(high, v)
        low = f32x4.min(low, v)
      }
    }
    lowest = leastLane(low)
    store<f32>(lows + (<usize>token << 2), lowest)
    widest = max(widest, -leastLane(f32x4.neg(high)) - lowest)
  }
  const step = widest / <f32>255
  const inverse = f32x4.splat(step > 0 ? <f32>1 / step : 0)
  for (let cell = 0; cell < cells; cell++) {
    const first = load<i32>(cellBlocks + (<usize>cell << 2))
    const end = load<i32>(cellBlocks + (<usize>cell << 2), 4)
    const row = out + <usize>(first * 16 * lanes)
    const bytes = <usize>(((end - first) << 4) * lanes)
    if (bytes == 0) continue
    memory.fill(row, 0, <usize>lanes)
    for (let token = 0; token < tokens; token++) {
      if (load<u8>(near + <usize>(cell * tokens + token))) continue
      const value = splat(ofCells + (<usize>(token * padded + cell) << 2))
      store<u8>(row + <usize>token, <u8>i32x4.extract_lane(levels(value, splat(lows + (<usize>token << 2)), inverse), 0))
    }
    // The row of the cell's first centroid again and again, each time twice as many.
    for (let done = <usize>lanes; done < bytes; done <<= 1) memory.copy(row + done, row, min(done, bytes - done))
    for (let token = 0; token < tokens; token++) {
      if (!load<u8>(near + <usize>(cell * tokens + token))) continue
      const low = splat(lows + (<usize>token << 2))
      const from = similarities + (<usize>(token * blocks) << 6)
      let to = row + <usize>token
      for (let at = from + (<usize>first << 6); at < from + (<usize>end << 6); at += 16) {
        storeLevels(levels(v128.load(at), low, inverse), to, <usize>lanes)
        to += <usize>lanes << 2
      }
    }
  }
  return step
}

/** sums[document] (i32) += levels[document] (u8), of so many documents, a multiple of 16. */
@inline
function addLevels(levels: usize, documents: i32, sums: usize): void {
  const end = levels + <usize>documents
  for (; levels < end; levels += 16, sums += 64) {
    const v = v128.load(levels)
    const low = i16x8.extend_low_i8x16_u(v), high = i16x8.extend_high_i8x16_u(v)
    v128.store(sums, i32x4.add(v128.load(sums), i32x4.extend_low_i16x8_u(low)))
    v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.extend_high_i16x8_u(low)), 16)
    v128.store(sums, i32x4.add(v128.load(sums, 32), i32x4.extend_low_i16x8_u(high)), 32)
    v128.store(sums, i32x4.add(v128.load(sums, 48), i32x4.extend_high_i16x8_u(high)), 48)
  }
}

export function scanLists(
  table: usize, lanes: i32, tokens: i32, near: usize, cellBlocks: usize, cells: i32, wanted: i32,
  groups: i32, rows: usize, lists: usize, scratch: usize, floors: usize, out: usize,
): void {
  const centroids = load<i32>(cellBlocks + (<usize>cells << 2)) << 4
  const counts = scratch
  const hot = scratch + 1024
  const best = hot + (<usize>centroids << 2)
  memory.fill(out, 0, <usize>load<i32>(rows + (<usize>groups << 2)) << 2)
  for (let token = 0; token < tokens; token++) {
    memory.fill(counts, 0, 1024)
    for (let cell = 0; cell < cells; cell++) {
      if (!load<u8>(near + <usize>(cell * tokens + token))) continue
      const end = load<i32>(cellBlocks + (<usize>cell << 2), 4) << 4
      for (let centroid = load<i32>(cellBlocks + (<usize>cell << 2)) << 4; centroid < end; centroid++) {
        const count = counts + (<usize>load<u8>(table + <usize>(centroid * lanes + token)) << 2)
        store<i32>(count, load<i32>(count) + 1)
      }
    }
    let floor = 255
    for (let seen = load<i32>(counts + 1020); floor > 0 && seen < wanted;) seen += load<i32>(counts + (<usize>(--floor) << 2))
    store<u8>(floors + <usize>token, <u8>floor)
    if (groups == 0) continue
    // Ascending, so that a document's last level is its highest: places instead of numbers of centroids, level by level.
    let placed = 0
    for (let level = floor + 1; level < 256; level++) {
      const count = counts + (<usize>level << 2)
      const here = load<i32>(count)
      store<i32>(count, placed)
      placed += here
    }
    for (let cell = 0; cell < cells; cell++) {
      if (!load<u8>(near + <usize>(cell * tokens + token))) continue
      const end = load<i32>(cellBlocks + (<usize>cell << 2), 4) << 4
      for (let centroid = load<i32>(cellBlocks + (<usize>cell << 2)) << 4; centroid < end; centroid++) {
        const level = <i32>load<u8>(table + <usize>(centroid * lanes + token))
        if (level <= floor) continue
        const place = counts + (<usize>level << 2)
        store<i32>(hot + (<usize>load<i32>(place) << 2), centroid)
        store<i32>(place, load<i32>(place) + 1)
      }
    }
    const hotEnd = hot + (<usize>placed << 2)
    for (let group = 0; group < groups; group++) {
      const first = load<i32>(rows + (<usize>group << 2))
      const documents = load<i32>(rows + (<usize>group << 2), 4) - first
      const starts = <usize>load<u32>(lists + (<usize>group << 2))
      const entries = starts + (<usize>(centroids + 1) << 2)
      memory.fill(best, <u8>floor, <usize>documents)
      for (let at = hot; at < hotEnd; at += 4) {
        const centroid = load<i32>(at)
        const level = load<u8>(table + <usize>(centroid * lanes + token))
        const start = starts + (<usize>centroid << 2)
        const last = entries + (<usize>load<i32>(start, 4) << 1)
        for (let entry = entries + (<usize>load<i32>(start) << 1); entry < last; entry += 2) {
          store<u8>(best + <usize>load<u16>(entry), level)
        }
      }
      addLevels(best, documents, out + (<usize>first << 2))
    }
  }
}

@inline
function sumBytes(v: v128): i32 {
  const s = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v))
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)
}

/** Two vectors of 16 query tokens at a time: most queries have up to 32 tokens, and a row of the table is then two loads. */
export function scanCodes(
  table: usize, lanes: i32, floors: usize, codes: usize, starts: usize, documents: i32, out: usize,
): void {
  for (let document = 0; document < documents; document++) {
    const first = codes + (<usize>load<i32>(starts + (<usize>document << 2)) << 1)
    const end = codes + (<usize>load<i32>(starts + (<usize>document << 2), 4) << 1)
    let sum = 0
    let lane = 0
    for (; lane + 32 <= lanes; lane += 32) {
      let a = v128.load(floors + <usize>lane), b = v128.load(floors + <usize>lane, 16)
      for (let at = first; at < end; at += 2) {
        const row = table + <usize>(<i32>load<u16>(at) * lanes + lane)
        a = i8x16.max_u(a, v128.load(row))
        b = i8x16.max_u(b, v128.load(row, 16))
      }
      sum += sumBytes(a) + sumBytes(b)
    }
    if (lane < lanes) {
      let a = v128.load(floors + <usize>lane)
      for (let at = first; at < end; at += 2) {
        a = i8x16.max_u(a, v128.load(table + <usize>(<i32>load<u16>(at) * lanes + lane)))
      }
      sum += sumBytes(a)
    }
    store<i32>(out + (<usize>document << 2), sum)
  }
}

export function sumByCode(rows: usize, count: i32, dim: i32, codes: usize, sums: usize): void {
  const stride = <usize>dim << 2
  const whole = stride & ~15
  for (let i = 0; i < count; i++) {
    const sum = sums + <usize>load<u16>(codes + (<usize>i << 1)) * stride
    for (let at: usize = 0; at < whole; at += 16) v128.store(sum + at, f32x4.add(v128.load(sum + at), v128.load(rows + at)))
    for (let at = whole; at < stride; at += 4) store<f32>(sum + at, load<f32>(sum + at) + load<f32>(rows + at))
    rows += stride
  }
}

const BINS: i32 = 4096

export function reaching(scores: usize, count: i32, wanted: i32, bins: usize, out: usize): i32 {
  const end = scores + (<usize>count << 2)
  const whole = scores + (<usize>(count & ~3) << 2)
  let lows = f32x4.splat(Infinity), highs = f32x4.splat(-Infinity)
  for (let at = scores; at < whole; at += 16) {
    const v = v128.load(at)
    lows = f32x4.min(lows, v)
    highs = f32x4.max(highs, v)
  }
  let low = leastLane(lows), high = -leastLane(f32x4.neg(highs))
  for (let at = whole; at < end; at += 4) {
    low = min(low, load<f32>(at))
    high = max(high, load<f32>(at))
  }
  const range = high - low
  const perBin = <f32>BINS / range
  if (!(range < Infinity && perBin < Infinity)) return -1
  memory.fill(bins, 0, (<usize>BINS + 1) << 2)
  for (let at = scores; at < end; at += 4) {
    const bin = bins + (<usize>(<i32>((load<f32>(at) - low) * perBin)) << 2)
    store<i32>(bin, load<i32>(bin) + 1)
  }
  let bin = BINS
  for (let seen = load<i32>(bins + (<usize>BINS << 2)); bin > 0 && seen < wanted;) seen += load<i32>(bins + (<usize>(--bin) << 2))
  const bound = low + <f32>(bin - 1) / perBin
  const bounds = f32x4.splat(bound)
  let found = 0
  for (let at = scores; at < whole; at += 16) {
    let mask = i32x4.bitmask(f32x4.ge(v128.load(at), bounds))
    for (; mask != 0; mask &= mask - 1) store<i32>(out + ((<usize>(found++)) << 2), <i32>((at - scores) >> 2) + ctz(mask))
  }
  for (let at = whole; at < end; at += 4) {
    if (load<f32>(at) >= bound) store<i32>(out + ((<usize>(found++)) << 2), <i32>((at - scores) >> 2))
  }
  return found
}
