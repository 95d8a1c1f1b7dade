import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { ConfigOverrides } from '../../../packages/core/src/checkpoint/types.js'
import { copyOf, editJson, editTensors, model } from './folder.js'

describe('fingerprint', () => {
  const of = async (folder: string, overrides?: ConfigOverrides) =>
    (await readCheckpoint(folder, overrides)).fingerprint

  it('is the same for a copy, and 64 hex digits', async () => {
    const first = await of(model('bert-tiny'))
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(await of(copyOf('bert-tiny'))).toBe(first)
  })

  it('changes with weights, tokenizer and every setting that changes vectors', async () => {
    const seen = new Set([await of(model('bert-tiny'))])
    const overrides: ConfigOverrides[] = [
      { queryLength: 31 },
      { documentLength: 100 },
      { queryPrefix: '' },
      { documentPrefix: '' },
      { doQueryExpansion: false },
      { attendToExpansionTokens: true },
      { skiplistWords: [] },
      { doLowerCase: true },
      { denseOverrides: { '1_Dense': { activation: 'tanh' } } },
      { prompts: { query: 'q: ' } },
      { defaultPromptName: 'query' },
    ]
    for (const override of overrides) seen.add(await of(model('bert-tiny'), override))
    const weights = copyOf('bert-tiny')
    editTensors(join(weights, '1_Dense/model.safetensors'), ({ 'linear.weight': weight }) => {
      new Float32Array(weight!.data.buffer)[0]! += 1e-3
      return { 'linear.weight': weight! }
    })
    seen.add(await of(weights))
    const tokenizer = copyOf('bert-tiny')
    editJson(tokenizer, 'tokenizer.json', { normalizer: null })
    seen.add(await of(tokenizer))
    expect(seen.size).toBe(overrides.length + 3)
  })

  it('covers a projection given by the caller', async () => {
    const projection = (value: number) => ({
      projection: { weight: new Float32Array(8 * 32).fill(value), outFeatures: 8 },
    })
    expect(await of(model('plain-tiny'), projection(1))).not.toBe(await of(model('plain-tiny'), projection(2)))
  })

  it('follows a file that is replaced after it was hashed', async () => {
    const folder = copyOf('bert-tiny')
    const before = await of(folder)
    editTensors(join(folder, 'model.safetensors'), (tensors) => {
      new Float32Array(tensors['embeddings.LayerNorm.bias']!.data.buffer)[0]! += 1
      return tensors
    })
    expect(await of(folder)).not.toBe(before)
  })
})
