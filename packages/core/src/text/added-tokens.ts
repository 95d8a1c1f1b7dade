import type { EncodingBuilder } from './encoding.js'
import { alignedEnd, alignedStart } from './aligned-text.js'
import type { Aligned } from './aligned-text.js'
import { SortedTokens } from './sorted-tokens.js'
import { WHITE_SPACE } from './unicode/classes.js'
import { memberOf } from './unicode/code-points.js'
import { WORD } from './unicode/sets.js'

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
const isWord = memberOf(WORD)

/**
 * Finds added tokens: leftmost first, the longest at each place, never overlapping.
 * See https://github.com/huggingface/tokenizers/blob/v0.22.2/tokenizers/src/tokenizer/added_vocabulary.rs
 */
export class AddedTokenMatcher {
  readonly #tokens: readonly AddedToken[]
  readonly #contents: SortedTokens
  /** The units that tokens start with, to skip what none starts with. */
  readonly #start: RegExp | undefined

  constructor(tokens: readonly AddedToken[]) {
    // Of two with the same text the later one counts.
    this.#tokens = [...new Map(tokens.map((token) => [token.content, token])).values()]
    this.#contents = new SortedTokens(this.#tokens.map(({ content }, i) => [content, i] as const))
    const units = new Set(this.#tokens.flatMap(({ content }) => (content === '' ? [] : [content.charCodeAt(0)])))
    const escaped = [...units].map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
    if (escaped.length > 0) this.#start = new RegExp(`[${escaped.join('')}]`, 'g')
  }

  /** The whole text as segments, or undefined when it holds no added token. */
  split(text: string): Segment[] | undefined {
    const pattern = this.#start
    if (!pattern) return undefined
    let segments: Segment[] | undefined
    let done = 0
    pattern.lastIndex = 0
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      const found = this.#longest(text, match.index)
      if (!found) continue
      const { token } = found
      let start = match.index
      let { end } = found
      pattern.lastIndex = end
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

  #longest(text: string, start: number): { token: AddedToken; end: number } | undefined {
    let found: { token: AddedToken; end: number } | undefined
    this.#contents.prefixes(text, start, (end, i) => {
      found = { token: this.#tokens[i]!, end }
    })
    return found
  }
}

/**
 * A text's added tokens in the order Python's `tokenizers` looks for them: in the text as it is, then in what normalising
 * makes of the rest.
 */
export class AddedTokens {
  readonly ids: ReadonlySet<number>
  readonly #raw: AddedTokenMatcher
  readonly #normalized: AddedTokenMatcher
  readonly #normalize: (text: string, base: number) => Aligned

  /** @param normalize a stretch of text that begins at `base`, with the way back to its characters */
  constructor(tokens: readonly AddedToken[], normalize: (text: string, base: number) => Aligned) {
    this.#normalize = normalize
    this.ids = new Set(tokens.map(({ id }) => id))
    this.#raw = new AddedTokenMatcher(tokens.filter((token) => !token.normalized))
    this.#normalized = new AddedTokenMatcher(
      tokens
        .filter((token) => token.normalized)
        .map((token) => ({ ...token, content: normalize(token.content, 0).text })),
    )
  }

  /** Pushes added tokens to `out` as they come; the normalised stretches between them are for `encodeBetween`. */
  encode(text: string, out: EncodingBuilder, encodeBetween: (part: Aligned, from: number, to: number) => void): void {
    for (const { start, end, id } of this.#raw.split(text) ?? [{ start: 0, end: text.length, id: -1 }]) {
      if (id >= 0) {
        out.push(id, start, end)
        continue
      }
      const part = this.#normalize(text.slice(start, end), start)
      for (const inner of this.#normalized.split(part.text) ?? [{ start: 0, end: part.text.length, id: -1 }]) {
        if (inner.id >= 0) out.push(inner.id, alignedStart(part, inner.start), alignedEnd(part, inner.end))
        else encodeBetween(part, inner.start, inner.end)
      }
    }
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  const before = start >= 2 && (text.charCodeAt(start - 1) & 0xfc00) === 0xdc00 ? start - 2 : start - 1
  return (start > 0 && isWord(text.codePointAt(before)!)) || (end < text.length && isWord(text.codePointAt(end)!))
}
