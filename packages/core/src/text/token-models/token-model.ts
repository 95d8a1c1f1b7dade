import { describe } from '../../options.js'
import { damaged } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { vocabularyEntries } from '../tokenizer-json/effective-tokenizer.js'

/** Cuts the pieces that pre-tokenizing leaves into tokens. */
export interface TokenModel {
  readonly vocab: ReadonlyMap<string, number>
  /** `[id, from, to, …]`, in UTF-16 units of the piece. */
  tokenize(piece: string): readonly number[]
}

/** The vocabulary, every id checked. @throws MODEL_CORRUPT */
export function readVocabulary(json: Component): Map<string, number> {
  const vocab = new Map<string, number>()
  for (const [token, id] of vocabularyEntries(json) ?? []) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= 2 ** 26)
      throw damaged(`the id of ${describe(token)} is ${describe(id)}`)
    vocab.set(token, id)
  }
  if (vocab.size === 0) throw damaged('its model has no vocabulary')
  return vocab
}
