import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'
import type { AddedToken } from '../added-tokens.js'
import { postProcessor } from './post-processor.js'
import type { PostProcessor } from './post-processor.js'
import { addedTokens, savedTokens, tokenName } from './special-tokens.js'
import type { AddedTokenJson } from './special-tokens.js'
import { construction } from './tokenizer-class.js'
import type { Construction } from './tokenizer-class.js'

type Json = Record<string, unknown>

/** What every tokenizer needs to know in addition to its model. */
export interface Pipeline extends PostProcessor {
  readonly addedTokens: readonly AddedToken[]
  readonly names: SpecialNames
  readonly truncationSide: 'left' | 'right'
}

export interface SpecialNames {
  readonly unk: string | undefined
  readonly mask: string | undefined
  readonly eos: string | undefined
  readonly pad: string | undefined
}

/** What beside tokenizer.json says how to cut text. */
export interface TokenizerSettings {
  /** tokenizer_config.json, with what `withLegacyFiles` adds. */
  readonly config: unknown
  /** `model_type` of config.json; undefined where there is none. */
  readonly modelType?: string | undefined
  /** `tokenizer_class` of config.json, for configurations without one. */
  readonly modelTokenizerClass?: string | undefined
  /** Vocabulary items to treat as added tokens, as PyLate does with its two prefixes. */
  readonly prefixes: readonly string[]
}

/** tokenizer.json as transformers would end up with it, and the names of its special tokens. */
export interface EffectiveTokenizer {
  readonly json: Json & { readonly added_tokens: readonly AddedTokenJson[]; readonly model: Json }
  readonly names: SpecialNames
  /** Which end of a long text is kept. */
  readonly truncationSide: 'left' | 'right'
}

