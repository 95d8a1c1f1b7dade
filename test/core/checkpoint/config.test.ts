import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import type { ConfigOverrides } from '../../../packages/core/src/checkpoint/types.js'
import { readGolden } from '../runtime/golden.js'
import { copyOf, editJson, failure, model, readModuleList, writeJson } from './folder.js'

const PUNCTUATION = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~']

describe('what PyLate resolved, we resolve', () => {
  const loaded = (name: string) => (readGolden(name) as unknown as { load: Record<string, unknown> }).load

  it.each([
    'bert-tiny',
    'bert-st-modules',
    'stanford-tiny',
    'modernbert-tiny',
    'modernbert-residual-linear',
    'modernbert-tiny-wrong-residual',
  ])('%s', async (name) => {
    const { config } = await readCheckpoint(model(name))
    const load = loaded(name)
    expect({
      query_prefix: config.queryPrefix,
      document_prefix: config.documentPrefix,
      query_length: config.queryLength,
      document_length: config.documentLength,
      do_query_expansion: config.doQueryExpansion,
      attend_to_expansion_tokens: config.attendToExpansionTokens,
      skiplist_words: config.skiplistWords,
      prompts: config.prompts,
      default_prompt_name: config.defaultPromptName,
      do_lower_case: config.doLowerCase,
      dim: config.dim,
      dense: config.dense.map((dense) => [dense.inFeatures, dense.outFeatures, dense.bias, dense.useResidual]),
    }).toEqual({
      ...Object.fromEntries(
        [
          'query_prefix',
          'document_prefix',
          'query_length',
          'document_length',
          'do_query_expansion',
          'attend_to_expansion_tokens',
          'skiplist_words',
          'prompts',
          'default_prompt_name',
          'do_lower_case',
          'dim',
        ].map((key) => [key, load[key]]),
      ),
      dense: (load['dense'] as Record<string, unknown>[]).map((dense) => [
        dense['in_features'],
        dense['out_features'],
        dense['bias'],
        dense['use_residual'],
      ]),
    })
  })

  it('layouts are told apart', async () => {
    const layouts = await Promise.all(
      ['bert-tiny', 'bert-st-modules', 'stanford-tiny'].map(
        async (name) => (await readCheckpoint(model(name))).config.layout,
      ),
    )
    expect(layouts).toEqual(['pylate', 'sentence-transformers', 'stanford'])
  })

  it('both spellings of a ModernBERT config give the same encoder', async () => {
    const [old, fresh] = await Promise.all(
      ['modernbert-tiny', 'modernbert-residual-linear'].map(
        async (name) => (await readCheckpoint(model(name))).config.encoder,
      ),
    )
    expect(fresh).toEqual(old)
    expect(old).toMatchObject({
      layerTypes: ['global', 'local', 'local', 'global'],
      window: 8,
      globalTheta: 160_000,
      localTheta: 10_000,
    })
  })
})

describe('priority of settings', () => {
  it('the caller, then config_sentence_transformers.json, then artifact.metadata, then the defaults', async () => {
    const folder = copyOf('stanford-tiny')
    writeJson(folder, 'config_sentence_transformers.json', { query_length: 20 })
    const { config } = await readCheckpoint(folder, { documentLength: 50 })
    expect([config.queryLength, config.documentLength, config.queryPrefix]).toEqual([20, 50, '[unused0]'])
    rmSync(join(folder, 'artifact.metadata'))
    const without = (await readCheckpoint(folder)).config
    expect([without.documentLength, without.queryPrefix, without.documentPrefix]).toEqual([
      180,
      '[unused0]',
      '[unused1]',
    ])
    expect(without.skiplistWords).toEqual(PUNCTUATION)
  })

  it("keys the file lacks, or holds as null, get PyLate's defaults", async () => {
    const folder = copyOf('bert-tiny')
    writeJson(folder, 'config_sentence_transformers.json', { query_length: null, skiplist_words: null })
    const { config } = await readCheckpoint(folder)
    expect(config).toMatchObject({
      queryPrefix: '[Q] ',
      documentPrefix: '[D] ',
      queryLength: 32,
      documentLength: 180,
      doQueryExpansion: true,
      attendToExpansionTokens: false,
      skiplistWords: PUNCTUATION,
      defaultPromptName: null,
    })
  })

  it('attending to expansion tokens is off when there is no expansion', async () => {
    const { config } = await readCheckpoint(model('bert-tiny'), {
      doQueryExpansion: false,
      attendToExpansionTokens: true,
    })
    expect(config.attendToExpansionTokens).toBe(false)
  })

  it('prompts: the caller wins key by key, the file fills what is absent or empty', async () => {
    const { config } = await readCheckpoint(model('bert-st-modules'), {
      prompts: { query: 'mine: ', ask: '', extra: 'x' },
      defaultPromptName: null,
    })
    expect(config.prompts).toMatchObject({ query: 'mine: ', document: 'search_document: ', extra: 'x' })
    expect(config.prompts['ask']).toBe('Given a question, find passages.\nQuery: ')
    expect(config.defaultPromptName).toBeNull()
  })

  it('a default prompt that does not exist', async () => {
    expect(await failure(model('bert-tiny'), { defaultPromptName: 'nope' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('nope'),
    })
    const folder = copyOf('bert-tiny')
    editJson(folder, 'config_sentence_transformers.json', { default_prompt_name: 'gone' })
    expect(await failure(folder)).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining('gone') })
  })

  it.each([
    [{ queryLength: 'x' }, 'queryLength'],
    [{ queryLength: 0 }, 'queryLength'],
    [{ skiplistWords: 'abc' }, 'skiplistWords'],
    [{ skiplistWords: [1] }, 'skiplistWords[0]'],
    [{ prompts: { a: 1 } }, 'prompts.a'],
    [{ doQueryExpansion: 'yes' }, 'doQueryExpansion'],
    [{ denseOverrides: { '9_Dense': { useResidual: true } } }, '9_Dense'],
    [{ denseOverrides: { '1_Dense': { residual: true } } }, 'residual'],
  ])('a wrong override %j is refused by name', async (overrides, name) => {
    const error = await failure(model('bert-tiny'), overrides as unknown as ConfigOverrides)
    expect(['INVALID_ARGUMENT', 'UNKNOWN_OPTION']).toContain(error.code)
    expect(error.message).toContain(name)
  })
})

