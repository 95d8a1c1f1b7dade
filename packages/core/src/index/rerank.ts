import { setImmediate as nextTurn } from 'node:timers/promises'
import { MaxSimScorer } from '../scoring/maxsim.js'
import type { TokenEmbeddings } from '../embeddings.js'
import { scaleOffset } from '../store/records.js'
import type { TokenCodec } from '../store/records.js'
import type { Collection, Run } from '../embedded/commit/collection.js'

/** Records read into kernel memory at a time. */
const CHUNK_BYTES = 1 << 20
/** After this many milliseconds of reading and scoring, timers and sockets get their turn. */
const SLICE_MS = 15

export interface ExactScores {
  /** One per ordinal given. */
  readonly scores: Float64Array
  readonly fetchMs: number
  readonly scoreMs: number
}

/**
 * Exact MaxSim of a query with stored documents: records are read straight into the kernel's memory and scored as they are
 * stored.
 *
 * @param ordinals ascending
 * @throws INDEX_CORRUPT when a record fails its checksum; the signal's reason when aborted
 */
export async function exactScores(
  collection: Collection,
  codec: TokenCodec,
  query: TokenEmbeddings,
  ordinals: Int32Array,
  signal?: AbortSignal,
): Promise<ExactScores> {
  const scorer = new MaxSimScorer(query)
  const scores = new Float64Array(ordinals.length)
  let [fetchMs, scoreMs, done] = [0, 0, 0]
  let sliceStart = performance.now()
  for (const chunk of chunksOf(collection.runs(ordinals))) {
    const started = performance.now()
    if (started - sliceStart > SLICE_MS) {
      await nextTurn()
      signal?.throwIfAborted()
      sliceStart = performance.now()
    }
    // From here to the end of the loop nothing may wait: the arena is borrowed.
    const begun = performance.now()
    const arena = scorer.arena(chunk.reduce((sum, { segment, from, to }) => sum + segment.recordsLength(from, to), 0))
    let at = 0
    for (const { segment, from, to } of chunk) {
      const length = segment.recordsLength(from, to)
      segment.readRecords(from, to, arena.subarray(at, at + length))
      at += length
    }
    const fetched = performance.now()
    at = 0
    for (const { segment, from, to } of chunk) {
      for (let i = from; i < to; i++) {
        const { tokens, tokenBytes } = segment.rows[i]!
        scores[done++] = scoreRecord(scorer, codec, at, tokens)
        at += tokenBytes
      }
    }
    fetchMs += fetched - begun
    scoreMs += performance.now() - fetched
  }
  return { scores, fetchMs, scoreMs }
}

function scoreRecord(scorer: MaxSimScorer, codec: TokenCodec, at: number, tokens: number): number {
  if (codec === 'f32') return scorer.scoreF32At(at, tokens)
  if (codec === 'f16') return scorer.scoreF16At(at, tokens)
  return scorer.scoreInt8At(at, at + scaleOffset(tokens, scorer.dim), tokens)
}

/** Groups runs so that each group's records fit a chunk, cutting long runs; a record larger than a chunk goes alone. */
function* chunksOf(runs: readonly Run[]): Generator<Run[]> {
  let chunk: Run[] = []
  let bytes = 0
  for (const { segment, from, to } of runs) {
    let start = from
    for (let i = from; i < to; i++) {
      const size = segment.rows[i]!.tokenBytes
      if (bytes > 0 && bytes + size > CHUNK_BYTES) {
        if (i > start) chunk.push({ segment, from: start, to: i })
        yield chunk
        ;[chunk, bytes, start] = [[], 0, i]
      }
      bytes += size
    }
    chunk.push({ segment, from: start, to })
  }
  if (chunk.length > 0) yield chunk
}
