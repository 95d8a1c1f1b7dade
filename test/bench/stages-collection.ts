import type { StoredTokens } from '../../bench/stages/token-store.js'
import { encodeRecord, scaleOffset } from '../../packages/core/src/store/records.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'

/** Seeded numbers in −1 … 1. */
export function generator(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
}

/** Unit tokens scattered around the topics chosen. */
export function textOf(topics: readonly Float32Array[], scatter: number, random: () => number): TokenEmbeddings {
  const dim = topics[0]!.length
  const data = new Float32Array(topics.length * dim)
  topics.forEach((topic, i) => {
    const token = topic.map((x) => x + scatter * random())
    const norm = Math.hypot(...token)
    data.set(
      token.map((x) => x / norm),
      i * dim,
    )
  })
  return { data, length: topics.length, dim }
}

export function stored(documents: readonly TokenEmbeddings[]): StoredTokens {
  const dim = documents[0]!.dim
  const lengths = Int32Array.from(documents, ({ length }) => length)
  const tokens = lengths.reduce((sum, length) => sum + length, 0)
  const [codes, scales] = [new Int8Array(tokens * dim), new Float32Array(tokens)]
  let at = 0
  for (const document of documents) {
    const { buffer } = encodeRecord('int8', document)
    codes.set(new Int8Array(buffer, 0, document.length * dim), at * dim)
    scales.set(new Float32Array(buffer, scaleOffset(document.length, dim), document.length), at)
    at += document.length
  }
  return { dim, lengths, codes, scales }
}

/** Documents of six topics each out of a hundred, and queries that share three with one of them. */
export function collection(documents: number, queries: number, dim = 32) {
  const random = generator(7)
  const choose = <T>(list: readonly T[]): T => list[Math.floor(((random() + 1) / 2) * list.length)]!
  const topics = Array.from({ length: 100 }, () => Float32Array.from({ length: dim }, random))
  const chosen = Array.from({ length: documents }, () => Array.from({ length: 6 }, () => choose(topics)))
  const texts = chosen.map((own) => textOf(own, 0.3, random))
  const asked = Array.from({ length: queries }, (_, i) => {
    const own = chosen[(i * 7) % documents]!
    return textOf([own[0]!, own[2]!, own[4]!, choose(topics)], 0.3, random)
  })
  return { documents: texts, queries: asked, store: stored(texts) }
}
