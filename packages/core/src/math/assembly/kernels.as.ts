// The kernels of kernels.ts in WebAssembly SIMD. AssemblyScript: compiled by scripts/build-kernels.mjs into simd-bytes.ts.
// Arguments are byte offsets; kernels.ts says what each function does. Every f32 sum is taken in the same order there.
//
// Lanes are query tokens (or hyperplanes): 4 vectors × 4 lanes = one block of 16. A document row stays as stored and each of its
// numbers is broadcast, so no sum across lanes is needed. Two document rows at a time, 8 accumulators: more make V8 spill.
// @ts-nocheck
import { dotInFourLanes, raise, splat, sumLanes, tileF32 } from './lanes.as'

export { levelTable, nearestInt8, reaching, scanCodes, scanLists, similaritiesInt8, similaritiesNear, sumByCode } from './centroids.as'
export { decompressInt8, residualScores, residualSigns, signTable } from './residuals.as'
export { accumulate, deflate, norms, project, scatter, signBits, subtract } from './fde.as'

@inline
function fillF32(at: usize, count: i32, value: f32): void {
  const v = f32x4.splat(value)
  for (let i = 0; i < count; i += 4) v128.store(at + (<usize>i << 2), v)
}

function pairF32(q: usize, dim: i32, row: usize, other: usize, best: usize): void {
  tileF32(q, dim, row, other, best, best, false)
}

export function maxSimF32(query: usize, blocks: i32, dim: i32, rows: usize, tokens: i32, best: usize): f64 {
  fillF32(best, blocks << 4, -Infinity)
  const stride = <usize>dim << 2
  for (let token = 0; token < tokens; token += 2) {
    const row = rows + <usize>token * stride
    // The last row of an odd number is its own partner: its maximum with itself.
    const other = token + 1 < tokens ? row + stride : row
    for (let block = 0; block < blocks; block++) {
      pairF32(query + ((<usize>block * dim) << 6), dim, row, other, best + (<usize>block << 6))
    }
  }
  let sum: f64 = 0
  for (let i = 0; i < blocks << 4; i++) sum += <f64>load<f32>(best + (<usize>i << 2))
  return sum
}

/** Two widened rows against one block of the packed i16 query; the rows' scales are applied after the sums. */
function pairInt8(q: usize, padded: i32, row: usize, other: usize, scale: f32, otherScale: f32, best: usize): void {
  let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0
  const end = q + (<usize>padded << 5)
  while (q < end) {
    const x = splat(row), y = splat(other)
    let v = v128.load(q)
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v, x)); b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v, y))
    v = v128.load(q, 16)
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v, x)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v, y))
    v = v128.load(q, 32)
    a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v, x)); b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v, y))
    v = v128.load(q, 48)
    a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v, x)); b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v, y))
    q += 64; row += 4; other += 4
  }
  const s = f32x4.splat(scale), t = f32x4.splat(otherScale)
  raise(best, 0, f32x4.pmax(f32x4.mul(f32x4.convert_i32x4_s(a0), s), f32x4.mul(f32x4.convert_i32x4_s(b0), t)))
  raise(best, 16, f32x4.pmax(f32x4.mul(f32x4.convert_i32x4_s(a1), s), f32x4.mul(f32x4.convert_i32x4_s(b1), t)))
  raise(best, 32, f32x4.pmax(f32x4.mul(f32x4.convert_i32x4_s(a2), s), f32x4.mul(f32x4.convert_i32x4_s(b2), t)))
  raise(best, 48, f32x4.pmax(f32x4.mul(f32x4.convert_i32x4_s(a3), s), f32x4.mul(f32x4.convert_i32x4_s(b3), t)))
}

/** int8 → i16. Reads up to 7 codes beyond the row: the packed query is zero there. */
@inline
function widen(codes: usize, padded: i32, out: usize): void {
  for (let k = 0; k < padded; k += 8) v128.store(out + (<usize>k << 1), v128.load8x8_s(codes + <usize>k))
}

