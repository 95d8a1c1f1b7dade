import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'

type Json = Record<string, unknown>

/** An entry of `added_tokens`, in tokenizer.json's spelling. */
export interface AddedTokenJson {
  id: number
  content: string
  special: boolean
  normalized: boolean
  lstrip: boolean
  rstrip: boolean
  single_word: boolean
}

export const SPECIAL_KEYS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const

/**
 * tokenizer_config.json with what older files beside it say, in the order of transformers: special_tokens_map.json and
 * added_tokens.json count only where the configuration has no `added_tokens_decoder`, and the map then wins.
 */
export function withLegacyFiles(config: Json, specialTokensMap: Json | undefined, addedTokens: Json | undefined): Json {
  if (config.added_tokens_decoder !== undefined) return config
  const merged: Json = { ...config, ...specialTokensMap }
  if (addedTokens === undefined) return merged
  const special = new Set([...SPECIAL_KEYS.map((key) => tokenName(merged, key)), ...extraTokens(merged).map(contentOf)])
  const decoder = Object.entries(addedTokens).map(([content, id]) => {
    const isSpecial = special.has(content)
    return [String(id), { content, special: isSpecial, normalized: !isSpecial, lstrip: false, rstrip: false }]
  })
  // Marked as read from an older file: tokenizer.json's own list still counts beside it.
  return { ...merged, [LEGACY]: Object.fromEntries(decoder) }
}

const LEGACY = 'added_tokens.json'

/**
 * The added tokens that transformers ends up with.
 *
 * @param saved `added_tokens` of tokenizer.json
 * @param keep whether they are there from the start; false: the class builds its tokenizer anew
 * @param defaults special tokens of the class
 * @param prefixes made added tokens by PyLate where the vocabulary has them
 */
export function addedTokens(
  saved: readonly AddedTokenJson[],
  {
    keep,
    config,
    defaults,
    prefixes,
    idOf,
    vocabularySize,
  }: {
    keep: boolean
    config: Json
    defaults: Json
    prefixes: readonly string[]
    idOf: (token: string) => number | undefined
    vocabularySize: number
  },
): AddedTokenJson[] {
  const tokens = new Map<string, AddedTokenJson>()
  let next = vocabularySize
  const put = (token: Omit<AddedTokenJson, 'id'>, id?: number): void => {
    if (token.content === '') return
    const given = tokens.get(token.content)?.id ?? idOf(token.content) ?? id ?? next
    next = Math.max(next, given + 1)
    tokens.set(token.content, { ...token, id: given })
  }
  const decoder = config.added_tokens_decoder
  const listed = decoder === undefined ? [...legacyTokens(config), ...saved] : decoderTokens(decoder)
  if (keep) for (const token of saved) put(token, token.id)
  for (const token of [...listed].sort((a, b) => a.id - b.id)) put(token, token.id)
  // Those that are there keep their switches; of two that are new the later one counts.
  const known = new Set(tokens.keys())
  for (const value of [...SPECIAL_KEYS.map((key) => config[key] ?? defaults[key]), ...extraTokens(config)]) {
    const content = contentOf(value)
    if (content === undefined || known.has(content)) continue
    put(typeof value === 'string' ? specialToken(content) : readToken(value as Json, content, true))
  }
  for (const content of prefixes) {
    const id = tokens.get(content)?.id ?? idOf(content)
    // A prefix that is nowhere would get a random vector in PyLate; `Template` reports it.
    if (id !== undefined) put({ ...specialToken(content), special: false, normalized: true }, id)
  }
  return [...tokens.values()]
}

/** `added_tokens` of tokenizer.json, checked. @throws MODEL_CORRUPT */
export function savedTokens(value: unknown): AddedTokenJson[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw wrong('tokenizer.json: "added_tokens"', 'a list', value)
  return value.map((entry: unknown, i) => {
    const token = object(entry, `tokenizer.json: added token ${i}`)
    const { content } = token
    if (typeof content !== 'string') throw wrong(`tokenizer.json: the content of added token ${i}`, 'a string', content)
    return {
      ...readToken(token, content, false),
      id: tokenId(token.id, `tokenizer.json: the id of ${describe(content)}`),
    }
  })
}

/** A token of tokenizer_config.json: a string, or an object with `content`. */
export function tokenName(config: Json, key: string): string | undefined {
  return contentOf(config[key])
}

function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const content = (value as Json | null | undefined)?.content
  return typeof content === 'string' ? content : undefined
}

/** `additional_special_tokens`, which newer files call `extra_special_tokens` and may list by name. */
function extraTokens(config: Json): unknown[] {
  const value = config.extra_special_tokens ?? config.additional_special_tokens
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : Object.values(object(value, 'tokenizer_config.json: "extra_special_tokens"'))
}

function legacyTokens(config: Json): AddedTokenJson[] {
  return config[LEGACY] === undefined ? [] : decoderTokens(config[LEGACY])
}

function decoderTokens(value: unknown): AddedTokenJson[] {
  const where = 'tokenizer_config.json: "added_tokens_decoder"'
  return Object.entries(object(value, where)).map(([id, entry]) => {
    const token = object(entry, `${where}, ${id}`)
    const { content } = token
    if (typeof content !== 'string') throw wrong(`${where}, the content of ${id}`, 'a string', content)
    return { ...readToken(token, content, false), id: tokenId(Number(id), `${where}, the id`) }
  })
}

function readToken(token: Json, content: string, special: boolean): Omit<AddedTokenJson, 'id'> {
  const isSpecial = special || token.special === true
  return {
    content,
    special: isSpecial,
    normalized: typeof token.normalized === 'boolean' ? token.normalized : !isSpecial,
    lstrip: token.lstrip === true,
    rstrip: token.rstrip === true,
    single_word: token.single_word === true,
  }
}

function specialToken(content: string): Omit<AddedTokenJson, 'id'> {
  return { content, special: true, normalized: false, lstrip: false, rstrip: false, single_word: false }
}

function tokenId(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < 2 ** 26) return value
  throw wrong(where, 'a whole number', value)
}

function object(value: unknown, where: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw wrong(where, 'an object', value)
}

function wrong(where: string, expected: string, value: unknown): SerotineError {
  return new SerotineError(
    'MODEL_CORRUPT',
    `${where} must be ${expected}, got ${describe(value)}. Download the model again.`,
  )
}