const NAMES = {
  'as saved': {},
  bert: { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' },
  roberta: {
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    sep_token: '</s>',
    pad_token: '<pad>',
    cls_token: '<s>',
    mask_token: '<mask>',
  },
  gemma: { bos_token: '<bos>', eos_token: '<eos>', unk_token: '<unk>', pad_token: '<pad>', mask_token: '<mask>' },
} as const
const DEFAULTS: Readonly<Record<Construction, Readonly<Record<string, string>>>> = {
  ...NAMES,
  'xlm-roberta': NAMES.roberta,
}

/**
 * The tokenizer that transformers 5.3 makes of a folder's files:
 * - the class decides whether tokenizer.json counts as it is or only its vocabulary (`construction`);
 * - special tokens and added tokens of the configuration are added tokens;
 * - stored lengths of truncation and padding are dropped: they are what the last caller before saving happened to use.
 *   Their sides, and a padding token that is named nowhere else, are kept, as there.
 *
 * @throws MODEL_UNSUPPORTED naming a key whose value cannot be obeyed, MODEL_CORRUPT
 */
export function effectiveTokenizer(json: unknown, settings: TokenizerSettings): EffectiveTokenizer {
  const source = asObject(json, 'tokenizer.json')
  const model = asObject(source.model, 'tokenizer.json\'s "model"')
  const config =
    settings.config === undefined || settings.config === null ? {} : asObject(settings.config, 'tokenizer_config.json')
  const how = constructionOf(source, model, config, settings)
  const truncationSide = readSides(source, config, how)
  const defaults: Json = { pad_token: (source.padding as Json | null | undefined)?.pad_token, ...DEFAULTS[how] }
  const idOf = vocabularyLookup(model)
  const added = addedTokens(savedTokens(source.added_tokens), {
    keep: how === 'as saved',
    config,
    defaults,
    prefixes: settings.prefixes,
    idOf,
    vocabularySize: vocabularySize(model),
  })
  const nameOf = (key: string) => tokenName(config, key) ?? tokenName(defaults, key)
  const effective = { ...source, truncation: null, padding: null, added_tokens: added, model }
  const idOfAny = (token: string) => added.find(({ content }) => content === token)?.id ?? idOf(token)
  return {
    json: { ...effective, ...rebuilt(how, { source, model, config, nameOf, idOf: idOfAny }) },
    names: { unk: nameOf('unk_token'), mask: nameOf('mask_token'), eos: nameOf('eos_token'), pad: nameOf('pad_token') },
    truncationSide,
  }
}

function constructionOf(source: Json, model: Json, config: Json, settings: TokenizerSettings): Construction {
  const name = config.tokenizer_class ?? settings.modelTokenizerClass ?? undefined
  if (name !== undefined && typeof name !== 'string') throw badKey('tokenizer_class', name, 'the name of a class')
  const looksLikeBert =
    (source.normalizer as Json | null | undefined)?.type === 'BertNormalizer' &&
    (source.pre_tokenizer as Json | null | undefined)?.type === 'BertPreTokenizer'
  const how = construction(name, settings.modelType, source[FROM_VOCABULARY] !== true, looksLikeBert)
  const wanted = { 'as saved': undefined, bert: 'WordPiece', roberta: 'BPE', 'xlm-roberta': 'Unigram', gemma: 'BPE' }[
    how
  ]
  if (wanted === undefined || model.type === wanted) return how
  // Neither file names a class: the encoder's usual one would read another kind of vocabulary than is there.
  throw badKey(
    'tokenizer_class',
    name ?? `(unset; ${describe(settings.modelType)})`,
    `a class for a ${describe(model.type)} vocabulary`,
  )
}

/** @throws MODEL_UNSUPPORTED for padding on the left and for special tokens that are to be read as text */
function readSides(source: Json, config: Json, how: Construction): 'left' | 'right' {
  const side = (key: 'truncation_side' | 'padding_side', baked: unknown, fallback = 'right') => {
    const value = config[key] ?? String((baked as Json | null | undefined)?.direction ?? fallback).toLowerCase()
    if (value !== 'left' && value !== 'right') throw badKey(key, value, '"left" or "right"')
    return value
  }
  // GemmaTokenizer pads on the left unless told otherwise.
  const padding = side('padding_side', source.padding, how === 'gemma' ? 'left' : 'right')
  if (padding === 'left') {
    throw badKey(
      'padding_side',
      padding,
      '"right": padded on the left, PyLate puts its prefix among the padding, so that vectors depend on the batch',
    )
  }
  if (config.split_special_tokens === true) throw badKey('split_special_tokens', true, 'false')
  return side('truncation_side', source.truncation)
}

interface Parts {
  readonly source: Json
  readonly model: Json
  readonly config: Json
  readonly nameOf: (key: string) => string | undefined
  readonly idOf: (token: string) => number | undefined
}

/** The steps that a class builds itself, whatever tokenizer.json says. */
function rebuilt(
  how: Construction,
  { source, model, config, nameOf, idOf }: Parts,
): Partial<EffectiveTokenizer['json']> {
  const pair = (key: string) => [nameOf(key), idOf(nameOf(key)!)]
  const { vocab, merges } = model
  switch (how) {
    case 'as saved':
      return {}
    case 'bert':
      return {
        normalizer: {
          type: 'BertNormalizer',
          clean_text: true,
          handle_chinese_chars: config.tokenize_chinese_chars ?? true,
          strip_accents: config.strip_accents ?? null,
          lowercase: config.do_lower_case ?? true,
        },
        pre_tokenizer: { type: 'BertPreTokenizer' },
        post_processor: { type: 'BertProcessing', cls: pair('cls_token'), sep: pair('sep_token') },
        model: {
          type: 'WordPiece',
          unk_token: nameOf('unk_token'),
          continuing_subword_prefix: '##',
          max_input_chars_per_word: 100,
          vocab,
        },
      }
    case 'roberta': {
      const spaced = config.add_prefix_space ?? false
      return {
        normalizer: null,
        pre_tokenizer: { type: 'ByteLevel', add_prefix_space: spaced, trim_offsets: true, use_regex: true },
        post_processor: {
          type: 'RobertaProcessing',
          cls: pair('cls_token'),
          sep: pair('sep_token'),
          add_prefix_space: spaced,
          trim_offsets: config.trim_offsets ?? true,
        },
        model: { type: 'BPE', vocab, merges },
      }
    }
    case 'xlm-roberta': {
      const charsmap = firstCharsmap(source.normalizer)
      return {
        normalizer: charsmap,
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'WhitespaceSplit' },
            {
              type: 'Metaspace',
              replacement: '▁',
              prepend_scheme: (config.add_prefix_space ?? true) ? 'always' : 'never',
              split: true,
            },
          ],
        },
        post_processor: { type: 'BertProcessing', cls: pair('bos_token'), sep: pair('eos_token') },
        model: { type: 'Unigram', unk_id: 3, byte_fallback: false, vocab },
      }
    }
    case 'gemma':
      return {
        normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
        model: { type: 'BPE', unk_token: nameOf('unk_token'), fuse_unk: true, byte_fallback: true, vocab, merges },
      }
  }
}

