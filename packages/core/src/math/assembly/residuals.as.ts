// Kernels of residual signs in WebAssembly SIMD; residual-kernels.ts says what each function does. See kernels.as.ts.
// @ts-nocheck
import { dotInFourLanes, splat, sumLanes } from './lanes.as'

/** Bytes of the table of one byte of signs: 256 patterns × 16 lanes of i16. */
const PATTERNS: i32 = 8192

export function residualSigns(
  rows: usize, count: i32, dim: i32, centroids: usize, codes: usize, signs: usize, sums: usize,
): void {
  const whole = dim & ~7
  for (let i = 0; i < count; i++) {
    const centroid = centroids + ((<usize>load<u16>(codes + (<usize>i << 1)) * <usize>dim) << 2)
    const dot = dotInFourLanes(rows, centroid, dim)
    const along = f32x4.splat(dot)
    let ofRow = f32x4.splat(0), ofCentroid = ofRow
    for (let k = 0; k < whole; k += 8) {
      const at = <usize>k << 2
      let x = v128.load(rows + at), c = v128.load(centroid + at)
      let above = f32x4.gt(x, f32x4.mul(along, c))
      ofRow = f32x4.add(ofRow, v128.bitselect(x, f32x4.neg(x), above))
      ofCentroid = f32x4.add(ofCentroid, v128.bitselect(c, f32x4.neg(c), above))
      const low = i32x4.bitmask(above)
      x = v128.load(rows + at, 16)
      c = v128.load(centroid + at, 16)
      above = f32x4.gt(x, f32x4.mul(along, c))
      ofRow = f32x4.add(ofRow, v128.bitselect(x, f32x4.neg(x), above))
      ofCentroid = f32x4.add(ofCentroid, v128.bitselect(c, f32x4.neg(c), above))
      store<u8>(signs++, <u8>(low | (i32x4.bitmask(above) << 4)))
    }
    let rowSum = sumLanes(ofRow), centroidSum = sumLanes(ofCentroid)
    let bits = 0
    for (let k = whole; k < dim; k++) {
      const x = load<f32>(rows + (<usize>k << 2)), c = load<f32>(centroid + (<usize>k << 2))
      const isAbove = x > dot * c
      rowSum += isAbove ? x : -x
      centroidSum += isAbove ? c : -c
      if (isAbove) bits |= 1 << (k & 7)
    }
    if (whole < dim) store<u8>(signs++, <u8>bits)
    store<f32>(sums, dot)
    store<f32>(sums, rowSum, 4)
    store<f32>(sums, centroidSum, 8)
    store<f32>(sums, dotInFourLanes(centroid, centroid, dim), 12)
    sums += 16
    rows += <usize>dim << 2
  }
}

export function signTable(rows: usize, bytes: i32, lanes: i32, out: usize): void {
  const stride = <usize>lanes << 1
  for (let lane = 0; lane < lanes; lane += 16) {
    for (let byte = 0; byte < bytes; byte++) {
      const first = rows + <usize>(byte * 8) * stride + (<usize>lane << 1)
      let a = i16x8.splat(0), b = a
      for (let bit = 0; bit < 8; bit++) {
        const row = first + <usize>bit * stride
        a = i16x8.sub(a, v128.load(row))
        b = i16x8.sub(b, v128.load(row, 16))
      }
      v128.store(out, a); v128.store(out, b, 16)
      for (let pattern = 1; pattern < 256; pattern++) {
        const from = out + (<usize>(pattern & (pattern - 1)) << 5)
        const row = first + <usize>ctz(pattern) * stride
        const to = out + (<usize>pattern << 5)
        v128.store(to, i16x8.add(v128.load(from), i16x8.shl(v128.load(row), 1)))
        v128.store(to, i16x8.add(v128.load(from, 16), i16x8.shl(v128.load(row, 16), 1)), 16)
      }
      out += PATTERNS
    }
  }
}

@inline
function estimate(level: v128, step: v128, low: v128, along: v128, signs: v128, across: v128): v128 {
  const similarity = f32x4.add(f32x4.mul(f32x4.convert_i32x4_u(level), step), low)
  return f32x4.add(f32x4.mul(similarity, along), f32x4.mul(f32x4.convert_i32x4_s(signs), across))
}

