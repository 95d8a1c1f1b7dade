import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { Checkpoint } from '../../../packages/core/src/checkpoint/types.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import { builtWorker } from './built-worker.js'
import { concat, goldenFolder, goldenInputs, maxDifference, readGolden, syntheticInput } from './golden.js'

let workerUrl: URL
let checkpoint: Checkpoint
let scratch: string
const [, documents] = readGolden('bert-tiny').cases
const inputs = goldenInputs(documents!)

beforeAll(async () => {
  workerUrl = await builtWorker('pool')
  checkpoint = await readCheckpoint(`${goldenFolder('bert-tiny')}/model`)
  scratch = mkdtempSync(join(tmpdir(), 'serotine-pool-'))
})
afterAll(() => rmSync(scratch, { recursive: true }))

/** A worker module that misbehaves on purpose. */
function brokenWorker(name: string, source: string): URL {
  const file = join(scratch, `${name}.mjs`)
  writeFileSync(file, source)
  return pathToFileURL(file)
}

describe('worker threads', () => {
  it('give the vectors of this thread, in the order of the inputs', async () => {
    const here = await createRuntime(checkpoint)
    const there = await createRuntime(checkpoint, { workers: 2, workerUrl, batchSize: 3 })
    const many = [...inputs, ...inputs, ...inputs]
    const [expected, rows] = await Promise.all([
      here.run(many, { normalize: true }),
      there.run(many, { normalize: true }),
    ])
    await Promise.all([here.close(), there.close()])
    expect(rows.map((row) => row.length)).toEqual(expected.map((row) => row.length))
    expect(maxDifference(concat(rows), concat(expected))).toBeLessThanOrEqual(1e-5)
  })

  it('serve several calls at once, and leave the inputs usable', async () => {
    const runtime = await createRuntime(checkpoint, { workers: 1, workerUrl })
    const [first, second] = await Promise.all([
      runtime.run(inputs, { normalize: true }),
      runtime.run(inputs, { normalize: true }),
    ])
    await runtime.close()
    expect(concat(second)).toEqual(concat(first))
    expect(inputs[0]!.ids.length).toBeGreaterThan(0)
  })

  it('keep the calling thread free', async () => {
    const runtime = await createRuntime(checkpoint, { workers: 1, workerUrl })
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await runtime.run(
      Array.from({ length: 400 }, (_, i) => syntheticInput(300, 1700, i)),
      { normalize: true },
    )
    clearInterval(timer)
    await runtime.close()
    expect(turns).toBeGreaterThan(3)
  })

  it('end with close(), which can be called again, and later calls are refused', async () => {
    const runtime = await createRuntime(checkpoint, { workers: 2, workerUrl })
    await runtime.close()
    await runtime.close()
    await expect(runtime.run(inputs, { normalize: true })).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('finish the batch in hand before they end', async () => {
    const runtime = await createRuntime(checkpoint, { workers: 1, workerUrl })
    const running = runtime.run(inputs.slice(0, 2), { normalize: true })
    await new Promise((resolve) => setTimeout(resolve, 1))
    await Promise.all([running, runtime.close()])
    await expect(running).resolves.toHaveLength(2)
  })
})

it('are sent the model as a bare buffer, which Deno does not walk through, and end without closing their port', async () => {
  const url = brokenWorker(
    'buffers',
    `import { parentPort, workerData } from 'node:worker_threads'
    const { model } = workerData.source.batch
    if (!(model instanceof ArrayBuffer)) throw new Error('the model came as ' + model.constructor.name)
    parentPort.postMessage({ id: -1 })
    parentPort.on('message', () => parentPort.postMessage('closed'))`,
  )
  const runtime = await createRuntime(checkpoint, { workers: 1, workerUrl: url })
  await runtime.close()
})

describe('a worker that fails', () => {
  it('cannot be found: WORKER_FAILED names the file', async () => {
    const url = pathToFileURL(join(scratch, 'nowhere.js'))
    await expect(createRuntime(checkpoint, { workers: 1, workerUrl: url })).rejects.toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringContaining('nowhere.js'),
    })
  })

  it('ends in the middle of a batch: the call is rejected, later ones too', async () => {
    const url = brokenWorker(
      'dies',
      `import { parentPort } from 'node:worker_threads'
      parentPort.postMessage({ id: -1 })
      parentPort.on('message', () => process.exit(3))`,
    )
    const runtime = await createRuntime(checkpoint, { workers: 1, workerUrl: url })
    await expect(runtime.run(inputs, { normalize: true })).rejects.toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringContaining('exit code 3'),
    })
    await expect(runtime.run(inputs, { normalize: true })).rejects.toMatchObject({ code: 'WORKER_FAILED' })
    await runtime.close()
  })

  it('throws: the message is kept', async () => {
    const url = brokenWorker(
      'throws',
      `import { parentPort } from 'node:worker_threads'
      parentPort.postMessage({ id: -1 })
      parentPort.on('message', () => { throw new Error('out of luck') })`,
    )
    const runtime = await createRuntime(checkpoint, { workers: 1, workerUrl: url })
    await expect(runtime.run(inputs, { normalize: true })).rejects.toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringContaining('out of luck'),
    })
    await runtime.close()
  })

  it('leaves the others working', async () => {
    const url = brokenWorker(
      'half',
      `import { parentPort, workerData } from 'node:worker_threads'
      parentPort.postMessage({ id: -1 })
      parentPort.on('message', (request) => {
        if (request === 'close') return parentPort.postMessage('closed')
        if (request.batch.texts === 1) process.exit(1)
        const rows = new Float32Array(request.batch.keep.length * workerData.dim).fill(1)
        parentPort.postMessage({ id: request.id, rows }, [rows.buffer])
      })`,
    )
    const runtime = await createRuntime(checkpoint, { workers: 2, workerUrl: url })
    await expect(runtime.run(inputs.slice(0, 1), { normalize: true })).rejects.toMatchObject({ code: 'WORKER_FAILED' })
    await expect(runtime.run(inputs.slice(0, 2), { normalize: true, batchSize: 2 })).resolves.toHaveLength(2)
    await runtime.close()
  })
})

