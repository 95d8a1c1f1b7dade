import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { ConfigOverrides } from '../../../packages/core/src/checkpoint/types.js'
import { copyOf, editJson, failure, model } from './folder.js'

describe('Dense layers are loaded strictly', () => {
  it('an extra residual.weight is an error that shows the override', async () => {
    const folder = copyOf('modernbert-residual-linear')
    editJson(folder, '1_Dense/config.json', { use_residual: false })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/residual\.weight.*denseOverrides/),
    })
    const { config } = await readCheckpoint(folder, { denseOverrides: { '1_Dense': { useResidual: true } } })
    expect(config.dense[0]!.useResidual).toBe(true)
  })

  it('a missing residual.weight or bias', async () => {
    const folder = copyOf('modernbert-residual-linear')
    editJson(folder, '2_Dense/config.json', { use_residual: true })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('residual.weight'),
    })
    editJson(folder, '2_Dense/config.json', { use_residual: false, bias: true })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('linear.bias'),
    })
  })

  it('a shape that is not the configured one names both', async () => {
    const folder = copyOf('bert-tiny')
    editJson(folder, '1_Dense/config.json', { out_features: 24 })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/linear\.weight.*16 × 32.*24 × 32/),
    })
  })

  it('a layer that does not take what the one before gives', async () => {
    const folder = copyOf('modernbert-residual-linear')
    rmSync(join(folder, '1_Dense'), { recursive: true })
    cpSync(join(folder, '2_Dense'), join(folder, '1_Dense'), { recursive: true })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/1_Dense takes 32.*48/),
    })
  })

  it('defaults differ: tanh for Sentence Transformers, identity for PyLate', async () => {
    for (const [name, path, expected] of [
      ['bert-st-modules', '2_Dense', 'tanh'],
      ['bert-tiny', '1_Dense', 'identity'],
    ] as const) {
      const folder = copyOf(name)
      editJson(folder, `${path}/config.json`, { activation_function: undefined })
      expect((await readCheckpoint(folder)).config.dense[0]!.activation).toBe(expected)
    }
  })

  it("an activation can be overridden, by our name or by torch's", async () => {
    for (const activation of ['gelu', 'torch.nn.modules.activation.GELU', 'GELU']) {
      const { config } = await readCheckpoint(model('bert-tiny'), { denseOverrides: { '1_Dense': { activation } } })
      expect(config.dense[0]!.activation).toBe('gelu')
    }
  })
})

describe('the release with the wrong residual', () => {
  const warnings = async (name: string, overrides?: ConfigOverrides) => {
    const seen: { code: string; message: string }[] = []
    await readCheckpoint(model(name), overrides, (warning) => seen.push(warning))
    return seen
  }

  it('is recognised, obeyed, and the warning holds the remedy', async () => {
    const [warning, ...more] = await warnings('modernbert-tiny-wrong-residual')
    expect(more).toEqual([])
    expect(warning).toMatchObject({
      code: 'WRONG_RESIDUAL',
      message: expect.stringContaining("denseOverrides: { '2_Dense': { useResidual: true } }"),
    })
    expect((await readCheckpoint(model('modernbert-tiny-wrong-residual'))).config.dense[1]!.useResidual).toBe(false)
  })

  it('is silent once the caller decides, and for every other model', async () => {
    expect(
      await warnings('modernbert-tiny-wrong-residual', { denseOverrides: { '2_Dense': { useResidual: true } } }),
    ).toEqual([])
    expect(
      await warnings('modernbert-tiny-wrong-residual', { denseOverrides: { '2_Dense': { useResidual: false } } }),
    ).toEqual([])
    for (const name of [
      'modernbert-tiny',
      'modernbert-residual-linear',
      'bert-tiny',
      'bert-st-modules',
      'stanford-tiny',
      'modernbert-tiny-bf16',
    ]) {
      expect(await warnings(name)).toEqual([])
    }
  })
})
