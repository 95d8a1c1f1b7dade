import { describe } from '../../options.js'
import { SortedTokens } from '../sorted-tokens.js'
import { count, damaged, optionalText } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { readVocabulary } from './token-model.js'
import type { TokenModel } from './token-model.js'

/** Greedy longest match from the left. @throws MODEL_CORRUPT */
export function wordPiece(json: Component): TokenModel {
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

/** Whole words only. @throws MODEL_CORRUPT */
export function wordLevel(json: Component): TokenModel {
  const vocab = readVocabulary(json)
  const unknown = unknownId(vocab, optionalText(json, 'unk_token') ?? '<unk>')
  return { vocab, tokenize: (word) => [vocab.get(word) ?? unknown, 0, word.length] }
}

function unknownId(vocab: ReadonlyMap<string, number>, token: string): number {
  const id = vocab.get(token)
  if (id === undefined) throw damaged(`its vocabulary of ${vocab.size} lacks the unknown token ${describe(token)}`)
  return id
}
