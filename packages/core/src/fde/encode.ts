import { SerotineError } from '../errors.js'
import { checkOptions } from '../options.js'
import { checkEmbeddings } from '../embeddings.js'
import type { TokenEmbeddings } from '../embeddings.js'
import type { Kernels } from '../math/kernels.js'
import { blocksOf, packLanes } from '../math/pack.js'
import { GENERATOR_VERSION, STREAM, binomial, fmix32, stream } from '../math/random.js'
import { workspace as sharedWorkspace } from '../math/workspace.js'
import type { Workspace } from '../math/workspace.js'
import { Codebooks } from './codebooks.js'
import { FDE_FIELDS, checkFdeConfig, fdeLength } from './config.js'
import type { FdeConfig } from './config.js'
import { emptyPartitionSources, partitionIds } from './partitions.js'
import { checkMatrix, checkMatrixNames, linearMap, simHashMatrix } from './matrices.js'
import type { FdeMatrices } from './matrices.js'
import { residentLayout, workingLayout } from './layout.js'
import type { WorkingLayout } from './layout.js'

/** What an encoder knows of a collection. */
export interface FdeMeans {
  /** Mean document token, `[dim]`, for `deflate` and `center`. */
  document?: Float32Array | undefined
  /** Mean query token, `[dim]`, for `center`. */
  query?: Float32Array | undefined
  /** Further directions that `deflate` takes out: unit length, orthogonal to the mean and to each other, `[count × dim]`. */
  directions?: Float32Array | undefined
  /** For `partitioning: 'centroids'`: `[repetitions × 2^simHashBits × dim]`, unit length in steps of 1/127. */
  centroids?: Int8Array | undefined
}

/** With those of `CollectionMeans`, which may be handed on as they are. */
const MEANS = ['document', 'query', 'directions', 'centroids', 'meanNorm', 'tokens']

/** Where the tokens of one text fell; for tests, explanations and statistics. */
export interface FdePartitions {
  /** Partition of each token, `[repetitions × tokens]`. */
  partitions: Int32Array
  /** Token copied into each empty partition, `[repetitions × 2^k]`, −1 where none was (always −1 for queries). */
  fillSources: Int32Array
}

/**
 * Token embeddings → one fixed-dimensional encoding (FDE), such that the inner product of a query's and a document's FDE
 * approximates `repetitions` × MaxSim (MUVERA, arXiv:2405.19504; layout and tie rules of Google's reference implementation,
 * graph-mining `sketching/point_cloud`). Compare FDEs by inner product; normalising them changes the ranking.
 *
 * Matrices come from `config.seed` unless given. The same config, matrices and means give the same numbers on every machine.
 *
 * @example
 * const encoder = new FdeEncoder(resolveFdeConfig({ dim: 128 }))
 * const score = dot(encoder.encodeQuery(query), encoder.encodeDocument(document))
 *
 * @example
 * // with explicit matrices, e.g. to reproduce another implementation
 * new FdeEncoder(
 *   resolveFdeConfig({ dim: 64, preset: 'paper', repetitions: 5, simHashBits: 4, projection: 'sparse', projectionDim: 8 }),
 *   { simhash, projection }, // [5 × 64 × 4], [5 × 64 × 8]
 * )
 */
export class FdeEncoder {
  readonly config: FdeConfig
  /** Numbers in an encoding. */
  readonly outputDim: number
  readonly #workspace: Workspace
  readonly #planes: Float32Array
  readonly #map: ReturnType<typeof linearMap>
  readonly #ids: Int32Array
  readonly #means: ReturnType<typeof preparationVectors>
  readonly #codebooks: Codebooks | undefined
  readonly #centroids: Int8Array | undefined
  readonly #resident: ReturnType<typeof residentLayout>
  #fingerprint: string | undefined

