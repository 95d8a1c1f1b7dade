import { describe, expect, test } from 'vitest'
import { Codebook } from '../../../packages/core/src/centroids/codebook.js'
import { trainCodebook } from '../../../packages/core/src/centroids/train.js'

const DIM = 24

/** Seeded numbers in −1 … 1. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
}

/** Tokens around `groups` directions; token i is around direction i % groups. */
function clustered(count: number, groups: number, spread: number, seed = 1): Float32Array {
  const next = numbers(seed)
  const centres = Array.from({ length: groups }, () => Float32Array.from({ length: DIM }, next))
  const out = new Float32Array(count * DIM)
  for (let i = 0; i < count; i++) {
    const centre = centres[i % groups]!
    let square = 0
    for (let k = 0; k < DIM; k++) square += (out[i * DIM + k] = centre[k]! + spread * next()) ** 2
    for (let k = 0; k < DIM; k++) out[i * DIM + k]! /= Math.sqrt(square)
  }
  return out
}

const dot = (a: Float32Array, i: number, b: Float32Array, j: number) => {
  let sum = 0
  for (let k = 0; k < DIM; k++) sum += a[i * DIM + k]! * b[j * DIM + k]!
  return sum
}

describe('trainCodebook', () => {
  test('finds the groups the tokens come in: tokens of one group share a code, others do not', async () => {
    const rows = clustered(2400, 12, 0.05)
    const codebook = await trainCodebook(rows, DIM, { centroids: 48 })
    const codes = codebook.encode({ data: rows, length: 2400, dim: DIM })
    for (let i = 0; i < 2400; i++) expect(dot(rows, i, codebook.data.centroids, codes[i]!)).toBeGreaterThan(0.95)
    const groupsOf = new Map<number, Set<number>>()
    codes.forEach((code, i) => groupsOf.set(code, (groupsOf.get(code) ?? new Set()).add(i % 12)))
    for (const groups of groupsOf.values()) expect(groups.size).toBe(1)
  })

  test('more centroids are nearer to the tokens', async () => {
    const rows = clustered(8000, 500, 0.4)
    const mean = async (centroids: number) => {
      const codebook = await trainCodebook(rows, DIM, { centroids })
      const codes = codebook.encode({ data: rows, length: 8000, dim: DIM })
      return codes.reduce((sum, code, i) => sum + dot(rows, i, codebook.data.centroids, code), 0) / codes.length
    }
    const [few, some, many] = [await mean(16), await mean(64), await mean(256)]
    expect(some).toBeGreaterThan(few + 0.02)
    expect(many).toBeGreaterThan(some + 0.02)
  })

  test('the same tokens give the same codebook', async () => {
    const rows = clustered(3000, 40, 0.3)
    const [first, second] = [await trainCodebook(rows, DIM), await trainCodebook(rows, DIM)]
    expect(second.data).toEqual(first.data)
  })

  test.each([1, 2, 15, 16, 17, 300])('takes %i tokens', async (count) => {
    const rows = clustered(count, 7, 0.2)
    const codebook = await trainCodebook(rows, DIM)
    expect(codebook.size % 16).toBe(0)
    const codes = codebook.encode({ data: rows, length: count, dim: DIM })
    expect(codes.length).toBe(count)
    expect(Math.max(...codes)).toBeLessThan(codebook.size)
  })

  test('takes tokens of any length, and zeros', async () => {
    const rows = clustered(200, 5, 0.1).map((value, i) => (Math.floor(i / DIM) % 10 === 0 ? 0 : value * 37))
    const codebook = await trainCodebook(rows, DIM)
    expect([...codebook.data.centroids].every(Number.isFinite)).toBe(true)
    const unit = clustered(200, 5, 0.1)
    const codes = codebook.encode({ data: rows, length: 200, dim: DIM })
    const ofUnit = codebook.encode({ data: unit, length: 200, dim: DIM })
    for (let i = 0; i < 200; i++) if (i % 10 !== 0) expect(codes[i]).toBe(ofUnit[i])
  })

  test('stops when asked to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(trainCodebook(clustered(5000, 5, 0.1), DIM, { signal })).rejects.toThrow('enough')
  })
})

test('a code names the most similar centroid of the cells looked at, nearly always of all', async () => {
  const rows = clustered(20_000, 900, 0.5)
  const codebook = await trainCodebook(rows, DIM, { centroids: 1024 })
  const sample = rows.subarray(0, 500 * DIM)
  const codes = codebook.encode({ data: sample, length: 500, dim: DIM })
  let best = 0
  for (let i = 0; i < 500; i++) {
    let most = -Infinity
    for (let c = 0; c < codebook.size; c++) most = Math.max(most, dot(sample, i, codebook.data.centroids, c))
    if (dot(sample, i, codebook.data.centroids, codes[i]!) > most - 1e-2) best++
  }
  // Of two cells .894 do, of three .944. For tokens of 56,000 passages the third adds .002 to the mean similarity of .931, and takes a quarter more time.
  expect(best / 500).toBeGreaterThan(0.87)
})

test('a codebook that does not fit its own list of cells is refused', () => {
  const data = {
    dim: 2,
    cells: new Float32Array(4),
    centroids: new Float32Array(64),
    cellBlocks: Int32Array.of(0, 1, 3),
  }
  expect(() => new Codebook(data)).toThrow(expect.objectContaining({ code: 'INDEX_CORRUPT' }))
})

test('a centroid that no token is nearest to stays where it was', async () => {
  // A thousand tokens of three directions: most of the centroids begin in the same place, and only one of those is the nearest.
  const dim = 8
  const rows = new Float32Array(1024 * dim)
  for (let i = 0; i < 1024; i++) rows[i * dim + (i % 3)] = 1
  const { data } = await trainCodebook(rows, dim)
  expect(data.centroids.length / dim).toBeGreaterThan(3)
  for (let at = 0; at < data.centroids.length; at += dim)
    expect(Math.hypot(...data.centroids.subarray(at, at + dim))).toBeCloseTo(1, 5)
})
