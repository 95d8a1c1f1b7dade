import { AddedTokens } from '../added-tokens.js'
import { EncodingBuilder, WordCache } from '../encoding.js'
import type { Encoding, Tokenizer } from '../encoding.js'
import { alignedEnd, alignedStart } from '../aligned-text.js'
import type { Pipeline } from '../tokenizer-json/effective-tokenizer.js'
import { wellFormed } from '../unicode/classes.js'
import { Vocabulary } from '../vocabulary.js'
import type { Component } from '../tokenizer-json/component.js'
import { normalizer } from './normalizers.js'
import type { Piece } from './piece.js'
import { preTokenizer } from './pre-tokenizers.js'
import type { PreTokenizer } from './pre-tokenizers.js'
import { tokenModel } from '../token-models/from-json.js'
import { trimSpans } from './trim-spans.js'
import type { TokenModel } from '../token-models/token-model.js'

/**
 * Any tokenizer.json, step by step: normaliser, pre-tokenizer, model. Ids and spans equal Python's `tokenizers`; what is
 * not known to is refused when the tokenizer is made. `WordPieceTokenizer` and `ByteLevelBpeTokenizer` do the same for
 * the two commonest pipelines, faster.
 */
export class PipelineTokenizer extends Vocabulary implements Tokenizer {
  readonly #added: AddedTokens
  readonly #preTokenize: PreTokenizer
  readonly #model: TokenModel
  readonly #words = new WordCache()
  readonly #out = new EncodingBuilder()
  readonly #trim: Pipeline['trim']

  /** @throws MODEL_UNSUPPORTED naming the component, MODEL_CORRUPT */
  constructor(json: Component, pipeline: Pipeline) {
    const model = tokenModel(json.model as Component)
    super(pipeline, model.vocab)
    const normalize = normalizer(json.normalizer)
    this.#model = model
    this.#preTokenize = preTokenizer(json.pre_tokenizer)
    this.#trim = pipeline.trim
    this.#added = new AddedTokens(pipeline.addedTokens, (text, base) =>
      normalize({ text, starts: undefined, ends: undefined, base }),
    )
  }

  encode(input: string): Encoding {
    const out = this.#out
    const text = wellFormed(input)
    out.pushSpecial(this.leadingIds)
    this.#added.encode(text, out, (part, from, to) => {
      if (from === to) return
      for (const piece of this.#preTokenize([{ part, from, to }])) this.#push(piece, out)
    })
    if (this.#trim)
      trimSpans(text, out, this.leading, this.#trim.addPrefixSpace, this.#added.ids, (id) => this.idToToken(id) ?? '')
    out.pushSpecial(this.trailingIds)
    return out.take()
  }

  #push({ part, from, to }: Piece, out: EncodingBuilder): void {
    const piece = part.text.slice(from, to)
    let tokens = this.#words.get(piece)
    if (!tokens) this.#words.set(piece, (tokens = this.#model.tokenize(piece)))
    for (let i = 0; i < tokens.length; i += 3)
      out.push(tokens[i]!, alignedStart(part, from + tokens[i + 1]!), alignedEnd(part, from + tokens[i + 2]!))
  }
}
