import { setImmediate as nextTurn } from 'node:timers/promises'
import { LANES } from '../math/pack.js'
import { scaleU32, stream, STREAM } from '../math/random.js'
import { align16, workspace } from '../math/workspace.js'
import { Codebook } from './codebook.js'
import type { CodebookData } from './codebook.js'

/** Share of SciFact's exact top 10 among 100 candidates: .913 with 1,024 centroids, .978 with 2,048, .993 with 4,096. */
export const CENTROIDS = 4096
/** Tokens a centroid is learned from. */
const TOKENS_EACH = 12
const FEWEST = 1024
const MOST = 32_768

/**
 * How many centroids a collection of so many tokens is worth: 8 × √tokens, to a power of two (PLAID takes 16 × √tokens; half of them with
 * more candidates keeps the same share of the exact top 10 and costs less).
 */
export function centroidsFor(tokens: number): number {
  return Math.min(MOST, Math.max(FEWEST, 2 ** Math.round(Math.log2(8 * Math.sqrt(tokens)))))
}

/** Tokens worth looking at in training so many centroids. */
export function trainingTokens(centroids: number): number {
  return centroids * TOKENS_EACH
}
const ROUNDS = 5
const SEED = 42
/** Tokens coded before timers and sockets get their turn: about 10 ms. */
const SLICE = 2048

/**
 * Spherical k-means in two levels: directions that divide the tokens into about √2K cells, then K centroids, as many in a cell
 * as tokens fall into it. The same tokens give the same codebook.
 *
 * @param rows tokens f32 `[count × dim]`, from all over the collection; 65,536 are enough
 * @param options.centroids how many, in the end about as many. Default 4,096, fewer when there are fewer than 16 tokens for each
 */
export async function trainCodebook(
  rows: Float32Array,
  dim: number,
  options: { centroids?: number; signal?: AbortSignal | undefined } = {},
): Promise<Codebook> {
  const tokens = unitRows(rows, dim)
  const count = tokens.length / dim
  const { centroids = CENTROIDS, signal } = options
  const blocks = Math.max(1, Math.min(Math.round(centroids / LANES), Math.floor(count / TOKENS_EACH / LANES)))
  const cellCount = Math.max(1, Math.round(Math.sqrt(2 * blocks * LANES)))
  const random = stream(SEED, STREAM.centroids, 0)
  const cells = await divide(tokens, dim, cellCount, random, signal)
  const members = groups(await codesOf(flat(cells, dim), tokens, dim, signal), cells.length / dim)
  // Empty cells would have centroids that no token is coded as.
  const used = members.map((_, cell) => cell).filter((cell) => members[cell]!.length > 0)
  const first = used.map((cell) => {
    const share = Math.round((members[cell]!.length / count) * blocks)
    return pick(members[cell]!, Math.max(1, share) * LANES, random)
  })
  const cellBlocks = new Int32Array(used.length + 1)
  first.forEach((chosen, cell) => (cellBlocks[cell + 1] = cellBlocks[cell]! + chosen.length / LANES))
  let data: CodebookData = {
    dim,
    cells: gather(cells, dim, used),
    centroids: gather(tokens, dim, first.flat()),
    cellBlocks,
  }
  for (let round = 0; round < ROUNDS; round++) {
    // A centroid is trained by tokens of its own cell: looking into others as well costs three times as much, and gained nothing.
    const codes = await codesOf(data, tokens, dim, signal, 1)
    data = { ...data, centroids: meanDirections(codes, tokens, dim, data.centroids) }
  }
  return new Codebook(data)
}

/** Plain k-means: `[cells × dim]`. */
async function divide(
  tokens: Float32Array,
  dim: number,
  cells: number,
  random: (i: number) => number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const all = Array.from({ length: tokens.length / dim }, (_, i) => i)
  let centroids = gather(tokens, dim, pick(all, cells, random))
  for (let round = 0; round < (cells > 1 ? ROUNDS : 0); round++) {
    centroids = meanDirections(await codesOf(flat(centroids, dim), tokens, dim, signal), tokens, dim, centroids)
  }
  return centroids
}

