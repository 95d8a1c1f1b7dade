import { isDeepStrictEqual } from 'node:util'
import { SerotineError } from '../errors.js'
import type { OnWarning } from '../errors.js'
import { FDE_PRESETS, checkFdeOptions, resolveFdeConfig } from '../fde/config.js'
import type { FdeConfig, FdeOptions, FdePreset } from '../fde/config.js'
import { withLearnedPartitions } from '../fde/learn.js'
import { checkInteger, checkOptions, describe } from '../options.js'
import { checkFirstStage } from '../store/first-stage.js'
import { checkKeywords } from '../store/keywords.js'
import type { KeywordSettings } from '../store/keywords.js'
import { TOKEN_CODECS } from '../store/records.js'
import type { TokenCodec } from '../store/records.js'
import type { CollectionSpec, FirstStage } from '../store/store.js'
import type { InitialManifest, Manifest } from './format/manifest.js'
import { COMPRESS_TOKENS, GRAPH_NUMBERS } from './stages/plan.js'
import type { HnswlibSource } from './stages/hnsw/hnswlib.js'
import { FIRST_STAGES } from './stages/registry.js'

/** How a folder is opened or a collection in it made. */
export interface EmbeddedOptions {
  /** Name and fingerprint of the model a new collection is for. Default: those of the first vectors a model makes. */
  model?: { readonly name: string; readonly fingerprint: string; readonly dim: number } | undefined
  /** Components per token of a new collection. Default: the model's, else that of the first embeddings. */
  dim?: number | undefined
  /** Snapshot of the last commit; works while another process writes. Default false. */
  readonly?: boolean | undefined
  /** Create the collection if it does not exist. Default true. */
  create?: boolean | undefined
  /**
   * How token vectors are stored in a new collection. Default `int8`. `residual`: as int8 at first; where there are many, and where that was measured
   * to rank them nearly alike, a centroid and a bit a component take their place, a sixth of the bytes.
   */
  codec?: TokenCodec | undefined
  /**
   * Fixed-dimensional encodings of a new collection: a preset or its fields. Default: `compact` where `firstStage` is `muvera`, `fde`
   * or `hnsw`, else none (false), and no search by MUVERA.
   */
  fde?: FdePreset | FdeOptions | false | undefined
  /**
   * How candidates are found. Default `auto`: everything is scored exactly in small collections and behind selective filters,
   * else by centroid codes. `muvera`: the FDEs are scanned, in large collections walked by hnswlib-node where it is installed.
   */
  firstStage?: FirstStage | undefined
  /**
   * Whether documents can be found by their words, too (`search(query, { hybrid: true })`), and the language whose word forms are told apart: true,
   * false or `{ language }`. Takes about 300 bytes for each document of 100 words. An index that was made otherwise changes with the next `upsert()` or
   * `prepare()`. Default: as the index was made, `{ language: 'english' }` for a new one.
   */
  keywords?: boolean | Partial<KeywordSettings> | undefined
  /** The `hnswlib-node` module or a function that imports it, where a bundler hides it. */
  hnswlib?: HnswlibSource | undefined
  onWarning?: OnWarning | undefined
  /**
   * A new segment of files is begun when the vectors of the last one reach this many bytes: so much room a step of a compaction takes. Default
   * 64 MiB, or a 32nd of all vectors where that is more.
   */
  segmentBytes?: number | undefined
  /**
   * Share of the bytes of texts and vectors that deleted and replaced documents take up, from which they are freed: in the background after
   * changes, and by `prepare`, in files of which half as much is dead. False: by `compact` only. Default 0.5.
   */
  compactAt?: number | false | undefined
  /** Not for fewer bytes than these. Default 16 MB. */
  compactBytes?: number | undefined
  /** With `muvera`, a graph is built from this many FDE numbers (documents × numbers each) on. Default 250,000,000. */
  graphNumbers?: number | undefined
  /** With codec `residual`, vectors are compressed from so many tokens on. Default 250,000. */
  compressTokens?: number | undefined
}

/** Options whose form has been checked; undefined: nothing was said, and what is in the folder decides. */
export interface CheckedEmbedded extends Pick<
  EmbeddedOptions,
  'model' | 'dim' | 'codec' | 'hnswlib' | 'onWarning' | 'segmentBytes'
