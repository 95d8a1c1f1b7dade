import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import { DataType, OnnxGraph } from '../../../packages/core/src/graph/onnx.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import { copyOf, editJson, writeJson } from '../checkpoint/folder.js'
import type { ModelInput } from '../../../packages/core/src/text/template.js'

const DIM = 4

/**
 * A stand-in for an exported encoder: vector of a token = (id, its position's mask, attended tokens of its text, 1).
 * Inputs and output are named and typed as pylate-onnx-export does.
 */
async function exportedGraph(scale: number, extra?: string): Promise<Uint8Array> {
  const graph = new OnnxGraph()
  const float = (name: string) =>
    graph.op('Cast', [graph.input(name, DataType.int64, ['batch', 'length'])], { to: DataType.float })
  const ids = graph.op('Mul', [float('input_ids'), graph.scalar(scale)])
  const mask = float('attention_mask')
  const types = float(extra ?? 'token_type_ids')
  const total = graph.op('Add', [graph.op('ReduceSum', [mask, graph.ints(1)], { keepdims: 1 }), types])
  const ones = graph.op('Add', [types, graph.scalar(1)])
  const columns = [ids, mask, total, ones].map((column) => graph.op('Unsqueeze', [column, graph.ints(2)]))
  graph.output('output', graph.op('Concat', columns, { axis: 2 }), DataType.float, ['batch', 'length', DIM])
  return graph.encode()
}

const input = (ids: number[], attended: number, kept: number[]): ModelInput => ({
  ids: Int32Array.from(ids),
  attended,
  kept: Int32Array.from(kept),
  starts: new Int32Array(),
  ends: new Int32Array(),
  cut: 0,
})
const normalized = (row: number[]) => row.map((value) => Math.fround(value / Math.hypot(...row)))

/** bert-tiny with graphs in place of its weights. */
async function onnxFolder(graphs: Record<string, Uint8Array>): Promise<string> {
  const folder = copyOf('bert-tiny')
  for (const file of [
    'model.safetensors',
    '1_Dense',
    'modules.json',
    'config_sentence_transformers.json',
    'config.json',
  ])
    rmSync(join(folder, file), { recursive: true })
  for (const [name, bytes] of Object.entries(graphs)) writeFileSync(join(folder, name), bytes)
  writeJson(folder, 'onnx_config.json', {
    model_type: 'ColBERT',
    model_name: 'bert-tiny',
    model_class: 'BertModel',
    uses_token_type_ids: true,
    query_prefix: '[Q] ',
    document_prefix: '[D] ',
    query_length: 24,
    document_length: 64,
    do_query_expansion: false,
    attend_to_expansion_tokens: false,
    skiplist_words: ['.'],
    embedding_dim: DIM,
    mask_token_id: 14,
    pad_token_id: 14,
    query_prefix_id: 1791,
    document_prefix_id: 1792,
    do_lower_case: true,
  })
  return folder
}

let fp32: Uint8Array
let int8: Uint8Array
beforeAll(async () => {
  fp32 = await exportedGraph(1)
  int8 = await exportedGraph(2)
})

