import { SerotineError } from '../errors.js'
import type { JsonFile } from './json-file.js'
import { withoutPrefix } from './safetensors.js'
import type { BertConfig, EncoderActivation, ModernBertConfig, Tensors } from './types.js'

const ACTIVATIONS: Readonly<Record<string, EncoderActivation>> = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
}
const EMBEDDINGS = {
  bert: 'embeddings.word_embeddings.weight',
  modernbert: 'embeddings.tok_embeddings.weight',
} as const

/** Deeper encoders are a damaged or hostile file. */
const MOST_LAYERS = 1000
/** Wider windows would make the tables of long texts larger than any machine. */
const WIDEST_WINDOW = 4096

const PARSERS: Readonly<Record<string, (json: JsonFile) => BertConfig | ModernBertConfig>> = {
  bert: (json) => parseBert(json),
  roberta: (json) => parseRoberta(json),
  'xlm-roberta': (json) => parseRoberta(json),
  distilbert: (json) => parseDistilBert(json),
  modernbert: (json) => parseModernBert(json),
}

/**
 * Reads the encoder's shape from transformers' `config.json`.
 *
 * @throws MODEL_UNSUPPORTED naming the architecture or setting, MODEL_CORRUPT
 */
export function parseEncoderConfig(json: JsonFile): BertConfig | ModernBertConfig {
  const modelType = json.string('model_type')
  if (json.has('quantization_config'))
    throw unsupported(json, 'quantization_config', 'none; use the model it was made from')
  const parse = PARSERS[modelType ?? '']
  if (!parse) throw unsupported(json, 'model_type', Object.keys(PARSERS).join(', '))
  const config = parse(json)
  if (config.hiddenSize % config.heads !== 0) {
    throw new SerotineError(
      'MODEL_CORRUPT',
      `${json.path}: hidden_size ${config.hiddenSize} is not a multiple of num_attention_heads ${config.heads}.`,
    )
  }
  return config
}

/** The tensors an encoder needs and their shapes, lazily: a configuration may ask for more than there can be. */
function encoderTensors(config: BertConfig | ModernBertConfig): Iterable<[name: string, shape: number[]]> {
  return config.modelType === 'bert' ? bertTensors(config) : modernBertTensors(config)
}

/**
 * Finds the encoder among a file's tensors (whatever prefix `BertForMaskedLM`, `HF_ColBERT` … put before the names)
 * and checks every tensor it needs. Heads and poolers are ignored. `vocabSize` becomes the number of embedding rows.
 *
 * @throws MODEL_CORRUPT naming tensor and both shapes
 */
export function checkEncoder<C extends BertConfig | ModernBertConfig>(
  config: C,
  file: Tensors,
): { config: C; tensors: Tensors } {
  const embeddings = EMBEDDINGS[config.modelType]
  const prefixes = file
    .names()
    .filter((name) => name.endsWith(embeddings))
    .map((name) => name.slice(0, -embeddings.length))
  const prefix = prefixes.sort((a, b) => a.length - b.length)[0]
  if (prefix === undefined) {
    throw new SerotineError(
      'MODEL_CORRUPT',
      `${file.name} has no tensor "${embeddings}": it holds no ${config.modelType} encoder.`,
    )
  }
  const named = withoutPrefix(file, prefix)
  const tensors = named.has('transformer.layer.0.attention.q_lin.weight') ? asBert(named) : named
  const vocabSize = tensors.info(embeddings).shape[0] ?? 0
  const actual = { ...config, vocabSize }
  for (const [name, shape] of encoderTensors(actual)) checkShape(tensors, name, shape)
  return { config: actual, tensors }
}

/** @throws MODEL_CORRUPT naming file, tensor and both shapes */
export function checkShape(tensors: Tensors, name: string, expected: readonly number[]): void {
  const { shape } = tensors.info(name)
  if (shape.length === expected.length && shape.every((n, i) => n === expected[i])) return
  throw new SerotineError(
    'MODEL_CORRUPT',
    `Tensor "${name}" of ${tensors.name} has shape [${shape.join(' × ')}]; ` +
      `the configuration asks for [${expected.join(' × ')}].`,
  )
}

