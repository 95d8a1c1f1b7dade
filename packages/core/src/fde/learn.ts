import { setImmediate as nextTurn } from 'node:timers/promises'
import { checkOptions } from '../options.js'
import { STREAM, scaleU32, stream } from '../math/random.js'
import { align16, workspace } from '../math/workspace.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { CENTROID_UNIT, Codebooks } from './codebooks.js'
import { FDE_PRESETS, MAX_FDE_LENGTH, checkFdeOptions, resolveFdeConfig } from './config.js'
import type { FdeConfig, FdeOptions } from './config.js'
import type { FdeMeans } from './encode.js'
import { choosePreparation, estimateMeans } from './suitability.js'

/** An encoder fitted to a collection: `new FdeEncoder(config, {}, means)`. */
export interface LearnedFdeParts {
  readonly config: FdeConfig
  readonly means: FdeMeans
  /** See `CollectionMeans`. */
  readonly meanNorm: number
  /** Document tokens looked at. */
  readonly tokens: number
}

/** Codebooks, and log2 of the centroids in each, that take the place of a preset's hyperplanes. */
const CODEBOOKS = { repetitions: 4, simHashBits: 7 } as const // 8 of 128: twice the time, .01 more of the exact top 10
/** Tokens a centroid is learned from at most. */
const TOKENS_EACH = 60
const ROUNDS = 5
/** Tokens the principal direction is taken from. */
const DIRECTION_TOKENS = 10_000
const DIRECTION_ROUNDS = 20
/** Tokens compared before timers and sockets get their turn: about 20 ms. */
const SLICE = 2048
/** Streams of the generator from here on choose training tokens; those below are the hyperplanes of up to 4,096 repetitions. */
const FIRST_STREAM = 0x10000

/**
 * Fits an FDE to a collection: mean, preparation, and unless the options say otherwise, partitions. The presets' random
 * hyperplanes give way to centroids, four codebooks of 128, each by spherical k-means (Dhillon & Modha 2001) over other tokens
 * from other starting points; and `deflate` takes out the principal direction of what the mean leaves as well.
 *
 * Share of the exact MaxSim top 10 among 100 candidates, and nDCG@10 kept, SciFact (5,183 documents), int8, first embedded model:
 * `compact` .884 and 1.000 (hyperplanes .757 and .977), `quality` .956 and 1.000 (.857 and .995). Everything tried is in
 * `docs/research/muvera.md`.
 *
 * `partitioning: 'hyperplanes'`, the preset `paper`, and any option that is about hyperplanes (`simHashBits`, `repetitions`,
 * `fillEmptyPartitions`) keep the hyperplanes; `partitioning: 'centroids'` with them says how many centroids.
 *
 * @param documents a sample from all over the collection; 50,000 tokens are enough
 * @throws INVALID_ARGUMENT when there are no tokens; UNKNOWN_OPTION, DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE
 */
export async function learnFde(
  documents: readonly TokenEmbeddings[],
  options: FdeOptions & { dim: number },
  given: { queries?: readonly TokenEmbeddings[]; signal?: AbortSignal | undefined } = {},
): Promise<LearnedFdeParts> {
  checkFdeOptions('learnFde', options)
  checkOptions('learnFde', given, ['queries', 'signal'], { abortSignal: 'signal' })
  const { queries = [], signal } = given
  const { document, query, meanNorm, tokens } = estimateMeans(documents, queries)
  const wanted = withLearnedPartitions(options)
  const config = resolveFdeConfig(wanted, choosePreparation({ meanNorm }, wanted.partitioning))
  const means: FdeMeans = { document, ...(query && { query }) }
  if (config.partitioning !== 'centroids') return { config, means, meanNorm, tokens }
  const rows = concatenate(documents, config.dim, tokens)
  prepareRows(rows, config, means)
  if (config.prepare === 'deflate') {
    means.directions = principalDirection(rows, config.dim)
    remove(rows, means.directions)
  }
  means.centroids = await learnCentroids(rows, config, signal)
  return { config, means, meanNorm, tokens }
}

/** Takes out of document tokens what the encoder will, in place. */
export function prepareRows(rows: Float32Array, { prepare, dim }: FdeConfig, means: FdeMeans): void {
  if (prepare === 'center') subtract(rows, means.document!)
  if (prepare !== 'deflate') return
  remove(rows, unit(means.document!))
  const { directions = new Float32Array() } = means
  for (let at = 0; at < directions.length; at += dim) remove(rows, directions.subarray(at, at + dim))
}

/** The options with what they leave open for centroids, unless they ask for hyperplanes. An undefined option was not given. */
export function withLearnedPartitions(options: FdeOptions & { dim: number }): FdeOptions & { dim: number } {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as typeof options
  return { ...centroidsByDefault(options), ...given }
}

function centroidsByDefault(options: FdeOptions & { dim: number }): Partial<FdeConfig> {
  const { preset = 'compact', partitioning, repetitions, simHashBits, fillEmptyPartitions } = options
  if (partitioning === 'hyperplanes') return {}
  const aboutHyperplanes = repetitions !== undefined || simHashBits !== undefined || fillEmptyPartitions !== undefined
  if (partitioning === undefined && (aboutHyperplanes || preset === 'paper' || !Object.hasOwn(FDE_PRESETS, preset)))
    return {}
  let bits: number = CODEBOOKS.simHashBits
  while (bits > 4 && (CODEBOOKS.repetitions << bits) * options.dim > MAX_FDE_LENGTH) bits--
  return { partitioning: 'centroids', repetitions: CODEBOOKS.repetitions, simHashBits: bits, aggregation: 'peak' }
}

