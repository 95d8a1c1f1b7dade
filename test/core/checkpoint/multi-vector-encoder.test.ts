import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../../packages/core/src/checkpoint/config.js'
import { copyOf, editJson, failure, model, readJsonFile, without, writeJson } from './folder.js'

const PUNCTUATION = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~']

/** bert-tiny as Sentence Transformers 6 `MultiVectorEncoder.save_pretrained` lays it out. */
function multiVectorFolder(
  changes: { prompts?: Record<string, string>; transformer?: object; mask?: object } = {},
): string {
  const folder = copyOf('bert-tiny')
  const type = (path: string) => `sentence_transformers.${path}`
  writeJson(folder, 'modules.json', [
    { idx: 0, name: '0', path: '', type: type('base.modules.transformer.Transformer') },
    { idx: 1, name: '1', path: '1_Dense', type: type('base.modules.dense.Dense') },
    {
      idx: 2,
      name: '2',
      path: '2_MultiVectorMask',
      type: type('multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask'),
    },
    { idx: 3, name: '3', path: '3_Normalize', type: type('base.modules.normalize.Normalize') },
  ])
  writeJson(folder, 'config_sentence_transformers.json', {
    model_type: 'MultiVectorEncoder',
    __version__: { sentence_transformers: '6.2.0' },
    prompts: { query: '[Q] ', document: '[D] ', ...changes.prompts },
    default_prompt_name: null,
    similarity_fn_name: 'maxsim',
  })
  writeJson(folder, 'sentence_bert_config.json', {
    transformer_task: 'feature-extraction',
    modality_config: { text: { method: 'forward', method_output_name: 'last_hidden_state' } },
    module_output_name: 'token_embeddings',
    document_length: 300,
    query_expansion: { strategy: 'fixed', attend: false, token: null, length: 32 },
    ...changes.transformer,
  })
  const dense = without(readJsonFile(folder, '1_Dense/config.json'), 'use_residual')
  writeJson(folder, '1_Dense/config.json', {
    ...dense,
    module_input_name: 'token_embeddings',
    module_output_name: 'token_embeddings',
  })
  mkdirSync(join(folder, '2_MultiVectorMask'))
  mkdirSync(join(folder, '3_Normalize'))
  writeJson(folder, '2_MultiVectorMask/config.json', {
    skiplist_words: PUNCTUATION,
    skiplist_tasks: ['document'],
    keep_only_token_ids: null,
    ...changes.mask,
  })
  writeJson(folder, '3_Normalize/config.json', {
    module_input_name: 'token_embeddings',
    module_output_name: 'token_embeddings',
  })
  return folder
}

const read = async (...args: Parameters<typeof multiVectorFolder>) =>
  (await readCheckpoint(multiVectorFolder(...args))).config
describe('Sentence Transformers 6 MultiVectorEncoder folders', () => {
  it('give the configuration of the same model saved by PyLate', async () => {
    const pylate = (await readCheckpoint(model('bert-tiny'))).config
    expect(await read()).toEqual({ ...pylate, layout: 'sentence-transformers' })
  })

  it('a prompt is a prefix token and perhaps text, and the text is applied by role', async () => {
    const config = await read({ prompts: { query: '[Q] search_query: ' } })
    expect(config).toMatchObject({
      queryPrefix: '[Q] ',
      documentPrefix: '[D] ',
      rolePrompts: { query: 'search_query: ', document: '' },
    })
    const text = await read({ prompts: { query: 'query: ', document: 'passage: ' } })
    expect(text).toMatchObject({
      queryPrefix: '',
      documentPrefix: '',
      rolePrompts: { query: 'query: ', document: 'passage: ' },
    })
  })

  it('without expansion, and with lengths from the tokenizer', async () => {
    const config = await read({ transformer: { query_expansion: null, document_length: null, query_length: 20 } })
    expect(config).toMatchObject({ doQueryExpansion: false, queryLength: 20, documentLength: 320 })
    const limited = await read({ transformer: { document_length: 5000 } })
    expect(limited.documentLength).toBe(320)
  })

  it('attending to expansion tokens', async () => {
    const config = await read({ transformer: { query_expansion: { strategy: 'fixed', attend: true, length: 24 } } })
    expect(config).toMatchObject({ doQueryExpansion: true, attendToExpansionTokens: true, queryLength: 24 })
  })

  it('skiplist words that are no single token are left out, not mapped to [UNK]', async () => {
    const config = await read({ mask: { skiplist_words: ['.', 'zzznotaword', ','] } })
    expect(config.skiplistWords).toEqual(['.', ','])
  })

  it.each([
    [{ transformer: { transformer_task: 'retrieval' } }, 'retrieval'],
    [{ transformer: { query_expansion: { strategy: 'min', length: 32 } } }, 'min'],
    [{ transformer: { query_expansion: { strategy: 'fixed', length: 32, extra: 1 } } }, 'extra'],
    [{ transformer: { query_expansion: { strategy: 'fixed', length: 32, token: '[UNK]' } } }, '[UNK]'],
    [{ transformer: { processing_kwargs: { text: { padding_side: 'left' } } } }, 'text'],
    [{ transformer: { modality_config: { message: {} } } }, 'modality_config'],
    [{ mask: { skiplist_tasks: ['query', 'document'] } }, 'skiplist_tasks'],
    [{ mask: { keep_only_token_ids: [7] } }, 'keep_only_token_ids'],
  ])('%j is not supported and is named', async (changes, named) => {
    expect(await failure(multiVectorFolder(changes))).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining(named),
    })
  })

  it('vectors that are never normalised are not supported', async () => {
    const folder = multiVectorFolder()
    editJson(folder, '3_Normalize/config.json', { module_input_name: 'sentence_embedding' })
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('Normalize'),
    })
  })

  it('token pooling points to our option', async () => {
    const folder = multiVectorFolder()
    writeJson(folder, 'modules.json', [
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.base.modules.transformer.Transformer' },
      {
        idx: 1,
        name: '1',
        path: '1_Pool',
        type: 'sentence_transformers.multi_vector_encoder.modules.token_pooling.HierarchicalTokenPooling',
      },
    ])
    expect(await failure(folder)).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('poolFactor'),
    })
  })
})
