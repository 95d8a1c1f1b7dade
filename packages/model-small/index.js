/** @see index.d.ts. Each file is named in full: this is the expression that file tracers and bundlers follow. */
export function modelFiles() {
  return {
    'config.json': new URL('./model/config.json', import.meta.url),
    'config_sentence_transformers.json': new URL('./model/config_sentence_transformers.json', import.meta.url),
    'model.safetensors': new URL('./model/model.safetensors', import.meta.url),
    'modules.json': new URL('./model/modules.json', import.meta.url),
    'sentence_bert_config.json': new URL('./model/sentence_bert_config.json', import.meta.url),
    'special_tokens_map.json': new URL('./model/special_tokens_map.json', import.meta.url),
    'tokenizer.json': new URL('./model/tokenizer.json', import.meta.url),
    'tokenizer_config.json': new URL('./model/tokenizer_config.json', import.meta.url),
    '1_Dense/config.json': new URL('./model/1_Dense/config.json', import.meta.url),
    '1_Dense/model.safetensors': new URL('./model/1_Dense/model.safetensors', import.meta.url),
  }
}