/** `[repetitions × 2^k × dim]` in steps of 1/127. `rows` are prepared tokens. */
async function learnCentroids(
  rows: Float32Array,
  config: FdeConfig,
  signal: AbortSignal | undefined,
): Promise<Int8Array> {
  const { repetitions, simHashBits, dim, seed } = config
  const cells = 2 ** simHashBits
  const one: FdeConfig = { ...config, repetitions: 1 }
  const out = new Int8Array(repetitions * cells * dim)
  for (let r = 0; r < repetitions; r++) {
    const random = stream(seed, STREAM.simHash, FIRST_STREAM + r)
    const sample = unitSample(rows, dim, cells * TOKENS_EACH, random)
    const count = sample.length / dim
    let centroids: Float32Array = Float32Array.from({ length: cells * dim }, (_, i) => sample[i % sample.length] ?? 0)
    for (let round = 0; round < ROUNDS; round++) {
      const sums = new Float64Array(cells * dim)
      const codebook = new Codebooks(centroids, one)
      for (let from = 0; from < count; from += SLICE) {
        const tokens = sample.subarray(from * dim, Math.min(count, from + SLICE) * dim)
        nearest(codebook, tokens, dim).forEach((cell, token) => {
          for (let k = 0; k < dim; k++) sums[cell * dim + k]! += tokens[token * dim + k]!
        })
        await nextTurn()
        signal?.throwIfAborted()
      }
      centroids = unitRows(sums, dim, centroids)
    }
    centroids.forEach((value, i) => (out[r * cells * dim + i] = Math.round(value * CENTROID_UNIT)))
  }
  return out
}

const owner = {}

/** The most similar centroid of each token. */
function nearest(codebook: Codebooks, tokens: Float32Array, dim: number): Uint16Array {
  const count = tokens.length / dim
  const rows = codebook.bytes
  const bits = align16(rows + tokens.byteLength)
  const scratch = align16(bits + count * 2 + 16)
  workspace.claim(owner, scratch + codebook.scratchBytes + 64)
  const { kernels } = workspace
  codebook.load(kernels, 0)
  new Float32Array(kernels.buffer, rows, tokens.length).set(tokens)
  codebook.assign(kernels, 0, rows, count, 1, bits, scratch)
  return new Uint16Array(kernels.buffer, bits, count).slice()
}

function concatenate(documents: readonly TokenEmbeddings[], dim: number, tokens: number): Float32Array {
  const rows = new Float32Array(tokens * dim)
  let at = 0
  for (const { data, length } of documents) {
    rows.set(data.subarray(0, length * dim), at)
    at += length * dim
  }
  return rows
}

/** At most `count` rows in random order, unit length; zero rows are left out. */
function unitSample(rows: Float32Array, dim: number, count: number, random: (i: number) => number): Float32Array {
  const order = Array.from({ length: rows.length / dim }, (_, i) => i)
  const out = new Float32Array(Math.min(count, order.length) * dim)
  let kept = 0
  for (let i = 0; i < order.length && kept < out.length; i++) {
    const j = i + scaleU32(random(i), order.length - i)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
    const row = rows.subarray(order[i]! * dim, (order[i]! + 1) * dim)
    const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
    if (norm < 1e-6) continue
    row.forEach((x, k) => (out[kept + k] = x / norm))
    kept += dim
  }
  return out.subarray(0, kept)
}

/** A centroid that is nearest to no token stays where it was. */
function unitRows(sums: Float64Array, dim: number, before: Float32Array): Float32Array {
  const out = new Float32Array(before)
  for (let at = 0; at < sums.length; at += dim) {
    let square = 0
    for (let k = at; k < at + dim; k++) square += sums[k]! * sums[k]!
    if (square === 0) continue
    for (let k = at; k < at + dim; k++) out[k] = sums[k]! / Math.sqrt(square)
  }
  return out
}

/** The direction with the largest mean square, by power iteration. */
function principalDirection(rows: Float32Array, dim: number): Float32Array {
  const count = rows.length / dim
  const step = Math.max(1, Math.floor(count / DIRECTION_TOKENS))
  let direction = unit(rows.slice(0, dim).map((x, i) => x + (i === 0 ? 1e-3 : 0)))
  for (let round = 0; round < DIRECTION_ROUNDS; round++) {
    const next = new Float64Array(dim)
    for (let row = 0; row < count; row += step) {
      let along = 0
      for (let k = 0; k < dim; k++) along += rows[row * dim + k]! * direction[k]!
      for (let k = 0; k < dim; k++) next[k]! += along * rows[row * dim + k]!
    }
    direction = unit(next)
  }
  return direction
}

function unit(vector: Float32Array | Float64Array): Float32Array {
  const norm = Math.sqrt((vector as Float64Array).reduce((sum, x) => sum + x * x, 0))
  return Float32Array.from(vector, (x) => (norm > 0 ? x / norm : 0))
}

/** rows −= (row · direction) direction, in place. */
function remove(rows: Float32Array, direction: Float32Array): void {
  const dim = direction.length
  for (let at = 0; at < rows.length; at += dim) {
    let along = 0
    for (let k = 0; k < dim; k++) along += rows[at + k]! * direction[k]!
    for (let k = 0; k < dim; k++) rows[at + k]! -= along * direction[k]!
  }
}

function subtract(rows: Float32Array, mean: Float32Array): void {
  rows.forEach((x, i) => (rows[i] = x - mean[i % mean.length]!))
}