export function maxSimInt8(
  query: usize, queryScales: usize, blocks: i32, dim: i32, codes: usize, scales: usize, tokens: i32, scratch: usize,
): f64 {
  const padded = (dim + 7) & ~7
  const best = scratch
  const first = scratch + (<usize>blocks << 6)
  const second = first + (<usize>padded << 1)
  fillF32(best, blocks << 4, -Infinity)
  for (let token = 0; token < tokens; token += 2) {
    const last = token + 1 == tokens
    const row = codes + <usize>token * dim
    const scaleAt = scales + (<usize>token << 2)
    widen(row, padded, first)
    if (!last) widen(row + dim, padded, second)
    const scale = load<f32>(scaleAt)
    for (let block = 0; block < blocks; block++) {
      pairInt8(
        query + ((<usize>block * padded) << 5), padded, first, last ? first : second,
        scale, last ? scale : load<f32>(scaleAt, 4), best + (<usize>block << 6),
      )
    }
  }
  let sum: f64 = 0
  for (let i = 0; i < blocks << 4; i++) {
    const at = <usize>i << 2
    sum += <f64>(load<f32>(best + at) * load<f32>(queryScales + at))
  }
  return sum
}

const POW112: f32 = 5192296858534827628530496329220096.0 // 2¹¹²

@inline
function singlesOf(h: v128): v128 {
  const sign = i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16)
  const magnitude = f32x4.mul(i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13), f32x4.splat(POW112))
  return v128.or(magnitude, sign)
}

export function f16ToF32(halves: usize, count: i32, out: usize): void {
  let i = 0
  for (; i + 4 <= count; i += 4) v128.store(out + (<usize>i << 2), singlesOf(v128.load16x4_u(halves + (<usize>i << 1))))
  for (; i < count; i++) {
    const single = singlesOf(i32x4.splat(<i32>load<u16>(halves + (<usize>i << 1))))
    store<f32>(out + (<usize>i << 2), f32x4.extract_lane(single, 0))
  }
}

@inline
function halvesOf(x: v128): v128 {
  const sign = i32x4.shr_u(v128.and(x, i32x4.splat(0x80000000)), 16)
  const m = f32x4.pmin(f32x4.abs(x), f32x4.splat(65504))
  const magic = f32x4.splat(12582912)
  const small = i32x4.trunc_sat_f32x4_s(f32x4.sub(f32x4.add(f32x4.mul(m, f32x4.splat(16777216)), magic), magic))
  const odd = v128.and(i32x4.shr_u(m, 13), i32x4.splat(1))
  const biased = i32x4.add(i32x4.add(i32x4.sub(m, i32x4.splat(0x38000000)), i32x4.splat(0xfff)), odd)
  const normal = i32x4.min_s(i32x4.shr_u(biased, 13), i32x4.splat(0x7bff))
  const isSmall = f32x4.lt(m, f32x4.splat(0.00006103515625))
  return v128.or(v128.bitselect(small, normal, isSmall), sign)
}

export function f32ToF16(values: usize, count: i32, out: usize): void {
  let i = 0
  for (; i + 4 <= count; i += 4) {
    const h = halvesOf(v128.load(values + (<usize>i << 2)))
    v128.store64_lane(out + (<usize>i << 1), i16x8.narrow_i32x4_u(h, h), 0)
  }
  for (; i < count; i++) {
    const h = halvesOf(splat(values + (<usize>i << 2)))
    store<u16>(out + (<usize>i << 1), <u16>i32x4.extract_lane(h, 0))
  }
}

/** Four numbers → four codes, as i32 lanes. Adding and taking away 1.5 · 2²³ rounds to nearest even. */
@inline
function codesOf(x: v128, inverse: v128): v128 {
  const magic = f32x4.splat(12582912)
  const rounded = i32x4.trunc_sat_f32x4_s(f32x4.sub(f32x4.add(f32x4.mul(x, inverse), magic), magic))
  return i32x4.max_s(i32x4.min_s(rounded, i32x4.splat(127)), i32x4.splat(-127))
}

export function quantizeInt8(rows: usize, count: i32, dim: i32, codes: usize, stride: i32, scales: usize): void {
  const whole = dim & ~3
  for (let i = 0; i < count; i++) {
    const row = rows + ((<usize>i * dim) << 2)
    const to = codes + <usize>i * stride
    let m = f32x4.splat(0)
    for (let k = 0; k < whole; k += 4) m = f32x4.max(m, f32x4.abs(v128.load(row + (<usize>k << 2))))
    for (let k = whole; k < dim; k++) m = f32x4.max(m, f32x4.abs(splat(row + (<usize>k << 2))))
    const largest = max(
      max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)), max(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
    )
    const zero = largest < <f32>1e-30
    store<f32>(scales + (<usize>i << 2), zero ? 0 : largest / <f32>127)
    const inverse = f32x4.splat(zero ? 0 : <f32>127 / largest)
    for (let k = 0; k < whole; k += 4) {
      const wide = codesOf(v128.load(row + (<usize>k << 2)), inverse)
      const half = i16x8.narrow_i32x4_s(wide, wide)
      v128.store32_lane(to + <usize>k, i8x16.narrow_i16x8_s(half, half), 0)
    }
    for (let k = whole; k < dim; k++) {
      store<i8>(to + <usize>k, <i8>i32x4.extract_lane(codesOf(splat(row + (<usize>k << 2)), inverse), 0))
    }
  }
}

