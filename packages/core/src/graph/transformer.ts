import type { EncoderActivation, Tensors } from '../checkpoint/types.js'
import { DataType } from './onnx.js'
import type { OnnxGraph, Value } from './onnx.js'
import type { GraphWeights } from './weights.js'

/** `x·Wᵀ (+ b)` for rows x `[rows × in]` and a stored weight `[out × in]`. */
export type Linear = (x: Value, tensors: Tensors, name: string, bias: Value | undefined) => Value

/** A logit that softmax turns into 0 next to a real one, and that absorbs any score added to it. */
const MASKED = -1e30
/** Like MASKED, and 0 even next to that. */
const OUTSIDE = -3e38

/** What BERT and ModernBERT graphs share: inputs, shapes, masks, attention. Activations are `[batch·length × hidden]`. */
export class TransformerGraph {
  /** `[batch × length]` token ids. */
  readonly ids: Value
  /** Rows, counted over batch·length, whose vectors are wanted. */
  readonly keep: Value
  /** `[length]` 0, 1, 2 … */
  readonly #positions: Value
  #attended: Value | undefined

  constructor(
    readonly graph: OnnxGraph,
    readonly tensors: Tensors,
    readonly shape: {
      readonly hiddenSize: number
      readonly heads: number
      readonly activation: EncoderActivation
      readonly epsilon: number
    },
    readonly weights: GraphWeights,
    readonly linearOp: Linear,
  ) {
    this.ids = graph.input('ids', DataType.int32, ['batch', 'length'])
    this.keep = graph.input('keep', DataType.int32, ['kept'])
    const length = graph.op('Gather', [graph.op('Shape', [this.ids]), graph.int(1)])
    this.#positions = graph.op('Cast', [graph.op('Range', [graph.int(0), length, graph.int(1)])], {
      to: DataType.int32,
    })
  }

  weight(name: string): Value {
    return this.weights.put(this.tensors, name)
  }

  /** A linear layer; its bias is used when the file has one. */
  linear(x: Value, name: string, bias: boolean): Value {
    return this.linearOp(x, this.tensors, `${name}.weight`, bias ? this.weight(`${name}.bias`) : undefined)
  }

  layerNorm(x: Value, name: string, bias: boolean): Value {
    const inputs = [x, this.weight(`${name}.weight`), bias ? this.weight(`${name}.bias`) : undefined]
    return this.graph.op('LayerNormalization', inputs, { axis: -1, epsilon: { float: this.shape.epsilon } })
  }

  activation(x: Value): Value {
    switch (this.shape.activation) {
      case 'gelu':
        return this.graph.op('Gelu', [x])
      case 'gelu_tanh':
        return this.graph.op('Gelu', [x], { approximate: 'tanh' })
      case 'relu':
        return this.graph.op('Relu', [x])
      case 'silu':
        return this.graph.op('Mul', [x, this.graph.op('Sigmoid', [x])])
    }
  }

  /** `[batch·length × n]` → `[batch × length × n]` */
  sequences(x: Value, width = this.shape.hiddenSize): Value {
    return this.graph.op('Reshape', [
      x,
      this.graph.op('Concat', [this.graph.op('Shape', [this.ids]), this.graph.ints(width)], { axis: 0 }),
    ])
  }

  /** `[batch × length × hidden]` → `[batch·length × hidden]` */
  rows(x: Value): Value {
    return this.graph.op('Reshape', [x, this.graph.ints(-1, this.shape.hiddenSize)])
  }

  /** Only the rows whose vectors are wanted. */
  pick(x: Value): Value {
    return this.graph.op('Gather', [x, this.keep], { axis: 0 })
  }

  /** `[1 × length]` */
  get positions(): Value {
    return this.graph.op('Unsqueeze', [this.#positions, this.graph.ints(0)])
  }

  /** `[batch × 1]`: how many leading tokens may be attended to. */
  get attended(): Value {
    this.#attended ??= this.graph.op('Unsqueeze', [
      this.graph.input('attended', DataType.int32, ['batch']),
      this.graph.ints(1),
    ])
    return this.#attended
  }

  /** `[batch × length]`: may this position be attended to? */
  attendable(): Value {
    return this.graph.op('Less', [this.positions, this.attended])
  }

  /** Logit bias `[batch × 1 × 1 × length]` that hides keys no token may attend to. */
  keyBias(): Value {
    const bias = this.graph.op('Where', [this.attendable(), this.graph.scalar(0), this.graph.scalar(MASKED)])
    return this.graph.op('Unsqueeze', [bias, this.graph.ints(1, 2)])
  }

  /**
   * Logit bias `[batch × 1 × length × length]` that hides keys farther than `window` too.
   *
   * @param sizes `[batch × 1]` own length of each text: where every key of a row is hidden, the row averages exactly
   *   these positions, whatever the batch was padded to
   */
  windowBias(window: number, sizes: Value | undefined): Value {
    const { graph } = this
    const column = graph.op('Unsqueeze', [this.#positions, graph.ints(1)])
    const distance = graph.op('Abs', [graph.op('Sub', [this.positions, column])])
    const near = graph.op('Unsqueeze', [graph.op('LessOrEqual', [distance, this.int32(window)]), graph.ints(0, 1)])
    const visible = graph.op('And', [near, graph.op('Unsqueeze', [this.attendable(), graph.ints(1, 2)])])
    const hidden = sizes
      ? graph.op('Unsqueeze', [
          graph.op('Where', [graph.op('Less', [this.positions, sizes]), graph.scalar(MASKED), graph.scalar(OUTSIDE)]),
          graph.ints(1, 2),
        ])
      : graph.scalar(MASKED)
    return graph.op('Where', [visible, graph.scalar(0), hidden])
  }

  /** `[batch × length × 1]`: 0 for rows that see no key within `window`, else 1. */
  seesAny(window: number): Value {
    const { graph } = this
    const sees = graph.op('Less', [this.positions, graph.op('Add', [this.attended, this.int32(window)])])
    return graph.op('Unsqueeze', [graph.op('Cast', [sees], { to: DataType.float }), graph.ints(2)])
  }

  /**
   * Scaled dot-product attention over `[batch × length × hidden]`, decomposed: at short lengths ONNX Runtime's CPU
   * kernels run this fastest.
   */
  attention(q: Value, k: Value, v: Value, bias: Value): Value {
    const {
      graph,
      shape: { hiddenSize, heads },
    } = this
    const head = (x: Value, perm: readonly number[]) =>
      graph.op('Transpose', [graph.op('Reshape', [x, graph.ints(0, -1, heads, hiddenSize / heads)])], { perm })
    const scores = graph.op('MatMul', [head(q, [0, 2, 1, 3]), head(k, [0, 2, 3, 1])])
    const scaled = graph.op('Mul', [scores, graph.scalar(1 / Math.sqrt(hiddenSize / heads))])
    const shares = graph.op('Softmax', [graph.op('Add', [scaled, bias])], { axis: -1 })
    const context = graph.op('Transpose', [graph.op('MatMul', [shares, head(v, [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] })
    return graph.op('Reshape', [context, graph.ints(0, -1, hiddenSize)])
  }

  /** The same in one fused node, which keeps no `[length × length]` matrix: for long texts. */
  fusedAttention(q: Value, k: Value, v: Value, bias?: Value): Value {
    return this.graph.contrib('MultiHeadAttention', [q, k, v, undefined, undefined, bias], {
      num_heads: this.shape.heads,
    })
  }

  int32(value: number): Value {
    return this.graph.constant(`int32 ${value}`, DataType.int32, [], new Uint8Array(Int32Array.of(value).buffer))
  }
}

/** Full precision: one GEMM over the stored weight. */
export function floatLinear(graph: OnnxGraph, weights: GraphWeights): Linear {
  return (x, tensors, name, bias) => graph.op('Gemm', [x, weights.put(tensors, name), bias], { transB: 1 })
}