/** Tokens whose sums are kept while the tables of two bytes, which fit the fastest cache, are looked up for all of them. */
const TILE: i32 = 64
/** A token whose level is so much lower than the best of its document for every query token is none that residuals would make the best. */
const REACH: i32 = 16

/** sums[token] (i16 × 16) = Σ over the bytes of a token's signs of their tables' entries; `places`: where each token's signs are. */
@inline
function signSums(table: usize, bytes: i32, places: usize, tokens: i32, sums: usize): void {
  const end = places + (<usize>tokens << 3)
  memory.fill(sums, 0, <usize>tokens << 5)
  const pairs = bytes & ~1
  for (let byte = 0; byte < pairs; byte += 2) {
    let to = sums
    for (let place = places; place < end; place += 8) {
      const two = <usize>load<u16>(<usize>load<u32>(place) + <usize>byte)
      const first = table + ((two & 255) << 5)
      const second = table + ((two >> 3) & 0x1fe0)
      v128.store(to, i16x8.add(v128.load(to), i16x8.add(v128.load(first), v128.load(second, 8192))))
      v128.store(to, i16x8.add(v128.load(to, 16), i16x8.add(v128.load(first, 16), v128.load(second, 8208))), 16)
      to += 32
    }
    table += PATTERNS << 1
  }
  if (pairs == bytes) return
  let to = sums
  for (let place = places; place < end; place += 8) {
    const entry = table + (<usize>load<u8>(<usize>load<u32>(place) + <usize>pairs) << 5)
    v128.store(to, i16x8.add(v128.load(to), v128.load(entry)))
    v128.store(to, i16x8.add(v128.load(to, 16), v128.load(entry, 16)), 16)
    to += 32
  }
}

export function residualScores(
  levels: usize, lanes: i32, queryTokens: i32, step: f32, lows: usize, signs: usize, bytes: i32, along: f32, across: f32,
  codes: usize, starts: usize, rows: usize, count: i32, residuals: usize, scratch: usize, out: usize,
): void {
  const stride = <usize>bytes + 2
  const steps = f32x4.splat(step)
  const reach = i8x16.splat(<i8>REACH)
  // Where a token's signs are, and its levels.
  const places = scratch + 64
  const sums = places + (TILE << 3)
  for (let i = 0; i < count; i++) {
    const startAt = starts + (<usize>load<i32>(rows + (<usize>i << 2)) << 2)
    const first = codes + (<usize>load<i32>(startAt) << 1)
    const end = codes + (<usize>load<i32>(startAt, 4) << 1)
    let sum: f64 = 0
    for (let lane = 0; lane < lanes; lane += 16) {
      const table = signs + <usize>((lane >> 4) * bytes) * PATTERNS
      const lowAt = lows + (<usize>lane << 2)
      const low0 = v128.load(lowAt), low1 = v128.load(lowAt, 16), low2 = v128.load(lowAt, 32), low3 = v128.load(lowAt, 48)
      let most = i8x16.splat(0)
      for (let code = first; code < end; code += 2) {
        most = i8x16.max_u(most, v128.load(levels + <usize>(<i32>load<u16>(code) * lanes + lane)))
      }
      // No level reaches 255 in the lanes of no query token: theirs are 0.
      const isToken = i8x16.lt_u(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>min(16, queryTokens - lane)))
      const least = v128.bitselect(i8x16.sub_sat_u(most, reach), i8x16.splat(-1), isToken)
      let best0 = f32x4.splat(-Infinity), best1 = best0, best2 = best0, best3 = best0
      let at = residuals
      let code = first
      while (code < end) {
        let now = 0
        for (; code < end && now < TILE; code += 2) {
          const level = levels + <usize>(<i32>load<u16>(code) * lanes + lane)
          if (v128.any_true(i8x16.ge_u(v128.load(level), least))) {
            const place = places + (<usize>now << 3)
            store<u32>(place, <u32>at)
            store<u32>(place, <u32>level, 4)
            now++
          }
          at += stride
        }
        signSums(table, bytes, places, now, sums)
        for (let token = 0; token < now; token++) {
          const place = places + (<usize>token << 3)
          const numbers = <usize>load<u32>(place) + <usize>bytes
          const a = f32x4.splat(<f32>load<u8>(numbers) * along)
          const b = f32x4.splat(<f32>load<u8>(numbers, 1) * across)
          const signed = sums + (<usize>token << 5)
          const x = v128.load(signed), y = v128.load(signed, 16)
          const level = v128.load(<usize>load<u32>(place, 4))
          const here = i16x8.extend_low_i8x16_u(level), there = i16x8.extend_high_i8x16_u(level)
          best0 = f32x4.pmax(best0, estimate(i32x4.extend_low_i16x8_u(here), steps, low0, a, i32x4.extend_low_i16x8_s(x), b))
          best1 = f32x4.pmax(best1, estimate(i32x4.extend_high_i16x8_u(here), steps, low1, a, i32x4.extend_high_i16x8_s(x), b))
          best2 = f32x4.pmax(best2, estimate(i32x4.extend_low_i16x8_u(there), steps, low2, a, i32x4.extend_low_i16x8_s(y), b))
          best3 = f32x4.pmax(best3, estimate(i32x4.extend_high_i16x8_u(there), steps, low3, a, i32x4.extend_high_i16x8_s(y), b))
        }
      }
      v128.store(scratch, best0); v128.store(scratch, best1, 16); v128.store(scratch, best2, 32); v128.store(scratch, best3, 48)
      for (let k = 0; k < 16; k++) sum += <f64>load<f32>(scratch + (<usize>k << 2))
    }
    residuals += ((end - first) >> 1) * stride
    store<f32>(out + (<usize>i << 2), <f32>sum)
  }
}

