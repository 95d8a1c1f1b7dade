import { describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import { LONG_TEXT } from '../../../packages/core/src/graph/encoder.js'
import { planBatches } from '../../../packages/core/src/runtime/batch.js'
import { normalizeRows } from '../../../packages/core/src/runtime/network.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import type { Runtime, RuntimeOptions } from '../../../packages/core/src/runtime/runtime.js'
import type { ModelInput } from '../../../packages/core/src/text/template.js'
import { copyOf, editTensors } from '../checkpoint/folder.js'
import {
  concat,
  goldenFolder,
  goldenInputs,
  goldenVectors,
  maxDifference,
  readGolden,
  syntheticInput,
} from './golden.js'

/** The copy that the core package uses. */
const ORT = new URL('../../../packages/core/node_modules/onnxruntime-node/dist/index.js', import.meta.url).href

async function open(name: string, options: RuntimeOptions = {}, overrides = {}): Promise<Runtime> {
  return createRuntime(await readCheckpoint(`${goldenFolder(name)}/model`, overrides), options)
}

/** The vectors of each input encoded alone, and all in one call. */
async function aloneAndTogether(runtime: Runtime, inputs: ModelInput[]) {
  const alone: Float32Array[] = []
  for (const input of inputs) alone.push(...(await runtime.run([input], { normalize: true })))
  return { alone, together: await runtime.run(inputs, { normalize: true }) }
}

const MIXED = [40, 3, 17, 128, 99, 5, 64, 31, 77, 2, 12, 50].map((length, i) => syntheticInput(length, 700, i + 1))

describe('a text has the same vectors alone and in any batch', () => {
  it.each(['bert-tiny', 'modernbert-tiny', 'modernbert-residual-linear'])('%s in fp32, to 1e-5', async (name) => {
    const runtime = await open(name, {}, { documentLength: 128 })
    const { alone, together } = await aloneAndTogether(runtime, MIXED)
    await runtime.close()
    together.forEach((rows, i) => expect(maxDifference(rows, alone[i]!)).toBeLessThanOrEqual(1e-5))
  })

  it.each(['bert-tiny', 'modernbert-tiny', 'modernbert-residual-linear'])(
    '%s in int8, to the last bit',
    async (name) => {
      const runtime = await open(name, { dtype: 'int8' }, { documentLength: 128 })
      const { alone, together } = await aloneAndTogether(runtime, MIXED)
      await runtime.close()
      together.forEach((rows, i) => expect(rows).toEqual(alone[i]!))
    },
  )
})

describe('int8', () => {
  it.each(['bert-tiny', 'modernbert-tiny'])(
    '%s stays near PyLate, and is not fp32 under another name',
    async (name) => {
      const record = readGolden(name).cases.find(({ id }) => id === 'd_default')!
      const runtime = await open(name, { dtype: 'int8' })
      const rows = concat(await runtime.run(goldenInputs(record), { normalize: true }))
      await runtime.close()
      expect(runtime.variant).toMatch(/^int8/)
      const expected = goldenVectors(name, 'd_default')
      // Without VNNI the weights get 7 bits; .9867 was measured there.
      expect(meanCosine(rows, expected, runtime.dim)).toBeGreaterThan(runtime.variant === 'int8' ? 0.99 : 0.98)
      expect(maxDifference(rows, expected)).toBeGreaterThan(1e-4)
    },
  )
})

it('int8 refuses weights that are not numbers, instead of rounding them to something', async () => {
  const folder = copyOf('bert-tiny')
  editTensors(`${folder}/model.safetensors`, (tensors) => {
    const { data } = tensors['encoder.layer.0.output.dense.weight']!
    new Float32Array(data.buffer)[70] = NaN
    return tensors
  })
  await expect(createRuntime(await readCheckpoint(folder), { dtype: 'int8' })).rejects.toMatchObject({
    code: 'NOT_FINITE',
    message: expect.stringMatching(/encoder\.layer\.0\.output\.dense\.weight.*row 1/),
  })
})

describe('int8 on a processor whose kernels saturate', () => {
  it('falls back to 7-bit weights and says so', async () => {
    const real = (await import(ORT)) as {
      InferenceSession: { create(model: Uint8Array, options: object): Promise<Record<string, unknown>> }
      Tensor: unknown
    }
    const saturating = {
      Tensor: real.Tensor,
      InferenceSession: {
        create: async (model: Uint8Array, options: object) => {
          const session = await real.InferenceSession.create(model, options)
          const probe = (session['inputNames'] as string[])[0] === 'x'
          if (!probe) return session
          return {
            inputNames: ['x'],
            outputNames: ['sums'],
            release: async () => {},
            run: async () => ({ sums: { data: Int32Array.of(1, 2), dims: [1, 2] } }),
          }
        },
      },
    }
    const warnings: string[] = []
    const record = readGolden('bert-tiny').cases.find(({ id }) => id === 'd_default')!
    const runtime = await open('bert-tiny', {
      dtype: 'int8',
      ort: saturating,
      onWarning: ({ code }) => warnings.push(code),
    })
    const rows = concat(await runtime.run(goldenInputs(record), { normalize: true }))
    await runtime.close()
    expect(warnings).toEqual(['INT8_SATURATES'])
    expect(runtime.variant).toBe('int8 (7-bit weights)')
    expect(meanCosine(rows, goldenVectors('bert-tiny', 'd_default'), runtime.dim)).toBeGreaterThan(0.98)
  })
})

describe('long ModernBERT texts', () => {
  const long = [LONG_TEXT + 1, 512, 700, 1024].map((length, i) => syntheticInput(length, 700, i + 7))

  it('block-local attention equals full attention with a window', async () => {
    const checkpoint = await readCheckpoint(`${goldenFolder('modernbert-tiny')}/model`, { documentLength: 1100 })
    const blocks = await createRuntime(checkpoint)
    // An expansion token sends a text through the ordinary graph; hidden from attention, it changes nothing.
    const withMask = long.map((input) => ({ ...input, ids: Int32Array.from([...input.ids, 0]) }))
    const rows = await blocks.run(long, { normalize: true })
    const windowed = await blocks.run(withMask, { normalize: true })
    await blocks.close()
    rows.forEach((own, i) => expect(maxDifference(own, windowed[i]!)).toBeLessThanOrEqual(1e-5))
  })

  it('run alone, whatever else is encoded', async () => {
    const runtime = await open('modernbert-tiny', {}, { documentLength: 1100 })
    const { alone, together } = await aloneAndTogether(runtime, [...MIXED.slice(0, 3), ...long.slice(0, 2)])
    await runtime.close()
    together.forEach((rows, i) => expect(maxDifference(rows, alone[i]!)).toBeLessThanOrEqual(1e-5))
  })
})

describe('batches', () => {
  const limits = { batchSize: 4, tokenBudget: 100, aloneFrom: Infinity }

  it('hold texts of similar length, within both limits, each text once', () => {
    const batches = planBatches(MIXED, limits)
    expect(batches.flat().toSorted((a, b) => a - b)).toEqual(MIXED.map((_, i) => i))
    for (const batch of batches) {
      const lengths = batch.map((i) => MIXED[i]!.ids.length)
      expect(batch.length).toBeLessThanOrEqual(4)
      expect(batch.length === 1 || Math.max(...lengths) * batch.length <= 100).toBe(true)
    }
    const longestFirst = batches.map((batch) => Math.max(...batch.map((i) => MIXED[i]!.ids.length)))
    expect(longestFirst).toEqual(longestFirst.toSorted((a, b) => b - a))
  })

  it('a text above the budget still gets a batch; long texts stay alone', () => {
    expect(planBatches([syntheticInput(900, 9)], limits)).toEqual([[0]])
    const long = [500, 501, 3].map((length) => syntheticInput(length, 9))
    expect(planBatches(long, { ...limits, tokenBudget: 10_000, aloneFrom: 384 })).toEqual([[1], [0], [2]])
    expect(planBatches([], limits)).toEqual([])
  })

  it('report progress: every text counted once, every token too', async () => {
    const runtime = await open('bert-tiny')
    const seen: [number, number][] = []
    await runtime.run(MIXED, { normalize: true, batchSize: 2, onBatch: (done, tokens) => seen.push([done, tokens]) })
    await runtime.close()
    expect(seen.length).toBeGreaterThanOrEqual(6)
    expect(seen.at(-1)![0]).toBe(MIXED.length)
    expect(seen.reduce((sum, [, tokens]) => sum + tokens, 0)).toBe(MIXED.reduce((sum, { ids }) => sum + ids.length, 0))
  })
})

describe('stopping', () => {
  it('AbortSignal ends between batches with its reason', async () => {
    const runtime = await open('bert-tiny')
    const controller = new AbortController()
    let batches = 0
    const running = runtime.run(MIXED, {
      normalize: true,
      batchSize: 1,
      signal: controller.signal,
      onBatch: () => {
        if (++batches === 3) controller.abort(new Error('enough'))
      },
    })
    await expect(running).rejects.toThrow('enough')
    expect(batches).toBe(3)
    await expect(runtime.run(MIXED, { normalize: true })).resolves.toHaveLength(MIXED.length)
    await runtime.close()
  })

  it('timers get a turn while a long list is encoded on this thread', async () => {
    const runtime = await open('bert-tiny')
    const signal = AbortSignal.timeout(1)
    const endless = Array.from({ length: 5000 }, (_, i) => syntheticInput(100, 700, i))
    await expect(runtime.run(endless, { normalize: true, signal })).rejects.toMatchObject({ name: 'TimeoutError' })
    await runtime.close()
  })

  it('the event loop turns before every batch, where the network computes without a pause too', async () => {
    const runtime = await open('bert-tiny', { runtime: 'wasm' })
    let turns = 0
    let going = true
    const turn = (): void => {
      turns++
      if (going) setImmediate(turn)
    }
    setImmediate(turn)
    const seen: number[] = []
    await runtime.run(MIXED, { normalize: true, batchSize: 1, onBatch: () => seen.push(turns) })
    going = false
    await runtime.close()
    expect(seen).toHaveLength(MIXED.length)
    expect(seen.filter((count, i) => i > 0 && count === seen[i - 1])).toEqual([])
  })

  it('close() in the middle lets the batch in hand finish and refuses the rest', async () => {
    const runtime = await open('bert-tiny')
    let closing: Promise<void> | undefined
    const running = runtime.run(MIXED, { normalize: true, batchSize: 1, onBatch: () => (closing ??= runtime.close()) })
    await expect(running).rejects.toMatchObject({ code: 'CLOSED' })
    await closing
  })

  it('close() twice is fine, encoding afterwards is CLOSED', async () => {
    const runtime = await open('bert-tiny')
    await Promise.all([runtime.close(), runtime.close()])
    await expect(runtime.run(MIXED, { normalize: true })).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('what is refused', () => {
  it('a text longer than BERT has positions', async () => {
    const runtime = await open('bert-tiny')
    await expect(runtime.run([syntheticInput(321, 700)], { normalize: true })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/321 tokens.*320/),
    })
    await runtime.close()
  })

  it('a token id without an embedding', async () => {
    const runtime = await open('bert-tiny')
    await expect(
      runtime.run([syntheticInput(5, 700), { ...syntheticInput(2, 700), ids: Int32Array.of(1, 99_999) }], {
        normalize: true,
      }),
    ).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/99999 of texts\[1\].*1793/),
    })
    await runtime.close()
  })

  it('vectors that are not numbers, naming the text', async () => {
    const weight = new Float32Array(16 * 32).fill(NaN)
    const runtime = await open(
      'plain-tiny',
      {},
      { queryPrefix: '[unused0]', documentPrefix: '[unused1]', projection: { weight, outFeatures: 16 } },
    )
    await expect(runtime.run(MIXED, { normalize: true })).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringContaining('texts['),
    })
    await runtime.close()
  })

  it.each([
    [{ dtype: 'fp16' as 'fp32' }, 'dtype'],
    [{ workers: -1 }, 'workers'],
    [{ threads: 0 }, 'threads'],
    [{ batchSize: 1.5 }, 'batchSize'],
    [{ maskedAttention: 'nan' as 'zeros' }, 'maskedAttention'],
  ])('option %j', async (options, name) => {
    await expect(open('bert-tiny', options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(name),
    })
  })

  it('an ort option that is not ONNX Runtime', async () => {
    await expect(open('bert-tiny', { ort: { default: {} } })).rejects.toMatchObject({ code: 'RUNTIME_MISSING' })
  })
})