it('an error inside the network keeps its code across the thread', async () => {
  const file = join(scratch, 'model.onnx')
  writeFileSync(file, 'not a graph')
  const damaged: Checkpoint = {
    ...checkpoint,
    config: { ...checkpoint.config, encoder: { modelType: 'onnx', files: { fp32: file } } },
  }
  await expect(createRuntime(damaged, { workers: 1, workerUrl })).rejects.toMatchObject({
    code: 'MODEL_CORRUPT',
    message: expect.stringContaining('model.onnx'),
  })
})

it('without ONNX Runtime installed: the package and how to install it are named', async () => {
  // The same worker in a folder from where no package can be found.
  const lonely = join(scratch, 'worker.mjs')
  copyFileSync(workerUrl, lonely)
  await expect(createRuntime(checkpoint, { workers: 1, workerUrl: pathToFileURL(lonely) })).rejects.toMatchObject({
    code: 'RUNTIME_MISSING',
    message: expect.stringMatching(/@serotine\/runtime-<platform>.*runtime: 'wasm'/),
  })
})

it('an injected ONNX Runtime cannot go to workers', async () => {
  await expect(createRuntime(checkpoint, { workers: 1, workerUrl, ort: {} })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
})

it('the other lanes stop when one has failed', async () => {
  const runtime = await createRuntime(checkpoint, { workers: 2, workerUrl })
  const many = Array.from({ length: 60 }, (_, i) => syntheticInput(20, 700, i))
  let batches = 0
  const running = runtime.run(many, {
    normalize: true,
    batchSize: 1,
    onBatch: () => {
      if (++batches === 2) throw new Error('enough')
    },
  })
  await expect(running).rejects.toThrow('enough')
  await new Promise((resolve) => setTimeout(resolve, 300))
  // What the three other lanes (two for each worker) had in hand, and no more.
  expect(batches).toBeLessThanOrEqual(2 + 3)
  await runtime.close()
})