export function dequantizeInt8(codes: usize, stride: i32, scales: usize, count: i32, dim: i32, out: usize): void {
  const whole = dim & ~3
  for (let i = 0; i < count; i++) {
    const row = codes + <usize>i * stride
    const to = out + ((<usize>i * dim) << 2)
    const scale = load<f32>(scales + (<usize>i << 2))
    const s = f32x4.splat(scale)
    for (let k = 0; k < whole; k += 4) {
      const wide = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(row + <usize>k)))
      v128.store(to + (<usize>k << 2), f32x4.mul(f32x4.convert_i32x4_s(wide), s))
    }
    for (let k = whole; k < dim; k++) store<f32>(to + (<usize>k << 2), <f32>load<i8>(row + <usize>k) * scale)
  }
}

/** Rows are scanned once, so memory is the limit: four at a time keep enough loads in flight. */
export function dotsF32(query: usize, dim: i32, rows: usize, count: i32, out: usize): void {
  const stride = <usize>dim << 2
  const whole = dim & ~3
  let i = 0
  for (; i + 4 <= count; i += 4) {
    let a = f32x4.splat(0), b = a, c = a, d = a
    let q = query, row = rows + <usize>i * stride
    for (let k = 0; k < whole; k += 4) {
      const v = v128.load(q)
      a = f32x4.add(a, f32x4.mul(v, v128.load(row)))
      b = f32x4.add(b, f32x4.mul(v, v128.load(row + stride)))
      c = f32x4.add(c, f32x4.mul(v, v128.load(row + stride * 2)))
      d = f32x4.add(d, f32x4.mul(v, v128.load(row + stride * 3)))
      q += 16; row += 16
    }
    let s = sumLanes(a), t = sumLanes(b), u = sumLanes(c), w = sumLanes(d)
    for (let k = whole; k < dim; k++) {
      const x = load<f32>(q)
      s += x * load<f32>(row); t += x * load<f32>(row + stride)
      u += x * load<f32>(row + stride * 2); w += x * load<f32>(row + stride * 3)
      q += 4; row += 4
    }
    const to = out + (<usize>i << 2)
    store<f32>(to, s); store<f32>(to, t, 4); store<f32>(to, u, 8); store<f32>(to, w, 12)
  }
  for (; i < count; i++) store<f32>(out + (<usize>i << 2), dotInFourLanes(query, rows + <usize>i * stride, dim))
}

/** 8,192 products of ±8191 and ±127, spread over four lanes, stay below 2³¹; then the sums move to f32. */
const FLUSH = 8192

export function dotsInt8(query: usize, stride: i32, rows: usize, scales: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i += 2) {
    const last = i + 1 == count
    let row = rows + <usize>i * stride
    let other = last ? row : row + stride
    let q = query
    let x = f32x4.splat(0), y = x
    for (let begin = 0; begin < stride; begin += FLUSH) {
      const end = q + (<usize>min(FLUSH, stride - begin) << 1)
      let a = i32x4.splat(0), b = a, c = a, d = a
      while (q < end) {
        const low = v128.load(q), high = v128.load(q, 16)
        const v = v128.load(row), w = v128.load(other)
        a = i32x4.add(a, i32x4.dot_i16x8_s(low, i16x8.extend_low_i8x16_s(v)))
        b = i32x4.add(b, i32x4.dot_i16x8_s(low, i16x8.extend_low_i8x16_s(w)))
        c = i32x4.add(c, i32x4.dot_i16x8_s(high, i16x8.extend_high_i8x16_s(v)))
        d = i32x4.add(d, i32x4.dot_i16x8_s(high, i16x8.extend_high_i8x16_s(w)))
        q += 32; row += 16; other += 16
      }
      x = f32x4.add(x, f32x4.add(f32x4.convert_i32x4_s(a), f32x4.convert_i32x4_s(c)))
      y = f32x4.add(y, f32x4.add(f32x4.convert_i32x4_s(b), f32x4.convert_i32x4_s(d)))
    }
    const at = <usize>i << 2
    store<f32>(out + at, sumLanes(x) * load<f32>(scales + at))
    if (!last) store<f32>(out + at, sumLanes(y) * load<f32>(scales + at, 4), 4)
  }
}