it('an injected ONNX Runtime is used, as a namespace or by its default export', async () => {
  const calls: string[] = []
  const session = {
    inputNames: ['ids', 'keep', 'attended'],
    outputNames: ['vectors'],
    release: async () => calls.push('release'),
  }
  const fake = {
    InferenceSession: {
      create: async () => ({
        ...session,
        run: async (feeds: Record<string, { dims: number[] }>) => {
          calls.push('run')
          return {
            vectors: {
              data: new Float32Array(feeds['keep']!.dims[0]! * 16).fill(3),
              dims: [feeds['keep']!.dims[0], 16],
            },
          }
        },
      }),
    },
    Tensor: class {
      constructor(
        readonly type: string,
        readonly data: unknown,
        readonly dims: number[],
      ) {}
    },
  }
  const runtime = await open('bert-tiny', { ort: { default: fake } })
  const [rows] = await runtime.run([syntheticInput(4, 700)], { normalize: true })
  await runtime.close()
  expect(rows).toHaveLength(4 * 16)
  expect(rows![0]).toBeCloseTo(0.25, 6)
  expect(calls).toEqual(['run', 'release'])
})

it('normalizeRows divides by the length, and leaves a row of zeros alone', () => {
  const rows = Float32Array.of(3, 4, 0, 0, 1e-30, 0)
  normalizeRows(rows, 2)
  expect(rows.subarray(0, 4)).toEqual(Float32Array.of(0.6, 0.8, 0, 0))
  expect(rows[4]).toBeCloseTo(1e-18, 20)
})

function meanCosine(a: Float32Array, b: Float32Array, dim: number): number {
  let sum = 0
  for (let row = 0; row < a.length; row += dim) for (let i = row; i < row + dim; i++) sum += a[i]! * b[i]!
  return sum / (a.length / dim)
}
