import type { Activation, DenseConfig, Tensors } from '../checkpoint/types.js'
import type { OnnxGraph, Value } from './onnx.js'
import { floatLinear } from './transformer.js'
import type { GraphWeights } from './weights.js'

/** The Dense layers after the encoder. A chain of linear ones was multiplied into a single matrix. */
export type Head =
  | { readonly kind: 'layers'; readonly dense: readonly DenseConfig[]; readonly tensors: readonly Tensors[] }
  | {
      readonly kind: 'folded'
      readonly weight: Float32Array
      readonly bias: Float32Array
      readonly inFeatures: number
      readonly outFeatures: number
    }

/**
 * Two or more layers without activation are one matrix, e.g. `W₃·(W₂ + I)·W₁`; it is multiplied out in double precision.
 */
export function prepareHead(dense: readonly DenseConfig[], tensors: readonly Tensors[]): Head {
  if (dense.length < 2 || dense.some((layer) => layer.activation !== 'identity'))
    return { kind: 'layers', dense, tensors }
  const outFeatures = dense.at(-1)!.outFeatures
  let product: Float64Array | undefined
  const offset = new Float64Array(outFeatures)
  for (let i = dense.length - 1; i >= 0; i--) {
    const layer = dense[i]!
    if (layer.bias) addBias(offset, product, tensors[i]!.f32('linear.bias'), outFeatures)
    const weight = withResidual(layer, tensors[i]!)
    product = product ? multiply(product, weight, outFeatures, layer.outFeatures, layer.inFeatures) : weight
  }
  return {
    kind: 'folded',
    weight: Float32Array.from(product!),
    bias: Float32Array.from(offset),
    inFeatures: dense[0]!.inFeatures,
    outFeatures,
  }
}

/** Rows `[kept × hidden]` → `[kept × dim]`, not yet normalised. Always in full precision. */
export function buildHead(graph: OnnxGraph, weights: GraphWeights, head: Head, x: Value): Value {
  if (head.kind === 'folded') {
    const { weight, bias, inFeatures, outFeatures } = head
    const [w, b] = [
      graph.floats('head.weight', [outFeatures, inFeatures], weight),
      graph.floats('head.bias', [outFeatures], bias),
    ]
    return graph.op('Gemm', [x, w, b], { transB: 1 })
  }
  const linear = floatLinear(graph, weights)
  return head.dense.reduce((input, layer, i) => {
    const tensors = head.tensors[i]!
    const bias = layer.bias ? weights.put(tensors, 'linear.bias') : undefined
    const output = activate(graph, layer.activation, linear(input, tensors, 'linear.weight', bias))
    if (!layer.useResidual) return output
    const square = layer.inFeatures === layer.outFeatures
    return graph.op('Add', [output, square ? input : linear(input, tensors, 'residual.weight', undefined)])
  }, x)
}

/** torch.nn's modules built without arguments. */
export function activate(graph: OnnxGraph, activation: Activation, x: Value): Value {
  const clip = (low: number, high: number) => graph.op('Clip', [x, graph.scalar(low), graph.scalar(high)])
  switch (activation) {
    case 'identity':
      return x
    case 'tanh':
      return graph.op('Tanh', [x])
    case 'relu':
      return graph.op('Relu', [x])
    case 'relu6':
      return clip(0, 6)
    case 'gelu':
      return graph.op('Gelu', [x])
    case 'silu':
      return graph.op('Mul', [x, graph.op('Sigmoid', [x])])
    case 'sigmoid':
      return graph.op('Sigmoid', [x])
    case 'leaky_relu':
      return graph.op('LeakyRelu', [x], { alpha: { float: 0.01 } })
    case 'elu':
    case 'celu':
      // With α = 1, torch's default, both are the same function.
      return graph.op('Elu', [x], { alpha: { float: 1 } })
    case 'selu':
      return graph.op('Selu', [x])
    case 'mish':
      return graph.op('Mul', [x, graph.op('Tanh', [graph.op('Softplus', [x])])])
    case 'softplus':
      return graph.op('Softplus', [x])
    case 'softsign':
      return graph.op('Softsign', [x])
    case 'hardtanh':
      return clip(-1, 1)
    case 'hardsigmoid':
      return graph.op('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } })
    case 'hardswish':
      return graph.op('Mul', [x, activate(graph, 'hardsigmoid', x)])
  }
}

/** The layer's matrix with its residual path added: `+ I` when square, else `+ W_res`. */
function withResidual({ inFeatures, outFeatures, useResidual }: DenseConfig, tensors: Tensors): Float64Array {
  const weight = Float64Array.from(tensors.f32('linear.weight'))
  if (!useResidual) return weight
  if (inFeatures === outFeatures) for (let i = 0; i < inFeatures; i++) weight[i * inFeatures + i]! += 1
  else tensors.f32('residual.weight').forEach((value, i) => (weight[i]! += value))
  return weight
}

/** `offset += product · bias`; without a product yet, the bias is of the last layer. */
function addBias(
  offset: Float64Array,
  product: Float64Array | undefined,
  bias: Float32Array,
  outFeatures: number,
): void {
  for (let i = 0; i < outFeatures; i++) {
    if (!product) offset[i]! += bias[i]!
    else for (let j = 0; j < bias.length; j++) offset[i]! += product[i * bias.length + j]! * bias[j]!
  }
}

/** `a [n × k] · b [k × m]` */
function multiply(a: Float64Array, b: Float64Array, n: number, k: number, m: number): Float64Array {
  const product = new Float64Array(n * m)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < k; j++) {
      const factor = a[i * k + j]!
      for (let l = 0; l < m; l++) product[i * m + l]! += factor * b[j * m + l]!
    }
  }
  return product
}
