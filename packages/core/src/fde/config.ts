import { SerotineError } from '../errors.js'
import { checkInteger, checkOptions, describe } from '../options.js'

/** Names of ready-made settings; see `FDE_PRESETS`. */
export type FdePreset = 'small' | 'compact' | 'quality' | 'paper'

/**
 * Everything that decides how token embeddings become one fixed-dimensional encoding (FDE), after MUVERA (Dhulipala et al.,
 * arXiv:2405.19504). Two FDEs may be compared only when their configs, and the matrices and means used, are the same.
 */
export interface FdeConfig {
  /** Components per token. */
  readonly dim: number
  /** R_reps: independent random partitions of the space, concatenated. */
  readonly repetitions: number
  /** k_sim: hyperplanes per repetition; tokens fall into 2^k partitions. 0 = one partition. */
  readonly simHashBits: number
  /**
   * What divides the space. `hyperplanes` (published form, the default; left out then): random ones. `centroids`: in each
   * repetition, a token's partition is the most similar of 2^simHashBits directions learned from the collection's own tokens
   * (`learnFde`), so that similar tokens are seldom parted. Does not fill.
   */
  readonly partitioning?: 'hyperplanes' | 'centroids'
  /**
   * How a partition's sum is reduced from `dim` to `projectionDim` numbers. `none` keeps it; `sparse`: one ±1 per row, random
   * column (Google's "AMS sketch"); `balanced`: the same with equally loaded columns; `dense`: ±1 everywhere (the paper).
   */
  readonly projection: 'none' | 'sparse' | 'balanced' | 'dense'
  /** d_proj; ignored with `projection: 'none'`. At or above `dim` nothing is projected. */
  readonly projectionDim: number
  /** Multiplies projected numbers. Default 1/√projectionDim for `dense`, else 1. */
  readonly projectionScale: number
  /**
   * What a document's partition holds (queries always hold the sum): `mean` of its tokens (published form), `power`: sum ÷
   * count^gamma, `sphere`: sum ÷ its length, so that one matching token is not diluted by its neighbours, `peak`: the same times
   * the square root of the length of its longest token, so that tokens of which `deflate` left little stay short.
   */
  readonly aggregation: 'mean' | 'power' | 'sphere' | 'peak'
  /** Exponent of `power`. */
  readonly gamma: number
  /** Give an empty partition of a document the nearest token (in hash bits). Published form; worse on short documents. */
  readonly fillEmptyPartitions: boolean
  /** Equally near tokens: `token` = the first in the text (Google, Weaviate); `cluster` = of the lowest partition (fastembed). */
  readonly tie: 'token' | 'cluster'
  /** Numbering of partitions: `gray` (Google) or `plain` (fastembed, Weaviate). Scores are the same, the layout is not. */
  readonly code: 'gray' | 'plain'
  /** Dimension after a final count sketch; 0 = no sketch. */
  readonly finalDim: number
  /** Seed of the portable generator, 0 … 2³² − 1. */
  readonly seed: number
  /**
   * What happens to tokens before hashing and summing (never to MaxSim): `deflate` removes the component along the mean document
   * token from both sides; `center` subtracts the document mean from documents and the query mean from queries.
   */
  readonly prepare: 'none' | 'deflate' | 'center'
}

/** What of a preset is to be otherwise. Names are those of `FdeConfig`. */
export interface FdeOptions extends Partial<Omit<FdeConfig, 'dim' | 'prepare'>> {
  /** Starting point for whatever is not given. Default `compact`. */
  preset?: FdePreset
  /** Default `auto`: decided from the collection's statistics, see `choosePreparation`. */
  prepare?: FdeConfig['prepare'] | 'auto'
}

type Preset = Omit<FdeConfig, 'dim' | 'prepare' | 'projectionScale'>

const MODERN = {
  repetitions: 20,
  projection: 'none',
  projectionDim: 0,
  aggregation: 'sphere',
  gamma: 0.75,
  fillEmptyPartitions: false,
  tie: 'token',
  code: 'gray',
  seed: 42,
} as const

