import { createHash } from 'node:crypto'
import { describe } from '../options.js'
import { SerotineError } from '../errors.js'
import { alignTokens } from './alignment.js'
import type { Encoding, Tokenizer } from './encoding.js'
import type { SpecialNames } from './tokenizer-json/effective-tokenizer.js'
import { wellFormed } from './unicode/classes.js'
import { paddingId } from './vocabulary.js'

/**
 * A tokenizer made elsewhere: what `AutoTokenizer.from_pretrained` of transformers.js 4 gives, a `Tokenizer` of
 * `@huggingface/tokenizers`, or anything with `encode` and `get_vocab`.
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
 * Adapts a tokenizer made elsewhere. Spans are found by alignment. Prefix tokens are looked up in its vocabulary; they are
 * not turned into added tokens, so their literal text in a document may be cut differently than in PyLate.
 *
 * @throws INVALID_ARGUMENT when a method is missing or gives something else than ids, MODEL_UNSUPPORTED when it has no
 *   mask, end or padding token
 */
export function wrapTokenizer(external: ExternalTokenizer): Tokenizer {
  if (typeof external?.encode !== 'function') {
    const got = (external as unknown) instanceof Promise ? 'a promise (await it first)' : describe(external)
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `tokenizer must have an encode(text) method, got ${got}. Pass what AutoTokenizer.from_pretrained(folder) of ` +
        'transformers.js resolves to.',
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
  const encodeIds = (text: string) => idsOf(external.encode(text))
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

/** Ids as transformers.js and `@huggingface/tokenizers` give them; bigints become numbers. */
function idsOf(encoded: unknown): number[] {
  const listed = (encoded as { ids?: unknown } | null | undefined)?.ids ?? encoded
  if (!Array.isArray(listed) && !ArrayBuffer.isView(listed)) {
    const got = listed instanceof Promise ? 'a promise' : describe(listed)
    throw new SerotineError('INVALID_ARGUMENT', `tokenizer.encode(text) must return an array of token ids, got ${got}.`)
  }
  const ids = Array.from(listed as ArrayLike<unknown>, Number)
  const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0)
  if (wrong < 0) return ids
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `tokenizer.encode(text) must return token ids, got ${describe((listed as ArrayLike<unknown>)[wrong])} at ${wrong}.`,
  )
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

const PROBE = 'The QUICK brown fox, café naïve 東京 한국어 🥝 1,234.5 don’t\n\tsnake_case  ﬁne'

/** Changes with the vocabulary, and with what a line of many kinds of text is cut into. */
export function tokenizerDigest(tokenizer: Tokenizer): string {
  const hash = createHash('sha256').update(tokenizer.encode(PROBE).ids.join())
  for (let id = 0; id < tokenizer.size; id++) hash.update(`\n${tokenizer.idToToken(id) ?? ''}`)
  return hash.digest('hex').slice(0, 16)
}
