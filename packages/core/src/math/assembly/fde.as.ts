// The kernels that build fixed-dimensional encodings. See kernels.as.ts.
// @ts-nocheck
import { dotInFourLanes, splat, tileF32 } from './lanes.as'

export function deflate(rows: usize, count: i32, dim: i32, unit: usize): void {
  const whole = dim & ~3
  for (let i = 0; i < count; i++) {
    const row = rows + ((<usize>i * dim) << 2)
    const dot = dotInFourLanes(row, unit, dim)
    const d = f32x4.splat(dot)
    for (let k = 0; k < whole; k += 4) {
      const at = row + (<usize>k << 2)
      v128.store(at, f32x4.sub(v128.load(at), f32x4.mul(d, v128.load(unit + (<usize>k << 2)))))
    }
    for (let k = whole; k < dim; k++) {
      const at = row + (<usize>k << 2)
      store<f32>(at, load<f32>(at) - dot * load<f32>(unit + (<usize>k << 2)))
    }
  }
}

export function subtract(rows: usize, count: i32, dim: i32, mean: usize): void {
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < dim; k++) {
      const at = rows + ((<usize>i * dim + k) << 2)
      store<f32>(at, load<f32>(at) - load<f32>(mean + (<usize>k << 2)))
    }
  }
}

function pairSigns(planes: usize, dim: i32, row: usize, other: usize, bits: usize, otherBits: usize): void {
  tileF32(planes, dim, row, other, bits, otherBits, true)
}

export function signBits(planes: usize, blocks: i32, dim: i32, rows: usize, tokens: i32, bits: usize): void {
  const stride = <usize>dim << 2
  const words = <usize>blocks << 1
  for (let token = 0; token < tokens; token += 2) {
    const row = rows + <usize>token * stride
    const to = bits + <usize>token * words
    const last = token + 1 == tokens
    for (let block = 0; block < blocks; block++) {
      const at = to + (<usize>block << 1)
      pairSigns(planes + ((<usize>block * dim) << 6), dim, row, last ? row : row + stride, at, last ? at : at + words)
    }
  }
}

@inline
function addRow(from: usize, to: usize, dim: i32): void {
  const whole = dim & ~3
  for (let k = 0; k < whole; k += 4) {
    const at = to + (<usize>k << 2)
    v128.store(at, f32x4.add(v128.load(at), v128.load(from + (<usize>k << 2))))
  }
  for (let k = whole; k < dim; k++) {
    const at = to + (<usize>k << 2)
    store<f32>(at, load<f32>(at) + load<f32>(from + (<usize>k << 2)))
  }
}

export function accumulate(
  bits: usize, blocks: i32, width: i32, reps: i32, ids: usize,
  rows: usize, tokens: i32, dim: i32, sums: usize, counts: usize, partitions: usize,
): void {
  const mask = (1 << width) - 1
  for (let r = 0; r < reps; r++) {
    const bit = r * width
    for (let token = 0; token < tokens; token++) {
      // Bits lie little-endian one after another: 32 of them from the right byte hold the (at most 16) wanted ones.
      const pattern = (load<i32>(bits + <usize>token * (<usize>blocks << 1) + <usize>(bit >> 3)) >> (bit & 7)) & mask
      const id = load<i32>(ids + (<usize>pattern << 2))
      const bucket = <usize>((r << width) + id)
      store<i32>(partitions + (<usize>(r * tokens + token) << 2), id)
      store<i32>(counts + (bucket << 2), load<i32>(counts + (bucket << 2)) + 1)
      addRow(rows + ((<usize>token * dim) << 2), sums + ((bucket * dim) << 2), dim)
    }
  }
}

export function norms(sums: usize, counts: usize, buckets: i32, dim: i32, out: usize): void {
  for (let b = 0; b < buckets; b++) {
    const at = <usize>b << 2
    const row = sums + ((<usize>b * dim) << 2)
    store<f32>(out + at, load<i32>(counts + at) == 0 ? 0 : sqrt<f32>(dotInFourLanes(row, row, dim)))
  }
}

export function scatter(values: usize, weights: usize, buckets: i32, dim: i32, targets: usize, signs: usize, out: usize): void {
  for (let b = 0; b < buckets; b++) {
    const weight = load<f32>(weights + (<usize>b << 2))
    if (weight == 0) continue
    let at = (<usize>b * dim) << 2
    const end = at + (<usize>dim << 2)
    for (; at < end; at += 4) {
      const to = out + (<usize>load<i32>(targets + at) << 2)
      store<f32>(to, load<f32>(to) + load<f32>(signs + at) * weight * load<f32>(values + at))
    }
  }
}

export function project(values: usize, weights: usize, buckets: i32, dim: i32, matrix: usize, p: i32, out: usize): void {
  const stride = <usize>p << 2
  for (let b = 0; b < buckets; b++) {
    const weight = load<f32>(weights + (<usize>b << 2))
    if (weight == 0) continue
    const w = f32x4.splat(weight)
    const row = values + ((<usize>b * dim) << 2)
    const to = out + <usize>b * stride
    let j = 0
    for (; j + 16 <= p; j += 16) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0
      let m = matrix + (<usize>j << 2)
      for (let k = 0; k < dim; k++) {
        const x = splat(row + (<usize>k << 2))
        s0 = f32x4.add(s0, f32x4.mul(x, v128.load(m)))
        s1 = f32x4.add(s1, f32x4.mul(x, v128.load(m, 16)))
        s2 = f32x4.add(s2, f32x4.mul(x, v128.load(m, 32)))
        s3 = f32x4.add(s3, f32x4.mul(x, v128.load(m, 48)))
        m += stride
      }
      const at = to + (<usize>j << 2)
      v128.store(at, f32x4.mul(s0, w)); v128.store(at, f32x4.mul(s1, w), 16)
      v128.store(at, f32x4.mul(s2, w), 32); v128.store(at, f32x4.mul(s3, w), 48)
    }
    for (; j < p; j += 4) {
      let s = f32x4.splat(0)
      let m = matrix + (<usize>j << 2)
      for (let k = 0; k < dim; k++) {
        s = f32x4.add(s, f32x4.mul(splat(row + (<usize>k << 2)), v128.load(m)))
        m += stride
      }
      v128.store(to + (<usize>j << 2), f32x4.mul(s, w))
    }
  }
}
