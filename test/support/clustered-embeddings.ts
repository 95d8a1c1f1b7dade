// Token embeddings as models make them: documents have topics, and their tokens lie around the directions of these.
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { STREAM, stream } from '../../packages/core/src/math/random.js'

/** Numbers in [0, 1), for a seed the same on every machine. */
export function seededNumbers(seed: number): () => number {
  const draw = stream(seed, STREAM.centroids, 0)
  let drawn = 0
  return () => draw(drawn++) / 2 ** 32
}

/** Unit-length tokens in any direction, for a seed always the same. */
export function randomEmbeddings(seed: number, length: number, dim: number): TokenEmbeddings {
  const next = seededNumbers(seed)
  return matrix(Array.from({ length }, () => unit(gaussian(next, dim))))
}

export interface ClusteredOptions {
  readonly seed?: number
  readonly documents?: number
  readonly queries?: number
  readonly dim?: number
  /** Directions that tokens gather around. Default 40. */
  readonly topics?: number
  /** Length of what is added to a topic's unit vector to make a token of it. Default .6. */
  readonly spread?: number
}

export interface ClusteredCollection {
  /** 8 to 24 tokens each, of two topics. */
  readonly documents: readonly TokenEmbeddings[]
  /** 8 tokens each, of the topics of one of the documents. */
  readonly queries: readonly TokenEmbeddings[]
}

/** A collection that first stages can find their way in, for a seed always the same. */
export function clusteredCollection({
  seed = 1,
  documents = 400,
  queries = 20,
  dim = 32,
  topics = 40,
  spread = 0.6,
}: ClusteredOptions = {}): ClusteredCollection {
  const next = seededNumbers(seed)
  const below = (n: number) => Math.floor(next() * n)
  const centres = Array.from({ length: topics }, () => unit(gaussian(next, dim)))
  const tokenOf = (topic: number) => {
    const noise = unit(gaussian(next, dim))
    return unit(centres[topic]!.map((x, i) => x + spread * noise[i]!))
  }
  const textOf = (pair: readonly number[], tokens: number) =>
    matrix(Array.from({ length: tokens }, () => tokenOf(pair[below(pair.length)]!)))
  const pairs = Array.from({ length: documents }, () => [below(topics), below(topics)])
  return {
    documents: pairs.map((pair) => textOf(pair, 8 + below(17))),
    queries: Array.from({ length: queries }, () => textOf(pairs[below(documents)]!, 8)),
  }
}

/** Near enough normally distributed: the sum of twelve. */
function gaussian(next: () => number, dim: number): number[] {
  return Array.from({ length: dim }, () => Array.from({ length: 12 }, next).reduce((sum, x) => sum + x, -6))
}

function unit(vector: readonly number[]): number[] {
  const norm = Math.hypot(...vector)
  return vector.map((x) => x / norm)
}

function matrix(rows: readonly (readonly number[])[]): TokenEmbeddings {
  return { data: Float32Array.from(rows.flat()), length: rows.length, dim: rows[0]?.length ?? 1 }
}
