import { byteCharacters } from './byte-characters.js'
import { AddedTokens } from './added-tokens.js'
import { mergePairs } from './token-models/bpe-merge.js'
import type { Merges } from './token-models/bpe-merge.js'
import { EncodingBuilder, WordCache } from './encoding.js'
import type { Encoding, Tokenizer } from './encoding.js'
import { alignedEnd, alignedStart } from './aligned-text.js'
import type { Aligned } from './aligned-text.js'
import { trimSpans } from './pipeline/trim-spans.js'
import { normalForm } from './unicode/forms.js'
import type { Pipeline } from './tokenizer-json/effective-tokenizer.js'
import { IS_LETTER, IS_NUMBER, IS_SPACE, unicodeClasses, wellFormed } from './unicode/classes.js'
import { Vocabulary } from './vocabulary.js'

export interface ByteLevelModel {
  readonly vocab: ReadonlyMap<string, number>
  readonly merges: Merges
  /** NFC before anything else. */
  readonly nfc: boolean
  /** Split with GPT-2's pattern; false: merge across the whole text. */
  readonly useRegex: boolean
  /** A piece that is a vocabulary item is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean
}

/**
 * NFC (or none), ByteLevel and BPE: ModernBERT, Ettin, RoBERTa and their kin. Ids and spans equal Python's
 * `tokenizers`; as there, a token's span includes its leading blank unless the post-processor trims it, and a character cut between tokens belongs to the span of each.
 */
export class ByteLevelBpeTokenizer extends Vocabulary implements Tokenizer {
  readonly #model: ByteLevelModel
  readonly #merges: Merges
  readonly #added: AddedTokens
  readonly #characters = byteCharacters()
  readonly #byteIds: Int32Array
  readonly #pieces = new WordCache()
  readonly #classes = unicodeClasses()
  readonly #out = new EncodingBuilder()
  readonly #utf8 = new TextEncoder()
  readonly #trim: Pipeline['trim']

  constructor(pipeline: Pipeline, model: ByteLevelModel) {
    super(pipeline, model.vocab)
    this.#model = model
    this.#byteIds = Int32Array.from(this.#characters, (ch) => model.vocab.get(ch)!)
    this.#merges = model.merges
    this.#trim = pipeline.trim
    this.#added = new AddedTokens(pipeline.addedTokens, (text, base) => this.#normalize(text, base))
  }

  encode(input: string): Encoding {
    const out = this.#out
    out.pushSpecial(this.leadingIds)
    const text = wellFormed(input)
    this.#added.encode(text, out, (part, from, to) => this.#splitPieces(part, from, to, out))
    if (this.#trim)
      trimSpans(text, out, this.leading, this.#trim.addPrefixSpace, this.#added.ids, (id) => this.idToToken(id) ?? '')
    out.pushSpecial(this.trailingIds)
    return out.take()
  }

  #normalize(text: string, base: number): Aligned {
    const source = { text, starts: undefined, ends: undefined, base }
    return this.#model.nfc ? normalForm('NFC', source) : source
  }

  #splitPieces(part: Aligned, from: number, to: number, out: EncodingBuilder): void {
    if (!this.#model.useRegex) {
      if (from < to) this.#pushPiece(part, from, to, out)
      return
    }
    for (let i = from; i < to;) {
      const end = this.#pieceEnd(part.text, i, to)
      this.#pushPiece(part, i, end, out)
      i = end
    }
  }

  /**
   * GPT-2's pattern by hand (a table, so that every Node gives the same letters, and no match objects):
   * `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
   */
  #pieceEnd(text: string, start: number, to: number): number {
    const classes = this.#classes
    const first = text.charCodeAt(start)
    if (first === 0x27) {
      const contraction = contractionLength(text, start, to)
      if (contraction > 0) return start + contraction
    }
    let i = first === 0x20 && start + 1 < to ? start + 1 : start
    let c = text.codePointAt(i)!
    if (!(classes[c]! & IS_SPACE)) {
      const kind = classes[c]! & (IS_LETTER | IS_NUMBER)
      do {
        i += c > 0xffff ? 2 : 1
        if (i >= to) break
        c = text.codePointAt(i)!
      } while ((classes[c]! & (IS_LETTER | IS_NUMBER)) === kind && !(classes[c]! & IS_SPACE))
      return i
    }
    i = start
    while (i < to && classes[text.charCodeAt(i)]! & IS_SPACE) i++
    // A run of blanks leaves its last one to the word that follows.
    return i < to && i - start > 1 ? i - 1 : i
  }

  #pushPiece(part: Aligned, from: number, to: number, out: EncodingBuilder): void {
    const piece = part.text.slice(from, to)
    let tokens = this.#pieces.get(piece)
    if (!tokens) this.#pieces.set(piece, (tokens = this.#cut(piece)))
    for (let i = 0; i < tokens.length; i += 3) {
      out.push(tokens[i]!, alignedStart(part, from + tokens[i + 1]!), alignedEnd(part, from + tokens[i + 2]!))
    }
  }

  /** `[id, start, end, …]`, in UTF-16 units of the piece; a token that holds part of a character spans all of it. */
  #cut(piece: string): number[] {
    const bytes = this.#utf8.encode(piece)
    if (this.#model.ignoreMerges) {
      const whole = this.#model.vocab.get(Array.from(bytes, (byte) => this.#characters[byte]!).join(''))
      if (whole !== undefined) return [whole, 0, piece.length]
    }
    const symbols = mergePairs(
      Int32Array.from(bytes, (byte) => this.#byteIds[byte]!),
      this.#merges,
    )
    // Unit in which each byte's character starts, and ends.
    const starts = new Int32Array(bytes.length)
    const ends = new Int32Array(bytes.length)
    let at = 0
    for (let i = 0, unit = 0; i < piece.length; i = unit) {
      const c = piece.codePointAt(i)!
      unit = i + (c > 0xffff ? 2 : 1)
      const length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4
      starts.fill(i, at, at + length)
      ends.fill(unit, at, at + length)
      at += length
    }
    const tokens: number[] = []
    let byte = 0
    symbols.ids.forEach((id, i) => {
      const last = byte + symbols.lengths[i]!
      tokens.push(id, starts[byte]!, ends[last - 1]!)
      byte = last
    })
    return tokens
  }
}

function contractionLength(text: string, start: number, to: number): number {
  const letter = text[start + 1]
  if (start + 1 < to && (letter === 's' || letter === 't' || letter === 'm' || letter === 'd')) return 2
  const two = start + 2 < to ? text.slice(start + 1, start + 3) : ''
  return two === 're' || two === 've' || two === 'll' ? 3 : 0
}
