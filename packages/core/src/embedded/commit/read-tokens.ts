import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenSink } from '../../store/store.js'
import { isDamage } from '../format/checked.js'
import type { Segment } from '../format/segment.js'
import type { Snapshot } from './snapshot.js'
import type { Run } from './stored-documents.js'

/** Records read at a time. */
const CHUNK_BYTES = 1 << 20
/** After this many milliseconds of reading and scoring, timers and sockets get their turn. */
const SLICE_MS = 15

/**
 * Reads the records of documents straight into the sink's memory, those that lie one after the other with one call.
 *
 * @throws INDEX_CORRUPT when a record fails its checksum and the sink does not want to know; the signal's reason when aborted
 */
export async function readTokens(
  snapshot: Snapshot,
  ids: readonly string[],
  sink: TokenSink,
  signal?: AbortSignal,
): Promise<void> {
  const { ordinals, positions } = inOrder(snapshot, ids)
  let done = 0
  let sliceStart = performance.now()
  for (const chunk of chunksOf(snapshot.stored.runs(ordinals))) {
    if (performance.now() - sliceStart > SLICE_MS) {
      await nextTurn()
      signal?.throwIfAborted()
      sliceStart = performance.now()
    }
    // From here to the end of the loop nothing may wait: the room is borrowed.
    const room = sink.room(chunk.reduce((sum, { segment, from, to }) => sum + segment.recordsLength(from, to), 0))
    const damaged = new Map<number, unknown>()
    let [at, row] = [0, done]
    for (const { segment, from, to } of chunk) {
      const length = segment.recordsLength(from, to)
      for (const [i, error] of readIntact(segment, from, to, room.subarray(at, at + length)))
        damaged.set(row + i, error)
      at += length
      row += to - from
    }
    at = 0
    for (const { segment, from, to } of chunk) {
      for (let i = from; i < to; i++, done++) {
        const { tokens } = segment.rows[i]!
        if (!damaged.has(done)) sink.record(positions[done]!, at, tokens)
        else if (sink.damaged) sink.damaged(positions[done]!, damaged.get(done))
        else throw damaged.get(done)
        at += segment.recordBytes(i)
      }
    }
  }
}

/** Reads records; those that are damaged, by their number among these, with what is wrong with each. */
function readIntact(segment: Segment, from: number, to: number, target: Uint8Array): [number, unknown][] {
  try {
    segment.readRecords(from, to, target)
    return []
  } catch (error) {
    if (!isDamage(error)) throw error
    if (to - from === 1) return [[0, error]]
  }
  let at = 0
  return Array.from({ length: to - from }, (_, i): [number, unknown][] => {
    const length = segment.recordsLength(from + i, from + i + 1)
    const found = readIntact(segment, from + i, from + i + 1, target.subarray(at, at + length))
    at += length
    return found.map(([, error]) => [i, error])
  }).flat()
}

/** Ordinals of the documents that are there, ascending, and the position of each one's id. */
function inOrder(snapshot: Snapshot, ids: readonly string[]): { ordinals: Int32Array; positions: Int32Array } {
  // Ordinal and position in one number, so that they are sorted without a function.
  const both = new Float64Array(ids.length)
  let count = 0
  for (let position = 0; position < ids.length; position++) {
    const ordinal = snapshot.ordinalOf(ids[position]!)
    if (ordinal !== undefined) both[count++] = ordinal * ids.length + position
  }
  const found = both.subarray(0, count).sort()
  const ordinals = Int32Array.from(found, (value) => Math.floor(value / ids.length))
  return { ordinals, positions: Int32Array.from(found, (value, i) => value - ordinals[i]! * ids.length) }
}

/** Groups runs so that each group's records fit a chunk, cutting long runs; a record larger than a chunk goes alone. */
function* chunksOf(runs: readonly Run[]): Generator<Run[]> {
  let chunk: Run[] = []
  let bytes = 0
  for (const { segment, from, to } of runs) {
    let start = from
    for (let i = from; i < to; i++) {
      const size = segment.recordBytes(i)
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
