import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TokenEmbeddings } from '../../embeddings.js'
import { exactScores } from '../exact-scores.js'
import type { TokenCodec } from '../records.js'
import type { StoreReader } from '../store.js'
import { chooseCandidates, MOST_CANDIDATES, TOP, TRUTH_CANDIDATES, TRUTH_TOKENS } from './rules.js'
import type { MeasuredSuitability } from './rules.js'

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
  const best = isWhole ? await bestOfAll(stage, signal) : await bestOfCandidates(stage, found, signal)
  return chooseCandidates(found, best, documents)
}

/** The best by MaxSim of every document, which are read once. */
async function bestOfAll({ codec, pieces, all }: MeasuredStage, signal: AbortSignal | undefined): Promise<string[][]> {
  const best = pieces.map((): Scored[] => [])
  for await (const { ids, reader } of all()) {
    for (const [i, { origin, query }] of pieces.entries()) {
      const { scores } = await exactScores(reader, codec, query, ids, signal, () => {})
      const others = ids.flatMap((id, n): Scored[] => (id === origin ? [] : [[id, scores[n]!]]))
      best[i] = firstOf([...best[i]!, ...others])
      await nextTurn()
    }
    signal?.throwIfAborted()
  }
  return best.map((list) => list.map(([id]) => id))
}

async function bestOfCandidates(
  { codec, pieces, reading }: MeasuredStage,
  found: readonly (readonly string[])[],
  signal: AbortSignal | undefined,
): Promise<string[][]> {
  const best: string[][] = []
  for (const [i, { query }] of pieces.entries()) {
    const ids = found[i]!
    const { scores } = await reading((reader) => exactScores(reader, codec, query, ids, signal, () => {}))
    best.push(firstOf(ids.map((id, n): Scored => [id, scores[n]!])).map(([id]) => id))
    signal?.throwIfAborted()
  }
  return best
}

type Scored = readonly [id: string, score: number]

function firstOf(list: readonly Scored[]): Scored[] {
  return list.toSorted(([, a], [, b]) => b - a).slice(0, TOP)
}