function parseBert(json: JsonFile): BertConfig {
  const position = json.string('position_embedding_type') ?? 'absolute'
  if (position !== 'absolute') throw unsupported(json, 'position_embedding_type', 'absolute')
  if (json.boolean('is_decoder')) throw unsupported(json, 'is_decoder', 'false')
  return {
    modelType: 'bert',
    hiddenSize: json.size('hidden_size'),
    layers: layerCount(json, 'num_hidden_layers'),
    heads: json.size('num_attention_heads'),
    intermediateSize: json.size('intermediate_size'),
    vocabSize: json.size('vocab_size'),
    maxPositions: json.size('max_position_embeddings'),
    activation: parseActivation(json, 'hidden_act'),
    epsilon: json.number('layer_norm_eps') ?? 1e-12,
  }
}

/** The table has rows up to the padding token's that no position uses. */
function parseRoberta(json: JsonFile): BertConfig {
  const config = parseBert(json)
  const positionsAfter = json.integer('pad_token_id') ?? 1
  const maxPositions = config.maxPositions - positionsAfter - 1
  if (positionsAfter < 0 || maxPositions < 1)
    throw json.wrong('pad_token_id', `an integer from 0 to ${config.maxPositions - 2} (max_position_embeddings less 2)`)
  return { ...config, maxPositions, positionsAfter }
}

function parseDistilBert(json: JsonFile): BertConfig {
  return {
    modelType: 'bert',
    hiddenSize: json.size('dim'),
    layers: layerCount(json, 'n_layers'),
    heads: json.size('n_heads'),
    intermediateSize: json.size('hidden_dim'),
    vocabSize: json.size('vocab_size'),
    maxPositions: json.size('max_position_embeddings'),
    activation: parseActivation(json, 'activation'),
    epsilon: 1e-12,
  }
}

function layerCount(json: JsonFile, key: string): number {
  const layers = json.size(key)
  if (layers > MOST_LAYERS) throw json.wrong(key, `at most ${MOST_LAYERS}`)
  return layers
}

/**
 * Two spellings: transformers 4 wrote `global_attn_every_n_layers` and two thetas, 5 writes `layer_types` and
 * `rope_parameters`.
 */
function parseModernBert(json: JsonFile): ModernBertConfig {
  const layers = layerCount(json, 'num_hidden_layers')
  const every = json.integer('global_attn_every_n_layers') ?? 3
  if (every < 1) throw json.wrong('global_attn_every_n_layers', 'a positive integer')
  const named = json.strings('layer_types')
  if (named && named.length !== layers) throw json.wrong('layer_types', `a list of ${layers} names (num_hidden_layers)`)
  const layerTypes = Array.from({ length: layers }, (_, i) => {
    if (!named) return i % every === 0 ? 'global' : 'local'
    if (named[i] === 'full_attention') return 'global'
    if (named[i] === 'sliding_attention') return 'local'
    throw unsupported(json, 'layer_types', 'full_attention, sliding_attention', named[i])
  })
  const ropes = json.object('rope_parameters')
  const theta = (type: 'full_attention' | 'sliding_attention', old: string, fallback: number) => {
    const rope = ropes?.object(type)
    const kind = rope?.string('rope_type') ?? 'default'
    if (kind !== 'default') throw unsupported(rope!, 'rope_type', 'default')
    return rope?.number('rope_theta') ?? json.number(old) ?? fallback
  }
  const window = Math.floor((json.integer('local_attention') ?? 128) / 2)
  if (window < 1 || window > WIDEST_WINDOW) throw json.wrong('local_attention', `from 2 to ${2 * WIDEST_WINDOW}`)
  if (json.has('rope_scaling')) throw unsupported(json, 'rope_scaling', 'null')
  return {
    modelType: 'modernbert',
    hiddenSize: json.size('hidden_size'),
    layers,
    heads: json.size('num_attention_heads'),
    intermediateSize: json.size('intermediate_size'),
    vocabSize: json.size('vocab_size'),
    maxPositions: json.integer('max_position_embeddings') ?? 8192,
    activation: parseActivation(json, 'hidden_activation'),
    epsilon: json.number('norm_eps') ?? 1e-5,
    layerTypes,
    window,
    globalTheta: theta('full_attention', 'global_rope_theta', 160_000),
    localTheta: theta('sliding_attention', 'local_rope_theta', 10_000),
    attentionBias: json.boolean('attention_bias') ?? false,
    mlpBias: json.boolean('mlp_bias') ?? false,
    normBias: json.boolean('norm_bias') ?? false,
  }
}

