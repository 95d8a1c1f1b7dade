import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import { exactScores } from '../exact-scores.js'
import { recordBytes } from '../records.js'
import type { TokenCodec } from '../records.js'
import type { StoreReader } from '../store.js'
import { chooseCandidates, MOST_CANDIDATES, TOP, TRUTH_CANDIDATES, TRUTH_TOKENS } from './rules.js'
import type { MeasuredSuitability } from './rules.js'

/** Documents read at once. */
const BATCH = 256

/** A piece of a document as a query. The document that it is of does not count: no stage would miss it. */
export interface Piece {
  readonly origin: string
  readonly query: TokenEmbeddings
}

/** Some documents, whose records can be read. */
export interface ReadableDocuments {
  readonly ids: readonly string[]
  readonly reader: Pick<StoreReader, 'readTokens'>
}

/** How a store that an engine keeps is asked. */
export interface MeasuredStage {
  readonly codec: TokenCodec
  /** Of the collection. */
  readonly documents: number
  readonly tokens: number
  readonly pieces: readonly Piece[]
  /** Ids in the order of the first stage, about so many. */
  candidates(query: TokenEmbeddings, count: number): Promise<readonly string[]>
  /** All documents with tokens, some at a time. */
  all(): AsyncIterable<ReadableDocuments>
  /** Runs work on the records of some documents. */
  reading<T>(work: (reader: ReadableDocuments['reader']) => Promise<T>): Promise<T>
}

/** Measures how much of the exact top 10 the candidates of a first stage keep, and so how many of them a search should take. */
export async function measureSuitability(
  stage: MeasuredStage,
  signal: AbortSignal | undefined,
): Promise<MeasuredSuitability> {
  const { pieces, documents, tokens } = stage
  const isWhole = tokens <= TRUTH_TOKENS
  // The document that a piece is of may be among them.
  const count = (isWhole ? MOST_CANDIDATES : TRUTH_CANDIDATES) + 1
  const found: (readonly string[])[] = []
  for (const { origin, query } of pieces) {
    const ids = await stage.candidates(query, count)
    found.push(ids.filter((id) => id !== origin))
    signal?.throwIfAborted()
  }
  const batches = isWhole ? stage.all() : candidatesOnce(stage, found)
  const sets = isWhole ? undefined : found.map((ids) => new Set(ids))
  const best = pieces.map((): Scored[] => [])
  for await (const { ids, reader } of batches) {
    for (const [i, { origin, query }] of pieces.entries()) {
      const others = ids.filter((id) => id !== origin && (sets?.[i]!.has(id) ?? true))
      const { scores } = await exactScores(reader, stage.codec, query, others, signal, () => {})
      best[i] = firstOf([...best[i]!, ...others.map((id, n): Scored => [id, scores[n]!])])
      await nextTurn()
    }
    signal?.throwIfAborted()
  }
  const ids = best.map((list) => list.map(([id]) => id))
  return chooseCandidates(found, ids, documents)
}

/** The candidates of all pieces, each read once however many pieces it is a candidate of. */
async function* candidatesOnce(
  { codec, pieces, reading }: MeasuredStage,
  found: readonly (readonly string[])[],
): AsyncGenerator<ReadableDocuments> {
  const all = [...new Set(found.flat())]
  const { dim } = pieces[0]!.query
  for (let at = 0; at < all.length; at += BATCH) {
    const ids = all.slice(at, at + BATCH)
    const kept = new Map<string, { readonly record: Uint8Array; readonly tokens: number }>()
    await reading(async (reader) => {
      let room = new Uint8Array()
      await reader.readTokens(ids, {
        room: (bytes) => (room = new Uint8Array(bytes)),
        record: (position, from, tokens) => {
          const record = room.slice(from, from + recordBytes(codec, tokens, dim))
          kept.set(ids[position]!, { record, tokens })
        },
        damaged: () => {},
      })
    })
    yield recordsOf(kept)
  }
}

/** Documents whose records are in memory. */
export function recordsOf(
  documents: ReadonlyMap<string, { readonly record: Uint8Array; readonly tokens: number }>,
): ReadableDocuments {
  return {
    ids: [...documents.keys()],
    reader: {
      readTokens: async (ids, sink) => {
        for (const [position, id] of ids.entries()) {
          const { record, tokens } = documents.get(id)!
          sink.room(record.length).set(record)
          sink.record(position, 0, tokens)
        }
      },
    },
  }
}

type Scored = readonly [id: string, score: number]

function firstOf(list: readonly Scored[]): Scored[] {
  return list.toSorted(([, a], [, b]) => b - a).slice(0, TOP)
}
