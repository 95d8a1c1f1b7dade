import { describe, SerotineError } from '../errors.js'
import type { AddedToken } from './added-tokens.js'

type Json = Record<string, unknown>

/** What every tokenizer needs to know in addition to its model. */
export interface Pipeline {
  readonly addedTokens: readonly AddedToken[]
  /** Special tokens that the post-processor puts before and after the text. */
  readonly leadingIds: readonly number[]
  readonly trailingIds: readonly number[]
  readonly names: SpecialNames
}

export interface SpecialNames {
  readonly unk: string | undefined
  readonly mask: string | undefined
  readonly eos: string | undefined
  readonly pad: string | undefined
}

// transformers rebuilds these from tokenizer_config.json: BertTokenizer itself and the classes that are BertTokenizer by
// another name.
const BERT_CLASS =
  /^(Bert|DistilBert|Electra|MobileBert|ConvBert|SqueezeBert|LayoutLM|Lxmert|Funnel|RetriBert|DPR\w+)Tokenizer(Fast)?$/

/**
 * The tokenizer.json that transformers would end up with:
 * - BertTokenizer takes its normaliser from tokenizer_config.json (`do_lower_case` true unless said otherwise), whatever
 *   tokenizer.json says; other classes take tokenizer.json as it is;
 * - special tokens of the configuration, and `extra` ones that the vocabulary has, are added tokens;
 * - stored truncation and padding are dropped: they are what the last caller before saving happened to use.
 */
export function effectiveTokenizerJson(json: unknown, config: unknown, extra: readonly string[]): Json {
  const source = asObject(json, 'tokenizer.json')
  const model = asObject(source.model, 'tokenizer.json\'s "model"')
  const settings = config === undefined || config === null ? {} : asObject(config, 'tokenizer_config.json')
  const effective: Json = { ...source, truncation: null, padding: null }
  const bert = isBert(source, settings)
  if (bert) {
    effective.normalizer = {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: settings.tokenize_chinese_chars ?? true,
      strip_accents: settings.strip_accents ?? null,
      lowercase: settings.do_lower_case ?? true,
    }
  }
  const added = (Array.isArray(source.added_tokens) ? source.added_tokens : []).map((token) =>
    asObject(token, 'an added token'),
  )
  const known = new Set(added.map(({ content }) => content))
  const idOf = vocabularyLookup(model)
  const add = (content: string | undefined, special: boolean) => {
    const id = content === undefined || content === '' || known.has(content) ? undefined : idOf(content)
    if (id === undefined) return
    known.add(content)
    added.push({ id, content, special, normalized: !special, lstrip: false, rstrip: false, single_word: false })
  }
  const defaults = bert ? BERT_SPECIALS : {}
  for (const key of SPECIAL_KEYS) add(tokenName(settings, key) ?? defaults[key], true)
  for (const content of extra) add(content, false)
  effective.added_tokens = added
  if (bert && !source.post_processor) effective.post_processor = bertPostProcessor(settings, idOf)
  return effective
}

const SPECIAL_KEYS = [
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
  'bos_token',
  'eos_token',
] as const
const BERT_SPECIALS: Readonly<Record<string, string>> = {
  unk_token: '[UNK]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  mask_token: '[MASK]',
}

function isBert(json: Json, config: Json): boolean {
  const { normalizer, pre_tokenizer: preTokenizer } = json as { normalizer?: Json; pre_tokenizer?: Json }
  if (normalizer?.type !== 'BertNormalizer' || preTokenizer?.type !== 'BertPreTokenizer') return false
  // Without a class transformers goes by the model's type, which is BERT for this pipeline.
  return typeof config.tokenizer_class !== 'string' || BERT_CLASS.test(config.tokenizer_class)
}

function bertPostProcessor(config: Json, idOf: (token: string) => number | undefined): Json {
  const pair = (key: 'cls_token' | 'sep_token') => {
    const token = tokenName(config, key) ?? BERT_SPECIALS[key]!
    return [token, idOf(token)]
  }
  return { type: 'BertProcessing', sep: pair('sep_token'), cls: pair('cls_token') }
}

