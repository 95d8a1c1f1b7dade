import { describe, expect, test } from 'vitest'
import { encodeFdeRow, FdeRows } from '../../../../../packages/core/src/embedded/stages/fde/fde-rows.js'
import { GraphVectors } from '../../../../../packages/core/src/embedded/stages/hnsw/graph-vectors.js'
import { PrincipalDirections } from '../../../../../packages/core/src/embedded/stages/hnsw/principal-directions.js'
import { random } from '../../../../support/fake-encoder.js'

const LENGTH = 300
const next = random(23)
const vector = (length: number) => Float32Array.from({ length }, () => next() - 0.5)
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0)
const basis = Array.from({ length: 12 }, () => vector(LENGTH))
/** In the span of the basis, of one to three times the length, and a little beside it. */
const fde = (noise = 0.01) => {
  const factors = vector(basis.length)
  const length = 1 + 2 * next()
  return Float32Array.from({ length: LENGTH }, (_, k) => {
    const along = basis.reduce((sum, direction, i) => sum + direction[k]! * factors[i]!, 0)
    return length * along + noise * (next() - 0.5)
  })
}
const rowsOf = (vectors: readonly Float32Array[]): FdeRows => {
  const rows = new FdeRows(vectors[0]!.length)
  rows.append(Buffer.concat(vectors.map(encodeFdeRow)))
  return rows
}

describe('principal directions', () => {
  const vectors = Array.from({ length: 400 }, () => fde())
  const query = fde()

  test('keep the products of what lies along them', async () => {
    const directions = await PrincipalDirections.learn(rowsOf(vectors), 12)
    expect(directions.count).toBe(12)
    const short = directions.project(query)
    const scale = Math.sqrt(dot(query, query))
    for (const each of vectors.slice(0, 50)) {
      const error = Math.abs(dot(directions.project(each), short) - dot(each, query))
      expect(error).toBeLessThan(0.02 * scale * Math.sqrt(dot(each, each)))
    }
  })

  test('are those that matter most, and no more than there are', async () => {
    // Half of the directions count for a tenth as much.
    const uneven = Array.from({ length: 400 }, () => {
      const factors = vector(basis.length).map((x, i) => (i < 6 ? x : x / 10))
      return Float32Array.from({ length: LENGTH }, (_, k) =>
        basis.reduce((sum, direction, i) => sum + direction[k]! * factors[i]!, 0),
      )
    })
    const few = await PrincipalDirections.learn(rowsOf(uneven), 6)
    const squares = (of: (each: Float32Array) => Float32Array) =>
      uneven.reduce((sum, each) => sum + dot(of(each), of(each)), 0)
    expect(few.count).toBe(6)
    expect(squares((each) => few.project(each)) / squares((each) => each)).toBeGreaterThan(0.97)
    // Copies of three documents have three directions.
    const copies = Array.from({ length: 40 }, (_, i) => vectors[i % 3]!)
    expect((await PrincipalDirections.learn(rowsOf(copies), 12)).count).toBe(3)
  })

  test('are the same again from their bytes, and refuse others', async () => {
    const directions = await PrincipalDirections.learn(rowsOf(vectors), 12)
    const again = PrincipalDirections.restore(directions.bytes, LENGTH)
    expect([...again.project(query)]).toEqual([...directions.project(query)])
    for (const bytes of [directions.bytes.slice(1), new Uint8Array(0)]) {
      expect(() => PrincipalDirections.restore(bytes, LENGTH)).toThrow(/bytes of directions are no multiple of the 308/)
    }
  })

  test('can be stopped', async () => {
    const stopped = AbortSignal.abort(new Error('enough'))
    const many = Array.from({ length: 1200 }, () => fde())
    await expect(PrincipalDirections.learn(rowsOf(many), 64, stopped)).rejects.toThrow('enough')
  })
})

describe('vectors of a graph', () => {
  test('are FDEs of one length, whose products with a query are those of the FDEs', async () => {
    const vectors = Array.from({ length: 100 }, () => fde())
    const points = await GraphVectors.learn(rowsOf(vectors))
    expect(points.directions?.count).toBeGreaterThanOrEqual(12)
    const query = fde()
    const asked = points.ofQuery(query)
    expect(asked).toHaveLength(points.length)
    for (const each of vectors) {
      const point = points.ofDocument(each)
      expect(point).toHaveLength(points.length)
      expect(Math.sqrt(dot(point, point))).toBeCloseTo(points.norm, 4)
      const scale = Math.sqrt(dot(each, each) * dot(query, query))
      expect(Math.abs(dot(point, asked) - dot(each, query))).toBeLessThan(0.02 * scale)
    }
    // Longer than any that was seen: as long as it is.
    const long = vectors[0]!.map((x) => x * 100)
    expect(points.ofDocument(long).at(-1)).toBe(0)
  })

  test('are the FDEs themselves where these are short', async () => {
    const vectors = Array.from({ length: 50 }, () => vector(64))
    const points = await GraphVectors.learn(rowsOf(vectors))
    expect([points.directions, points.length]).toEqual([undefined, 65])
    expect(dot(points.ofDocument(vectors[0]!), points.ofQuery(vectors[1]!))).toBeCloseTo(
      dot(vectors[0]!, vectors[1]!),
      5,
    )
  })
})
