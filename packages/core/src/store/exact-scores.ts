import type { TokenEmbeddings } from '../embeddings.js'
import { MaxSimScorer } from '../scoring/maxsim.js'
import { scaleOffset } from './records.js'
import type { TokenCodec } from './records.js'
import type { StoreReader } from './store.js'

/** MaxSim of a query with documents, and the milliseconds it took to read and to score them. */
export interface ExactScores {
  /** One per id given; −Infinity for documents that are gone or damaged. */
  readonly scores: Float64Array
  readonly fetchMs: number
  readonly scoreMs: number
}

/**
 * Exact MaxSim of a query with stored documents: the store puts records straight into the kernel's memory, and they are scored as they
 * are stored.
 *
 * @param onDamaged told of documents whose vectors cannot be read: their score is −Infinity
 * @throws INDEX_CORRUPT when a record is damaged and there is no `onDamaged`; the signal's reason when aborted
 */
export async function exactScores(
  reader: Pick<StoreReader, 'readTokens'>,
  codec: TokenCodec,
  query: TokenEmbeddings,
  ids: readonly string[],
  signal?: AbortSignal,
  onDamaged?: (id: string, error: unknown) => void,
): Promise<ExactScores> {
  const scorer = new MaxSimScorer(query)
  const scores = new Float64Array(ids.length).fill(-Infinity)
  let [fetchMs, scoreMs] = [0, 0]
  /** When the last change between reading and scoring was. */
  let since = performance.now()
  let isScoring = false
  const turn = (toScoring: boolean): void => {
    if (isScoring === toScoring) return
    const now = performance.now()
    if (isScoring) scoreMs += now - since
    else fetchMs += now - since
    since = now
    isScoring = toScoring
  }
  await reader.readTokens(
    ids,
    {
      room: (bytes) => {
        turn(false)
        return scorer.arena(bytes)
      },
      record: (position, offset, tokens) => {
        turn(true)
        scores[position] = scoreRecord(scorer, codec, offset, tokens)
      },
      ...(onDamaged && { damaged: (position, error) => onDamaged(ids[position]!, error) }),
    },
    signal,
  )
  turn(!isScoring)
  return { scores, fetchMs, scoreMs }
}

function scoreRecord(scorer: MaxSimScorer, codec: TokenCodec, at: number, tokens: number): number {
  if (codec === 'f32') return scorer.scoreF32At(at, tokens)
  if (codec === 'f16') return scorer.scoreF16At(at, tokens)
  return scorer.scoreInt8At(at, at + scaleOffset(tokens, scorer.dim), tokens)
}