function* bertTensors(config: BertConfig): Iterable<[string, number[]]> {
  const { hiddenSize: h, intermediateSize: f, vocabSize, maxPositions, positionsAfter, layers } = config
  yield ['embeddings.word_embeddings.weight', [vocabSize, h]]
  yield ['embeddings.position_embeddings.weight', [maxPositions + (positionsAfter ?? -1) + 1, h]]
  yield* pair('embeddings.LayerNorm', [h])
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layer.${i}`
    for (const name of ['query', 'key', 'value']) yield* pair(`${layer}.attention.self.${name}`, [h, h])
    yield* pair(`${layer}.attention.output.dense`, [h, h])
    yield* pair(`${layer}.attention.output.LayerNorm`, [h])
    yield* pair(`${layer}.intermediate.dense`, [f, h])
    yield* pair(`${layer}.output.dense`, [h, f])
    yield* pair(`${layer}.output.LayerNorm`, [h])
  }
}

function* modernBertTensors(config: ModernBertConfig): Iterable<[string, number[]]> {
  const { hiddenSize: h, intermediateSize: f, vocabSize, layers, attentionBias, mlpBias, normBias } = config
  yield ['embeddings.tok_embeddings.weight', [vocabSize, h]]
  yield* pair('embeddings.norm', [h], normBias)
  yield* pair('final_norm', [h], normBias)
  for (let i = 0; i < layers; i++) {
    if (i > 0) yield* pair(`layers.${i}.attn_norm`, [h], normBias)
    yield* pair(`layers.${i}.attn.Wqkv`, [3 * h, h], attentionBias)
    yield* pair(`layers.${i}.attn.Wo`, [h, h], attentionBias)
    yield* pair(`layers.${i}.mlp_norm`, [h], normBias)
    yield* pair(`layers.${i}.mlp.Wi`, [2 * f, h], mlpBias)
    yield* pair(`layers.${i}.mlp.Wo`, [h, f], mlpBias)
  }
}

function* pair(name: string, shape: number[], bias = true): Iterable<[string, number[]]> {
  yield [`${name}.weight`, shape]
  if (bias) yield [`${name}.bias`, [shape[0]!]]
}

/** What DistilBERT calls BERT's layers. */
const DISTILBERT_NAMES: readonly (readonly [bert: string, distil: string])[] = [
  ['encoder.layer.', 'transformer.layer.'],
  ['.attention.self.query.', '.attention.q_lin.'],
  ['.attention.self.key.', '.attention.k_lin.'],
  ['.attention.self.value.', '.attention.v_lin.'],
  ['.attention.output.dense.', '.attention.out_lin.'],
  ['.attention.output.LayerNorm.', '.sa_layer_norm.'],
  ['.intermediate.dense.', '.ffn.lin1.'],
  ['.output.dense.', '.ffn.lin2.'],
  ['.output.LayerNorm.', '.output_layer_norm.'],
]

/** DistilBERT's tensors under BERT's names. */
function asBert(tensors: Tensors): Tensors {
  const rename = (name: string, from: 0 | 1) =>
    DISTILBERT_NAMES.reduce((renamed, names) => renamed.replace(names[from], names[1 - from]!), name)
  return {
    name: tensors.name,
    names: () => tensors.names().map((name) => rename(name, 1)),
    has: (name) => tensors.has(rename(name, 0)),
    info: (name) => tensors.info(rename(name, 0)),
    f32: (name) => tensors.f32(rename(name, 0)),
  }
}

function parseActivation(json: JsonFile, key: string): EncoderActivation {
  const activation = ACTIVATIONS[json.string(key) ?? 'gelu']
  if (!activation) throw unsupported(json, key, Object.keys(ACTIVATIONS).join(', '))
  return activation
}

/** MODEL_UNSUPPORTED: which file, key and value, and what is supported. */
export function unsupported(
  json: JsonFile,
  key: string,
  supported: string,
  value: unknown = json.values[key],
): SerotineError {
  return new SerotineError(
    'MODEL_UNSUPPORTED',
    `${json.path}: "${key}" is ${JSON.stringify(value)}. Supported: ${supported}.`,
  )
}
