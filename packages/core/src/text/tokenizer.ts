import { describe, SerotineError } from '../errors.js'
import { alignTokens } from './alignment.js'
import type { TokenStyle } from './alignment.js'
import { byteCharacters, ByteLevelBpeTokenizer } from './byte-level-bpe.js'
import type { Encoding, Tokenizer } from './encoding.js'
import { effectiveTokenizerJson, readPipeline, specialNames, vocabularyEntries } from './tokenizer-json.js'
import type { Pipeline, SpecialNames } from './tokenizer-json.js'
import { wellFormed } from './unicode.js'
import { paddingId } from './vocabulary.js'
import { WordPieceTokenizer } from './wordpiece.js'

export type { Encoding, Tokenizer } from './encoding.js'
export { tokenizerJsonFromVocab } from './tokenizer-json.js'

type Json = Record<string, unknown>

const LIBRARY_MODELS: readonly unknown[] = ['WordPiece', 'BPE', 'Unigram']

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
    return wrap(external as ExternalTokenizer, specialNames(json, config), styleOf(json))
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
  return wrap(external, names, undefined)
}

function wrap(external: ExternalTokenizer, given: SpecialNames, style: TokenStyle | undefined): Tokenizer {
  const ids = vocabularyOf(external)
  const tokens = new Map([...ids].map(([token, id]) => [id, token]))
  const tokenToId = (token: string) => ids.get(token)
  const known = (...names: (string | undefined)[]) => names.find((name) => name !== undefined && ids.has(name))
  const names = { ...given, mask: known(given.mask, '[MASK]', '<mask>'), unk: known(given.unk, '[UNK]', '<unk>') }
  const encodeIds = (text: string): number[] => {
    const encoded = external.encode(text)
    return Array.from('ids' in encoded ? encoded.ids : (encoded as readonly number[]), Number)
  }
  const { leadingIds, trailingIds } = specialsAround(encodeIds)
  const unkId = names.unk === undefined ? undefined : tokenToId(names.unk)
  const tokenStyle = style ?? { byteLevel: ids.has('Ġ'), continuingPrefix: '##' }
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
    tokenToId,
    idToToken: (id) => tokens.get(id),
    encode(input) {
      const text = wellFormed(input)
      const all = encodeIds(text)
      const body = all.slice(leadingIds.length, all.length - trailingIds.length)
      const spans = alignTokens(
        text,
        body.map((id) => (id === unkId ? undefined : tokens.get(id))),
        tokenStyle,
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
