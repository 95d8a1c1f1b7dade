import { describe } from '../../options.js'
import { SortedTokens } from '../sorted-tokens.js'
import { vocabularyEntries } from '../tokenizer-json.js'
import { bpe } from './bpe.js'
import { count, damaged, notRun, optionalText } from './component.js'
import type { Component } from './component.js'
import { unigram } from './unigram.js'

/** Cuts the pieces that pre-tokenizing leaves into tokens. */
export interface TokenModel {
  readonly vocab: ReadonlyMap<string, number>
  /** `[id, from, to, …]`, in UTF-16 units of the piece. */
  tokenize(piece: string): readonly number[]
}

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

function unknownId(vocab: ReadonlyMap<string, number>, token: string): number {
  const id = vocab.get(token)
  if (id === undefined) throw damaged(`its vocabulary of ${vocab.size} lacks the unknown token ${describe(token)}`)
  return id
}

function wordPiece(json: Component): TokenModel {
  const vocab = readVocabulary(json)
  const unknown = unknownId(vocab, optionalText(json, 'unk_token') ?? '[UNK]')
  const prefix = optionalText(json, 'continuing_subword_prefix') ?? '##'
  const longestWord = count(json, 'max_input_chars_per_word', 100)
  // Narrowed unit by unit: words may be as long as the file says, and trying every length would be cubic.
  const first = new SortedTokens(vocab)
  const next = new SortedTokens(
    [...vocab].flatMap(([token, id]) => (token.startsWith(prefix) ? [[token.slice(prefix.length), id] as const] : [])),
  )
  return {
    vocab,
    tokenize(word) {
      if (word.length > longestWord && [...word].length > longestWord) return [unknown, 0, word.length]
      const tokens: number[] = []
      for (let start = 0; start < word.length;) {
        let [end, id] = [start, -1]
        ;(start === 0 ? first : next).prefixes(word, start, (at, token) => {
          end = at
          id = token
        })
        if (id < 0) return [unknown, 0, word.length]
        tokens.push(id, start, end)
        start = end
      }
      return tokens
    },
  }
}

function wordLevel(json: Component): TokenModel {
  const vocab = readVocabulary(json)
  const unknown = unknownId(vocab, optionalText(json, 'unk_token') ?? '<unk>')
  return { vocab, tokenize: (word) => [vocab.get(word) ?? unknown, 0, word.length] }
}
