import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SerotineError } from '../errors.js'
import { checkOptions } from '../options.js'
import type { OnWarning } from '../errors.js'
import { checkChain, checkDense, overrideDense, readDenseConfig, warnAboutResidual } from './dense.js'
import { checkEncoder, parseEncoderConfig } from './encoder-config.js'
import { fingerprint } from './fingerprint.js'
import { JsonFile, readJson } from './json-file.js'
import { readModules } from './modules.js'
import type { Modules } from './modules.js'
import { readMultiVectorEncoder } from './multi-vector-encoder.js'
import { memoryTensors, openSafetensors } from './safetensors.js'
import type { SafetensorsFolder } from './safetensors.js'
import { withLegacyFiles } from '../text/tokenizer-json/special-tokens.js'
import { tokenizerJsonFromVocab } from '../text/tokenizer-json/effective-tokenizer.js'
import { fromArtifactMetadata, fromPyLate, mergeTextConfig } from './text-config.js'
import type {
  BertConfig,
  Checkpoint,
  ColBERTConfig,
  ConfigOverrides,
  DenseConfig,
  ModernBertConfig,
  Projection,
  Tensors,
} from './types.js'

/** Names of everything a caller may say instead of the checkpoint. */
export const OVERRIDES = [
  'queryPrefix',
  'documentPrefix',
  'queryLength',
  'documentLength',
  'doQueryExpansion',
  'attendToExpansionTokens',
  'skiplistWords',
  'prompts',
  'defaultPromptName',
  'doLowerCase',
  'denseOverrides',
  'projection',
] as const satisfies readonly (keyof ConfigOverrides)[]

/** What all layouts need from a folder before its kind is known. */
interface Folder {
  readonly path: string
  readonly files: readonly string[]
  readonly settings: JsonFile
  readonly modules: Modules | undefined
  readonly overrides: ConfigOverrides
}

/**
 * Reads a PyLate, Sentence Transformers, stanford-ColBERT, plain transformers or ready-made ONNX folder and checks that
 * its parts fit. Weights stay on disk. Priority of settings: `overrides`, `config_sentence_transformers.json`,
 * `artifact.metadata` or `onnx_config.json`, PyLate's defaults.
 *
 * @param ownTokenizer the caller has a tokenizer, so the folder may lack one; `tokenizerJson` is then undefined
 * @throws MODEL_FILES_MISSING, MODEL_UNSUPPORTED, MODEL_CORRUPT, INVALID_ARGUMENT and UNKNOWN_OPTION (overrides)
 */
export async function readCheckpoint(
  path: string,
  overrides: ConfigOverrides = {},
  onWarning?: OnWarning,
  ownTokenizer = false,
): Promise<Checkpoint> {
  checkOptions('readCheckpoint', overrides, OVERRIDES)
  const files = await readdir(path).catch((cause: unknown) => {
    throw new SerotineError(
      'MODEL_FILES_MISSING',
      `There is no folder ${path}. Pass a model folder or a Hub id (org/name).`,
      { cause },
    )
  })
  const settings =
    (await JsonFile.read(path, 'config_sentence_transformers.json')) ??
    JsonFile.absent(path, 'config_sentence_transformers.json')
  const modules = await readModules(path, settings)
  const folder: Folder = { path, files, settings, modules, overrides }
  const tokenizer = await readTokenizer(folder, ownTokenizer)
  const { config, weights, weightFiles } = (await isReadyMade(folder))
    ? await readOnnxFolder(folder)
    : await readWeightsFolder(folder, tokenizer, onWarning)
  return {
    folder: path,
    config,
    tokenizerJson: tokenizer.json,
    tokenizerConfig: tokenizer.config.values,
    modelType: tokenizer.modelType,
    modelTokenizerClass: tokenizer.modelTokenizerClass,
    weights,
    fingerprint: await fingerprint(
      config,
      [...weightFiles, ...tokenizer.files],
      weights.dense.filter((tensors) => tensors.name === PROJECTION),
    ),
  }
}

const PROJECTION = 'the projection option'

interface Tokenizer {
  readonly json: unknown
  readonly config: JsonFile
  readonly modelType: string | undefined
  readonly modelTokenizerClass: string | undefined
  readonly files: readonly string[]
}

interface Parts {
  readonly config: ColBERTConfig
  readonly weights: Checkpoint['weights']
  readonly weightFiles: readonly string[]
}

