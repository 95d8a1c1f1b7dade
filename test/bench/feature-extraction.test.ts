// The feature-extraction pipeline of transformers.js beside us in one process, on a small graph in place of real weights.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import typescript from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
// @ts-expect-error a script without types
import { FeatureExtraction, nearest } from '../../bench/feature-extraction.mjs'
import { ColBERT } from '../../packages/core/src/colbert.js'
import { DataType, OnnxGraph } from '../../packages/core/src/graph/onnx.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-features-'))
  mkdirSync(join(folder, 'onnx'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: 'bert' }))
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(root, 'packages/model-micro/model', file), join(folder, file))
  writeFileSync(join(folder, 'onnx/model.onnx'), await idGraph())
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Vector of a token = (id, attended, 1, 0); the token types are an input, as in BERT. */
async function idGraph(): Promise<Uint8Array> {
  const graph = new OnnxGraph()
  const float = (name: string) =>
    graph.op('Cast', [graph.input(name, DataType.int64, ['batch', 'length'])], { to: DataType.float })
  const types = float('token_type_ids')
  const ones = graph.op('Add', [types, graph.scalar(1)])
  const columns = [float('input_ids'), float('attention_mask'), ones, types]
  const rows = graph.op(
    'Concat',
    columns.map((column) => graph.op('Unsqueeze', [column, graph.ints(2)])),
    { axis: 2 },
  )
  graph.output('last_hidden_state', rows, DataType.float, ['batch', 'length', 4])
  return graph.encode()
}

/** Mean over [CLS] 101, the ids, [SEP] 102; normalised. */
function expected(...ids: number[]): number[] {
  const mean = [101, ...ids, 102].reduce((sum, id) => sum + id, 0) / (ids.length + 2)
  const norm = Math.hypot(mean, 1, 1)
  return [mean / norm, 1 / norm, 1 / norm, 0]
}

describe('the bench of single vectors', () => {
  it('embeds texts of any length in the order given, beside a model of ours', async () => {
    await using model = await ColBERT.load()
    const [ours] = await model.encodeQueries(['hello world'])
    const extraction = await FeatureExtraction.load(folder, { dtype: 'fp32' })
    const texts = ['hello world', 'a', ...Array.from({ length: 40 }, () => 'a a a')]
    const vectors: Float32Array[] = await extraction.embed(texts)
    expect(vectors).toHaveLength(texts.length)
    for (const [i, ids] of [
      [0, [7592, 2088]],
      [1, [1037]],
      [41, [1037, 1037, 1037]],
    ] as const) {
      Array.from(vectors[i]!).forEach((value, j) => expect(value).toBeCloseTo(expected(...ids)[j]!, 6))
    }
    const [alone] = await extraction.embed(['a'])
    expect(Array.from(alone as Float32Array)).toEqual(Array.from(vectors[1]!))
    await extraction.close()
    expect(await model.encodeQueries(['hello world'])).toEqual([ours])
  })

  it('ranks by inner product', () => {
    const vectors = [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(0.6, 0.8)]
    expect(nearest(Float32Array.of(0, 1), ['a', 'b', 'c'], vectors, 2).map(({ id }: { id: string }) => id)).toEqual([
      'b',
      'c',
    ])
  })

  it('is what docs/evaluation.md shows, which runs', () => {
    const page = readFileSync(join(root, 'docs/evaluation.md'), 'utf8')
    const [, program] = /### Your single vectors as a method[\s\S]*?```ts\n([\s\S]*?)```/.exec(page)!
    const { outputText } = typescript.transpileModule(program!, {
      compilerOptions: { target: typescript.ScriptTarget.ES2022, module: typescript.ModuleKind.ESNext },
    })
    const changed = outputText
      .replace(/['"]\.\/my-collection['"]/, JSON.stringify(join(root, 'test/fixtures/beir-mini')))
      .replace(/['"]Xenova\/all-MiniLM-L6-v2['"]/, `${JSON.stringify(folder)}, { dtype: 'fp32' }`)
    expect(changed).not.toMatch(/my-collection|Xenova/)
    const prints = execFileSync(process.execPath, ['--input-type=module', '-e', changed], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(prints).toMatch(/^single vectors \d\.\d{3}\nexact MaxSim \d\.\d{3}\n$/)
  })
})
