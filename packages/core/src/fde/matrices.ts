import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { STREAM, binomial, scaleU32, stream } from '../math/random.js'
import { partitionWidth, unsketchedLength } from './config.js'
import type { FdeConfig } from './config.js'

/**
 * The random matrices of an FDE, when they should not come from the seed: to reproduce another implementation, or to check this
 * one against it. Any array of numbers will do.
 */
export interface FdeMatrices {
  /** Hyperplanes, `[repetitions × dim × simHashBits]`. May be left out when `simHashBits` is 0. */
  simhash?: ArrayLike<number>
  /** Inner projection, `[repetitions × dim × projectionDim]`; multiplied by `projectionScale`. Only with a projection. */
  projection?: ArrayLike<number>
  /** Final count sketch: number i of the encoding is added to number `sketchIndex[i]` … */
  sketchIndex?: ArrayLike<number>
  /** … with this sign, ±1. */
  sketchSign?: ArrayLike<number>
}

/** A misspelt matrix would silently be replaced by one from the seed. @throws UNKNOWN_OPTION */
export function checkMatrixNames(matrices: FdeMatrices): void {
  checkOptions('The matrices of an FdeEncoder', matrices, ['simhash', 'projection', 'sketchIndex', 'sketchSign'], {
    simHash: 'simhash',
    sketch_index: 'sketchIndex',
    sketch_sign: 'sketchSign',
  })
}

/** `[repetitions × dim × simHashBits]` from the seed: whole numbers of mean 0 and standard deviation 4. */
export function simHashMatrix(config: FdeConfig): Float32Array {
  const { repetitions, dim, simHashBits, seed } = config
  const matrix = new Float32Array(repetitions * dim * simHashBits)
  for (let r = 0; r < repetitions; r++) {
    const next = stream(seed, STREAM.simHash, r)
    for (let i = 0; i < dim; i++) {
      // Counter j·dim + i: the first hyperplanes and repetitions stay what they are when k or R grows.
      for (let j = 0; j < simHashBits; j++) matrix[(r * dim + i) * simHashBits + j] = binomial(next, j * dim + i)
    }
  }
  return matrix
}

/** `[repetitions × dim × projectionDim]` of −1, 0 and 1 from the seed. */
export function projectionMatrix(config: FdeConfig): Float32Array {
  const { repetitions, dim, projectionDim: p, seed } = config
  const matrix = new Float32Array(repetitions * dim * p)
  for (let r = 0; r < repetitions; r++) {
    const next = stream(seed, STREAM.projection, r)
    const sign = (i: number): number => (next(i) & 1 ? 1 : -1)
    const ranks =
      config.projection === 'balanced' ? ranksOf(Array.from({ length: dim }, (_, i) => next(2 * i))) : undefined
    for (let i = 0; i < dim; i++) {
      const row = (r * dim + i) * p
      if (config.projection === 'dense') for (let j = 0; j < p; j++) matrix[row + j] = sign(i * p + j)
      else matrix[row + (ranks ? ranks[i]! % p : scaleU32(next(2 * i), p))] = sign(2 * i + 1)
    }
  }
  return matrix
}

/** The final count sketch from the seed, for the `unsketchedLength` numbers of an encoding. */
export function countSketch(config: FdeConfig): { index: Int32Array; sign: Int8Array } {
  const length = unsketchedLength(config)
  const next = stream(config.seed, STREAM.sketch, 0)
  const index = new Int32Array(length)
  const sign = new Int8Array(length)
  for (let i = 0; i < length; i++) {
    index[i] = scaleU32(next(2 * i), config.finalDim)
    sign[i] = next(2 * i + 1) & 1 ? 1 : -1
  }
  return { index, sign }
}

function ranksOf(hashes: readonly number[]): Int32Array {
  const order = hashes.map((_, i) => i).sort((a, b) => hashes[a]! - hashes[b]! || a - b)
  const ranks = new Int32Array(hashes.length)
  order.forEach((i, rank) => (ranks[i] = rank))
  return ranks
}

/** Where every number of a partition's sum goes, and times what. See `linearMap`. */
export interface LinearMap {
  /** Dense inner projection `[repetitions × dim × columns]`, columns a multiple of 4; absent when scattering is enough. */
  dense?: { matrix: Float32Array; columns: number }
  /** For each number scattered, `[repetitions × 2^k × (dim or columns)]`. */
  targets: Int32Array
  signs: Float32Array
}

