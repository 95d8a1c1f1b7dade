import { byteCharacters } from './byte-characters.js'

/** How a vocabulary writes text. */
export interface TokenStyle {
  /** Every token is a string of byte characters (`Ġthe`). */
  readonly byteLevel: boolean
  /** Marks a token that continues a word, e.g. `##`; '' if there is none. */
  readonly continuingPrefix: string
}

/** How far ahead to look for a character before giving a token up. */
const WINDOW = 64

/**
 * Finds where tokens are in a text when the tokenizer does not say: both are reduced to letters without case, accents,
 * compatibility forms and blanks, and walked side by side. A token that cannot be found gets what lies between its
 * neighbours.
 *
 * @param tokens as the vocabulary writes them; undefined for unknown tokens
 */
export function alignTokens(
  text: string,
  tokens: readonly (string | undefined)[],
  style: TokenStyle,
): { starts: number[]; ends: number[] } {
  const source = foldText(text)
  const { letters, tokenOf } = foldTokens(tokens, style)
  const starts = tokens.map(() => -1)
  const ends = tokens.map(() => -1)
  let at = 0
  letters.forEach((letter, i) => {
    const found = source.letters.slice(at, at + WINDOW).indexOf(letter)
    if (found < 0) return
    at += found
    const [from, to] = tokenOf[i]!
    for (let token = from; token <= to; token++) {
      if (starts[token]! < 0) starts[token] = source.starts[at]!
      ends[token] = source.ends[at]!
    }
    at++
  })
  fillGaps(text, starts, ends)
  return { starts, ends }
}

/** Tokens without a span take the text between the spans around them; a run of such tokens shares it. */
function fillGaps(text: string, starts: number[], ends: number[]): void {
  for (let i = 0; i < starts.length; i++) {
    if (starts[i]! >= 0) continue
    let next = i
    while (next < starts.length && starts[next]! < 0) next++
    let start = i > 0 ? ends[i - 1]! : 0
    let end = Math.max(next < starts.length ? starts[next]! : text.length, start)
    while (start < end && /\s/.test(text[start]!)) start++
    while (end > start && /\s/.test(text[end - 1]!)) end--
    starts.fill(start, i, next)
    ends.fill(end, i, next)
    i = next - 1
  }
}

function foldText(text: string): { letters: string[]; starts: number[]; ends: number[] } {
  const letters: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  for (const ch of text) {
    for (const letter of fold(ch)) {
      letters.push(letter)
      starts.push(at)
      ends.push(at + ch.length)
    }
    at += ch.length
  }
  return { letters, starts, ends }
}

/** The letters of all tokens, and the first and last token that holds bytes of each. */
function foldTokens(
  tokens: readonly (string | undefined)[],
  style: TokenStyle,
): { letters: string[]; tokenOf: (readonly [number, number])[] } {
  const bytes: number[] = []
  const owner: number[] = []
  tokens.forEach((token, i) => {
    if (token === undefined) return
    for (const byte of tokenBytes(token, style)) {
      bytes.push(byte)
      owner.push(i)
    }
  })
  const letters: string[] = []
  const tokenOf: (readonly [number, number])[] = []
  const encoder = new TextEncoder()
  let at = 0
  for (const ch of new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))) {
    // U+FFFD may stand for one to three bytes that are not UTF-8; then the rest is only roughly placed.
    const length = ch === '\ufffd' && bytes[at] !== 0xef ? 1 : encoder.encode(ch).length
    const last = Math.min(at + length, bytes.length) - 1
    for (const letter of fold(ch)) {
      letters.push(letter)
      tokenOf.push([owner[Math.min(at, last)]!, owner[last]!])
    }
    at += length
  }
  return { letters, tokenOf }
}

let byteOf: Map<string, number> | undefined

function tokenBytes(token: string, { byteLevel, continuingPrefix }: TokenStyle): Iterable<number> {
  const fallback = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)
  if (fallback) return [parseInt(fallback[1]!, 16)]
  if (byteLevel) {
    byteOf ??= new Map(byteCharacters().map((ch, byte) => [ch, byte]))
    const bytes = [...token].map((ch) => byteOf!.get(ch))
    if (!bytes.includes(undefined)) return bytes as number[]
  }
  const prefixed =
    continuingPrefix !== '' && token.startsWith(continuingPrefix) && token.length > continuingPrefix.length
  const surface = prefixed ? token.slice(continuingPrefix.length) : token
  return new TextEncoder().encode(surface.replaceAll('▁', ' ').replace(/<\/w>$/, ''))
}

function fold(ch: string): string[] {
  return [
    ...ch
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[\p{M}\s\p{Cc}\p{Cf}]/gu, ''),
  ]
}
