import { describe, expect, test } from 'vitest'
import { encodeFdeRow, fdeRowBytes, FdeRows } from '../../../../../packages/core/src/embedded/stages/fde/fde-rows.js'
import { random } from '../../../../support/fake-encoder.js'

describe('FDE rows', () => {
  const next = random(5)
  const vector = (length: number) => Float32Array.from({ length }, () => next() - 0.5)

  test.each([1, 16, 100, 2560, 10240])('of %i numbers are kept as int8, and multiplied as such', (length) => {
    const rows = new FdeRows(length)
    const vectors = Array.from({ length: length > 1000 ? 30 : 2100 }, () => vector(length))
    for (let i = 0; i < vectors.length; i += 7) {
      const part = vectors.slice(i, i + 7).map(encodeFdeRow)
      expect(part[0]).toHaveLength(fdeRowBytes(length))
      rows.append(Buffer.concat(part))
    }
    expect(rows.length).toBe(vectors.length)
    const query = vector(length)
    const products = rows.innerProducts(query)
    vectors.forEach((original, i) => {
      const row = rows.row(i)
      const step = original.reduce((max, x) => Math.max(max, Math.abs(x)), 0) / 254
      expect(row.every((x, j) => Math.abs(x - original[j]!) <= step * 1.001)).toBe(true)
      const product = row.reduce((sum, x, j) => sum + x * query[j]!, 0)
      expect(Math.abs(products[i]! - product)).toBeLessThan(1e-4 * Math.sqrt(length) + 1e-4)
    })
  })

  test('some of them are multiplied as all are', () => {
    const rows = new FdeRows(40)
    rows.append(Buffer.concat(Array.from({ length: 2100 }, () => encodeFdeRow(vector(40)))))
    const query = vector(40)
    const some = Int32Array.of(2099, 0, 1024, 1023)
    const all = rows.innerProducts(query)
    expect([...rows.innerProductsWith(query, some)]).toEqual(Array.from(some, (row) => all[row]))
    expect([...rows.innerProductsWith(new Float32Array(40), some)]).toEqual([0, 0, 0, 0])
  })

  test('a zero row and a zero query give zero', () => {
    const rows = new FdeRows(32)
    rows.append(encodeFdeRow(new Float32Array(32)))
    rows.append(encodeFdeRow(vector(32)))
    expect(rows.innerProducts(vector(32))[0]).toBe(0)
    expect([...rows.innerProducts(new Float32Array(32))]).toEqual([0, 0])
  })
})