/**
 * Inner projection and count sketch as few steps as possible. A projection with one non-zero per row and a sketch both send each
 * number to one place times a factor, so their product does as well, and one scatter does both. Only a dense projection needs a
 * multiplication first.
 *
 * @throws EMBEDDINGS_SHAPE when a matrix has the wrong size, NOT_FINITE, INVALID_ARGUMENT when a sketch index is out of range
 */
export function linearMap(config: FdeConfig, matrices: FdeMatrices): LinearMap {
  const { repetitions, dim } = config
  const partitions = 2 ** config.simHashBits
  const width = partitionWidth(config)
  const projected = width !== dim
  const matrix = projected ? (matrices.projection ?? projectionMatrix(config)) : undefined
  if (matrix) checkMatrix('projection', matrix, repetitions * dim * width, 'repetitions × dim × projectionDim')
  const sketch = finalSketch(config, matrices)
  const place = (r: number, c: number, j: number): number => (r * partitions + c) * width + j

  const single = matrix && oneEntryPerRow(matrix, width)
  const columns = matrix && !single ? (width + 3) & ~3 : dim
  const targets = new Int32Array(repetitions * partitions * columns)
  const signs = new Float32Array(targets.length)
  for (let r = 0; r < repetitions; r++) {
    for (let c = 0; c < partitions; c++) {
      for (let i = 0; i < columns; i++) {
        const at = (r * partitions + c) * columns + i
        const column = single ? single.column[r * dim + i]! : i
        if (column >= width) continue // padding of a dense projection: sign 0
        const to = place(r, c, column)
        targets[at] = sketch ? sketch.index[to]! : to
        signs[at] = (single ? single.value[r * dim + i]! * config.projectionScale : 1) * (sketch ? sketch.sign[to]! : 1)
      }
    }
  }
  if (!matrix || single) return { targets, signs }
  const dense = new Float32Array(repetitions * dim * columns)
  for (let row = 0; row < repetitions * dim; row++) {
    for (let j = 0; j < width; j++) dense[row * columns + j] = matrix[row * width + j]! * config.projectionScale
  }
  return { dense: { matrix: dense, columns }, targets, signs }
}

function finalSketch(
  config: FdeConfig,
  matrices: FdeMatrices,
): { index: ArrayLike<number>; sign: ArrayLike<number> } | undefined {
  if (config.finalDim === 0) return undefined
  if (!matrices.sketchIndex && !matrices.sketchSign) return countSketch(config)
  const { sketchIndex: index = [], sketchSign: sign = [] } = matrices
  const length = unsketchedLength(config)
  checkMatrix('sketchIndex', index, length, 'repetitions × partitions × width')
  checkMatrix('sketchSign', sign, length, 'repetitions × partitions × width')
  for (let i = 0; i < length; i++) {
    const to = index[i]!
    if (!Number.isInteger(to) || to < 0 || to >= config.finalDim) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `sketchIndex[${i}] is ${to}; it must be a whole number below finalDim ${config.finalDim}.`,
      )
    }
  }
  return { index, sign }
}

/** Column and value of each row's only non-zero, or undefined when some row has two. An all-zero row gets value 0. */
function oneEntryPerRow(
  matrix: ArrayLike<number>,
  width: number,
): { column: Int32Array; value: Float32Array } | undefined {
  const rows = matrix.length / width
  const column = new Int32Array(rows)
  const value = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) {
      const entry = matrix[row * width + j]!
      if (entry === 0) continue
      if (value[row] !== 0) return undefined
      column[row] = j
      value[row] = entry
    }
  }
  return { column, value }
}

/** @throws EMBEDDINGS_SHAPE, NOT_FINITE */
export function checkMatrix(name: string, values: ArrayLike<number>, expected: number, shape: string): void {
  if (values.length !== expected) {
    throw new SerotineError(
      'EMBEDDINGS_SHAPE',
      `${name} must hold ${shape} = ${expected} numbers, got ${values.length}.`,
    )
  }
  for (let i = 0; i < expected; i++) {
    if (!Number.isFinite(values[i])) throw new SerotineError('NOT_FINITE', `${name}[${i}] is ${describe(values[i])}.`)
  }
}
