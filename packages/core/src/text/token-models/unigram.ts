import { describe } from '../../options.js'
import { damaged, flag } from '../tokenizer-json/component.js'
import type { Component } from '../tokenizer-json/component.js'
import { SortedTokens } from '../sorted-tokens.js'
import type { TokenModel } from './token-model.js'

/** What an unknown character costs below the rarest token. */
const UNKNOWN_PENALTY = 10

/**
 * SentencePiece's unigram model: the cut of highest total score, the earliest found where several are equal. Unknown
 * characters beside each other are one token.
 *
 * @throws MODEL_CORRUPT
 */
export function unigram(json: Component): TokenModel {
  const { vocab, scores } = readScores(json)
  const unknown = json.unk_id as number | null | undefined
  if (
    unknown !== undefined &&
    unknown !== null &&
    !(Number.isSafeInteger(unknown) && unknown >= 0 && unknown < scores.length)
  )
    throw damaged(`"unk_id" of Unigram is ${describe(unknown)}, with ${scores.length} tokens`)
  const unknownScore = scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY
  const bytes = flag(json, 'byte_fallback', false)
    ? Array.from({ length: 256 }, (_, byte) => vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`))
    : undefined
  const tokens = new SortedTokens(vocab)
  const utf8 = new TextEncoder()

  return {
    vocab,
    tokenize(piece) {
      const best = new Float64Array(piece.length + 1)
      const from = new Int32Array(piece.length + 1).fill(-1)
      const ids = new Int32Array(piece.length + 1)
      const offer = (start: number, end: number, id: number, score: number): void => {
        const total = score + best[start]!
        if (from[end]! >= 0 && !(total > best[end]!)) return
        best[end] = total
        from[end] = start
        ids[end] = id
      }
      for (let start = 0; start < piece.length;) {
        const next = start + (piece.codePointAt(start)! > 0xffff ? 2 : 1)
        let single = false
        tokens.prefixes(piece, start, (end, id) => {
          offer(start, end, id, scores[id]!)
          if (end === next) single = true
        })
        if (!single) {
          if (unknown === undefined || unknown === null)
            throw damaged(`${describe(piece.slice(start, next))} is in no token, and "unk_id" of Unigram is not set`)
          offer(start, next, unknown, unknownScore)
        }
        start = next
      }
      return known(cuts(from, ids, piece.length, unknown ?? -1), piece)
    },
  }

  /** Ids of the cuts; a cut that is no token is unknown, or its bytes. */
  function known(spans: readonly (readonly [from: number, to: number])[], piece: string): number[] {
    const out: number[] = []
    for (const [start, end] of spans) {
      const text = piece.slice(start, end)
      const id = vocab.get(text)
      const fallback = id === undefined && bytes ? Array.from(utf8.encode(text), (byte) => bytes[byte]) : []
      if (id === undefined && fallback.length > 0 && !fallback.includes(undefined))
        for (const byte of fallback) out.push(byte!, start, end)
      else out.push(id ?? unknown!, start, end)
    }
    return out
  }
}

/** The best path, unknown characters fused. */
function cuts(from: Int32Array, ids: Int32Array, length: number, unknown: number): [number, number][] {
  const spans: [number, number][] = []
  let fusing = false
  for (let end = length; end > 0; end = from[end]!) {
    const isUnknown = ids[end] === unknown
    if (isUnknown && fusing) spans.at(-1)![0] = from[end]!
    else spans.push([from[end]!, end])
    fusing = isUnknown
  }
  return spans.reverse()
}

function readScores(json: Component): { vocab: Map<string, number>; scores: number[] } {
  if (!Array.isArray(json.vocab) || json.vocab.length === 0)
    throw damaged('"vocab" of Unigram must be a list of tokens with scores')
  const vocab = new Map<string, number>()
  const scores = (json.vocab as unknown[]).map((entry, id) => {
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof token !== 'string' || typeof score !== 'number')
      throw damaged(`token ${id} of Unigram is ${describe(entry)}`)
    vocab.set(token, id)
    return score
  })
  return { vocab, scores }
}
