import { WHITE_SPACE } from './unicode.js'

/** A token that is cut out of the text before the model's own splitting, as in `added_tokens` of tokenizer.json. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Matched on the normalised text (true) or on the text as it is. */
  readonly normalized: boolean
  /** Takes the white space to its left, or right, with it. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  /** Only where no word character touches it. */
  readonly singleWord: boolean
  readonly special: boolean
}

/** A part of a text: an added token's id, or −1 for text between. */
export interface Segment {
  readonly start: number
  readonly end: number
  readonly id: number
}

const SPACE = new RegExp(`[${WHITE_SPACE}]`)
// Rust's \w
const WORD_AT_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u
const WORD_AT_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u

/**
 * Finds added tokens: leftmost first, the longest at each place, never overlapping.
 * See https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/tokenizer/added_vocabulary.rs
 */
export class AddedTokenMatcher {
  readonly #pattern: RegExp | undefined
  readonly #tokens = new Map<string, AddedToken>()

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) if (token.content !== '') this.#tokens.set(token.content, token)
    const contents = [...this.#tokens.keys()].sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
    if (contents.length > 0) this.#pattern = new RegExp(contents.map(escape).join('|'), 'g')
  }

  /** The whole text as segments, or undefined when it holds no added token. */
  split(text: string): Segment[] | undefined {
    const pattern = this.#pattern
    if (!pattern) return undefined
    pattern.lastIndex = 0
    let segments: Segment[] | undefined
    let done = 0
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      const token = this.#tokens.get(match[0])!
      let start = match.index
      let end = start + match[0].length
      if (token.singleWord && touchesWord(text, start, end)) continue
      if (token.lstrip) while (start > done && SPACE.test(text[start - 1]!)) start--
      if (token.rstrip) while (end < text.length && SPACE.test(text[end]!)) end++
      segments ??= []
      if (done < start) segments.push({ start: done, end: start, id: -1 })
      segments.push({ start, end, id: token.id })
      done = end
    }
    if (segments && done < text.length) segments.push({ start: done, end: text.length, id: -1 })
    return segments
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  return WORD_AT_END.test(text.slice(Math.max(start - 2, 0), start)) || WORD_AT_START.test(text.slice(end, end + 2))
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}