/** As `quantizeInt8` rounds. */
@inline
function int8CodesOf(row: usize, inverse: v128): v128 {
  const magic = f32x4.splat(12582912)
  return i32x4.trunc_sat_f32x4_s(f32x4.sub(f32x4.add(f32x4.mul(v128.load(row), inverse), magic), magic))
}

export function decompressInt8(
  centroids: usize, dim: i32, codes: usize, count: i32, residuals: usize, along: f32, across: f32, scratch: usize,
  out: usize, scales: usize,
): void {
  const whole = dim & ~7
  const low = i32x4(1, 2, 4, 8), high = i32x4(16, 32, 64, 128)
  for (let i = 0; i < count; i++) {
    let centroid = centroids + ((<usize>load<u16>(codes + (<usize>i << 1)) * <usize>dim) << 2)
    const numbers = residuals + <usize>((dim + 7) >> 3)
    const first = <f32>load<u8>(numbers) * along, second = <f32>load<u8>(numbers, 1) * across
    const a = f32x4.splat(first), b = f32x4.splat(second), c = f32x4.neg(b)
    let m = f32x4.splat(0)
    let row = scratch
    for (let k = 0; k < whole; k += 8) {
      const signs = i32x4.splat(<i32>load<u8>(residuals++))
      const x = f32x4.add(f32x4.mul(v128.load(centroid), a), v128.bitselect(b, c, i32x4.eq(v128.and(signs, low), low)))
      const y = f32x4.add(f32x4.mul(v128.load(centroid, 16), a), v128.bitselect(b, c, i32x4.eq(v128.and(signs, high), high)))
      v128.store(row, x); v128.store(row, y, 16)
      m = f32x4.pmax(m, f32x4.pmax(f32x4.abs(x), f32x4.abs(y)))
      centroid += 32; row += 32
    }
    let largest = max(
      max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)), max(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
    )
    for (let k = whole; k < dim; k++) {
      const isAbove = (load<u8>(residuals) >> <u8>(k & 7)) & 1
      const x = load<f32>(centroid) * first + (isAbove ? second : -second)
      store<f32>(row, x)
      largest = max(largest, abs(x))
      centroid += 4; row += 4
    }
    const zero = largest < <f32>1e-30
    store<f32>(scales + (<usize>i << 2), zero ? 0 : largest / <f32>127)
    const inverse = f32x4.splat(zero ? 0 : <f32>127 / largest)
    row = scratch
    for (let k = 0; k < whole; k += 8) {
      const half = i16x8.narrow_i32x4_s(int8CodesOf(row, inverse), int8CodesOf(row + 16, inverse))
      v128.store64_lane(out, i8x16.narrow_i16x8_s(half, half), 0)
      row += 32; out += 8
    }
    // Numbers beyond the last are of another token, and not stored.
    for (let k = whole; k < dim; k++) {
      store<i8>(out++, <i8>i32x4.extract_lane(int8CodesOf(row, inverse), 0))
      row += 4
    }
    residuals = numbers + 2
  }
}
