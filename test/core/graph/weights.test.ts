import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import { encodeSafetensors, readSafetensors, widenF16 } from '../../../packages/core/src/checkpoint/safetensors.js'
import { DataType, OnnxGraph } from '../../../packages/core/src/graph/onnx.js'
import { externalFiles, GraphWeights } from '../../../packages/core/src/graph/weights.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import { loadOrt } from '../../../packages/core/src/runtime/ort.js'
import { Session } from '../../../packages/core/src/runtime/session.js'
import { copyOf, editTensors } from '../checkpoint/folder.js'
import { concat, goldenFolder, goldenInputs, goldenVectors, maxDifference, readGolden } from '../runtime/golden.js'

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'serotine-weights-'))
})
afterAll(() => rmSync(scratch, { recursive: true }))

const record = readGolden('bert-tiny').cases.find(({ id }) => id === 'd_default')!

async function encode(folder: string): Promise<Float32Array> {
  const runtime = await createRuntime(await readCheckpoint(folder))
  const rows = concat(await runtime.run(goldenInputs(record), { normalize: true }))
  await runtime.close()
  return rows
}

describe('where the weights lie', () => {
  it('stay in their files: the model holds references, not copies', async () => {
    const { buildEncoderGraphs } = await import('../../../packages/core/src/graph/encoder.js')
    const checkpoint = await readCheckpoint(`${goldenFolder('bert-tiny')}/model`)
    const { batch } = await buildEncoderGraphs(checkpoint, { masked: 'zeros', maxLength: 300, weightBits: undefined })
    expect(batch.folder).toMatch(/bert-tiny.model$/)
    expect(batch.model.length).toBeLessThan(40_000)
  })

  it('a Hub cache, whose files are symlinks to blobs outside the folder', async () => {
    const cache = mkdtempSync(join(scratch, 'hub-'))
    const snapshot = join(cache, 'snapshots', 'abc')
    mkdirSync(join(cache, 'snapshots'), { recursive: true })
    mkdirSync(join(cache, 'blobs'))
    renameSync(copyOf('bert-tiny'), snapshot)
    for (const file of ['model.safetensors', '1_Dense/model.safetensors', 'tokenizer.json', 'config.json']) {
      const blob = join(cache, 'blobs', `blob-${file.replaceAll('/', '-')}`)
      renameSync(join(snapshot, file), blob)
      symlinkSync(relative(join(snapshot, file, '..'), blob), join(snapshot, file))
    }
    expect(maxDifference(await encode(snapshot), goldenVectors('bert-tiny', 'd_default'))).toBeLessThanOrEqual(5e-5)
  })

  it('a shared folder is found for files beside and below each other', () => {
    mkdirSync(join(scratch, 'a/b'), { recursive: true })
    const files = ['a/b/x.safetensors', 'a/y.safetensors'].map((name) => join(scratch, name))
    for (const file of files) writeFileSync(file, '')
    const found = externalFiles(files)!
    expect(found.folder).toMatch(/a$/)
    expect(files.map(found.location)).toEqual(['b/x.safetensors', 'y.safetensors'])
    expect(found.location(join(scratch, 'elsewhere'))).toBeUndefined()
    expect(externalFiles([])).toBeUndefined()
  })

  it('sharded weights', async () => {
    const folder = copyOf('bert-tiny')
    const source = readSafetensors(join(folder, 'model.safetensors'))
    const map: Record<string, string> = {}
    for (const [i, part] of [0, 1].entries()) {
      const names = source.names().filter((_, j) => j % 2 === part)
      const shard = `model-0000${i + 1}-of-00002.safetensors`
      names.forEach((name) => (map[name] = shard))
      writeFileSync(
        join(folder, shard),
        encodeSafetensors(
          Object.fromEntries(
            names.map((name) => [name, { dtype: 'F32', shape: source.info(name).shape, data: source.f32(name) }]),
          ),
        ),
      )
    }
    rmSync(join(folder, 'model.safetensors'))
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    expect(maxDifference(await encode(folder), goldenVectors('bert-tiny', 'd_default'))).toBeLessThanOrEqual(5e-5)
  })

  it('fp16 weights give the vectors of the same numbers in fp32', async () => {
    const [half, full] = [copyOf('bert-tiny'), copyOf('bert-tiny')]
    editTensors(join(half, 'model.safetensors'), (tensors) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, { shape, data }]) => [
          name,
          { dtype: 'F16', shape, data: toHalf(data as Float32Array) },
        ]),
      ),
    )
    editTensors(join(full, 'model.safetensors'), (tensors) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [
          name,
          { ...tensor, data: widenF16(toHalf(tensor.data as Float32Array)) },
        ]),
      ),
    )
    const [a, b] = [await encode(half), await encode(full)]
    expect(maxDifference(a, b)).toBeLessThanOrEqual(1e-6)
    expect(maxDifference(a, goldenVectors('bert-tiny', 'd_default'))).toBeGreaterThan(1e-6)
  })

  it('a tensor at an odd offset is copied', async () => {
    const file = join(scratch, 'odd.safetensors')
    writeFileSync(
      file,
      encodeSafetensors({
        byte: { dtype: 'U8', shape: [1], data: Uint8Array.of(7) },
        weight: { dtype: 'F32', shape: [2], data: Float32Array.of(1.5, -2) },
      }),
    )
    const tensors = readSafetensors(file)
    expect(tensors.info('weight').begin % 4).toBe(1)
    const graph = new OnnxGraph()
    const weight = new GraphWeights(graph, externalFiles([file])).put(tensors, 'weight')
    graph.output('y', graph.op('Add', [graph.input('x', DataType.float, [2]), weight]), DataType.float, [2])
    const session = await Session.open(
      { model: await graph.encode(), folder: scratch, files: [] },
      1,
      await loadOrt({}),
    )
    const { data } = await session.run({ x: { type: 'float32', data: Float32Array.of(1, 1), dims: [2] } })
    expect(Array.from(data as Float32Array)).toEqual([2.5, -1])
    await session.close()
  })
})

/** Nearest fp16, by search over neighbours: slow and plain. */
function toHalf(numbers: Float32Array): Uint16Array {
  const positive = widenF16(Uint16Array.from({ length: 0x7c00 }, (_, i) => i))
  return Uint16Array.from(numbers, (value) => {
    let [low, high] = [0, positive.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (positive[middle]! < Math.abs(value)) low = middle + 1
      else high = middle
    }
    const below = low > 0 && Math.abs(value) - positive[low - 1]! < positive[low]! - Math.abs(value) ? low - 1 : low
    return below | (value < 0 ? 0x8000 : 0)
  })
}