/** Reads what the exact tokenizers need. Undefined when the post-processor is one they do not know. */
export function readPipeline(json: Json, config: unknown): Pipeline | undefined {
  const around = readPostProcessor(json.post_processor)
  if (!around) return undefined
  const settings = (config ?? {}) as Json
  const addedTokens = (json.added_tokens as Json[]).map((token) => ({
    id: token.id as number,
    content: token.content as string,
    normalized: token.normalized !== false,
    lstrip: token.lstrip === true,
    rstrip: token.rstrip === true,
    singleWord: token.single_word === true,
    special: token.special === true,
  }))
  return { addedTokens, ...around, names: specialNames(json, settings) }
}

export function specialNames(json: Json, config: Json): SpecialNames {
  const added = new Set((json.added_tokens as Json[]).map(({ content }) => content))
  const usual = (...names: string[]) => names.find((name) => added.has(name))
  return {
    unk:
      tokenName(config, 'unk_token') ??
      ((json.model as Json).unk_token as string | undefined) ??
      usual('[UNK]', '<unk>'),
    mask: tokenName(config, 'mask_token') ?? usual('[MASK]', '<mask>'),
    eos: tokenName(config, 'eos_token'),
    pad: tokenName(config, 'pad_token') ?? usual('[PAD]', '<pad>'),
  }
}

function readPostProcessor(value: unknown): Pick<Pipeline, 'leadingIds' | 'trailingIds'> | undefined {
  if (value === null || value === undefined) return { leadingIds: [], trailingIds: [] }
  const processor = value as Json
  if (processor.type === 'BertProcessing') {
    return {
      leadingIds: [(processor.cls as [string, number])[1]],
      trailingIds: [(processor.sep as [string, number])[1]],
    }
  }
  if (processor.type !== 'TemplateProcessing' || !Array.isArray(processor.single)) return undefined
  const leadingIds: number[] = []
  const trailingIds: number[] = []
  let texts = 0
  for (const part of processor.single as Json[]) {
    const special = part.SpecialToken as { id: string } | undefined
    if (!special) texts++
    else {
      const { ids } = (processor.special_tokens as Record<string, { ids: number[] }>)[special.id]!
      ;(texts === 0 ? leadingIds : trailingIds).push(...ids)
    }
  }
  return texts === 1 ? { leadingIds, trailingIds } : undefined
}

/** A token of tokenizer_config.json: a string, or an object with `content`. */
export function tokenName(config: Json, key: string): string | undefined {
  const value = config[key]
  if (typeof value === 'string') return value
  const content = (value as Json | null | undefined)?.content
  return typeof content === 'string' ? content : undefined
}

/** The vocabulary as pairs; Unigram models list `[token, score]`. Undefined when it is neither. */
export function vocabularyEntries(model: Json): Iterable<[string, number]> | undefined {
  if (Array.isArray(model.vocab)) return model.vocab.map((entry, id) => [String((entry as unknown[])[0]), id])
  if (typeof model.vocab === 'object' && model.vocab !== null)
    return Object.entries(model.vocab as Record<string, number>)
  return undefined
}

function vocabularyLookup(model: Json): (token: string) => number | undefined {
  const vocab = Array.isArray(model.vocab) ? new Map(vocabularyEntries(model)) : undefined
  const items = (model.vocab ?? {}) as Record<string, number>
  return (token) => (vocab ? vocab.get(token) : Object.hasOwn(items, token) ? items[token] : undefined)
}

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
  const name = (key: string) => tokenName(settings, key) ?? BERT_SPECIALS[key]!
  for (const key of ['cls_token', 'sep_token', 'unk_token']) {
    if (!Object.hasOwn(vocab, name(key))) {
      throw new SerotineError(
        'MODEL_CORRUPT',
        `vocab.txt has ${lines.length} tokens but no ${describe(name(key))}. ` +
          `Name the model's own ${key} in tokenizer_config.json.`,
      )
    }
  }
  return {
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