  /** @throws INVALID_ARGUMENT, UNKNOWN_OPTION, EMBEDDINGS_SHAPE when a matrix or mean has the wrong size, NOT_FINITE */
  constructor(
    config: FdeConfig,
    matrices: FdeMatrices = {},
    means: FdeMeans = {},
    workspace: Workspace = sharedWorkspace,
  ) {
    checkOptions('The config of an FdeEncoder', config, FDE_FIELDS)
    checkFdeConfig(config)
    checkMatrixNames(matrices)
    checkOptions('The means of an FdeEncoder', means, MEANS, {
      documents: 'document',
      queries: 'query',
    })
    this.config = config
    this.outputDim = fdeLength(config)
    this.#workspace = workspace
    const { dim, repetitions, simHashBits } = config
    const learned = config.partitioning === 'centroids'
    if (learned) {
      this.#centroids = means.centroids
      this.#codebooks = new Codebooks(means.centroids, config)
      this.#planes = new Float32Array()
    } else {
      const simhash = matrices.simhash ?? simHashMatrix(config)
      checkMatrix('simhash', simhash, repetitions * dim * simHashBits, 'repetitions × dim × simHashBits')
      this.#planes = packLanes(planesAsRows(simhash, config), repetitions * simHashBits, dim)
    }
    this.#map = linearMap(config, matrices)
    this.#ids = partitionIds(simHashBits, learned ? 'plain' : config.code)
    this.#means = preparationVectors(config, means)
    const planeBytes = this.#codebooks?.bytes ?? this.#planes.byteLength
    this.#resident = residentLayout(planeBytes, this.#ids, this.#map, dim, this.#means.directions?.length ?? 0)
  }

  /**
   * A query's FDE: each partition holds the sum of its tokens. No tokens give zeros.
   *
   * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE naming the row
   */
  encodeQuery(query: TokenEmbeddings): Float32Array {
    checkEmbeddings(query, this.config.dim, 'the query')
    return this.#encode(query, true)
  }

  /**
   * A document's FDE: each partition holds its tokens' sum, divided as `config.aggregation` says. No tokens give zeros, and no
   * partition is filled then; such a document should not be returned from a search, as 0 can beat a negative score.
   *
   * @throws DIM_MISMATCH, EMBEDDINGS_SHAPE, NOT_FINITE naming the row
   */
  encodeDocument(document: TokenEmbeddings): Float32Array {
    checkEmbeddings(document, this.config.dim, 'the document')
    return this.#encode(document, false)
  }

  /** Where each token falls. The bits come from the prepared tokens. */
  partitions(embeddings: TokenEmbeddings, kind: 'query' | 'document'): FdePartitions {
    checkEmbeddings(embeddings, this.config.dim, `the ${kind}`)
    const { repetitions, simHashBits } = this.config
    const found: FdePartitions = {
      partitions: new Int32Array(repetitions * embeddings.length),
      fillSources: new Int32Array(repetitions << simHashBits).fill(-1),
    }
    if (embeddings.length > 0) this.#encode(embeddings, kind === 'query', found)
    return found
  }

