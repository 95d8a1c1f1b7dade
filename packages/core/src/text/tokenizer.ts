import { describe, SerotineError } from '../errors.js'
import { alignTokens } from './alignment.js'
import { byteCharacters, ByteLevelBpeTokenizer } from './byte-level-bpe.js'
import type { Encoding, Tokenizer } from './encoding.js'
import { readMerges } from './pipeline/bpe.js'
import { count, damaged, flag, optionalText } from './pipeline/component.js'
import type { Component } from './pipeline/component.js'
import { PipelineTokenizer } from './pipeline/pipeline-tokenizer.js'
import { readVocabulary } from './pipeline/token-model.js'
import { effectiveTokenizer, readPipeline } from './tokenizer-json.js'
import type { Pipeline, SpecialNames } from './tokenizer-json.js'
import { wellFormed } from './unicode/classes.js'
import { paddingId } from './vocabulary.js'
import { WordPieceTokenizer } from './wordpiece.js'

export type { Encoding, Tokenizer } from './encoding.js'
export { tokenizerJsonFromVocab } from './tokenizer-json.js'

/**
 * A tokenizer made elsewhere: transformers.js `AutoTokenizer`, a `Tokenizer` of `@huggingface/tokenizers`, or anything
 * with these methods. It must know every token of its vocabulary by name.
 */
export interface ExternalTokenizer {
  /** Ids with special tokens, without padding or truncation. */
  encode(text: string): readonly number[] | { readonly ids: ArrayLike<number> }
  token_to_id?(token: string): number | undefined
  id_to_token?(id: number): string | undefined
  get_vocab?(): ReadonlyMap<string, number> | Readonly<Record<string, number>>
  readonly mask_token?: string | null
  readonly eos_token?: string | null
  readonly pad_token?: string | null
  readonly unk_token?: string | null
}

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

/**
 * Adapts a tokenizer made elsewhere. Spans are found by alignment. Prefix tokens are looked up in its vocabulary; they are
 * not turned into added tokens, so their literal text in a document may be cut differently than in PyLate.
 *
 * @throws INVALID_ARGUMENT when a method is missing, MODEL_UNSUPPORTED when it has no mask, end or padding token
 */
export function wrapTokenizer(external: ExternalTokenizer): Tokenizer {
  if (typeof external?.encode !== 'function') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `tokenizer must have an encode(text) method, got ${describe(external)}.`,
    )
  }
  const names: SpecialNames = {
    mask: external.mask_token ?? undefined,
    eos: external.eos_token ?? undefined,
    pad: external.pad_token ?? undefined,
    unk: external.unk_token ?? undefined,
  }
  return wrap(external, names)
}

function wrap(external: ExternalTokenizer, given: SpecialNames): Tokenizer {
  const ids = vocabularyOf(external)
  const tokens = new Map([...ids].map(([token, id]) => [id, token]))
  const tokenToId = (token: string) => ids.get(token)
  const known = (...names: (string | undefined)[]) => names.find((name) => name !== undefined && ids.has(name))
  // A tokenizer that says null has none, as in PyLate; one without the property does not say.
  const usualMasks = external.mask_token === undefined ? ['[MASK]', '<mask>'] : []
  const names = { ...given, mask: known(given.mask, ...usualMasks), unk: known(given.unk, '[UNK]', '<unk>') }
  const encodeIds = (text: string): number[] => {
    const encoded = external.encode(text)
    return Array.from('ids' in encoded ? encoded.ids : (encoded as readonly number[]), Number)
  }
  const { leadingIds, trailingIds } = specialsAround(encodeIds)
  const unkId = names.unk === undefined ? undefined : tokenToId(names.unk)
  const style = { byteLevel: ids.has('Ġ'), continuingPrefix: '##' }
  let size = 0
  for (const id of ids.values()) size = Math.max(size, id + 1)
  return {
    size,
    clsId: leadingIds[0] ?? -1,
    sepId: trailingIds[0] ?? -1,
    maskId: paddingId([names.mask, names.eos, names.pad], tokenToId),
    unkId,
    leading: leadingIds.length,
    trailing: trailingIds.length,
    truncationSide: 'right',
    tokenToId,
    idToToken: (id) => tokens.get(id),
    encode(input) {
      const text = wellFormed(input)
      const all = encodeIds(text)
      const body = all.slice(leadingIds.length, all.length - trailingIds.length)
      const spans = alignTokens(
        text,
        body.map((id) => (id === unkId ? undefined : tokens.get(id))),
        style,
      )
      const around = (values: number[]) =>
        Int32Array.from([...leadingIds.map(() => -1), ...values, ...trailingIds.map(() => -1)])
      return { ids: Int32Array.from(all), starts: around(spans.starts), ends: around(spans.ends) } satisfies Encoding
    },
  }
}

function vocabularyOf(external: ExternalTokenizer): ReadonlyMap<string, number> {
  const vocab = external.get_vocab?.() ?? legacyVocabulary(external)
  const map = vocab instanceof Map ? vocab : new Map(Object.entries(vocab ?? {}))
  if (map.size > 0) return map
  throw new SerotineError(
    'INVALID_ARGUMENT',
    'tokenizer must list its vocabulary: give it a get_vocab() method that returns tokens and ids.',
  )
}

/** transformers.js 3 has no `get_vocab`. */
function legacyVocabulary(external: ExternalTokenizer): ReadonlyMap<string, number> | undefined {
  const { model } = external as { model?: { tokens_to_ids?: unknown } }
  return model?.tokens_to_ids instanceof Map ? (model.tokens_to_ids as Map<string, number>) : undefined
}

/** The special tokens that every encoding starts and ends with: what the encodings of two unlike texts share. */
function specialsAround(encodeIds: (text: string) => number[]): { leadingIds: number[]; trailingIds: number[] } {
  const empty = encodeIds('')
  const other = encodeIds('a')
  let leading = 0
  while (leading < empty.length && empty[leading] === other[leading]) leading++
  return { leadingIds: empty.slice(0, leading), trailingIds: empty.slice(leading) }
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
