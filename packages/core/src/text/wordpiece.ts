import { AddedTokens } from './added-tokens.js'
import { EncodingBuilder, WordCache } from './encoding.js'
import type { Encoding, Tokenizer } from './encoding.js'
import { alignedEnd, alignedStart, mapCharacters } from './aligned-text.js'
import type { Aligned } from './aligned-text.js'
import { decomposedCharacter, isReordered, lowerCharacter, normalForm } from './unicode/forms.js'
import type { Pipeline } from './tokenizer-json/effective-tokenizer.js'
import {
  IS_DROPPED,
  IS_MARK,
  IS_PUNCTUATION,
  IS_SPACE,
  isChinese,
  unicodeClasses,
  wellFormed,
} from './unicode/classes.js'
import { Vocabulary } from './vocabulary.js'

/** BertNormalizer's switches. */
export interface BertNormalizer {
  readonly cleanText: boolean
  readonly handleChineseChars: boolean
  readonly stripAccents: boolean
  readonly lowercase: boolean
}

export interface WordPieceModel {
  readonly vocab: ReadonlyMap<string, number>
  readonly unkId: number
  readonly continuingPrefix: string
  /** Longer words (in code points) become one unknown token. */
  readonly maxCharsPerWord: number
}

const CLEAN_ASCII = /^[\t\n\r -~]*$/
const ASCII_BLANKS = /[\t\n\r]/g

/**
 * BertNormalizer, BertPreTokenizer and WordPiece: BERT, MiniLM and their kin. Ids and spans equal Python's `tokenizers`.
 */
export class WordPieceTokenizer extends Vocabulary implements Tokenizer {
  readonly #normalizer: BertNormalizer
  readonly #model: WordPieceModel
  readonly #added: AddedTokens
  readonly #words = new WordCache()
  readonly #classes = unicodeClasses()
  readonly #out = new EncodingBuilder()
  readonly #characters = new Map<number, string>()
  /** UTF-16 units of the longest vocabulary item: no piece is longer. */
  readonly #longest: number

  constructor(pipeline: Pipeline, normalizer: BertNormalizer, model: WordPieceModel) {
    super(pipeline, model.vocab)
    this.#normalizer = normalizer
    this.#model = model
    this.#longest = [...model.vocab.keys()].reduce((longest, token) => Math.max(longest, token.length), 0)
    this.#added = new AddedTokens(pipeline.addedTokens, (text, base) => this.#normalize(text, base))
  }

  encode(input: string): Encoding {
    const out = this.#out
    out.pushSpecial(this.leadingIds)
    this.#added.encode(wellFormed(input), out, (part, from, to) => this.#splitWords(part, from, to, out))
    out.pushSpecial(this.trailingIds)
    return out.take()
  }

  /** Cuts at white space and around each punctuation character. */
  #splitWords(part: Aligned, from: number, to: number, out: EncodingBuilder): void {
    const { text } = part
    const classes = this.#classes
    let wordStart = -1
    for (let i = from; i < to;) {
      let c = text.charCodeAt(i)
      if (c >= 0xd800 && c < 0xdc00) c = text.codePointAt(i)!
      const next = i + (c > 0xffff ? 2 : 1)
      const kind = classes[c]!
      if (kind & (IS_SPACE | IS_PUNCTUATION)) {
        if (wordStart >= 0) this.#pushWord(part, wordStart, i, out)
        wordStart = -1
        if (kind & IS_PUNCTUATION) this.#pushWord(part, i, next, out)
      } else if (wordStart < 0) {
        wordStart = i
      }
      i = next
    }
    if (wordStart >= 0) this.#pushWord(part, wordStart, to, out)
  }

  #pushWord(part: Aligned, from: number, to: number, out: EncodingBuilder): void {
    const word = part.text.slice(from, to)
    let pieces = this.#words.get(word)
    if (!pieces) this.#words.set(word, (pieces = this.#cut(word)))
    let start = from
    for (let i = 0; i < pieces.length; i += 2) {
      const end = from + pieces[i + 1]!
      out.push(pieces[i]!, alignedStart(part, start), alignedEnd(part, end))
      start = end
    }
  }

  /** The longest vocabulary item at each place; `[id, end, id, end, …]` with ends in UTF-16 units of the word. */
  #cut(word: string): number[] {
    const { vocab, unkId, continuingPrefix, maxCharsPerWord } = this.#model
    const unknown = [unkId, word.length]
    if (word.length > maxCharsPerWord && [...word].length > maxCharsPerWord) return unknown
    const pieces: number[] = []
    for (let start = 0; start < word.length;) {
      let end = Math.min(word.length, start + this.#longest)
      let id: number | undefined
      for (; end > start; end--) {
        id = vocab.get(start === 0 ? word.slice(0, end) : continuingPrefix + word.slice(start, end))
        if (id !== undefined) break
      }
      if (id === undefined) return unknown
      pieces.push(id, end)
      start = end
    }
    return pieces
  }

  #normalize(text: string, base: number): Aligned {
    const { cleanText, lowercase } = this.#normalizer
    if (cleanText && CLEAN_ASCII.test(text)) {
      const clean = text.replace(ASCII_BLANKS, ' ')
      return { text: lowercase ? clean.toLowerCase() : clean, starts: undefined, ends: undefined, base }
    }
    const original = { text, starts: undefined, ends: undefined, base }
    if (!this.#normalizer.stripAccents || !this.#reorders(text)) {
      return mapCharacters(original, (c) => this.#normalizeCharacter(c))
    }
    const spaced = mapCharacters(original, (c) => this.#clean(c))
    return mapCharacters(normalForm('NFD', spaced), (c) => this.#foldCharacter(c))
  }

  /** Whether canonical order could move a mark that is then not stripped, so that spans move with it. */
  #reorders(text: string): boolean {
    for (const character of text) {
      const c = character.codePointAt(0)!
      if (c < 0x300) continue
      for (const part of decomposedCharacter(c)) {
        const mark = part.codePointAt(0)!
        if (isReordered(mark) && !(this.#classes[mark]! & IS_MARK)) return true
      }
    }
    return false
  }

  /** BertNormalizer for one code point; neighbours matter only where `#reorders`. */
  #normalizeCharacter(c: number): string {
    let text = this.#characters.get(c)
    if (text === undefined) {
      text = ''
      for (const ch of this.#clean(c)) text += this.#foldCharacter(ch.codePointAt(0)!)
      if (this.#characters.size >= 20_000) this.#characters.clear()
      this.#characters.set(c, text)
    }
    return text
  }

  #clean(c: number): string {
    const { cleanText, handleChineseChars } = this.#normalizer
    const text = String.fromCodePoint(c)
    if (cleanText) {
      const kind = this.#classes[c]!
      if (kind & IS_DROPPED) return ''
      if (kind & IS_SPACE) return ' '
    }
    return handleChineseChars && isChinese(c) ? ` ${text} ` : text
  }

  #foldCharacter(c: number): string {
    const { stripAccents, lowercase } = this.#normalizer
    let text = String.fromCodePoint(c)
    if (stripAccents) {
      text = ''
      for (const ch of decomposedCharacter(c)) if (!(this.#classes[ch.codePointAt(0)!]! & IS_MARK)) text += ch
    }
    if (!lowercase) return text
    // One character at a time, as Rust does: a final Σ becomes σ, where `String.toLowerCase` of a word writes ς.
    let lower = ''
    for (const ch of text) lower += lowerCharacter(ch.codePointAt(0)!)
    return lower
  }
}
