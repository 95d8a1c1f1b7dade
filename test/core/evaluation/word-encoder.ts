import type { Encoder } from '../../../packages/core/src/encoder.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'

/** One vector per word, the same for the same word: late interaction over it is a count of shared words, more or less. */
export function wordEncoder(dim = 32): Encoder {
  const encode = (texts: readonly string[]): Promise<TokenEmbeddings[]> =>
    Promise.resolve(
      texts.map((text) => {
        const words = text.toLowerCase().match(/\p{L}+/gu) ?? []
        const data = new Float32Array(words.length * dim)
        words.forEach((word, i) => data.set(wordVector(word, dim), i * dim))
        return { data, length: words.length, dim }
      }),
    )
  return {
    dim,
    name: 'word-encoder',
    fingerprint: `word-encoder-${dim}`,
    encodeQueries: encode,
    encodeDocuments: encode,
  }
}

function wordVector(word: string, dim: number): Float32Array {
  let state = 2166136261
  for (const character of word) state = Math.imul(state ^ character.codePointAt(0)!, 16777619)
  const vector = Float32Array.from({ length: dim }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  })
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}
