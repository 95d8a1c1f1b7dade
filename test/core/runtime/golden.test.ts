import { describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { ConfigOverrides } from '../../../packages/core/src/checkpoint/types.js'
import { readSafetensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import type { RuntimeOptions } from '../../../packages/core/src/runtime/runtime.js'
import {
  concat,
  goldenFolder,
  goldenInputs,
  goldenVectors,
  maxDifference,
  readGolden,
  toInput,
  toOverrides,
} from './golden.js'
import type { GoldenCase } from './golden.js'

/** Per component; the smallest porting mistake the recorders measured (tanh-GELU) moves 1.4e-4. */
const TOLERANCE = 5e-5
/** The same for rows that are not normalised and so several times longer: 5.8e-5 was measured, on WebAssembly. */
const RAW_TOLERANCE = 1e-4

const MODELS = [
  'bert-tiny',
  'bert-st-modules',
  'stanford-tiny',
  'plain-tiny',
  'modernbert-tiny',
  'modernbert-tiny-wrong-residual',
  'modernbert-residual-linear',
  'modernbert-tiny-bf16',
]

function overridesFor(name: string, ctor: Record<string, unknown>): ConfigOverrides {
  if (name !== 'plain-tiny') return toOverrides(ctor)
  const weight = readSafetensors(`${goldenFolder(name)}/projection.safetensors`).f32('linear.weight')
  return { ...toOverrides(ctor), projection: { weight, outFeatures: 16 } }
}

async function encode(
  name: string,
  record: GoldenCase,
  ctor: Record<string, unknown> = {},
  options: RuntimeOptions = {},
): Promise<Float32Array[]> {
  const checkpoint = await readCheckpoint(
    `${goldenFolder(name)}/model`,
    overridesFor(name, { ...ctor, ...record.ctor }),
  )
  const runtime = await createRuntime(checkpoint, options)
  try {
    return await runtime.run(goldenInputs(record), { normalize: record.encode.normalize_embeddings ?? true })
  } finally {
    await runtime.close()
  }
}

const RUNTIMES = ['native', 'wasm'] as const

describe.each(MODELS.flatMap((name) => RUNTIMES.map((runtime) => ({ name, runtime }))))(
  '$name on $runtime gives the vectors PyLate recorded',
  ({ name, runtime }) => {
    const golden = readGolden(name)

    it.each(golden.unpooled)('case $id', async (record) => {
      const rows = await encode(name, record, golden.ctor, { runtime })
      const { dim } = (await readCheckpoint(`${goldenFolder(name)}/model`, overridesFor(name, golden.ctor ?? {})))
        .config
      expect(rows.map((row) => row.length / dim)).toEqual(record.n_vectors)
      const raw = record.encode.normalize_embeddings === false
      const tolerance = raw && runtime === 'wasm' ? RAW_TOLERANCE : TOLERANCE
      expect(maxDifference(concat(rows), goldenVectors(name, record.id))).toBeLessThanOrEqual(tolerance)
    })
  },
)

describe.each(['bert-tiny', 'modernbert-tiny'])('%s, padded batches', (name) => {
  const golden = readGolden(name)

  it.each(golden.raw_batches!.map((batch, i) => [i, batch] as const))(
    'raw batch %i: rows beside padding equal rows alone',
    async (i, batch) => {
      const checkpoint = await readCheckpoint(`${goldenFolder(name)}/model`)
      const runtime = await createRuntime(checkpoint)
      // Every position is kept here, the unfiltered matrix of PyLate's output_value=None.
      const inputs = batch.input_ids.map((ids, j) =>
        toInput(
          ids,
          batch.attention_mask[j]!,
          ids.map(() => 1),
        ),
      )
      const rows = await runtime.run(inputs, { normalize: true })
      const alone = await Promise.all(inputs.map((input) => runtime.run([input], { normalize: true })))
      await runtime.close()
      expect(maxDifference(concat(rows), concat(alone.flat())), `batch ${i}`).toBeLessThanOrEqual(1e-5)
    },
  )
})

describe('the other policy for masked rows', () => {
  const record = readGolden('modernbert-tiny').cases.find(({ id }) => id === 'q_long')!
  const eager = goldenVectors('modernbert-tiny', 'q_long_eager', 'eager')

  it('uniform equals transformers 4 and eager attention', async () => {
    const rows = concat(await encode('modernbert-tiny', record, {}, { maskedAttention: 'uniform' }))
    expect(maxDifference(rows, eager)).toBeLessThanOrEqual(TOLERANCE)
  })

  it('uniform does not depend on what else is in the batch', async () => {
    const checkpoint = await readCheckpoint(`${goldenFolder('modernbert-tiny')}/model`, { queryLength: 64 })
    const runtime = await createRuntime(checkpoint, { maskedAttention: 'uniform' })
    const inputs = goldenInputs(record)
    const longer = {
      ...inputs[0]!,
      ids: Int32Array.from({ length: 100 }, (_, i) => inputs[0]!.ids[i] ?? 5),
      attended: 100,
    }
    const [first] = await runtime.run([inputs[1]!, longer], { normalize: true })
    const [alone] = await runtime.run([inputs[1]!], { normalize: true })
    await runtime.close()
    expect(maxDifference(first!, alone!)).toBeLessThanOrEqual(1e-5)
  })

  it('the two policies really differ', async () => {
    const rows = concat(await encode('modernbert-tiny', record))
    expect(maxDifference(rows, eager)).toBeGreaterThan(1e-3)
  })
})

it('wrong and right residual give different vectors, so obeying the flag is visible', () => {
  const right = goldenVectors('modernbert-tiny', 'q_default')
  const wrong = goldenVectors('modernbert-tiny-wrong-residual', 'q_default')
  expect(maxDifference(right, wrong)).toBeGreaterThan(1e-2)
})

it('denseOverrides turns the wrong-residual release into the right model', async () => {
  const [record] = readGolden('modernbert-tiny').cases
  const rows = await encode('modernbert-tiny-wrong-residual', {
    ...record!,
    ctor: { denseOverrides: { '2_Dense': { useResidual: true } } },
  })
  expect(maxDifference(concat(rows), goldenVectors('modernbert-tiny', record!.id))).toBeLessThanOrEqual(TOLERANCE)
})
