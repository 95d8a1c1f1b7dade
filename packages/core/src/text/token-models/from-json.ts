import { describe } from '../../options.js'
import { notRun } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { bpe } from './bpe.js'
import type { TokenModel } from './token-model.js'
import { unigram } from './unigram.js'
import { wordLevel, wordPiece } from './words.js'

/**
 * The model of tokenizer.json. Those saved before models had a `type` are told apart by their keys.
 *
 * @throws MODEL_UNSUPPORTED naming what is not known to give Python's results, MODEL_CORRUPT
 */
export function tokenModel(json: Component): TokenModel {
  switch (json.type ?? guess(json)) {
    case 'WordPiece':
      return wordPiece(json)
    case 'WordLevel':
      return wordLevel(json)
    case 'BPE':
      return bpe(json)
    case 'Unigram':
      return unigram(json)
  }
  throw notRun(`the model ${describe(json.type)} is not known`)
}

function guess(json: Component): string | undefined {
  if (json.merges !== undefined) return 'BPE'
  if (Array.isArray(json.vocab)) return 'Unigram'
  return json.continuing_subword_prefix !== undefined ? 'WordPiece' : undefined
}