async function readTokenizer({ path, files, modules }: Folder, ownTokenizer: boolean): Promise<Tokenizer> {
  const folder = files.includes('tokenizer.json') ? path : join(path, modules?.transformer ?? '')
  const saved = await readJson(folder, 'tokenizer.json')
  const config = await JsonFile.read(folder, 'tokenizer_config.json')
  // Old stanford checkpoints hold the vocabulary alone.
  const vocab =
    saved === undefined ? await readFile(join(folder, 'vocab.txt'), 'utf8').catch(() => undefined) : undefined
  if (saved === undefined && vocab === undefined) {
    if (ownTokenizer) {
      const absent = config ?? JsonFile.absent(folder, 'tokenizer_config.json')
      const files = config ? [config.path] : []
      return { json: undefined, config: absent, modelType: undefined, modelTokenizerClass: undefined, files }
    }
    throw new SerotineError(
      'MODEL_FILES_MISSING',
      `${folder} has neither tokenizer.json nor vocab.txt. Save the first once in Python: ` +
        'AutoTokenizer.from_pretrained(folder, use_fast=True).save_pretrained(folder); or make the tokenizer yourself and ' +
        'pass it as `tokenizer`.',
    )
  }
  const [specialTokensMap, addedTokens, model] = await Promise.all([
    JsonFile.read(folder, 'special_tokens_map.json'),
    JsonFile.read(folder, 'added_tokens.json'),
    JsonFile.read(join(path, modules?.transformer ?? ''), 'config.json'),
  ])
  const legacy = [specialTokensMap, addedTokens].filter((file) => file !== undefined)
  const merged = withLegacyFiles(config?.values ?? {}, specialTokensMap?.values, addedTokens?.values)
  return {
    json: saved === undefined ? tokenizerJsonFromVocab(vocab!, merged) : saved,
    config: new JsonFile(join(folder, 'tokenizer_config.json'), merged),
    modelType: model?.string('model_type'),
    modelTokenizerClass: model?.string('tokenizer_class'),
    files: [
      join(folder, saved === undefined ? 'vocab.txt' : 'tokenizer.json'),
      ...(config ? [config.path] : []),
      // What the configuration overrules does not change a vector.
      ...(merged === config?.values ? [] : legacy.map((file) => file.path)),
    ],
  }
}

async function readWeightsFolder(
  folder: Folder,
  tokenizer: Tokenizer,
  onWarning: OnWarning | undefined,
): Promise<Parts> {
  const { path, modules, overrides } = folder
  const root = join(path, modules?.transformer ?? '')
  const json = await JsonFile.read(root, 'config.json')
  if (!json)
    throw new SerotineError(
      'MODEL_FILES_MISSING',
      `${root} has no config.json. Copy the whole model folder or download it again.`,
    )
  const parsed = parseEncoderConfig(json)
  const file = await openSafetensors(root)
  const { config: encoder, tensors } = checkEncoder(parsed, file)

  const stanford = modules === undefined && json.strings('architectures')?.[0] === 'HF_ColBERT'
  const found = stanford ? [stanfordProjection(file, encoder.hiddenSize)] : await readDense(folder)
  const dense = addProjection(found, folder, encoder.hiddenSize)
  const layers = overrideDense(
    dense.map(({ config }) => config),
    overrides.denseOverrides ?? {},
  )
  layers.forEach((layer, i) => checkDense(layer, dense[i]!.tensors))
  checkChain(layers, encoder.hiddenSize)
  warnAboutResidual(encoder, layers, overrides.denseOverrides ?? {}, onWarning)

  const text = await readText(folder, stanford, encoder, tokenizer)
  const layout = modules?.layout ?? (stanford ? 'stanford' : 'plain')
  const dim = layers.at(-1)?.outFeatures ?? encoder.hiddenSize
  return {
    config: { ...text, layout, encoder, dense: layers, dim },
    weights: { encoder: tensors, dense: dense.map((layer) => layer.tensors) },
    weightFiles: [...file.files(), ...dense.flatMap((layer) => layer.files)],
  }
}

async function readText(
  { path, settings, modules, overrides }: Folder,
  stanford: boolean,
  encoder: BertConfig | ModernBertConfig,
  tokenizer: Tokenizer,
) {
  if (stanford) {
    const metadata = (await JsonFile.read(path, 'artifact.metadata')) ?? JsonFile.absent(path, 'artifact.metadata')
    return mergeTextConfig(overrides, [fromPyLate(settings), fromArtifactMetadata(metadata)])
  }
  if (!modules) return mergeTextConfig(overrides, [fromPyLate(settings)])
  const root = join(path, modules.transformer)
  const transformer =
    (await JsonFile.read(root, 'sentence_bert_config.json')) ?? JsonFile.absent(root, 'sentence_bert_config.json')
  if (!modules.multiVector)
    return mergeTextConfig(overrides, [fromPyLate(settings), { doLowerCase: transformer.boolean('do_lower_case') }])
  const { text, rolePrompts } = await readMultiVectorEncoder(path, modules.all, settings, transformer, {
    json: tokenizer.json,
    config: tokenizer.config,
    maxPositions: encoder.maxPositions,
  })
  return { ...mergeTextConfig(overrides, [text]), ...(rolePrompts && { rolePrompts }) }
}

interface Layer {
  readonly config: DenseConfig
  readonly tensors: Tensors
  readonly files: readonly string[]
}

