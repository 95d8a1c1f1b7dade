import { setImmediate as nextTurn } from 'node:timers/promises'
import { SerotineError } from '../../../errors.js'
import { encodeFdeRow, fdeRowBytes, FdeRows } from '../fde/fde-rows.js'
import { spread } from '../sample.js'

/** FDEs that the directions are learned from. */
const SAMPLE = 1024
/** Multiplications by all products of the sample. */
const ROUNDS = 2
/** Milliseconds before timers and sockets get their turn. */
const SLICE_MS = 20

/**
 * The orthonormal directions in which the FDEs of a collection are longest (principal components, without taking out the mean): of a
 * few hundred numbers along them, inner products are nearly those of the whole FDEs.
 */
export class PrincipalDirections {
  /** Rows as `encodeFdeRow` makes them, one after the other: what `restore` takes. */
  readonly bytes: Uint8Array
  readonly #directions: FdeRows

  private constructor(bytes: Uint8Array, length: number) {
    this.bytes = bytes
    this.#directions = new FdeRows(length)
    this.#directions.append(bytes)
  }

  /**
   * By subspace iteration over the products of a sample with itself.
   *
   * @param count directions at most; there are no more than FDEs are independent
   */
  static async learn(fdes: FdeRows, count: number, signal?: AbortSignal): Promise<PrincipalDirections> {
    const turns = new Slices(signal)
    const sample: Float32Array[] = []
    for (const ordinal of spread(ordinalsOf(fdes.length), SAMPLE)) {
      sample.push(fdes.row(ordinal))
      await turns.next()
    }
    const products = await productsOf(sample, turns)
    let combinations: Float32Array[] = Array.from(spread(ordinalsOf(sample.length), count), (chosen) => {
      const combination = new Float32Array(sample.length)
      combination[chosen] = 1
      return combination
    })
    for (let round = 0; round < ROUNDS; round++) {
      const next = await multiplied(combinations, products, turns)
      combinations = await orthonormal(next, next, turns)
    }
    // Orthonormal as combinations of the FDEs, not as rows of coefficients.
    combinations = await orthonormal(combinations, await multiplied(combinations, products, turns), turns)
    const rows: Uint8Array[] = []
    for (const combination of combinations) {
      rows.push(encodeFdeRow(sum(sample, combination, fdes.dim)))
      await turns.next()
    }
    return new PrincipalDirections(Buffer.concat(rows), fdes.dim)
  }

  /** @param length numbers of an FDE @throws INDEX_CORRUPT */
  static restore(bytes: Uint8Array, length: number): PrincipalDirections {
    if (bytes.length === 0 || bytes.length % fdeRowBytes(length) !== 0) {
      throw new SerotineError(
        'INDEX_CORRUPT',
        `${bytes.length} bytes of directions are no multiple of the ${fdeRowBytes(length)} that one takes.`,
      )
    }
    return new PrincipalDirections(bytes, length)
  }

  /** Numbers that `project` gives. */
  get count(): number {
    return this.#directions.length
  }

  /** How far an FDE reaches along each direction, `[count]`. */
  project(fde: Float32Array): Float32Array {
    return this.#directions.innerProducts(fde)
  }
}

/** Gives timers and sockets their turn. */
class Slices {
  readonly #signal: AbortSignal | undefined
  #since = performance.now()

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  async next(): Promise<void> {
    if (performance.now() - this.#since < SLICE_MS) return
    await nextTurn()
    this.#signal?.throwIfAborted()
    this.#since = performance.now()
  }
}

/** The inner product of each with each. */
async function productsOf(sample: readonly Float32Array[], turns: Slices): Promise<Float32Array[]> {
  const rows = new FdeRows(sample[0]!.length)
  for (const fde of sample) {
    rows.append(encodeFdeRow(fde))
    await turns.next()
  }
  const products: Float32Array[] = []
  for (const fde of sample) {
    products.push(rows.innerProducts(fde))
    await turns.next()
  }
  return products
}

function ordinalsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** Each row times a symmetric matrix. */
async function multiplied(
  rows: readonly Float32Array[],
  matrix: readonly Float32Array[],
  turns: Slices,
): Promise<Float32Array[]> {
  const out: Float32Array[] = []
  for (const row of rows) {
    out.push(sum(matrix, row, matrix.length))
    await turns.next()
  }
  return out
}

/**
 * Gram and Schmidt's, by the inner product of `rows` with `images`, which are the rows times a symmetric matrix, or the rows again. Rows
 * that depend on those before them are left out.
 */
async function orthonormal(
  rows: readonly Float32Array[],
  images: readonly Float32Array[],
  turns: Slices,
): Promise<Float32Array[]> {
  const kept: { row: Float32Array; image: Float32Array }[] = []
  for (const [i, each] of rows.entries()) {
    const row = each.slice()
    const image = images[i]!.slice()
    const before = Math.sqrt(Math.max(0, dot(row, image)))
    for (const other of kept) {
      const along = dot(row, other.image)
      add(row, other.row, -along)
      add(image, other.image, -along)
    }
    const length = Math.sqrt(Math.max(0, dot(row, image)))
    if (length > before * 1e-3) {
      kept.push({ row: row.map((x) => x / length), image: image.map((x) => x / length) })
    }
    await turns.next()
  }
  return kept.map(({ row }) => row)
}

/** The rows times their factors, added up. */
function sum(rows: readonly Float32Array[], factors: Float32Array, length: number): Float32Array {
  const out = new Float32Array(length)
  for (const [i, row] of rows.entries()) add(out, row, factors[i]!)
  return out
}

function add(to: Float32Array, row: Float32Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += row[i]! * factor
}

function dot(a: Float32Array, b: Float32Array): number {
  let product = 0
  for (let i = 0; i < a.length; i++) product += a[i]! * b[i]!
  return product
}