describe('folders of pylate-onnx-export', () => {
  it('give their settings', async () => {
    const { config } = await readCheckpoint(await onnxFolder({ 'model.onnx': fp32 }))
    expect(config).toMatchObject({
      layout: 'onnx',
      dim: DIM,
      dense: [],
      queryPrefix: '[Q] ',
      queryLength: 24,
      documentLength: 64,
      doQueryExpansion: false,
      skiplistWords: ['.'],
      doLowerCase: true,
    })
  })

  it('run: masks, padding and kept rows arrive where they should', async () => {
    const runtime = await createRuntime(await readCheckpoint(await onnxFolder({ 'model.onnx': fp32 })))
    const [first, second] = await runtime.run([input([5, 6], 2, [0, 1]), input([7, 8, 9, 10], 3, [1, 3])], {
      normalize: true,
    })
    await runtime.close()
    expect(Array.from(first!)).toEqual([...normalized([5, 1, 2, 1]), ...normalized([6, 1, 2, 1])])
    expect(Array.from(second!)).toEqual([...normalized([8, 1, 3, 1]), ...normalized([10, 0, 3, 1])])
  })

  it('dtype chooses the graph; a graph that is not there is named', async () => {
    const both = await readCheckpoint(await onnxFolder({ 'model.onnx': fp32, 'model_int8.onnx': int8 }))
    const runtime = await createRuntime(both, { dtype: 'int8' })
    const [rows] = await runtime.run([input([5], 1, [0])], { normalize: true })
    await runtime.close()
    expect(Array.from(rows!)).toEqual(normalized([10, 1, 1, 1]))
    const only = await readCheckpoint(await onnxFolder({ 'model_int8.onnx': int8 }))
    await expect(createRuntime(only)).rejects.toMatchObject({
      code: 'MODEL_FILES_MISSING',
      message: expect.stringMatching(/model\.onnx.*dtype: 'int8'/),
    })
  })

  it('cannot switch normalisation off', async () => {
    const runtime = await createRuntime(await readCheckpoint(await onnxFolder({ 'model.onnx': fp32 })))
    await expect(runtime.run([input([5], 1, [0])], { normalize: false })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await runtime.close()
  })

  it('an output of another width than configured', async () => {
    const folder = await onnxFolder({ 'model.onnx': fp32 })
    editJson(folder, 'onnx_config.json', { embedding_dim: 5 })
    const runtime = await createRuntime(await readCheckpoint(folder))
    await expect(runtime.run([input([5], 1, [0])], { normalize: true })).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/1 × 1 × 4.*1 × 1 × 5/),
    })
    await runtime.close()
  })

  it('an input nobody knows, and a file that is no graph', async () => {
    const odd = await readCheckpoint(await onnxFolder({ 'model.onnx': await exportedGraph(1, 'pixel_values') }))
    await expect(createRuntime(odd)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('pixel_values'),
    })
    const broken = await readCheckpoint(await onnxFolder({ 'model.onnx': new Uint8Array([1, 2, 3]) }))
    await expect(createRuntime(broken)).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('model.onnx'),
    })
  })

  it('overrides that need weights are refused', async () => {
    const folder = await onnxFolder({ 'model.onnx': fp32 })
    await expect(readCheckpoint(folder, { denseOverrides: {} })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('the fingerprint follows the graph', async () => {
    const [a, b] = await Promise.all(
      [fp32, int8].map(async (graph) => (await readCheckpoint(await onnxFolder({ 'model.onnx': graph }))).fingerprint),
    )
    expect(a).not.toBe(b)
  })
})

it('a Hub cache whose graph keeps its weights in a second file, both symlinks', async () => {
  const graph = new OnnxGraph()
  const ids = graph.op('Cast', [graph.input('input_ids', DataType.int64, ['batch', 'length'])], { to: DataType.float })
  const location = { location: 'model.onnx.data', offset: 0, length: 4 * DIM }
  const weight = graph.constant('weight', DataType.float, [DIM], location)
  const vectors = graph.op('Mul', [graph.op('Unsqueeze', [ids, graph.ints(2)]), weight])
  graph.output('output', vectors, DataType.float, ['batch', 'length', DIM])
  const folder = await onnxFolder({ 'model.onnx': await graph.encode() })
  const blobs = copyOf('bert-tiny')
  writeFileSync(join(blobs, 'b1'), new Uint8Array(Float32Array.of(3, 4, 0, 0).buffer))
  renameSync(join(folder, 'model.onnx'), join(blobs, 'b2'))
  symlinkSync(join(blobs, 'b1'), join(folder, 'model.onnx.data'))
  symlinkSync(join(blobs, 'b2'), join(folder, 'model.onnx'))
  const runtime = await createRuntime(await readCheckpoint(folder))
  const [rows] = await runtime.run([input([5], 1, [0])], { normalize: true })
  await runtime.close()
  expect(Array.from(rows!)).toEqual(normalized([3, 4, 0, 0]))
})

describe("a graph beside PyLate's own files", () => {
  it('takes settings and width from these', async () => {
    const folder = copyOf('bert-tiny')
    rmSync(join(folder, 'model.safetensors'))
    writeFileSync(join(folder, 'model.onnx'), fp32)
    const { config } = await readCheckpoint(folder)
    expect(config).toMatchObject({ layout: 'onnx', dim: 16, queryLength: 32, documentLength: 300 })
  })

  it('weights win where both are there', async () => {
    const folder = copyOf('bert-tiny')
    writeFileSync(join(folder, 'model.onnx'), fp32)
    expect((await readCheckpoint(folder)).config.layout).toBe('pylate')
  })

  it('a graph with no configuration at all', async () => {
    const folder = await onnxFolder({ 'model.onnx': fp32 })
    rmSync(join(folder, 'onnx_config.json'))
    await expect(readCheckpoint(folder)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('onnx_config.json'),
    })
  })
})
