import { describe, SerotineError } from '../errors.js'
import type { TokenStyle } from './alignment.js'
import { byteCharacters, ByteLevelBpeTokenizer } from './byte-level-bpe.js'
import type { Tokenizer } from './encoding.js'
import { wrapWithNames } from './external-tokenizer.js'
import type { ExternalTokenizer } from './external-tokenizer.js'
import { effectiveTokenizerJson, readPipeline, specialNames, vocabularyEntries } from './tokenizer-json.js'
import type { Pipeline } from './tokenizer-json.js'
import { WordPieceTokenizer } from './wordpiece.js'

export type { Encoding, Tokenizer } from './encoding.js'
export { tokenizerJsonFromVocab } from './tokenizer-json.js'

type Json = Record<string, unknown>

const LIBRARY_MODELS: readonly unknown[] = ['WordPiece', 'BPE', 'Unigram']

/**
 * Builds the tokenizer of a checkpoint. BERT's WordPiece and ModernBERT's byte-level BPE run here, exactly as in Python;
 * any other tokenizer.json goes to `@huggingface/tokenizers`, with spans found by alignment.
 *
 * @param tokenizerJson parsed tokenizer.json (or `tokenizerJsonFromVocab`)
 * @param tokenizerConfig parsed tokenizer_config.json, if there is one
 * @param options.addedTokens vocabulary items to treat as added tokens, as PyLate does with its two prefixes: their
 *   literal text then maps to the one id. Items that the vocabulary lacks are ignored.
 * @throws MODEL_CORRUPT, MODEL_UNSUPPORTED
 */
export async function createTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  options: { addedTokens?: readonly string[] } = {},
): Promise<Tokenizer> {
  const json = effectiveTokenizerJson(tokenizerJson, tokenizerConfig, options.addedTokens ?? [])
  const pipeline = readPipeline(json, tokenizerConfig)
  const exact = pipeline && (wordPiece(json, pipeline) ?? byteLevelBpe(json, pipeline))
  if (exact) return exact
  const config = (tokenizerConfig ?? {}) as Json
  try {
    // The library takes any model that has a vocabulary for a lookup table.
    if (!LIBRARY_MODELS.includes((json.model as Json).type)) throw new Error('unknown model')
    const { Tokenizer } = await import('@huggingface/tokenizers')
    const external = new Tokenizer(json, config)
    return wrapWithNames(external as ExternalTokenizer, specialNames(json, config), styleOf(json))
  } catch (cause) {
    if (SerotineError.isInstance(cause)) throw cause
    const steps = (['normalizer', 'pre_tokenizer', 'model', 'post_processor'] as const)
      .map((step) => `${step} ${describe((json[step] as Json | null)?.type ?? null)}`)
      .join(', ')
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `tokenizer.json cannot be run (${steps}): ${(cause as Error).message}. Make the tokenizer yourself and pass it as ` +
        '`tokenizer`, e.g. from transformers.js AutoTokenizer.',
      { cause },
    )
  }
}

interface Steps {
  normalizer?: Json | null
  pre_tokenizer?: Json | null
  model: Json
}

function wordPiece(json: Json, pipeline: Pipeline): Tokenizer | undefined {
  const { normalizer, pre_tokenizer: preTokenizer, model } = json as unknown as Steps
  if (
    model.type !== 'WordPiece' ||
    normalizer?.type !== 'BertNormalizer' ||
    preTokenizer?.type !== 'BertPreTokenizer'
  ) {
    return undefined
  }
  const vocab = new Map(vocabularyEntries(model) ?? [])
  const unkId = vocab.get(model.unk_token as string)
  if (unkId === undefined) {
    const message = `tokenizer.json has no ${describe(model.unk_token)} in its vocabulary of ${vocab.size}. Download it again.`
    throw new SerotineError('MODEL_CORRUPT', message)
  }
  const lowercase = normalizer.lowercase !== false
  return new WordPieceTokenizer(
    pipeline,
    {
      cleanText: normalizer.clean_text !== false,
      handleChineseChars: normalizer.handle_chinese_chars !== false,
      stripAccents: (normalizer.strip_accents as boolean | null | undefined) ?? lowercase,
      lowercase,
    },
    {
      vocab,
      unkId,
      continuingPrefix: (model.continuing_subword_prefix as string | undefined) ?? '##',
      maxCharsPerWord: (model.max_input_chars_per_word as number | undefined) ?? 100,
    },
  )
}

function byteLevelBpe(json: Json, pipeline: Pipeline): Tokenizer | undefined {
  const { normalizer, pre_tokenizer: preTokenizer, model } = json as unknown as Steps
  if (model.type !== 'BPE' || preTokenizer?.type !== 'ByteLevel' || !Array.isArray(model.merges)) return undefined
  if (preTokenizer.add_prefix_space !== false || (normalizer && normalizer.type !== 'NFC')) return undefined
  if (model.dropout || model.continuing_subword_prefix || model.end_of_word_suffix || model.byte_fallback)
    return undefined
  const vocab = new Map(vocabularyEntries(model) ?? [])
  // A byte without a token would need the rules for unknown ones.
  if (!byteCharacters().every((ch) => vocab.has(ch))) return undefined
  const merges = (model.merges as (string | [string, string])[]).map((pair) =>
    typeof pair === 'string' ? (pair.split(' ') as [string, string]) : pair,
  )
  for (const [left, right] of merges) {
    if (!vocab.has(left) || !vocab.has(right) || !vocab.has(left + right)) {
      const message = `tokenizer.json merges ${describe(left)} and ${describe(right)}, which its vocabulary lacks.`
      throw new SerotineError('MODEL_CORRUPT', message)
    }
  }
  return new ByteLevelBpeTokenizer(pipeline, {
    vocab,
    merges,
    nfc: normalizer?.type === 'NFC',
    useRegex: preTokenizer.use_regex !== false,
    ignoreMerges: model.ignore_merges === true,
  })
}

function styleOf(json: Json): TokenStyle {
  const text = JSON.stringify([json.pre_tokenizer, json.decoder])
  const model = json.model as Json
  const prefix =
    (model.continuing_subword_prefix as string | null | undefined) ?? (model.type === 'WordPiece' ? '##' : '')
  return { byteLevel: text.includes('"ByteLevel"'), continuingPrefix: prefix }
}
