// What the kernels share: broadcasts, sums over lanes, and the tile of MaxSim and SimHash. See kernels.as.ts.
// @ts-nocheck

@inline
export function splat(at: usize): v128 {
  return v128.load32_splat(at)
}

@inline
export function raise(best: usize, offset: usize, value: v128): void {
  v128.store(best + offset, f32x4.pmax(v128.load(best + offset), value))
}

@inline
export function positives(a: v128, b: v128, c: v128, d: v128): u16 {
  const zero = f32x4.splat(0)
  return <u16>(i32x4.bitmask(f32x4.gt(a, zero)) | (i32x4.bitmask(f32x4.gt(b, zero)) << 4)
    | (i32x4.bitmask(f32x4.gt(c, zero)) << 8) | (i32x4.bitmask(f32x4.gt(d, zero)) << 12))
}

/** Two rows against one packed block, of query tokens or hyperplanes: raises the maxima, or stores the signs. */
@inline
export function tileF32(q: usize, dim: i32, row: usize, other: usize, out: usize, otherOut: usize, signs: bool): void {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0
  const end = q + (<usize>dim << 6)
  while (q < end) {
    const x = splat(row), y = splat(other)
    let v = v128.load(q)
    a0 = f32x4.add(a0, f32x4.mul(v, x)); b0 = f32x4.add(b0, f32x4.mul(v, y))
    v = v128.load(q, 16)
    a1 = f32x4.add(a1, f32x4.mul(v, x)); b1 = f32x4.add(b1, f32x4.mul(v, y))
    v = v128.load(q, 32)
    a2 = f32x4.add(a2, f32x4.mul(v, x)); b2 = f32x4.add(b2, f32x4.mul(v, y))
    v = v128.load(q, 48)
    a3 = f32x4.add(a3, f32x4.mul(v, x)); b3 = f32x4.add(b3, f32x4.mul(v, y))
    q += 64; row += 4; other += 4
  }
  if (signs) {
    store<u16>(out, positives(a0, a1, a2, a3))
    store<u16>(otherOut, positives(b0, b1, b2, b3))
  } else {
    raise(out, 0, f32x4.pmax(a0, b0))
    raise(out, 16, f32x4.pmax(a1, b1))
    raise(out, 32, f32x4.pmax(a2, b2))
    raise(out, 48, f32x4.pmax(a3, b3))
  }
}

@inline
export function sumLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
}

/** Equal bit for bit to `dotInFourLanes` of kernels.ts. */
export function dotInFourLanes(x: usize, y: usize, dim: i32): f32 {
  const whole = dim & ~3
  let lanes = f32x4.splat(0)
  for (let k = 0; k < whole; k += 4) {
    lanes = f32x4.add(lanes, f32x4.mul(v128.load(x + (<usize>k << 2)), v128.load(y + (<usize>k << 2))))
  }
  let sum = sumLanes(lanes)
  for (let k = whole; k < dim; k++) sum += load<f32>(x + (<usize>k << 2)) * load<f32>(y + (<usize>k << 2))
  return sum
}
