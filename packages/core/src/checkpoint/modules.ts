import { normalize, posix } from 'node:path'
import { describe } from '../options.js'
import { SerotineError } from '../errors.js'
import { readJson } from './json-file.js'
import type { JsonFile } from './json-file.js'

/** Modules whose weights are used. */
const USED = ['Transformer', 'Dense']
/** Modules PyLate silently drops because they work on one vector per text; masks and normalisation are built in here. */
const IGNORED = ['Pooling', 'Normalize', 'Dropout', 'LayerNorm', 'MultiVectorMask']

/** One entry of `modules.json`. */
export interface ModuleEntry {
  /** Sub-folder; '' is the root. */
  readonly path: string
  /** Dotted Python class name. */
  readonly type: string
}

/** The modules of a checkpoint, sorted out. */
export interface Modules {
  readonly all: readonly ModuleEntry[]
  /** Folder of the encoder; '' is the root. */
  readonly transformer: string
  readonly dense: readonly ModuleEntry[]
  /** Saved by Sentence Transformers 6 `MultiVectorEncoder`, whose configuration is laid out differently. */
  readonly multiVector: boolean
  readonly layout: 'pylate' | 'sentence-transformers'
}

/**
 * Reads `modules.json`; undefined when there is none. Types are matched by the last part of the class name.
 *
 * @throws MODEL_UNSUPPORTED naming an unknown module, MODEL_CORRUPT
 */
export async function readModules(folder: string, settings: JsonFile): Promise<Modules | undefined> {
  const json = await readJson(folder, 'modules.json')
  if (json === undefined) return undefined
  if (!Array.isArray(json))
    throw new SerotineError('MODEL_CORRUPT', `${folder}/modules.json must hold a list, got ${describe(json)}.`)
  const all = json.map((entry: unknown) => parseEntry(folder, entry))
  const unknown = all.find(({ type }) => ![...USED, ...IGNORED].includes(lastPart(type)))
  if (unknown) {
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${folder}/modules.json has a module "${unknown.type}". Supported: ${USED.join(', ')}; ` +
        `ignored as in PyLate: ${IGNORED.join(', ')}.` +
        (lastPart(unknown.type).endsWith('TokenPooling')
          ? ' Token pooling is an option of encodeDocuments: poolFactor.'
          : ''),
    )
  }
  const transformers = all.filter(({ type }) => lastPart(type) === 'Transformer')
  if (transformers.length !== 1) {
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${folder}/modules.json has ${transformers.length} Transformer modules. Supported: one.`,
    )
  }
  const modelType = settings.string('model_type')
  const pylate = modelType === 'ColBERT' || all.some(({ type }) => type.startsWith('pylate.'))
  return {
    all,
    transformer: transformers[0]!.path,
    dense: all.filter(({ type }) => lastPart(type) === 'Dense'),
    multiVector: modelType === 'MultiVectorEncoder' || all.some(({ type }) => lastPart(type) === 'MultiVectorMask'),
    layout: pylate ? 'pylate' : 'sentence-transformers',
  }
}

function parseEntry(folder: string, entry: unknown): ModuleEntry {
  const { path, type } = (entry ?? {}) as { path?: unknown; type?: unknown }
  if (
    typeof path !== 'string' ||
    typeof type !== 'string' ||
    normalize(path).startsWith('..') ||
    posix.isAbsolute(path)
  ) {
    throw new SerotineError(
      'MODEL_CORRUPT',
      `${folder}/modules.json: an entry needs "type" and a "path" inside the folder, got ${JSON.stringify(entry)}.`,
    )
  }
  return { path, type }
}

function lastPart(type: string): string {
  return type.slice(type.lastIndexOf('.') + 1)
}