/**
 * `small`, `compact`, `quality`: no fill, unit-length partitions, no inner projection, one final sketch; 1280, 2560 and 10240
 * numbers per document. An index, and `learnFde`, take learned centroids instead of their hyperplanes. `paper`: the published form,
 * (k, d_proj, R) = (5, 16, 20), for comparisons.
 *
 * Share of the exact MaxSim top 10 among the 100 best FDEs, the embedded default's tokens (128 dimensions, deflated). SciFact:
 * 5,183 documents of 236 tokens on average, and as many pieces of them of 80 and 40 tokens.
 *
 * | tokens | 1280, k = 2 / 3 / 4 / 5 | 2560, k = 2 / 3 / 4 / 5 / 6 | 10240, k = 3 / 4 / 5 / 6 |
 * |---|---|---|---|
 * | 236 | .580 / .623 / .682 / .689 | .589 / .650 / .717 / .766 / .747 | .682 / .757 / .821 / .858 |
 * | 80 | .669 / .729 / .785 / .785 | .689 / .765 / .847 / .857 / .871 | .797 / .868 / .923 / .929 |
 * | 40 | .739 / .814 / .837 / .843 | .764 / .839 / .882 / .903 / .893 | .861 / .913 / .935 / .937 |
 *
 * On SciFact with 2560 numbers, instead of unit-length partitions: their mean .512, sum ÷ count^.75 .558 (k = 3); filling empty
 * partitions .715 against .717 (k = 4); 40 repetitions .654 against .650 (k = 3). `paper` reaches .699 with 10240 numbers.
 */
export const FDE_PRESETS: Readonly<Record<FdePreset, Preset>> = {
  small: { ...MODERN, simHashBits: 4, finalDim: 1280 },
  compact: { ...MODERN, simHashBits: 5, finalDim: 2560 },
  quality: { ...MODERN, simHashBits: 6, finalDim: 10240 },
  paper: {
    ...MODERN,
    simHashBits: 5,
    projection: 'dense',
    projectionDim: 16,
    aggregation: 'mean',
    fillEmptyPartitions: true,
    code: 'plain',
    finalDim: 0,
  },
}

const FIELDS = [
  'repetitions',
  'simHashBits',
  'partitioning',
  'projection',
  'projectionDim',
  'projectionScale',
  'aggregation',
  'gamma',
  'fillEmptyPartitions',
  'tie',
  'code',
  'finalDim',
  'seed',
  'prepare',
] as const

/** Names of everything in an `FdeConfig`. */
export const FDE_FIELDS: readonly string[] = ['dim', ...FIELDS]

const ALIASES = {
  k_sim: 'simHashBits',
  ksim: 'simHashBits',
  kSim: 'simHashBits',
  num_simhash: 'simHashBits',
  r_reps: 'repetitions',
  reps: 'repetitions',
  dim_proj: 'projectionDim',
  dproj: 'projectionDim',
  dprojections: 'projectionDim',
  final_dim: 'finalDim',
  fill_empty: 'fillEmptyPartitions',
  agg: 'aggregation',
  scale: 'projectionScale',
}

/** Numbers in an FDE before the final sketch may not exceed this (2²⁰, as in Weaviate). */
export const MAX_FDE_LENGTH = 1 << 20

/** @throws UNKNOWN_OPTION naming the call */
export function checkFdeOptions(call: string, options: unknown): void {
  checkOptions(call, options, [...FDE_FIELDS, 'preset'], ALIASES)
}

/**
 * Completes and checks the options of an FDE for tokens of `dim` components.
 *
 * A preset's final sketch is left out when the encoding is no longer than it anyway (few dimensions), and its `simHashBits` are
 * fewer where an encoding would pass 1,048,576 numbers (very many dimensions).
 *
 * @param auto what `prepare: "auto"` (the default) stands for: `choosePreparation(estimateMeans(sample))`
 * @throws UNKNOWN_OPTION, INVALID_ARGUMENT
 */
