/** Token ids with the span of each in the text given. Spans are UTF-16 offsets; −1, −1 for tokens that are not text. */
export interface Encoding {
  readonly ids: Int32Array
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** Text to token ids, with special tokens, without truncation or padding. */
export interface Tokenizer {
  /** Every id is smaller. */
  readonly size: number
  /** The special token before the text; −1 if the tokenizer puts none. */
  readonly clsId: number
  /** The special token after the text; −1 if the tokenizer puts none. */
  readonly sepId: number
  /** What queries are padded with: the mask token, else end of sequence, else padding. */
  readonly maskId: number
  readonly unkId: number | undefined
  /** How many special tokens `encode` puts before and after the text. */
  readonly leading: number
  readonly trailing: number
  encode(text: string): Encoding
  /** The id of exactly this vocabulary item or added token. */
  tokenToId(token: string): number | undefined
  idToToken(id: number): string | undefined
}

/** Collects tokens while a text is walked. */
export class EncodingBuilder {
  readonly #ids: number[] = []
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  push(id: number, start: number, end: number): void {
    this.#ids.push(id)
    this.#starts.push(start)
    this.#ends.push(end)
  }

  pushSpecial(ids: readonly number[]): void {
    for (const id of ids) this.push(id, -1, -1)
  }

  build(): Encoding {
    return {
      ids: Int32Array.from(this.#ids),
      starts: Int32Array.from(this.#starts),
      ends: Int32Array.from(this.#ends),
    }
  }
}

/**
 * Remembers how words were cut. Words repeat, so this is most of the speed; two generations keep it bounded without
 * forgetting everything at once.
 */
export class WordCache {
  #young = new Map<string, Int32Array>()
  #old = new Map<string, Int32Array>()
  readonly #limit: number

  constructor(limit = 20_000) {
    this.#limit = limit
  }

  get(word: string): Int32Array | undefined {
    const pieces = this.#young.get(word)
    if (pieces) return pieces
    const found = this.#old.get(word)
    if (found) this.#add(word, found)
    return found
  }

  set(word: string, pieces: Int32Array): void {
    if (word.length > 48) return
    // A slice of 13 or more units keeps the whole document alive in V8; joining with something makes a copy.
    this.#add(word.length < 13 ? word : ` ${word}`.slice(1), pieces)
  }

  #add(word: string, pieces: Int32Array): void {
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(word, pieces)
  }
}
