import { createKernels } from '../../packages/core/src/math/simd.js'
import { align16 } from '../../packages/core/src/math/workspace.js'

/** Columns of a panel: what the kernel sums in registers. */
const PANEL = 16
/** Rows and depth of what is multiplied at once: it stays in the cache. */
const ROWS = 256
const DEPTH = 512

const kernels = createKernels()

/**
 * Adds A · B to `out`, all row-major: `[m × k] · [k × n] → [m × n]`, n a multiple of 16.
 *
 * @param at entry of A in row i, column j: `a[i * at.row + j * at.column]`, so that A can be given transposed
 */
export function addProduct(
  a: Float32Array,
  at: { readonly row: number; readonly column: number },
  b: Float32Array,
  shape: { readonly m: number; readonly k: number; readonly n: number },
  out: Float32Array,
): void {
  const { m, k, n } = shape
  if (n % PANEL !== 0) throw new Error(`B must have a multiple of ${PANEL} columns, got ${n}.`)
  const place = { weights: 64, values: 64 + ROWS * 4, panels: 0, out: 0 }
  place.panels = align16(place.values + ROWS * DEPTH * 4)
  place.out = place.panels + DEPTH * n * 4
  kernels.reserve(place.out + ROWS * PANEL * 4 + 64)
  new Float32Array(kernels.buffer, place.weights, ROWS).fill(1)
  const values = new Float32Array(kernels.buffer, place.values, ROWS * DEPTH)
  const panels = new Float32Array(kernels.buffer, place.panels, DEPTH * n)
  const product = new Float32Array(kernels.buffer, place.out, ROWS * PANEL)
  for (let firstDepth = 0; firstDepth < k; firstDepth += DEPTH) {
    const depth = Math.min(DEPTH, k - firstDepth)
    for (let j = 0, to = 0; j < n; j += PANEL) {
      for (let i = 0; i < depth; i++, to += PANEL) {
        const from = (firstDepth + i) * n + j
        for (let c = 0; c < PANEL; c++) panels[to + c] = b[from + c]!
      }
    }
    for (let firstRow = 0; firstRow < m; firstRow += ROWS) {
      const rows = Math.min(ROWS, m - firstRow)
      for (let i = 0; i < rows; i++) {
        const from = (firstRow + i) * at.row + firstDepth * at.column
        for (let j = 0; j < depth; j++) values[i * depth + j] = a[from + j * at.column]!
      }
      for (let j = 0; j < n; j += PANEL) {
        kernels.project(place.values, place.weights, rows, depth, place.panels + j * depth * 4, PANEL, place.out)
        for (let i = 0, from = 0; i < rows; i++) {
          const to = (firstRow + i) * n + j
          for (let c = 0; c < PANEL; c++, from++) out[to + c]! += product[from]!
        }
      }
    }
  }
}

/**
 * The lower triangle L of a symmetric positive definite matrix, `matrix = L Lᵀ`, in place.
 *
 * @throws when the matrix is not positive definite
 */
export function cholesky(matrix: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!
      for (let k = 0; k < j; k++) sum -= matrix[i * n + k]! * matrix[j * n + k]!
      if (i !== j) matrix[i * n + j] = sum / matrix[j * n + j]!
      else if (sum > 0) matrix[i * n + i] = Math.sqrt(sum)
      else throw new Error(`The matrix is not positive definite: pivot ${i} of ${n} is ${sum}.`)
    }
  }
}

/** The inverse of a lower triangle, `[n × n]` with zeros above the diagonal. Only the triangle of `lower` is read. */
export function inverseOfLower(lower: Float64Array, n: number): Float32Array {
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    // Row i of L X = 1: what the rows above leave over, divided by the pivot.
    const row = inverse.subarray(i * n, i * n + i + 1)
    for (let k = 0; k < i; k++) {
      const factor = lower[i * n + k]!
      for (let j = 0; j <= k; j++) row[j]! -= factor * inverse[k * n + j]!
    }
    row[i] = 1
    for (let j = 0; j <= i; j++) row[j]! /= lower[i * n + i]!
  }
  return Float32Array.from(inverse)
}

/** `[n × n]` with rows and columns exchanged. */
export function transpose(matrix: Float32Array, n: number): Float32Array {
  return matrix.map((_, at) => matrix[(at % n) * n + Math.floor(at / n)]!)
}
