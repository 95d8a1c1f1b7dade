// Ready-made int8 graphs round activations to the range of the whole batch; a text's vector must not show it.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import { DataType, OnnxGraph } from '../../../packages/core/src/graph/onnx.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import { isDynamicallyQuantized } from '../../../packages/core/src/runtime/dynamic-quantization.js'
import { copyOf, writeJson } from '../checkpoint/folder.js'
import type { ModelInput } from '../../../packages/core/src/text/template.js'

const DIM = 4

/** Vector of a token: (id, 1, mask, 2), through a matrix that is multiplied as ONNX Runtime's dynamic quantisation does. */
async function graphOf(dynamic: boolean): Promise<Uint8Array> {
  const graph = new OnnxGraph()
  const float = (name: string) =>
    graph.op('Cast', [graph.input(name, DataType.int64, ['batch', 'length'])], { to: DataType.float })
  const [ids, mask] = [float('input_ids'), float('attention_mask')]
  const ones = graph.op('Add', [graph.op('Mul', [ids, graph.scalar(0)]), graph.scalar(1)])
  const columns = [ids, ones, mask, graph.op('Add', [ones, ones])].map((column) =>
    graph.op('Unsqueeze', [column, graph.ints(2)]),
  )
  const rows = graph.op('Concat', columns, { axis: 2 })
  const codes = Int8Array.from({ length: DIM * DIM }, (_, i) => (i % (DIM + 1) === 0 ? 100 : 7))
  const weight = graph.constant('weight', DataType.int8, [DIM, DIM], new Uint8Array(codes.buffer))
  const output = dynamic
    ? graph.contrib('DynamicQuantizeMatMul', [rows, weight, graph.scalar(0.01)])
    : graph.op('MatMul', [rows, graph.floats('plain', [DIM, DIM], Float32Array.from(codes))])
  graph.output('output', output, DataType.float, ['batch', 'length', DIM])
  return graph.encode()
}

async function folderWith(graph: Uint8Array): Promise<string> {
  const folder = copyOf('bert-tiny')
  for (const file of ['model.safetensors', '1_Dense', 'modules.json', 'config_sentence_transformers.json'])
    rmSync(join(folder, file), { recursive: true })
  writeFileSync(join(folder, 'model_int8.onnx'), graph)
  writeJson(folder, 'onnx_config.json', { embedding_dim: DIM, query_prefix: '[Q] ', document_prefix: '[D] ' })
  return folder
}

const input = (...ids: number[]): ModelInput => ({
  ids: Int32Array.from(ids),
  attended: ids.length,
  kept: Int32Array.from(ids.keys()),
  starts: new Int32Array(),
  ends: new Int32Array(),
  cut: 0,
})

it('gives a text the same vectors beside any neighbour', async () => {
  const folder = await folderWith(await graphOf(true))
  expect(await isDynamicallyQuantized(join(folder, 'model_int8.onnx'))).toBe(true)
  const runtime = await createRuntime(await readCheckpoint(folder), { dtype: 'int8' })
  const run = (inputs: ModelInput[], batchSize?: number) =>
    runtime.run(inputs, { normalize: true, ...(batchSize !== undefined && { batchSize }) })
  const [alone] = await run([input(3, 5, 8)])
  const [, beside] = await run([input(900, 1200, 7, 9), input(3, 5, 8)])
  const [asked] = await run([input(3, 5, 8), input(1500, 1, 2)], 16)
  await runtime.close()
  expect(beside).toEqual(alone)
  expect(asked).toEqual(alone)
})

it('knows a graph without dynamic quantisation', async () => {
  const folder = await folderWith(await graphOf(false))
  expect(await isDynamicallyQuantized(join(folder, 'model_int8.onnx'))).toBe(false)
})
