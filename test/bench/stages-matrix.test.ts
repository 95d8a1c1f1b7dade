import { describe, expect, it } from 'vitest'
import { addProduct, cholesky, inverseOfLower, transpose } from '../../bench/stages/matrix.js'
import { generator } from './stages-collection.js'

const random = generator(11)
const matrix = (rows: number, columns: number): Float32Array => Float32Array.from({ length: rows * columns }, random)

describe('addProduct', () => {
  it.each([
    [3, 5, 16],
    [300, 700, 32],
  ])('adds a product of %i × %i and × %i', (m, k, n) => {
    const [a, b] = [matrix(m, k), matrix(k, n)]
    const [plain, transposed] = [new Float32Array(m * n).fill(1), new Float32Array(m * n)]
    addProduct(a, { row: k, column: 1 }, b, { m, k, n }, plain)
    const columns = Float32Array.from({ length: m * k }, (_, i) => a[(i % m) * k + Math.floor(i / m)]!)
    addProduct(columns, { row: 1, column: m }, b, { m, k, n }, transposed)
    for (const [i, j] of [
      [0, 0],
      [m - 1, n - 1],
      [m >> 1, 7],
    ] as const) {
      let sum = 0
      for (let x = 0; x < k; x++) sum += a[i * k + x]! * b[x * n + j]!
      expect(plain[i * n + j]).toBeCloseTo(sum + 1, 3)
      expect(transposed[i * n + j]).toBeCloseTo(sum, 3)
    }
  })

  it('refuses a width that the kernel cannot sum', () => {
    const shape = { m: 1, k: 1, n: 20 }
    expect(() => addProduct(matrix(1, 1), { row: 1, column: 1 }, matrix(1, 20), shape, matrix(1, 20))).toThrow(/got 20/)
  })
})

describe('cholesky', () => {
  it('gives a triangle whose inverse whitens the matrix', () => {
    const n = 24
    const a = matrix(n, n)
    const square = new Float64Array(n * n)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        for (let k = 0; k < n; k++) square[i * n + j]! += a[i * n + k]! * a[j * n + k]!
        if (i === j) square[i * n + j]! += 1
      }
    const lower = square.slice()
    cholesky(lower, n)
    const inverse = inverseOfLower(lower, n)
    const product = (i: number, j: number): number => {
      let sum = 0
      for (let k = 0; k < n; k++)
        for (let l = 0; l < n; l++) sum += inverse[i * n + k]! * square[k * n + l]! * inverse[j * n + l]!
      return sum
    }
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) expect(product(i, j)).toBeCloseTo(i === j ? 1 : 0, 4)
    expect(transpose(inverse, n)[5]).toBe(inverse[5 * n])
  })

  it('says when a matrix has no such triangle', () => {
    expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow(/not positive definite: pivot 1 of 2 is -3/)
  })
})
