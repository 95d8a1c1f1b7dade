import type { EncodeOptions, Encoder } from '../../packages/core/src/encoder.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'

/**
 * A deterministic stand-in for a model, in unit tests only: each word has a direction of its own, a document has a vector for
 * its start, one per word and one for its end, all of length one.
 */
export class FakeEncoder implements Encoder {
  readonly name: string
  readonly fingerprint: string
  readonly dim: number
  /** Texts given to `encodeDocuments` so far. */
  readonly encoded: string[] = []

  constructor({ dim = 16, fingerprint = 'fake-1' } = {}) {
    this.dim = dim
    this.fingerprint = fingerprint
    this.name = `fake ${fingerprint}`
  }

  async encodeQueries(texts: readonly string[], { signal }: EncodeOptions = {}): Promise<TokenEmbeddings[]> {
    signal?.throwIfAborted()
    return texts.map((text) => this.embed(text))
  }

  async encodeDocuments(
    texts: readonly string[],
    { signal, onProgress }: EncodeOptions = {},
  ): Promise<TokenEmbeddings[]> {
    signal?.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
    this.encoded.push(...texts)
    onProgress?.({ phase: 'encode', done: texts.length, total: texts.length })
    return texts.map((text) => this.embed(text))
  }

  embed(text: string): TokenEmbeddings {
    const words = ['[start]', ...text.split(/\s+/).filter(Boolean).slice(0, 62), '[end]']
    const data = new Float32Array(words.length * this.dim)
    words.forEach((word, i) => data.set(direction(word, this.dim), i * this.dim))
    return { data, length: words.length, dim: this.dim }
  }
}

/** A unit vector that depends on the word only. */
export function direction(word: string, dim: number): Float32Array {
  let state = 2166136261
  for (let i = 0; i < word.length; i++) state = Math.imul(state ^ word.charCodeAt(i), 16777619) >>> 0
  const next = random(state)
  const vector = Float32Array.from({ length: dim }, () => next() + next() + next() - 1.5)
  const norm = Math.hypot(...vector)
  return vector.map((x) => x / norm)
}

/** A small seeded generator (mulberry32) of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const WORDS = [
  'kiwi',
  'bird',
  'cannot',
  'fly',
  'penguin',
  'swims',
  'cold',
  'water',
  'eagle',
  'hunts',
  'night',
  'owl',
  'egg',
  'nest',
  'wing',
  'river',
]

/** A text of `length` words of a small vocabulary. */
export function randomText(next: () => number, length: number, vocabulary = 200): string {
  return Array.from({ length }, () => {
    const number = Math.floor(next() ** 2 * vocabulary)
    return number < WORDS.length ? WORDS[number] : `w${number}`
  }).join(' ')
}