> {
  readonly folder: string | undefined
  readonly readonly: boolean
  readonly create: boolean
  readonly fde: FdeOptions | false | undefined
  readonly firstStage: FirstStage
  readonly keywords: KeywordSettings | false | undefined
  readonly graphNumbers: number
  readonly compactAt: number | false
  readonly compactBytes: number
  readonly compressTokens: number
}

/** Bytes of deleted documents that are not worth rewriting files for. */
const COMPACT_BYTES = 16_000_000

const OPTIONS = [
  'model',
  'dim',
  'readonly',
  'create',
  'codec',
  'fde',
  'firstStage',
  'keywords',
  'hnswlib',
  'onWarning',
  'segmentBytes',
  'graphNumbers',
  'compactAt',
  'compactBytes',
  'compressTokens',
]

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT, DIM_MISMATCH */
export function checkEmbedded(call: string, folder: unknown, options: EmbeddedOptions): CheckedEmbedded {
  if (folder !== undefined && (typeof folder !== 'string' || folder === '')) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The folder must be a path, or ':memory:' or undefined for an index in memory; got ${describe(folder)}.`,
    )
  }
  checkOptions(call, options, OPTIONS, {
    readOnly: 'readonly',
    read_only: 'readonly',
    encoder: 'model',
    dimension: 'dim',
    ann: 'firstStage',
    stage: 'firstStage',
    muvera: 'fde',
    hybrid: 'keywords',
    bm25: 'keywords',
  })
  const { model, dim, readonly = false, create = true, codec, firstStage = 'auto', onWarning } = options
  for (const [name, value] of Object.entries({ readonly, create })) {
    if (typeof value !== 'boolean') {
      throw new SerotineError('INVALID_ARGUMENT', `${name} must be true or false, got ${describe(value)}.`)
    }
  }
  if (dim !== undefined) checkInteger('dim', dim, 1)
  if (dim !== undefined && model && model.dim !== dim) {
    throw new SerotineError(
      'DIM_MISMATCH',
      `dim is ${dim}, but the model ${model.name} has dimension ${model.dim}. Leave out dim.`,
    )
  }
  if (codec !== undefined && !TOKEN_CODECS.includes(codec)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `codec must be one of ${TOKEN_CODECS.join(', ')}; got ${describe(codec)}.`,
    )
  }
  checkFirstStage(firstStage, FIRST_STAGES)
  if (options.fde === false && needsFdes(firstStage)) {
    const message = `firstStage ${describe(firstStage)} needs FDEs, but fde is false. Leave out one of them.`
    throw new SerotineError('INVALID_ARGUMENT', message)
  }
  checkOnWarning(onWarning)
  const fde = options.fde === undefined || options.fde === false ? options.fde : fdeOptions(options.fde)
  if (fde) planned(fde, model?.dim ?? dim ?? 128)
  const inMemory = folder === undefined || folder === ':memory:'
  if (inMemory && readonly) {
    throw new SerotineError('INVALID_ARGUMENT', 'An index in memory cannot be opened readonly: it would stay empty.')
  }
  const { hnswlib, segmentBytes, graphNumbers = GRAPH_NUMBERS, compressTokens = COMPRESS_TOKENS } = options
  if (segmentBytes !== undefined) checkInteger('segmentBytes', segmentBytes, 1)
  checkInteger('graphNumbers', graphNumbers, 0)
  const { compactAt = 0.5, compactBytes = COMPACT_BYTES } = options
  if (compactAt !== false && !(typeof compactAt === 'number' && compactAt > 0 && compactAt <= 1)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `compactAt must be a share above 0 and up to 1, or false; got ${describe(compactAt)}.`,
    )
  }
  checkInteger('compactBytes', compactBytes, 0)
  checkInteger('compressTokens', compressTokens, 1)
  return {
    folder: inMemory ? undefined : folder,
    model,
    dim,
    readonly,
    create,
    codec,
    fde,
    firstStage,
    keywords: checkKeywords(options.keywords),
    hnswlib,
    onWarning,
    segmentBytes,
    graphNumbers,
    compactAt,
    compactBytes,
    compressTokens,
  }
}

/** @throws INVALID_ARGUMENT */
export function checkOnWarning(onWarning: unknown): void {
  if (onWarning === undefined || typeof onWarning === 'function') return
  throw new SerotineError('INVALID_ARGUMENT', `onWarning must be a function, got ${describe(onWarning)}.`)
}

/** Whether a stage looks through FDEs, so that a collection without them cannot serve it. */
function needsFdes(firstStage: FirstStage): boolean {
  return firstStage === 'muvera' || firstStage === 'fde' || firstStage === 'hnsw'
}

/** What a new collection starts with. */
export function initialManifest({
  model,
  dim,
  codec = 'int8',
  fde,
  firstStage,
  keywords,
}: CheckedEmbedded): InitialManifest {
  // FDEs take twice as long as the embedded model does, so they are made only where they will be used.
  const wanted = fde ?? (needsFdes(firstStage) && { preset: 'compact' })
  return {
    codec,
    dim: model?.dim ?? dim ?? null,
    model: model ? { name: model.name, fingerprint: model.fingerprint } : null,
    fde: wanted || null,
    ...(keywords !== undefined && { keywords }),
  }
}

/** What is in the folder must not contradict what was asked for. @throws INDEX_MISMATCH naming both */
export function checkFound(
  where: string,
  manifest: Manifest,
  { dim, codec, fde, firstStage }: CheckedEmbedded,
  spec: CollectionSpec,
): void {
  const remedy = 'Build another index in another folder, or open it with the settings it has.'
  if (dim !== undefined && manifest.dim !== null && dim !== manifest.dim) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} holds vectors of dimension ${manifest.dim}, dim says ${dim}. ${remedy}`,
    )
  }
  if (codec !== undefined && codec !== manifest.codec) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} stores its vectors as ${manifest.codec}, not ${codec}. ${remedy}`,
    )
  }
  if (!manifest.fde && needsFdes(firstStage)) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} was made without FDEs, which firstStage ${describe(firstStage)} needs. Open it with 'auto', or build ` +
        'another index in another folder.',
    )
  }
  if (fde === undefined) return
  const found = manifest.fde
  if (fde === false || found === null) {
    if (fde === false && found === null) return
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} was made ${found ? 'with' : 'without'} FDEs, not ${found ? 'without' : 'with'}. ${remedy}`,
    )
  }
  const asked = planned(fde, manifest.dim ?? 128)
  // What the FDEs were made with, which a preset of the same name may no longer mean.
  const config = spec.fde?.config
  const has = config
    ? { partitioning: 'hyperplanes', ...config, prepare: found.prepare ?? 'auto' }
    : planned(found, manifest.dim ?? 128)
  if (isDeepStrictEqual(has, asked)) return
  const names = [...new Set(Object.keys({ ...has, ...asked }) as (keyof FdeConfig)[])].filter(
    (name) => has[name] !== asked[name],
  )
  throw new SerotineError(
    'INDEX_MISMATCH',
    `The FDEs of the index ${where} have ${names.map((name) => `${name} ${has[name]}, not ${asked[name]}`).join('; ')}. ` +
      `${remedy}`,
  )
}

function fdeOptions(fde: FdePreset | FdeOptions): FdeOptions {
  const options = typeof fde === 'string' ? { preset: fde } : fde
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `fde must be ${Object.keys(FDE_PRESETS).join(', ')}, an object of FDE options, or false for none; got ${describe(fde)}.`,
    )
  }
  checkFdeOptions('The fde of MultiVectorIndex.open()', options)
  if ('dim' in options) {
    throw new SerotineError(
      'UNKNOWN_OPTION',
      'fde has no option "dim": FDEs have the dimension of the token vectors. Did you mean "finalDim"?',
    )
  }
  if (options.prepare === 'center') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      "An index has no queries to compute the mean that prepare: 'center' needs. Use 'auto' or 'deflate'.",
    )
  }
  return options
}

/** The config options come to, leaving out what the collection decides. */
function planned(options: FdeOptions, dim: number): Omit<FdeConfig, 'prepare'> & { prepare: FdeOptions['prepare'] } {
  const config = resolveFdeConfig(withLearnedPartitions({ ...options, dim }))
  return { partitioning: 'hyperplanes', ...config, prepare: options.prepare ?? 'auto' }
}
