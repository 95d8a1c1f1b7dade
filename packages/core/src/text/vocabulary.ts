import { describe } from '../options.js'
import { SerotineError } from '../errors.js'
import type { Tokenizer } from './encoding.js'
import type { Pipeline } from './tokenizer-json/effective-tokenizer.js'

/** The vocabulary with its added and special tokens: what all of our tokenizers share. */
export class Vocabulary {
  readonly size: number
  readonly clsId: number
  readonly sepId: number
  readonly maskId: number
  readonly unkId: number | undefined
  readonly leading: number
  readonly trailing: number
  readonly truncationSide: 'left' | 'right'
  protected readonly leadingIds: readonly number[]
  protected readonly trailingIds: readonly number[]
  readonly #ids: ReadonlyMap<string, number>
  readonly #added: ReadonlyMap<string, number>
  readonly #tokens = new Map<number, string>()

  constructor(pipeline: Pipeline, vocab: ReadonlyMap<string, number>) {
    this.#ids = vocab
    this.#added = new Map(pipeline.addedTokens.map(({ content, id }) => [content, id]))
    let last = -1
    for (const [token, id] of [...vocab, ...this.#added]) {
      this.#tokens.set(id, token)
      last = Math.max(last, id)
    }
    this.size = last + 1
    const { names } = pipeline
    this.leadingIds = pipeline.leadingIds
    this.trailingIds = pipeline.trailingIds
    this.truncationSide = pipeline.truncationSide
    this.leading = this.leadingIds.length
    this.trailing = this.trailingIds.length
    this.clsId = this.leadingIds[0] ?? -1
    this.sepId = this.trailingIds[0] ?? -1
    this.unkId = names.unk === undefined ? undefined : this.tokenToId(names.unk)
    this.maskId = paddingId([names.mask, names.eos, names.pad], (token) => this.tokenToId(token))
  }

  tokenToId(token: string): number | undefined {
    return this.#added.get(token) ?? this.#ids.get(token)
  }

  idToToken(id: number): string | undefined {
    return this.#tokens.get(id)
  }
}

/**
 * What PyLate pads queries with: the first of mask, end of sequence and padding token that the tokenizer has.
 *
 * @throws MODEL_UNSUPPORTED when it has none
 */
export function paddingId(
  names: readonly (string | undefined)[],
  tokenToId: (token: string) => number | undefined,
): number {
  for (const name of names) {
    const id = name === undefined ? undefined : tokenToId(name)
    if (id !== undefined) return id
  }
  throw new SerotineError(
    'MODEL_UNSUPPORTED',
    'The tokenizer has no mask, end-of-sequence or padding token, so queries cannot be expanded. ' +
      'Name one as "mask_token" in tokenizer_config.json.',
  )
}

/**
 * PyLate gives random vectors to tokens that its tokenizer adds beyond the model's embeddings; such a prefix or mask
 * token is an error here.
 *
 * @param rows embeddings that the model has; Infinity when that is not known
 * @throws MODEL_UNSUPPORTED naming the key
 */
export function requireEmbeddings(
  tokenizer: Tokenizer,
  rows: number,
  prefixes: Readonly<Record<string, string>>,
): void {
  const ids = Object.entries(prefixes).map(([key, token]) => [key, token, tokenizer.tokenToId(token)] as const)
  const mask = tokenizer.idToToken(tokenizer.maskId) ?? ''
  for (const [key, token, id] of [...ids, ['mask_token (or what stands in for it)', mask, tokenizer.maskId] as const]) {
    if (id === undefined || id < rows) continue
    throw new SerotineError(
      'MODEL_UNSUPPORTED',
      `${key} ${describe(token)} has the id ${id}, and the model has embeddings for ${rows} tokens; PyLate would give it ` +
        'a random vector. Name a token that the model was trained with.',
    )
  }
}
