import type { ModernBertConfig } from '../checkpoint/types.js'
import { LocalBlocks } from './local-blocks.js'
import { DataType } from './onnx.js'
import type { Value } from './onnx.js'
import type { TransformerGraph } from './transformer.js'

export interface ModernBertOptions {
  /** `window`: any batch, one bias matrix. `blocks`: one long text without masked tokens, in blocks of the window. */
  readonly local: 'window' | 'blocks'
  /** What a row whose whole window is masked gets: nothing, or the mean of its text's values. */
  readonly masked: 'zeros' | 'uniform'
  /** Longest input the rotary tables cover. */
  readonly maxLength: number
}

type Attention = (q: Value, k: Value, v: Value) => Value

/**
 * ModernBERT (Warner et al. 2024): pre-norm layers, rotary positions, GeGLU, every third layer global and the others
 * local. Returns the kept rows `[kept × hidden]`; the last layer's feed-forward runs on these only.
 */
export function buildModernBert(t: TransformerGraph, config: ModernBertConfig, options: ModernBertOptions): Value {
  const { graph } = t
  const attention = attentions(t, config, options)
  const rotate = rotary(t, config, options.maxLength)
  const words = graph.op('Gather', [t.weight('embeddings.tok_embeddings.weight'), t.ids])
  let x = t.rows(t.layerNorm(words, 'embeddings.norm', config.normBias))
  for (let i = 0; i < config.layers; i++) {
    const layer = `layers.${i}`
    const type = config.layerTypes[i]!
    const normed = i === 0 ? x : t.layerNorm(x, `${layer}.attn_norm`, config.normBias)
    const qkv = t.sequences(t.linear(normed, `${layer}.attn.Wqkv`, config.attentionBias), 3 * config.hiddenSize)
    const [q, k, v] = graph.split('Split', [qkv], { axis: -1, num_outputs: 3 }, 3) as [Value, Value, Value]
    let context = t.rows(attention[type](rotate(q, type), rotate(k, type), v))
    if (i === config.layers - 1) [context, x] = [t.pick(context), t.pick(x)]
    x = graph.op('Add', [t.linear(context, `${layer}.attn.Wo`, config.attentionBias), x])
    const inner = t.linear(t.layerNorm(x, `${layer}.mlp_norm`, config.normBias), `${layer}.mlp.Wi`, config.mlpBias)
    const [input, gate] = graph.split('Split', [inner], { axis: -1, num_outputs: 2 }, 2) as [Value, Value]
    const gated = graph.op('Mul', [t.activation(input), gate])
    x = graph.op('Add', [t.linear(gated, `${layer}.mlp.Wo`, config.mlpBias), x])
  }
  return t.layerNorm(x, 'final_norm', config.normBias)
}

function attentions(
  t: TransformerGraph,
  { window, layerTypes }: ModernBertConfig,
  { local, masked }: ModernBertOptions,
): Record<'global' | 'local', Attention> {
  const hasLocal = layerTypes.includes('local')
  if (local === 'blocks') {
    const blocks = hasLocal ? new LocalBlocks(t, window) : undefined
    return { global: (q, k, v) => t.fusedAttention(q, k, v), local: (q, k, v) => blocks!.attention(q, k, v) }
  }
  const keyBias = t.keyBias()
  const global: Attention = (q, k, v) => t.attention(q, k, v, keyBias)
  if (!hasLocal) return { global, local: global }
  if (masked === 'uniform') {
    const sizes = t.graph.op('Unsqueeze', [t.graph.input('sizes', DataType.int32, ['batch']), t.graph.ints(1)])
    const bias = t.windowBias(window, sizes)
    return { global, local: (q, k, v) => t.attention(q, k, v, bias) }
  }
  const bias = t.windowBias(window, undefined)
  const sees = t.seesAny(window)
  return { global, local: (q, k, v) => t.graph.op('Mul', [t.attention(q, k, v, bias), sees]) }
}

/** Rotary positions (Su et al. 2021), rotate-half form, with a table per layer type. */
function rotary(
  t: TransformerGraph,
  config: ModernBertConfig,
  maxLength: number,
): (x: Value, type: 'global' | 'local') => Value {
  const { graph } = t
  const half = config.hiddenSize / config.heads / 2
  const theta = { global: config.globalTheta, local: config.localTheta }
  const tables = new Map<number, [cos: Value, sin: Value]>()
  const table = (base: number): [cos: Value, sin: Value] => {
    const [cos, sin] = rotaryTables(base, half, maxLength)
    return [graph.floats(`cos ${base}`, [maxLength, half], cos), graph.floats(`sin ${base}`, [maxLength, half], sin)]
  }
  return (x, type) => {
    const base = theta[type]
    if (!tables.has(base)) tables.set(base, table(base))
    const inputs = [x, graph.ints(0), ...tables.get(base)!]
    return graph.contrib('RotaryEmbedding', inputs, {
      interleaved: 0,
      num_heads: config.heads,
      rotary_embedding_dim: 0,
    })
  }
}

/** Angles are rounded to fp32 where torch rounds them, so that far positions agree. */
function rotaryTables(theta: number, half: number, length: number): [cos: Float32Array, sin: Float32Array] {
  const [cos, sin] = [new Float32Array(length * half), new Float32Array(length * half)]
  for (let d = 0; d < half; d++) {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround(d / half)))
    for (let position = 0; position < length; position++) {
      const angle = Math.fround(position * frequency)
      cos[position * half + d] = Math.cos(angle)
      sin[position * half + d] = Math.sin(angle)
    }
  }
  return [cos, sin]
}
