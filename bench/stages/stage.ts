import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'

/** What building a first stage took and what it keeps, beyond the token vectors that exact MaxSim needs anyway. */
export interface BuildStats {
  readonly bytesPerDocument: number
  /** Kept once, whatever the number of documents: centroids, matrices. */
  readonly fixedBytes?: number
  /** Processor time, encoding not included. */
  readonly seconds: number
}

/** A query as stages get it. */
export interface StageQuery {
  readonly text: string
  readonly embeddings: TokenEmbeddings
}

/** One way of finding candidates for exact MaxSim. */
export interface Stage {
  readonly name: string
  /** What differs between the stages of one group is size or storage, not the idea. Plots give each group a colour. */
  readonly group: string
  build(): Promise<BuildStats>
  /** The best `count` documents, best first, as positions in the collection. Fewer when the stage knows no more. */
  rank(query: StageQuery, count: number): ArrayLike<number>
}

/** Runs `work` and says how much processor time of this process it took, in seconds. */
export async function timed<T>(work: () => T | Promise<T>): Promise<{ result: T; seconds: number }> {
  const started = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(started)
  return { result, seconds: (user + system) / 1e6 }
}