export function resolveFdeConfig(
  options: FdeOptions & { dim: number },
  auto: FdeConfig['prepare'] = 'none',
): FdeConfig {
  checkFdeOptions('resolveFdeConfig', options)
  const name = options.preset ?? 'compact'
  if (!Object.hasOwn(FDE_PRESETS, name)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `FDE preset ${describe(name)} does not exist. Presets: ${Object.keys(FDE_PRESETS).join(', ')}.`,
    )
  }
  const given = Object.fromEntries(
    FIELDS.filter((field) => options[field] !== undefined).map((field) => [field, options[field]]),
  )
  const merged = { ...FDE_PRESETS[name], ...given } as Preset &
    Pick<FdeOptions, 'projectionScale' | 'prepare' | 'partitioning'>
  if (merged.projection !== 'none' && options.projectionDim === undefined && merged.projectionDim === 0) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `projection ${describe(merged.projection)} needs a projectionDim: numbers per partition.`,
    )
  }
  const identity = merged.projection === 'none' || merged.projectionDim <= 0 || merged.projectionDim >= options.dim
  const projectionDim = identity ? 0 : merged.projectionDim
  const config: FdeConfig = {
    dim: options.dim,
    repetitions: merged.repetitions,
    simHashBits: merged.simHashBits,
    // Left out when it is the published form: configs and fingerprints of older indexes stay what they are.
    ...(merged.partitioning !== undefined &&
      merged.partitioning !== 'hyperplanes' && { partitioning: merged.partitioning }),
    projection: identity ? 'none' : merged.projection,
    projectionDim,
    projectionScale:
      merged.projectionScale ?? (merged.projection === 'dense' && !identity ? 1 / Math.sqrt(projectionDim) : 1),
    aggregation: merged.aggregation,
    gamma: merged.gamma,
    fillEmptyPartitions: merged.fillEmptyPartitions,
    tie: merged.tie,
    code: merged.code,
    finalDim: merged.finalDim,
    seed: merged.seed,
    prepare: merged.prepare === undefined || merged.prepare === 'auto' ? auto : merged.prepare,
  }
  const fitted = options.simHashBits === undefined ? fitSimHashBits(config) : config
  checkFdeConfig(fitted)
  const unsketched = options.finalDim === undefined && unsketchedLength(fitted) <= fitted.finalDim
  return unsketched ? { ...fitted, finalDim: 0 } : fitted
}

function fitSimHashBits(config: FdeConfig): FdeConfig {
  let { simHashBits } = config
  while (simHashBits > 0 && unsketchedLength({ ...config, simHashBits }) > MAX_FDE_LENGTH) simHashBits--
  return { ...config, simHashBits }
}

/** @throws INVALID_ARGUMENT naming the field and the value */
export function checkFdeConfig(config: FdeConfig): void {
  checkInteger('dim', config.dim, 1)
  checkInteger('repetitions', config.repetitions, 1, 4096)
  checkInteger('simHashBits', config.simHashBits, 0, 16)
  checkInteger('projectionDim', config.projectionDim, 0)
  checkInteger('finalDim', config.finalDim, 0, MAX_FDE_LENGTH)
  checkInteger('seed', config.seed, 0, 0xffffffff)
  checkOneOf('partitioning', config.partitioning ?? 'hyperplanes', ['hyperplanes', 'centroids'])
  checkOneOf('projection', config.projection, ['none', 'sparse', 'balanced', 'dense'])
  checkOneOf('aggregation', config.aggregation, ['mean', 'power', 'sphere', 'peak'])
  checkOneOf('tie', config.tie, ['token', 'cluster'])
  checkOneOf('code', config.code, ['gray', 'plain'])
  checkOneOf('prepare', config.prepare, ['none', 'deflate', 'center'])
  for (const name of ['gamma', 'projectionScale'] as const) {
    if (!Number.isFinite(config[name]))
      throw new SerotineError('INVALID_ARGUMENT', `${name} must be a number, got ${describe(config[name])}.`)
  }
  if (typeof config.fillEmptyPartitions !== 'boolean') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `fillEmptyPartitions must be true or false, got ${describe(config.fillEmptyPartitions)}.`,
    )
  }
  if (config.partitioning === 'centroids')
    checkInteger("simHashBits with partitioning: 'centroids'", config.simHashBits, 4, 12)
  if (config.partitioning === 'centroids' && config.fillEmptyPartitions) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      "fillEmptyPartitions depends on hyperplanes, so it cannot be used with partitioning: 'centroids'. Leave out one of them.",
    )
  }
  const length = unsketchedLength(config)
  if (length > MAX_FDE_LENGTH) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${config.repetitions} repetitions × 2^${config.simHashBits} partitions × ${partitionWidth(config)} numbers = ${length} ` +
        `exceed ${MAX_FDE_LENGTH}. Use fewer simHashBits or repetitions.`,
    )
  }
}

/** Numbers per partition: `projectionDim`, or `dim` when nothing is projected. */
export function partitionWidth(config: FdeConfig): number {
  const projected = config.projection !== 'none' && config.projectionDim > 0 && config.projectionDim < config.dim
  return projected ? config.projectionDim : config.dim
}

/** Numbers in the encoding before the final sketch. */
export function unsketchedLength(config: FdeConfig): number {
  return config.repetitions * 2 ** config.simHashBits * partitionWidth(config)
}

/** Numbers in the encoding, which an index stores in one byte each. */
export function fdeLength(config: FdeConfig): number {
  return config.finalDim > 0 ? config.finalDim : unsketchedLength(config)
}

function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value === 'string' && allowed.includes(value)) return
  throw new SerotineError('INVALID_ARGUMENT', `${name} must be one of ${allowed.join(', ')}; got ${describe(value)}.`)
}
