import { describe, expect, it } from 'vitest'
import { memoryTensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import type { Activation, DenseConfig, Tensors } from '../../../packages/core/src/checkpoint/types.js'
import { activate, buildHead, prepareHead } from '../../../packages/core/src/graph/head.js'
import { DataType, OnnxGraph } from '../../../packages/core/src/graph/onnx.js'
import type { Value } from '../../../packages/core/src/graph/onnx.js'
import { GraphWeights } from '../../../packages/core/src/graph/weights.js'
import { loadOrt } from '../../../packages/core/src/runtime/ort.js'
import { Session } from '../../../packages/core/src/runtime/session.js'

async function evaluate(
  x: Float32Array,
  width: number,
  build: (graph: OnnxGraph, x: Value) => Value,
): Promise<Float32Array> {
  const graph = new OnnxGraph()
  const input = graph.input('x', DataType.float, ['rows', width])
  graph.output('y', build(graph, input), DataType.float, ['rows', 'width'])
  const session = await Session.open(
    { model: await graph.encode(), folder: undefined, files: [] },
    1,
    await loadOrt({}),
  )
  const { data } = await session.run({ x: { type: 'float32', data: x, dims: [x.length / width, width] } })
  const y = Float32Array.from(data as Float32Array)
  await session.close()
  return y
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
/** Φ(x)·x by numeric integration of the normal density: no formula shared with the code under test. */
const gelu = (x: number) => {
  const steps = 20_000
  let area = 0
  for (let i = 0; i < steps; i++) area += Math.exp(-((((i + 0.5) / steps) * x) ** 2) / 2)
  return x * (0.5 + (area * x) / steps / Math.sqrt(2 * Math.PI))
}
const relu6 = (x: number) => Math.min(Math.max(x, 0), 6)

/** torch.nn, modules built without arguments. */
const TORCH: Record<Activation, (x: number) => number> = {
  identity: (x) => x,
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  relu6,
  gelu,
  silu: (x) => x * sigmoid(x),
  sigmoid,
  leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  celu: (x) => Math.max(0, x) + Math.min(0, Math.expm1(x)),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  softplus: (x) => Math.log1p(Math.exp(x)),
  softsign: (x) => x / (1 + Math.abs(x)),
  hardtanh: (x) => Math.min(Math.max(x, -1), 1),
  hardsigmoid: (x) => relu6(x + 3) / 6,
  hardswish: (x) => (x * relu6(x + 3)) / 6,
}

describe("activations are torch.nn's", () => {
  const x = Float32Array.of(-8, -3.5, -1.5, -1, -0.4, -1e-3, 0, 1e-3, 0.3, 1, 2.5, 7)
  it.each(Object.keys(TORCH) as Activation[])('%s', async (activation) => {
    const y = await evaluate(x, 1, (graph, value) => graph.op('Identity', [activate(graph, activation, value)]))
    y.forEach((value, i) => expect(value, `at ${x[i]}`).toBeCloseTo(TORCH[activation](x[i]!), 5))
  })
})

interface Layer {
  readonly config: DenseConfig
  readonly tensors: Tensors
  readonly weight: number[][]
  readonly residual: number[][] | undefined
  readonly bias: number[] | undefined
}

let state = 5
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 31 - 1
}

function layer(inFeatures: number, outFeatures: number, options: Partial<DenseConfig> = {}): Layer {
  const matrix = () => Array.from({ length: outFeatures }, () => Array.from({ length: inFeatures }, random))
  const [weight, learned] = [matrix(), matrix()]
  const { bias: biased = false, activation = 'identity', useResidual = false } = options
  const bias = biased ? Array.from({ length: outFeatures }, random) : undefined
  const square = inFeatures === outFeatures
  const identity = weight.map((row, i) => row.map((_, j) => (i === j ? 1 : 0)))
  return {
    config: { path: 'Dense', inFeatures, outFeatures, bias: biased, activation, useResidual },
    tensors: memoryTensors(`layer ${random()}`, {
      'linear.weight': { shape: [outFeatures, inFeatures], data: Float32Array.from(weight.flat()) },
      ...(bias && { 'linear.bias': { shape: [outFeatures], data: Float32Array.from(bias) } }),
      ...(useResidual &&
        !square && {
          'residual.weight': { shape: [outFeatures, inFeatures], data: Float32Array.from(learned.flat()) },
        }),
    }),
    weight,
    bias,
    residual: useResidual ? (square ? identity : learned) : undefined,
  }
}

/** y = act(W·x + b) + R·x, in plain numbers. */
function reference(layers: readonly Layer[], x: number[]): number[] {
  const times = (matrix: number[][], vector: number[]) =>
    matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i]!, 0))
  return layers.reduce((input, { config, weight, bias, residual }) => {
    const output = times(weight, input).map((value, i) => TORCH[config.activation](value + (bias?.[i] ?? 0)))
    return residual ? output.map((value, i) => value + times(residual, input)[i]!) : output
  }, x)
}

describe('chains of Dense layers', () => {
  const chains: [string, Layer[], 'layers' | 'folded'][] = [
    ['one linear', [layer(6, 4)], 'layers'],
    ['one with bias and activation', [layer(6, 4, { bias: true, activation: 'tanh' })], 'layers'],
    ['square residual around an activation', [layer(6, 6, { activation: 'relu', useResidual: true })], 'layers'],
    ['learned residual', [layer(6, 4, { bias: true, activation: 'gelu', useResidual: true }), layer(4, 3)], 'layers'],
    ['three linear', [layer(6, 12), layer(12, 12), layer(12, 4)], 'folded'],
    ['three linear, square residual', [layer(6, 12), layer(12, 12, { useResidual: true }), layer(12, 4)], 'folded'],
    [
      'linear with biases and both residuals',
      [
        layer(6, 8, { bias: true, useResidual: true }),
        layer(8, 8, { bias: true, useResidual: true }),
        layer(8, 5, { bias: true }),
      ],
      'folded',
    ],
  ]
  it.each(chains)('%s', async (_name, layers, kind) => {
    const head = prepareHead(
      layers.map(({ config }) => config),
      layers.map(({ tensors }) => tensors),
    )
    expect(head.kind).toBe(kind)
    const rows = Array.from({ length: 5 }, () => Array.from({ length: 6 }, random))
    const y = await evaluate(Float32Array.from(rows.flat()), 6, (graph, x) =>
      buildHead(graph, new GraphWeights(graph, undefined), head, x),
    )
    const expected = rows.flatMap((row) => reference(layers, row.map(Math.fround)))
    expect(y).toHaveLength(expected.length)
    y.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4))
  })
})
