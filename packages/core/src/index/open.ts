import { isDeepStrictEqual } from 'node:util'
import { checkInteger, checkOptions, describe } from '../options.js'
import { SerotineError } from '../errors.js'
import { FDE_PRESETS, checkFdeOptions, resolveFdeConfig } from '../fde/config.js'
import type { FdeConfig, FdeOptions } from '../fde/config.js'
import { withLearnedPartitions } from '../fde/learn.js'
import { TOKEN_CODECS } from '../store/records.js'
import type { IndexStore } from '../embedded/commit/index-files.js'
import type { InitialManifest } from '../embedded/format/manifest.js'
import type { OpenOptions } from './multi-vector-index.js'
import { checkStage, needsFdes } from './search.js'
import type { StageChoice } from './search.js'

export interface CheckedOpen {
  readonly folder: string | undefined
  readonly readonly: boolean
  readonly create: boolean
  readonly firstStage: StageChoice
}

const OPTIONS = ['model', 'dim', 'readonly', 'create', 'codec', 'fde', 'firstStage', 'hnswlib', 'onWarning']

/** @throws UNKNOWN_OPTION, INVALID_ARGUMENT, DIM_MISMATCH */
export function checkOpen(folder: unknown, options: OpenOptions): CheckedOpen {
  if (folder !== undefined && (typeof folder !== 'string' || folder === '')) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `The folder must be a path, or ':memory:' or undefined for an index in memory; got ${describe(folder)}.`,
    )
  }
  checkOptions('MultiVectorIndex.open()', options, OPTIONS, {
    readOnly: 'readonly',
    read_only: 'readonly',
    encoder: 'model',
    dimension: 'dim',
    ann: 'firstStage',
    stage: 'firstStage',
    muvera: 'fde',
  })
  const { model, dim, readonly = false, create = true, codec, fde, firstStage = 'auto', onWarning } = options
  for (const [name, value] of Object.entries({ readonly, create })) {
    if (typeof value !== 'boolean') {
      throw new SerotineError('INVALID_ARGUMENT', `${name} must be true or false, got ${describe(value)}.`)
    }
  }
  if (model !== undefined && typeof model?.encodeQueries !== 'function') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `model must be a loaded model like \`await ColBERT.load()\`, got ${describe(model)}.`,
    )
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
  checkStage('firstStage', firstStage)
  if (fde === false && needsFdes(firstStage)) {
    const message = `firstStage ${describe(firstStage)} needs FDEs, but fde is false. Leave out one of them.`
    throw new SerotineError('INVALID_ARGUMENT', message)
  }
  if (onWarning !== undefined && typeof onWarning !== 'function') {
    throw new SerotineError('INVALID_ARGUMENT', `onWarning must be a function, got ${describe(onWarning)}.`)
  }
  if (fde !== undefined && fde !== false) planned(fdeOptions(fde), model?.dim ?? dim ?? 128)
  const inMemory = folder === undefined || folder === ':memory:'
  if (inMemory && readonly) {
    throw new SerotineError('INVALID_ARGUMENT', 'An index in memory cannot be opened readonly: it would stay empty.')
  }
  return { folder: inMemory ? undefined : (folder as string), readonly, create, firstStage }
}

/** What a new index starts with. */
export function initialManifest({
  model,
  dim,
  codec = 'int8',
  fde,
  firstStage = 'auto',
}: OpenOptions): InitialManifest {
  // Encodings take twice as long as the embedded model does, so they are made only where they will be used.
  const wanted = fde ?? (needsFdes(firstStage) ? 'compact' : false)
  return {
    codec,
    dim: model?.dim ?? dim ?? null,
    model: model ? { name: model.name, fingerprint: model.fingerprint } : null,
    fde: wanted === false ? null : { options: fdeOptions(wanted), learned: null, suitability: null },
  }
}

/** What the index in the folder is must not contradict what was asked for. @throws INDEX_MISMATCH naming both */
export function checkStored(
  { manifest, folder }: IndexStore,
  { model, dim, codec, fde, firstStage = 'auto' }: OpenOptions,
): void {
  const where = folder ?? 'in memory'
  const remedy = 'Build another index in another folder, or open it with the settings it has.'
  if (model && manifest.model && model.fingerprint !== manifest.model.fingerprint) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} was built with ${manifest.model.name} (${manifest.model.fingerprint.slice(0, 12)}), not ` +
        `${model.name} (${model.fingerprint.slice(0, 12)}): their vectors cannot be compared. Load that model, with the same ` +
        'options, or build another index.',
    )
  }
  const wanted = model?.dim ?? dim
  if (wanted !== undefined && manifest.dim !== null && wanted !== manifest.dim) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} holds vectors of dimension ${manifest.dim}, ` +
        `${model ? `the model ${model.name} makes` : 'dim says'} ${wanted}. ${remedy}`,
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
  const found = manifest.fde?.options
  if (fde === false || found === undefined) {
    if (fde === false && found === undefined) return
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${where} was made ${found ? 'with' : 'without'} FDEs, not ${found ? 'without' : 'with'}. ${remedy}`,
    )
  }
  const asked = planned(fdeOptions(fde), manifest.dim ?? 128)
  // What the FDEs were made with, which a preset of the same name may no longer mean.
  const learned = manifest.fde?.learned
  const has = learned
    ? { partitioning: 'hyperplanes', ...learned.config, prepare: found.prepare ?? 'auto' }
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

function fdeOptions(fde: NonNullable<Exclude<OpenOptions['fde'], false>>): FdeOptions {
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
