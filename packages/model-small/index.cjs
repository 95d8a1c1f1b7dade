'use strict'
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

/** @see index.d.ts. Each file is named in full: this is the expression that file tracers and bundlers follow. */
exports.modelFiles = () => ({
  'config.json': pathToFileURL(join(__dirname, 'model/config.json')),
  'config_sentence_transformers.json': pathToFileURL(join(__dirname, 'model/config_sentence_transformers.json')),
  'model.safetensors': pathToFileURL(join(__dirname, 'model/model.safetensors')),
  'modules.json': pathToFileURL(join(__dirname, 'model/modules.json')),
  'sentence_bert_config.json': pathToFileURL(join(__dirname, 'model/sentence_bert_config.json')),
  'special_tokens_map.json': pathToFileURL(join(__dirname, 'model/special_tokens_map.json')),
  'tokenizer.json': pathToFileURL(join(__dirname, 'model/tokenizer.json')),
  'tokenizer_config.json': pathToFileURL(join(__dirname, 'model/tokenizer_config.json')),
  '1_Dense/config.json': pathToFileURL(join(__dirname, 'model/1_Dense/config.json')),
  '1_Dense/model.safetensors': pathToFileURL(join(__dirname, 'model/1_Dense/model.safetensors')),
})
