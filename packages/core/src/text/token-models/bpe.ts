import { describe } from '../../options.js'
import { mergePairs } from './bpe-merge.js'
import type { Merges } from './bpe-merge.js'
import { damaged, flag, notRun, optionalText } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { readVocabulary } from './token-model.js'
import type { TokenModel } from './token-model.js'

/**
 * Byte-pair encoding over characters, with all of Python's switches but dropout.
 *
 * @throws MODEL_UNSUPPORTED, MODEL_CORRUPT naming merges that the vocabulary lacks
 */
export function bpe(json: Component): TokenModel {
  if (json.dropout) throw notRun(`BPE with a dropout of ${describe(json.dropout)} is random`)
  const vocab = readVocabulary(json)
  const prefix = optionalText(json, 'continuing_subword_prefix') ?? ''
  const suffix = optionalText(json, 'end_of_word_suffix') ?? ''
  const unknownToken = optionalText(json, 'unk_token')
  const unknown = unknownToken === undefined ? undefined : vocab.get(unknownToken)
  const fuses = flag(json, 'fuse_unk', false)
  const bytes = flag(json, 'byte_fallback', false) ? byteTokens(vocab) : undefined
  const ignoresMerges = flag(json, 'ignore_merges', false)
  const merges = readMerges(json, vocab, prefix)
  const utf8 = new TextEncoder()

  return {
    vocab,
    tokenize(piece) {
      const known = ignoresMerges ? vocab.get(piece) : undefined
      if (known !== undefined) return [known, 0, piece.length]
      const ids: number[] = []
      // Bytes that each symbol covers: Python counts in these, and a character may be cut between tokens.
      const sizes: number[] = []
      let pending: number | undefined
      const put = (id: number, size: number): void => {
        ids.push(id)
        sizes.push(size)
      }
      const boundaries = characterBytes(piece)
      for (let i = 0; i < piece.length;) {
        const end = i + (piece.codePointAt(i)! > 0xffff ? 2 : 1)
        const character = piece.slice(i, end)
        const size = boundaries[end]! - boundaries[i]!
        const symbol = `${i === 0 ? '' : prefix}${character}${end === piece.length ? suffix : ''}`
        const id = vocab.get(symbol)
        const fallback = id === undefined && bytes ? Array.from(utf8.encode(symbol), (byte) => bytes[byte]) : undefined
        i = end
        if (id !== undefined) {
          if (pending !== undefined) put(unknown!, pending)
          pending = undefined
          put(id, size)
        } else if (fallback && !fallback.includes(undefined)) {
          // As in Python, an unknown character that waits is put after these.
          for (const token of fallback) put(token!, 1)
        } else if (unknownToken !== undefined) {
          if (unknown === undefined) throw damaged(`its vocabulary lacks the unknown token ${describe(unknownToken)}`)
          if (pending !== undefined && !fuses) {
            put(unknown, pending)
            pending = size
          } else {
            pending = (pending ?? 0) + size
          }
        }
      }
      if (pending !== undefined) put(unknown!, pending)
      return spans(mergePairs(Int32Array.from(ids), merges), sizes, boundaries, piece.length)
    },
  }
}

/** Tokens with the characters their bytes belong to. */
function spans(
  { ids, lengths }: { ids: readonly number[]; lengths: readonly number[] },
  sizes: readonly number[],
  boundaries: Int32Array,
  length: number,
): number[] {
  const tokens: number[] = []
  let [symbol, byte, unit] = [0, 0, 0]
  ids.forEach((id, i) => {
    const first = byte
    for (const last = symbol + lengths[i]!; symbol < last; symbol++) byte += sizes[symbol]!
    while (unit < length && boundaries[unit + 1]! <= first) unit++
    let end = unit
    while (end < length && boundaries[end]! < byte) end++
    if (end < length && boundaries[end + 1] === boundaries[end]) end++
    tokens.push(id, unit, end)
  })
  return tokens
}

/** Bytes of UTF-8 before each UTF-16 unit; the second unit of a pair counts with its end. */
function characterBytes(piece: string): Int32Array {
  const before = new Int32Array(piece.length + 1)
  for (let i = 0, at = 0; i < piece.length;) {
    const c = piece.codePointAt(i)!
    at += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4
    if (c > 0xffff) before[++i] = at
    before[++i] = at
  }
  return before
}

function byteTokens(vocab: ReadonlyMap<string, number>): (number | undefined)[] {
  return Array.from({ length: 256 }, (_, byte) => vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`))
}

/** Merges as ids. @throws MODEL_CORRUPT naming one that the vocabulary lacks */
export function readMerges(json: Component, vocab: ReadonlyMap<string, number>, prefix: string): Merges {
  const list = json.merges ?? []
  if (!Array.isArray(list)) throw damaged(`"merges" of BPE must be a list, got ${describe(list)}`)
  let base = 1
  for (const id of vocab.values()) base = Math.max(base, id + 1)
  const ranks = new Map<number, number>()
  const results = new Int32Array(list.length)
  list.forEach((entry: unknown, rank) => {
    const pair = typeof entry === 'string' ? entry.split(' ') : entry
    const [left, right] = Array.isArray(pair) && pair.length === 2 ? (pair as unknown[]) : []
    if (typeof left !== 'string' || typeof right !== 'string') throw damaged(`merge ${rank} is ${describe(entry)}`)
    const merged = left + right.slice(prefix.length)
    const ids = [left, right, merged].map((token) => vocab.get(token))
    if (ids.includes(undefined))
      throw damaged(`it merges ${describe(left)} and ${describe(right)}, which its vocabulary lacks`)
    ranks.set(ids[0]! * base + ids[1]!, rank)
    results[rank] = ids[2]!
  })
  return { ranks, results, base }
}
