import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import { copyOf, editJson, editTensors, failure, model, readModuleList, without, writeJson } from './folder.js'

describe('missing and damaged files', () => {
  it.each(['tokenizer.json', 'config.json', 'model.safetensors', '1_Dense/config.json', '1_Dense/model.safetensors'])(
    'without %s',
    async (file) => {
      const folder = copyOf('bert-tiny')
      rmSync(join(folder, file))
      expect(await failure(folder)).toMatchObject({
        code: 'MODEL_FILES_MISSING',
        message: expect.stringContaining(file.split('/').at(-1)!),
      })
    },
  )

  it('no such folder', async () => {
    expect(await failure(join(copyOf('bert-tiny'), 'nowhere'))).toMatchObject({
      code: 'MODEL_FILES_MISSING',
      message: expect.stringContaining('nowhere'),
    })
  })

  it.each([
    'config.json',
    'modules.json',
    'tokenizer.json',
    'config_sentence_transformers.json',
    'sentence_bert_config.json',
    '1_Dense/config.json',
  ])('%s is not JSON', async (file) => {
    const folder = copyOf('bert-tiny')
    writeFileSync(join(folder, file), '{"half":')
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining(file.split('/').at(-1)!),
    })
  })

  it('a tokenizer.json that holds null', async () => {
    const folder = copyOf('bert-tiny')
    writeFileSync(join(folder, 'tokenizer.json'), 'null')
    await expect(ColBERT.load(folder)).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('got null'),
    })
  })

  it('a byte order mark and Windows line ends are no damage', async () => {
    const folder = copyOf('bert-tiny')
    for (const file of ['config.json', 'tokenizer.json', 'modules.json']) {
      const path = join(folder, file)
      writeFileSync(path, `\ufeff${readFileSync(path, 'utf8').replaceAll('\n', '\r\n')}`)
    }
    expect((await readCheckpoint(folder)).config.dim).toBe(16)
  })

  it('a setting of the wrong type names file, key and value', async () => {
    const folder = copyOf('bert-tiny')
    editJson(folder, 'config_sentence_transformers.json', { query_length: '32' })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/config_sentence_transformers\.json.*"query_length".*"32"/),
    })
  })

  it('truncated weights', async () => {
    const folder = copyOf('bert-tiny')
    truncateSync(join(folder, 'model.safetensors'), 100_000)
    expect(await failure(folder)).toMatchObject({ code: 'MODEL_CORRUPT', message: expect.stringContaining('100000') })
  })

  it('an encoder tensor that is missing, or of another shape', async () => {
    const folder = copyOf('bert-tiny')
    const file = join(folder, 'model.safetensors')
    editTensors(file, (tensors) => without(tensors, 'encoder.layer.1.output.dense.bias'))
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('encoder.layer.1.output.dense.bias'),
    })
    const other = copyOf('bert-tiny')
    editJson(other, 'config.json', { intermediate_size: 48 })
    expect(await failure(other)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/64 × 32.*48 × 32/),
    })
  })

  it('weights of another architecture', async () => {
    const folder = copyOf('modernbert-tiny')
    cpSync(`${model('bert-tiny')}/model.safetensors`, join(folder, 'model.safetensors'))
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringContaining('tok_embeddings'),
    })
  })

  it('an encoder in a sub-folder, as old Sentence Transformers saved it', async () => {
    const folder = copyOf('bert-tiny')
    mkdirSync(join(folder, '0_Transformer'))
    for (const file of [
      'config.json',
      'model.safetensors',
      'sentence_bert_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]) {
      renameSync(join(folder, file), join(folder, '0_Transformer', file))
    }
    writeJson(
      folder,
      'modules.json',
      readModuleList(folder).map((entry, i) => (i === 0 ? { ...entry, path: '0_Transformer' } : entry)),
    )
    const [moved, plain] = await Promise.all([readCheckpoint(folder), readCheckpoint(model('bert-tiny'))])
    expect(moved.config).toEqual(plain.config)
    expect(moved.fingerprint).toBe(plain.fingerprint)
  })
})
