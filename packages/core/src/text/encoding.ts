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
  /** Which end of a text that is too long is cut off. */
  readonly truncationSide: 'left' | 'right'
  encode(text: string): Encoding
  /** The id of exactly this vocabulary item or added token. */
  tokenToId(token: string): number | undefined
  idToToken(id: number): string | undefined
}

/** Collects tokens while a text is walked. One builder serves text after text: its buffers stay. */
export class EncodingBuilder {
  #ids = new Int32Array(1024)
  #starts = new Int32Array(1024)
  #ends = new Int32Array(1024)
  #length = 0

  push(id: number, start: number, end: number): void {
    const i = this.#length++
    if (i === this.#ids.length) this.#grow()
    this.#ids[i] = id
    this.#starts[i] = start
    this.#ends[i] = end
  }

  pushSpecial(ids: readonly number[]): void {
    for (const id of ids) this.push(id, -1, -1)
  }

  /** Changes the spans of what was collected, from the `first` token on; `index` counts from there. */
  mapSpans(
    first: number,
    change: (id: number, start: number, end: number, index: number) => readonly [start: number, end: number],
  ): void {
    for (let i = first; i < this.#length; i++)
      [this.#starts[i], this.#ends[i]] = change(this.#ids[i]!, this.#starts[i]!, this.#ends[i]!, i - first) as [
        number,
        number,
      ]
  }

  /** What was collected; the builder is empty afterwards. */
  take(): Encoding {
    const length = this.#length
    this.#length = 0
    return { ids: this.#ids.slice(0, length), starts: this.#starts.slice(0, length), ends: this.#ends.slice(0, length) }
  }

  #grow(): void {
    const double = (old: Int32Array<ArrayBuffer>) => {
      const larger = new Int32Array(old.length * 2)
      larger.set(old)
      return larger
    }
    this.#ids = double(this.#ids)
    this.#starts = double(this.#starts)
    this.#ends = double(this.#ends)
  }
}

/**
 * Remembers how words were split. Words repeat, so most of the speed comes from this; two generations keep it bounded without
 * forgetting everything at once.
 */
export class WordCache {
  #young = new Map<string, readonly number[]>()
  #old = new Map<string, readonly number[]>()
  readonly #limit: number

  constructor(limit = 50_000) {
    this.#limit = limit
  }

  get(word: string): readonly number[] | undefined {
    const pieces = this.#young.get(word)
    if (pieces) return pieces
    const found = this.#old.get(word)
    if (found) this.#add(word, found)
    return found
  }

  set(word: string, pieces: readonly number[]): void {
    if (word.length > 48) return
    // A slice of 13 or more units keeps the whole document alive in V8; joining with something makes a copy.
    this.#add(word.length < 13 ? word : ` ${word}`.slice(1), pieces)
  }

  #add(word: string, pieces: readonly number[]): void {
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(word, pieces)
  }
}