/** Centroids in one cell: every token is compared with all. Lanes left over repeat the first, which then wins. */
function flat(centroids: Float32Array, dim: number): CodebookData {
  const count = centroids.length / dim
  const filled = Math.ceil(count / LANES) * LANES
  const rows = Array.from({ length: filled }, (_, i) => (i < count ? i : 0))
  const cellBlocks = Int32Array.of(0, filled / LANES)
  return { dim, cells: centroids.slice(0, dim), centroids: gather(centroids, dim, rows), cellBlocks }
}

async function codesOf(
  data: CodebookData,
  tokens: Float32Array,
  dim: number,
  signal: AbortSignal | undefined,
  probes?: number,
): Promise<Uint16Array> {
  const codebook = new Codebook(data)
  const count = tokens.length / dim
  const codes = new Uint16Array(count)
  for (let from = 0; from < count; from += SLICE) {
    const length = Math.min(SLICE, count - from)
    codes.set(codebook.encode({ data: tokens.subarray(from * dim, (from + length) * dim), length, dim }, probes), from)
    await nextTurn()
    signal?.throwIfAborted()
  }
  return codes
}

/** The mean direction of the tokens of each code; a centroid without tokens stays. */
function meanDirections(codes: Uint16Array, tokens: Float32Array, dim: number, before: Float32Array): Float32Array {
  const means = unitRows(sumsOf(codes, tokens, dim, before.length), dim)
  for (let at = 0; at < means.length; at += dim) {
    if (means.subarray(at, at + dim).every((value) => value === 0)) means.set(before.subarray(at, at + dim), at)
  }
  return means
}

/** The sum of the tokens of each code, `[size]` numbers. */
function sumsOf(codes: Uint16Array, tokens: Float32Array, dim: number, size: number): Float32Array {
  const { kernels } = workspace
  const rows = align16(size * 4)
  const numbers = align16(rows + SLICE * dim * 4)
  workspace.claim({}, numbers + SLICE * 2)
  new Float32Array(kernels.buffer, 0, size).fill(0)
  for (let from = 0; from < codes.length; from += SLICE) {
    const count = Math.min(SLICE, codes.length - from)
    new Float32Array(kernels.buffer, rows, count * dim).set(tokens.subarray(from * dim, (from + count) * dim))
    new Uint16Array(kernels.buffer, numbers, count).set(codes.subarray(from, from + count))
    kernels.sumByCode(rows, count, dim, numbers, 0)
  }
  return new Float32Array(kernels.buffer, 0, size).slice()
}

function groups(codes: Uint16Array, count: number): number[][] {
  const members = Array.from({ length: count }, (): number[] => [])
  // A lane left over repeats the first centroid.
  codes.forEach((code, i) => members[code < count ? code : 0]!.push(i))
  return members
}

/** `count` of the list, without repeats while they last; then from the beginning again. */
function pick(list: readonly number[], count: number, random: (i: number) => number): number[] {
  const shuffled = [...list]
  for (let i = 0; i < Math.min(count, shuffled.length - 1); i++) {
    const j = i + scaleU32(random(i), shuffled.length - i)
    ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
  }
  return Array.from({ length: count }, (_, i) => shuffled[i % shuffled.length]!)
}

function gather(rows: Float32Array, dim: number, which: readonly number[]): Float32Array {
  const out = new Float32Array(which.length * dim)
  which.forEach((row, i) => out.set(rows.subarray(row * dim, (row + 1) * dim), i * dim))
  return out
}

function unitRows(rows: Float32Array, dim: number): Float32Array {
  const out = new Float32Array(rows.length)
  for (let at = 0; at < rows.length; at += dim) {
    let square = 0
    for (let k = at; k < at + dim; k++) square += rows[k]! * rows[k]!
    const inverse = square > 0 ? 1 / Math.sqrt(square) : 0
    for (let k = at; k < at + dim; k++) out[k] = rows[k]! * inverse
  }
  return out
}
