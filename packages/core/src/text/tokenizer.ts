import { describe } from '../options.js'
import { byteCharacters } from './byte-characters.js'
import { ByteLevelBpeTokenizer } from './byte-level-bpe.js'
import type { Tokenizer } from './encoding.js'
import { readMerges } from './token-models/bpe.js'
import { count, damaged, flag, optionalText } from './tokenizer-json/component.js'
import type { Component } from './tokenizer-json/component.js'
import { PipelineTokenizer } from './pipeline/pipeline-tokenizer.js'
import { readVocabulary } from './token-models/token-model.js'
import { effectiveTokenizer, readPipeline } from './tokenizer-json/effective-tokenizer.js'
import type { Pipeline } from './tokenizer-json/effective-tokenizer.js'
import { WordPieceTokenizer } from './wordpiece.js'

export type { Encoding, Tokenizer } from './encoding.js'
export { tokenizerJsonFromVocab } from './tokenizer-json/effective-tokenizer.js'

/**
 * Builds the tokenizer of a checkpoint: ids and spans are those of Python's `tokenizers`, and what is not known to give
 * them is refused.
 *
 * @param tokenizerJson parsed tokenizer.json (or `tokenizerJsonFromVocab`)
 * @param tokenizerConfig parsed tokenizer_config.json, if there is one
 * @param options.addedTokens vocabulary items to treat as added tokens, as PyLate does with its two prefixes: their
 *   literal text then maps to the one id. Items that the vocabulary lacks are ignored.
 * @param options.modelType and options.modelTokenizerClass `model_type` and `tokenizer_class` of config.json: with the
 *   configuration's own `tokenizer_class` they decide what transformers takes from tokenizer.json
 * @throws MODEL_UNSUPPORTED naming a component, or a key of the configuration, that cannot be obeyed; MODEL_CORRUPT
 */
export function createTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  options: {
    addedTokens?: readonly string[]
    modelType?: string | undefined
    modelTokenizerClass?: string | undefined
  } = {},
): Tokenizer {
  const effective = effectiveTokenizer(tokenizerJson, {
    config: tokenizerConfig,
    modelType: options.modelType,
    modelTokenizerClass: options.modelTokenizerClass,
    prefixes: options.addedTokens ?? [],
  })
  const pipeline = readPipeline(effective)
  const { json } = effective
  return wordPiece(json, pipeline) ?? byteLevelBpe(json, pipeline) ?? new PipelineTokenizer(json, pipeline)
}

const LONGEST_WORD = 400

function wordPiece(json: Component, pipeline: Pipeline): Tokenizer | undefined {
  const [normalizer, preTokenizer, model] = [step(json.normalizer), step(json.pre_tokenizer), step(json.model)]
  if (model?.type !== 'WordPiece' || normalizer?.type !== 'BertNormalizer') return undefined
  if (preTokenizer?.type !== 'BertPreTokenizer' || pipeline.trim) return undefined
  // Longer words are cut by a search that does not try every length.
  if (count(model, 'max_input_chars_per_word', 100) > LONGEST_WORD) return undefined
  const vocab = readVocabulary(model)
  const unknown = optionalText(model, 'unk_token') ?? '[UNK]'
  const unkId = vocab.get(unknown)
  if (unkId === undefined) throw damaged(`its vocabulary of ${vocab.size} lacks the unknown token ${describe(unknown)}`)
  const lowercase = flag(normalizer, 'lowercase', true)
  return new WordPieceTokenizer(
    pipeline,
    {
      cleanText: flag(normalizer, 'clean_text', true),
      handleChineseChars: flag(normalizer, 'handle_chinese_chars', true),
      stripAccents: flag(normalizer, 'strip_accents', lowercase),
      lowercase,
    },
    {
      vocab,
      unkId,
      continuingPrefix: optionalText(model, 'continuing_subword_prefix') ?? '##',
      maxCharsPerWord: count(model, 'max_input_chars_per_word', 100),
    },
  )
}

function byteLevelBpe(json: Component, pipeline: Pipeline): Tokenizer | undefined {
  const [normalizer, preTokenizer, model] = [step(json.normalizer), step(json.pre_tokenizer), step(json.model)]
  if (model?.type !== 'BPE' || preTokenizer?.type !== 'ByteLevel') return undefined
  if (preTokenizer.add_prefix_space !== false || (normalizer && normalizer.type !== 'NFC')) return undefined
  if (model.dropout || model.continuing_subword_prefix || model.end_of_word_suffix || model.byte_fallback)
    return undefined
  const vocab = readVocabulary(model)
  // A byte without a token would need the rules for unknown ones.
  if (!byteCharacters().every((ch) => vocab.has(ch))) return undefined
  return new ByteLevelBpeTokenizer(pipeline, {
    vocab,
    merges: readMerges(model, vocab, ''),
    nfc: normalizer?.type === 'NFC',
    useRegex: flag(preTokenizer, 'use_regex', true),
    ignoreMerges: flag(model, 'ignore_merges', false),
  })
}

function step(value: unknown): Component | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Component) : undefined
}