function readDense({ path, modules }: Folder): Promise<Layer[]> {
  return Promise.all(
    (modules?.dense ?? []).map(async (module) => {
      const config = await readDenseConfig(path, module)
      const tensors = await openSafetensors(join(path, module.path))
      return { config, tensors, files: tensors.files() }
    }),
  )
}

/** stanford ColBERT keeps its projection, `linear.weight`, with the encoder's weights. */
function stanfordProjection(file: SafetensorsFolder, hiddenSize: number): Layer {
  const outFeatures = file.info('linear.weight').shape[0]!
  const tensors: Tensors = {
    name: file.name,
    names: () => ['linear.weight'],
    has: (name) => name === 'linear.weight',
    info: (name) => file.info(name),
    f32: (name) => file.f32(name),
  }
  return { config: plainLayer('linear', hiddenSize, outFeatures, false), tensors, files: [] }
}

/** PyLate appends a *random* projection to a model without one; here the caller has to bring it. */
function addProjection(
  dense: readonly Layer[],
  { path, modules, overrides: { projection } }: Folder,
  hiddenSize: number,
): readonly Layer[] {
  if (dense.length > 0) {
    if (!projection) return dense
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} has its own projection (${dense.map(({ config }) => config.path).join(', ')}); leave out the projection option.`,
    )
  }
  if (modules?.multiVector && !projection) return []
  if (!projection) {
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${path} is a transformer without a ColBERT projection (no Dense module). PyLate would make up random weights. ` +
        'Use a checkpoint trained for late interaction, or pass projection: { weight, outFeatures }, ' +
        `weight being [outFeatures × ${hiddenSize}].`,
    )
  }
  return [givenProjection(projection, hiddenSize)]
}

function givenProjection({ weight, outFeatures, bias }: Projection, hiddenSize: number): Layer {
  if (
    !(weight instanceof Float32Array) ||
    !Number.isInteger(outFeatures) ||
    weight.length !== outFeatures * hiddenSize
  ) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `projection.weight must be a Float32Array of ${outFeatures} × ${hiddenSize} numbers, got ${weight?.length}.`,
    )
  }
  if (bias && bias.length !== outFeatures)
    throw new SerotineError('INVALID_ARGUMENT', `projection.bias must hold ${outFeatures} numbers, got ${bias.length}.`)
  const tensors = memoryTensors(PROJECTION, {
    'linear.weight': { shape: [outFeatures, hiddenSize], data: weight },
    ...(bias && { 'linear.bias': { shape: [outFeatures], data: bias } }),
  })
  return { config: plainLayer('projection', hiddenSize, outFeatures, bias !== undefined), tensors, files: [] }
}

function plainLayer(path: string, inFeatures: number, outFeatures: number, bias: boolean): DenseConfig {
  return { path, inFeatures, outFeatures, bias, activation: 'identity', useResidual: false }
}

/** A folder with graphs and without weights of its own; weights win where both are there. */
async function isReadyMade({ path, files, modules }: Folder): Promise<boolean> {
  if (!files.includes('model.onnx') && !files.includes('model_int8.onnx')) return false
  const root = modules?.transformer ? await readdir(join(path, modules.transformer)).catch(() => []) : files
  return !root.some((name) => name === 'model.safetensors' || name === 'model.safetensors.index.json')
}

/** pylate-onnx-export (next-plaid) writes `onnx_config.json`; a graph may also be next to PyLate's own files. */
async function readOnnxFolder({ path, files, settings, modules, overrides }: Folder): Promise<Parts> {
  const onnx = await JsonFile.read(path, 'onnx_config.json')
  const last = modules?.dense.at(-1)
  const dim = onnx?.integer('embedding_dim') ?? (last && (await readDenseConfig(path, last)).outFeatures)
  if (dim === undefined) {
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${path} has an ONNX graph and neither onnx_config.json with "embedding_dim" nor PyLate's modules.json with a Dense layer.`,
    )
  }
  if (overrides.projection || overrides.denseOverrides) {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `${path} is a ready-made ONNX graph; projection and denseOverrides need a checkpoint with safetensors weights.`,
    )
  }
  const transformer = await JsonFile.read(join(path, modules?.transformer ?? ''), 'sentence_bert_config.json')
  const text = mergeTextConfig(overrides, [
    fromPyLate(settings),
    ...(onnx ? [fromPyLate(onnx)] : []),
    { doLowerCase: transformer?.boolean('do_lower_case') },
  ])
  const graph = (name: string) => (files.includes(name) ? join(path, name) : undefined)
  const [fp32, int8] = [graph('model.onnx'), graph('model_int8.onnx')]
  const encoder = { modelType: 'onnx' as const, files: { ...(fp32 && { fp32 }), ...(int8 && { int8 }) } }
  return {
    config: { ...text, layout: 'onnx', encoder, dense: [], dim },
    weights: { encoder: memoryTensors(`the graphs of ${path}`, {}), dense: [] },
    weightFiles: files
      .filter((name) => /\.onnx([._]data)?$/.test(name))
      .sort()
      .map((name) => join(path, name)),
  }
}