/** The first Precompiled among the steps of a normaliser. */
function firstCharsmap(normalizer: unknown): unknown {
  const { type, normalizers } = (normalizer ?? {}) as Json
  const steps = type === 'Sequence' && Array.isArray(normalizers) ? (normalizers as unknown[]) : [normalizer]
  return steps.find((step) => (step as Json | null | undefined)?.type === 'Precompiled') ?? null
}

/** What every tokenizer needs besides its model. @throws MODEL_UNSUPPORTED, MODEL_CORRUPT */
export function readPipeline({ json, names, truncationSide }: EffectiveTokenizer): Pipeline {
  return {
    addedTokens: json.added_tokens.map(({ single_word: singleWord, ...token }) => ({ ...token, singleWord })),
    ...postProcessor(json.post_processor),
    truncationSide,
    names: {
      ...names,
      unk: names.unk ?? (typeof json.model.unk_token === 'string' ? json.model.unk_token : undefined),
    },
  }
}

/** The vocabulary as pairs; Unigram models list `[token, score]`. Undefined when it is neither. */
export function vocabularyEntries(model: Json): Iterable<[string, number]> | undefined {
  if (Array.isArray(model.vocab)) return model.vocab.map((entry, id) => [String((entry as unknown[] | null)?.[0]), id])
  if (typeof model.vocab === 'object' && model.vocab !== null)
    return Object.entries(model.vocab as Record<string, number>)
  return undefined
}

/** How many tokens the model has, which is where Python goes on numbering. */
function vocabularySize(model: Json): number {
  return Array.isArray(model.vocab) ? model.vocab.length : Object.keys((model.vocab ?? {}) as object).length
}

function vocabularyLookup(model: Json): (token: string) => number | undefined {
  const vocab = Array.isArray(model.vocab) ? new Map(vocabularyEntries(model)) : undefined
  const items = (model.vocab ?? {}) as Record<string, number>
  return (token) => (vocab ? vocab.get(token) : Object.hasOwn(items, token) ? items[token] : undefined)
}

/** Marks what `tokenizerJsonFromVocab` made. */
const FROM_VOCABULARY = 'from vocab.txt'

/**
 * A tokenizer.json for folders that only have BERT's vocab.txt.
 *
 * @param vocabTxt one token per line; the line number is the id
 * @param config tokenizer_config.json, if there is one
 * @throws MODEL_CORRUPT when [CLS], [SEP] or [UNK] (or what the configuration calls them) is missing
 */
export function tokenizerJsonFromVocab(vocabTxt: string, config?: unknown): unknown {
  const lines = vocabTxt.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  const vocab = Object.fromEntries(lines.map((token, id) => [token, id]))
  const settings = config === undefined || config === null ? {} : asObject(config, 'tokenizer_config.json')
  const name = (key: keyof typeof NAMES.bert) => tokenName(settings, key) ?? NAMES.bert[key]
  for (const key of ['cls_token', 'sep_token', 'unk_token'] as const) {
    if (!Object.hasOwn(vocab, name(key))) {
      throw new SerotineError(
        'MODEL_CORRUPT',
        `vocab.txt has ${lines.length} tokens but no ${describe(name(key))}. ` +
          `Name the model's own ${key} in tokenizer_config.json.`,
      )
    }
  }
  return {
    [FROM_VOCABULARY]: true,
    version: '1.0',
    added_tokens: [],
    normalizer: { type: 'BertNormalizer' },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    model: {
      type: 'WordPiece',
      unk_token: name('unk_token'),
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  }
}

function asObject(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new SerotineError(
    'MODEL_CORRUPT',
    `${what} must be a JSON object, got ${describe(value)}. Download the model again.`,
  )
}

function badKey(key: string, value: unknown, expected: string): SerotineError {
  return new SerotineError(
    'MODEL_UNSUPPORTED',
    `tokenizer_config.json (or tokenizer.json): "${key}" is ${describe(value)}. Supported: ${expected}.`,
  )
}