  /**
   * Sixteen hexadecimal digits that change whenever this encoder would give other numbers: a hash of the config and of both
   * FDEs of a fixed text. Store it with the FDEs and compare it before use.
   */
  get fingerprint(): string {
    return (this.#fingerprint ??= this.#computeFingerprint())
  }

  #encode(embeddings: TokenEmbeddings, isQuery: boolean, found?: FdePartitions): Float32Array {
    const { length: tokens, dim, data } = embeddings
    const { repetitions, simHashBits } = this.config
    const out = new Float32Array(this.outputDim)
    if (tokens === 0) return out

    const buckets = repetitions << simHashBits
    const blocks = blocksOf(repetitions * simHashBits)
    const scratchBytes = this.#codebooks?.scratchBytes ?? 0
    const area = workingLayout(this.#resident.end, this.config, tokens, blocks, this.#map, this.outputDim, scratchBytes)
    const kernels = this.#load(area.end)
    const f32 = (at: number, count: number): Float32Array => new Float32Array(kernels.buffer, at, count)
    const i32 = (at: number, count: number): Int32Array => new Int32Array(kernels.buffer, at, count)

    f32(area.rows, tokens * dim).set(data)
    this.#prepare(kernels, area.rows, tokens, isQuery)
    const { planes } = this.#resident
    if (this.#codebooks) this.#codebooks.assign(kernels, planes, area.rows, tokens, blocks, area.bits, area.scratch)
    else kernels.signBits(planes, blocks, dim, area.rows, tokens, area.bits)
    f32(area.sums, buckets * dim).fill(0)
    i32(area.counts, buckets).fill(0)
    kernels.accumulate(
      area.bits,
      blocks,
      simHashBits,
      repetitions,
      this.#resident.ids,
      area.rows,
      tokens,
      dim,
      area.sums,
      area.counts,
      area.partitions,
    )
    const partitions = i32(area.partitions, repetitions * tokens)
    const counts = i32(area.counts, buckets)
    const weights = f32(area.weights, buckets)
    if (isQuery) weights.forEach((_, b) => (weights[b] = counts[b]! > 0 ? 1 : 0))
    else {
      this.#weigh(kernels, area, buckets, largestMagnitude(data))
      if (this.config.aggregation === 'peak')
        multiplyByLongest(f32(area.rows, tokens * dim), partitions, weights, repetitions)
      const sources = this.#fill(
        f32(area.rows, tokens * dim),
        partitions,
        tokens,
        counts,
        weights,
        f32(area.sums, buckets * dim),
      )
      found?.fillSources.set(sources ?? [])
    }
    found?.partitions.set(partitions)

    f32(area.out, this.outputDim).fill(0)
    this.#spread(kernels, area, buckets)
    out.set(f32(area.out, this.outputDim))
    return out
  }

  /** Claims the workspace and makes sure the matrices are in it. */
  #load(bytes: number): Kernels {
    const kept = this.#workspace.claim(this, bytes)
    const { kernels } = this.#workspace
    if (kept) return kernels
    const at = this.#resident
    if (this.#codebooks) this.#codebooks.load(kernels, at.planes)
    else new Float32Array(kernels.buffer, at.planes).set(this.#planes)
    new Int32Array(kernels.buffer, at.ids).set(this.#ids)
    new Int32Array(kernels.buffer, at.targets).set(this.#map.targets)
    new Float32Array(kernels.buffer, at.signs).set(this.#map.signs)
    if (this.#map.dense) new Float32Array(kernels.buffer, at.dense).set(this.#map.dense.matrix)
    if (this.#means.document) new Float32Array(kernels.buffer, at.documentMean).set(this.#means.document)
    if (this.#means.query) new Float32Array(kernels.buffer, at.queryMean).set(this.#means.query)
    if (this.#means.directions) new Float32Array(kernels.buffer, at.directions).set(this.#means.directions)
    return kernels
  }

  #prepare(kernels: Kernels, rows: number, tokens: number, isQuery: boolean): void {
    const { prepare, dim } = this.config
    if (prepare === 'deflate') {
      const { documentMean, directions } = this.#resident
      kernels.deflate(rows, tokens, dim, documentMean)
      for (let i = 0; i < (this.#means.directions?.length ?? 0); i += dim)
        kernels.deflate(rows, tokens, dim, directions + i * 4)
    }
    if (prepare === 'center') {
      kernels.subtract(rows, tokens, dim, isQuery ? this.#resident.queryMean : this.#resident.documentMean)
    }
  }

  /** One factor per partition of a document; 0 for empty ones. */
  #weigh(kernels: Kernels, area: WorkingLayout, buckets: number, magnitude: number): void {
    const { aggregation, gamma, dim, prepare } = this.config
    if (aggregation === 'sphere' || aggregation === 'peak')
      kernels.norms(area.sums, area.counts, buckets, dim, area.weights)
    const counts = new Int32Array(kernels.buffer, area.counts, buckets)
    const weights = new Float32Array(kernels.buffer, area.weights, buckets)
    // A sum this small counts as zero, and so does what f32 rounding leaves of a token that a preparation removed.
    const nothing = prepare === 'none' ? 1e-12 : Math.max(1e-12, 1e-6 * magnitude)
    for (let b = 0; b < buckets; b++) {
      const count = counts[b]!
      if (count === 0) weights[b] = 0
      else if (aggregation === 'mean') weights[b] = 1 / count
      else if (aggregation === 'power') weights[b] = count ** -gamma
      else weights[b] = weights[b]! > nothing ? 1 / weights[b]! : 0
    }
  }

  /** Puts the nearest token into empty partitions, if the config says so; returns which. */
  #fill(
    rows: Float32Array,
    partitions: Int32Array,
    tokens: number,
    counts: Int32Array,
    weights: Float32Array,
    sums: Float32Array,
  ): Int32Array | undefined {
    const { fillEmptyPartitions, simHashBits, repetitions, dim, tie, code } = this.config
    if (!fillEmptyPartitions || simHashBits === 0) return undefined
    const sources = emptyPartitionSources(partitions, tokens, counts, repetitions, simHashBits, code, tie)
    sources.forEach((token, b) => {
      if (token < 0) return
      sums.set(rows.subarray(token * dim, (token + 1) * dim), b * dim)
      weights[b] = 1
    })
    return sources
  }

  /** Partition sums → encoding: inner projection and count sketch. */
  #spread(kernels: Kernels, area: WorkingLayout, buckets: number): void {
    const { dim, repetitions } = this.config
    const { targets, signs, dense } = this.#resident
    const columns = this.#map.dense?.columns
    if (columns === undefined) {
      kernels.scatter(area.sums, area.weights, buckets, dim, targets, signs, area.out)
      return
    }
    const perRepetition = buckets / repetitions
    for (let r = 0; r < repetitions; r++) {
      const first = r * perRepetition
      kernels.project(
        area.sums + first * dim * 4,
        area.weights + first * 4,
        perRepetition,
        dim,
        dense + r * dim * columns * 4,
        columns,
        area.projected + first * columns * 4,
      )
    }
    const weights = new Float32Array(kernels.buffer, area.weights, buckets)
    weights.forEach((weight, b) => (weights[b] = weight === 0 ? 0 : 1)) // project has applied them
    kernels.scatter(area.projected, area.weights, buckets, columns, targets, signs, area.out)
  }

  #computeFingerprint(): string {
    const { dim, seed, ...rest } = this.config
    const next = stream(0, STREAM.simHash, 0)
    const length = 24
    const data = Float32Array.from({ length: length * dim }, (_, i) => binomial(next, i))
    const text = JSON.stringify([GENERATOR_VERSION, dim, seed, rest])
    let [a, b] = [fmix32(text.length), fmix32(dim)]
    const mix = (value: number): void => {
      a = fmix32(Math.imul(a, 31) + value)
      b = fmix32(b ^ Math.imul(value, 0x9e3779b1)) + a
    }
    for (const character of text) mix(character.codePointAt(0)!)
    this.#centroids?.forEach(mix)
    for (const fde of [this.encodeQuery({ data, length, dim }), this.encodeDocument({ data, length, dim })]) {
      new Uint32Array(fde.buffer).forEach(mix)
    }
    return [a, b].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('')
  }
}

/** `[R × dim × k]` → one row per hyperplane, `[R·k × dim]`. */
function planesAsRows(simhash: ArrayLike<number>, { repetitions, dim, simHashBits }: FdeConfig): Float32Array {
  const rows = new Float32Array(repetitions * simHashBits * dim)
  for (let r = 0; r < repetitions; r++) {
    for (let i = 0; i < dim; i++) {
      for (let j = 0; j < simHashBits; j++)
        rows[(r * simHashBits + j) * dim + i] = simhash[(r * dim + i) * simHashBits + j]!
    }
  }
  return rows
}

/** The vectors `#prepare` needs: the unit mean and further directions for `deflate`, both means for `center`. */
function preparationVectors({ prepare, dim }: FdeConfig, means: FdeMeans): Omit<FdeMeans, 'centroids'> {
  if (prepare === 'none') return {}
  const checked = (mean: Float32Array | undefined, name: string): Float32Array => {
    if (!mean)
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `prepare: '${prepare}' needs means.${name}. Estimate it with estimateMeans().`,
      )
    checkEmbeddings({ data: mean, length: 1, dim: mean.length }, dim, `means.${name}`)
    return mean
  }
  const document = checked(means.document, 'document')
  if (prepare === 'center') return { document, query: checked(means.query, 'query') }
  const norm = Math.sqrt(document.reduce((sum, x) => sum + x * x, 0))
  if (norm === 0)
    throw new SerotineError(
      'INVALID_ARGUMENT',
      "means.document is zero, so there is no direction to remove. Use prepare: 'none'.",
    )
  const { directions } = means
  if (directions)
    checkEmbeddings({ data: directions, length: Math.ceil(directions.length / dim), dim }, dim, 'means.directions')
  return { document: document.map((x) => x / norm), directions }
}

/** weights `[repetitions × partitions]` times the square root of the length of the partition's longest token. */
function multiplyByLongest(
  rows: Float32Array,
  partitions: Int32Array,
  weights: Float32Array,
  repetitions: number,
): void {
  const tokens = partitions.length / repetitions
  const dim = rows.length / tokens
  const longest = new Float64Array(weights.length)
  const size = weights.length / repetitions
  for (let token = 0; token < tokens; token++) {
    let square = 0
    for (let i = token * dim; i < (token + 1) * dim; i++) square += rows[i]! * rows[i]!
    for (let r = 0; r < repetitions; r++) {
      const at = r * size + partitions[r * tokens + token]!
      if (square > longest[at]!) longest[at] = square
    }
  }
  // Not `** 0.25`: powers may differ between engines, square roots may not.
  longest.forEach((square, i) => (weights[i]! *= Math.sqrt(Math.sqrt(square))))
}

function largestMagnitude(data: Float32Array): number {
  let largest = 0
  for (let i = 0; i < data.length; i++) {
    const x = Math.abs(data[i]!)
    if (x > largest) largest = x
  }
  return largest
}
