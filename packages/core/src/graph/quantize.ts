import type { Tensors } from '../checkpoint/types.js'
import { SerotineError } from '../errors.js'
import { DataType, OnnxGraph } from './onnx.js'
import type { Value } from './onnx.js'
import type { Linear } from './transformer.js'

/**
 * A linear layer in int8. Weights are rounded once, symmetrically, with a scale per output; activations at run time
 * with a scale per row (token), so that a token's vector does not depend on the batch it is in, to the last bit.
 *
 * @param bits 8, or 7 on processors whose int8 kernels add pairs of products in 16 bits and would saturate
 * @param done weights quantised for another graph of the same model
 */
export function rowQuantizedLinear(graph: OnnxGraph, bits: 7 | 8, done = new Map<string, QuantizedWeight>()): Linear {
  // Query, key and value share their input.
  const rows = new Map<Value, ReturnType<typeof quantizeRows>>()
  return (x, tensors, name, bias) => {
    const { codes, scales, shape } = done.get(name) ?? quantizeWeight(tensors, name, bits)
    done.set(name, { codes, scales, shape })
    const weight = graph.constant(`${name} int8`, DataType.int8, shape, new Uint8Array(codes.buffer))
    const { quantized, largest } = rows.get(x) ?? quantizeRows(graph, x)
    rows.set(x, { quantized, largest })
    const product = graph.contrib('MatMulIntegerToFloat', [
      quantized,
      weight,
      graph.scalar(1 / 127),
      graph.floats(`${name} scales`, [scales.length], scales),
      midpoint(graph),
      byte(graph, DataType.int8, 0),
    ])
    const scaled = graph.op('Mul', [product, largest])
    return bias === undefined ? scaled : graph.op('Add', [scaled, bias])
  }
}

export interface QuantizedWeight {
  /** `[in × out]` */
  readonly codes: Int8Array<ArrayBuffer>
  /** Per output. */
  readonly scales: Float32Array
  readonly shape: readonly [inputs: number, outputs: number]
}

/** Symmetric codes of a stored weight `[out × in]`, transposed, and a scale per output. @throws NOT_FINITE */
function quantizeWeight(tensors: Tensors, name: string, bits: 7 | 8): QuantizedWeight {
  const [outputs, inputs] = tensors.info(name).shape as [number, number]
  const weight = tensors.f32(name)
  const limit = bits === 8 ? 127 : 63
  const codes = new Int8Array(outputs * inputs)
  const scales = new Float32Array(outputs)
  for (let o = 0; o < outputs; o++) {
    let largest = 0
    for (let i = 0; i < inputs; i++) largest = Math.max(largest, Math.abs(weight[o * inputs + i]!))
    if (!Number.isFinite(largest)) {
      throw new SerotineError(
        'NOT_FINITE',
        `Tensor "${name}" of ${tensors.name} holds ${largest} in row ${o}. The weights are damaged.`,
      )
    }
    const scale = largest / limit || 1
    scales[o] = scale
    for (let i = 0; i < inputs; i++) codes[i * outputs + o] = Math.round(weight[o * inputs + i]! / scale)
  }
  return { codes, scales, shape: [inputs, outputs] }
}

/**
 * A graph that shows whether the processor saturates: unsigned × signed bytes at their extremes, `sums` = `SATURATION_SUM`
 * when exact.
 */
export function saturationProbe(): Promise<Uint8Array> {
  const graph = new OnnxGraph()
  const x = graph.input('x', DataType.uint8, [4, PROBE_INPUTS])
  const weight = graph.constant(
    'weight',
    DataType.int8,
    [PROBE_INPUTS, 32],
    new Uint8Array(new Int8Array(PROBE_INPUTS * 32).fill(127).buffer),
  )
  graph.output('sums', graph.op('MatMulInteger', [x, weight]), DataType.int32, [4, 32])
  return graph.encode()
}
export const PROBE_INPUTS = 64
export const SATURATION_SUM = 255 * 127 * PROBE_INPUTS

/** Rows divided by their largest magnitude, as unsigned bytes around 128. */
function quantizeRows(graph: OnnxGraph, x: Value): { quantized: Value; largest: Value } {
  const magnitude = graph.op('ReduceMax', [graph.op('Abs', [x]), graph.ints(-1)], { keepdims: 1 })
  const largest = graph.op('Max', [magnitude, graph.scalar(1e-9)])
  const quantized = graph.op('QuantizeLinear', [graph.op('Div', [x, largest]), graph.scalar(1 / 127), midpoint(graph)])
  return { quantized, largest }
}

function midpoint(graph: OnnxGraph): Value {
  return byte(graph, DataType.uint8, 128)
}

function byte(graph: OnnxGraph, type: number, value: number): Value {
  return graph.constant(`byte ${type} ${value}`, type, [], Uint8Array.of(value))
}
