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

/**
 * Reads the encoder's shape from transformers' `config.json`.
 *
 * @throws MODEL_UNSUPPORTED naming the architecture or setting, MODEL_CORRUPT
 */
export function parseEncoderConfig(json: JsonFile): BertConfig | ModernBertConfig {
  const modelType = json.string('model_type')
  if (json.has('quantization_config'))
    throw unsupported(json, 'quantization_config', 'none; use the model it was made from')
  const config = modelType === 'bert' ? parseBert(json) : modelType === 'modernbert' ? parseModernBert(json) : undefined
  if (!config) throw unsupported(json, 'model_type', 'bert, modernbert')
  if (config.hiddenSize % config.heads !== 0) {
    throw new SerotineError(
      'MODEL_CORRUPT',
      `${json.path}: hidden_size ${config.hiddenSize} is not a multiple of num_attention_heads ${config.heads}.`,
    )
  }
  return config
}

/** The tensors an encoder needs and their shapes. */
export function encoderTensors(config: BertConfig | ModernBertConfig): [name: string, shape: number[]][] {
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
  const tensors = withoutPrefix(file, prefix)
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
    layers: json.size('num_hidden_layers'),
    heads: json.size('num_attention_heads'),
    intermediateSize: json.size('intermediate_size'),
    vocabSize: json.size('vocab_size'),
    maxPositions: json.size('max_position_embeddings'),
    activation: parseActivation(json, 'hidden_act'),
    epsilon: json.number('layer_norm_eps') ?? 1e-12,
  }
}

/**
 * Two spellings: transformers 4 wrote `global_attn_every_n_layers` and two thetas, 5 writes `layer_types` and
 * `rope_parameters`.
 */
function parseModernBert(json: JsonFile): ModernBertConfig {
  const layers = json.size('num_hidden_layers')
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
    window: Math.floor((json.integer('local_attention') ?? 128) / 2),
    globalTheta: theta('full_attention', 'global_rope_theta', 160_000),
    localTheta: theta('sliding_attention', 'local_rope_theta', 10_000),
    attentionBias: json.boolean('attention_bias') ?? false,
    mlpBias: json.boolean('mlp_bias') ?? false,
    normBias: json.boolean('norm_bias') ?? false,
  }
}

function bertTensors({
  hiddenSize: h,
  intermediateSize: f,
  vocabSize,
  maxPositions,
  layers,
}: BertConfig): [string, number[]][] {
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [h]],
    [`${name}.bias`, [h]],
  ]
  const linear = (name: string, out: number, inn: number): [string, number[]][] => [
    [`${name}.weight`, [out, inn]],
    [`${name}.bias`, [out]],
  ]
  return [
    ['embeddings.word_embeddings.weight', [vocabSize, h]],
    ['embeddings.position_embeddings.weight', [maxPositions, h]],
    ...norm('embeddings.LayerNorm'),
    ...Array.from({ length: layers }, (_, i) => `encoder.layer.${i}`).flatMap((layer) => [
      ...['query', 'key', 'value'].flatMap((name) => linear(`${layer}.attention.self.${name}`, h, h)),
      ...linear(`${layer}.attention.output.dense`, h, h),
      ...norm(`${layer}.attention.output.LayerNorm`),
      ...linear(`${layer}.intermediate.dense`, f, h),
      ...linear(`${layer}.output.dense`, h, f),
      ...norm(`${layer}.output.LayerNorm`),
    ]),
  ]
}

function modernBertTensors(config: ModernBertConfig): [string, number[]][] {
  const { hiddenSize: h, intermediateSize: f, vocabSize, layers, attentionBias, mlpBias, normBias } = config
  const pair = (name: string, shape: number[], bias: boolean): [string, number[]][] =>
    bias
      ? [
          [`${name}.weight`, shape],
          [`${name}.bias`, [shape[0]!]],
        ]
      : [[`${name}.weight`, shape]]
  return [
    ['embeddings.tok_embeddings.weight', [vocabSize, h]],
    ...pair('embeddings.norm', [h], normBias),
    ...pair('final_norm', [h], normBias),
    ...Array.from({ length: layers }, (_, i) => i).flatMap((i) => [
      ...(i === 0 ? [] : pair(`layers.${i}.attn_norm`, [h], normBias)),
      ...pair(`layers.${i}.attn.Wqkv`, [3 * h, h], attentionBias),
      ...pair(`layers.${i}.attn.Wo`, [h, h], attentionBias),
      ...pair(`layers.${i}.mlp_norm`, [h], normBias),
      ...pair(`layers.${i}.mlp.Wi`, [2 * f, h], mlpBias),
      ...pair(`layers.${i}.mlp.Wo`, [h, f], mlpBias),
    ]),
  ]
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