describe('projections', () => {
  const weight = new Float32Array(8 * 32).fill(0.1)

  it('a plain transformer needs one; the error says that PyLate would invent it', async () => {
    expect(await failure(model('plain-tiny'))).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringMatching(/random.*projection/),
    })
    const { config } = await readCheckpoint(model('plain-tiny'), {
      projection: { weight, outFeatures: 8, bias: new Float32Array(8) },
    })
    expect(config).toMatchObject({ layout: 'plain', dim: 8, dense: [{ path: 'projection', bias: true }] })
  })

  it('so does a Sentence Transformers folder without Dense', async () => {
    const folder = copyOf('bert-st-modules')
    writeJson(folder, 'modules.json', [
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    ])
    expect(await failure(folder)).toMatchObject({ code: 'MODEL_UNSUPPORTED' })
  })

  it('of the wrong size, or for a model that has its own', async () => {
    expect(await failure(model('plain-tiny'), { projection: { weight, outFeatures: 9 } })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/9 × 32.*256/),
    })
    expect(
      await failure(model('plain-tiny'), { projection: { weight, outFeatures: 8, bias: new Float32Array(3) } }),
    ).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await failure(model('bert-tiny'), { projection: { weight, outFeatures: 8 } })).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})

describe('unknown things are named, with what is supported', () => {
  it.each([
    ['config.json', { model_type: 't5' }, 'roberta', 'bert, modernbert'],
    ['config.json', { hidden_act: 'quick_gelu' }, 'quick_gelu', 'gelu_new'],
    ['config.json', { position_embedding_type: 'relative_key' }, 'relative_key', 'absolute'],
    ['config.json', { quantization_config: { bits: 4 } }, 'quantization_config', ''],
    ['1_Dense/config.json', { activation_function: 'torch.nn.modules.activation.Softmax' }, 'Softmax', 'Tanh'],
    ['1_Dense/config.json', { activation_function: 'my.module.Tanh' }, 'my.module.Tanh', 'Identity'],
    ['1_Dense/config.json', { dropout: 0.1 }, 'dropout', 'in_features'],
  ])('%s %j', async (file, change, named, supported) => {
    const folder = copyOf('bert-tiny')
    editJson(folder, file, change)
    const { code, message } = await failure(folder)
    expect(code).toBe('MODEL_UNSUPPORTED')
    expect(message).toContain(named)
    expect(message).toContain(supported)
    expect(message).toContain(file.split('/').at(-1)!)
  })

  it.each([
    [{ layer_types: ['full_attention', 'linear_attention', 'full_attention', 'full_attention'] }, 'linear_attention'],
    [{ rope_parameters: { full_attention: { rope_type: 'yarn', rope_theta: 1 } } }, 'yarn'],
    [{ rope_scaling: { type: 'linear' } }, 'rope_scaling'],
  ])('ModernBERT %j', async (change, named) => {
    const folder = copyOf('modernbert-residual-linear')
    editJson(folder, 'config.json', change)
    expect(await failure(folder)).toMatchObject({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining(named) })
  })

  it('a module', async () => {
    const folder = copyOf('bert-tiny')
    writeJson(folder, 'modules.json', [
      ...readModuleList(folder),
      { idx: 2, name: '2', path: '2_LSTM', type: 'sentence_transformers.models.LSTM' },
    ])
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringMatching(/models\.LSTM.*Transformer, Dense/),
    })
  })

  it('a module list that leaves the folder, or is no list', async () => {
    const folder = copyOf('bert-tiny')
    writeJson(folder, 'modules.json', [{ path: '../elsewhere', type: 'x.Transformer' }])
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('elsewhere'),
    })
    writeJson(folder, 'modules.json', {})
    expect(await failure(folder)).toMatchObject({ code: 'MODEL_CORRUPT' })
    writeJson(folder, 'modules.json', [])
    expect(await failure(folder)).toMatchObject({ code: 'MODEL_UNSUPPORTED' })
  })
})
