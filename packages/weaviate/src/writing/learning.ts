import type { Progress, TokenEmbeddings } from '@serotine/core'
import { FdeEncoder, learnFde, storeMeans, withLearnedPartitions } from '@serotine/core/muvera'
import type { FdeOptions } from '@serotine/core/muvera'
import { decodeRecord } from '@serotine/core/store'
import type { Turns } from '@serotine/core/store'
import type { FdeState, LearnedFde } from '../catalog.js'
import type { Cluster } from '../cluster.js'
import { KNOWN_FOR_MS } from '../fde.js'
import { HEAD, idOf, RECORD, recordOf, TEXT } from '../rows.js'
import type { FoundObject } from '../protocol/search.js'
import type { Collection } from './changes.js'
import { untilIndexed } from './indexed.js'
import { rewritten } from './mending.js'
import { GONE_MS, rewriting } from './rewriting.js'
import { pause } from '../client/pause.js'

/** Tokens that there have to be before partitions, or means alone, are learned. */
const TOKENS_FOR_PARTITIONS = 8000
const TOKENS_FOR_MEANS = 2000
/** Learned again when the collection has this many times the tokens. */
const GROWTH = 2
/** Learns from about this many. */
const TOKENS_AT_MOST = 50_000
/** Documents that are encoded anew together: they are not found by searches until the server has indexed them. */
const ENCODED_AT_ONCE = 250
const RECORDS_AT_ONCE = 50
const PASSES = 10

export interface Learner extends Collection {
  readonly cluster: Cluster
  readonly turns: Turns
  readonly dim: number
  readonly options: FdeOptions
  /** Name of this process. */
  readonly by: string
}

export interface LearningOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** Whether encodings are to be learned, learned anew, or finished, and then does so. What searches ask keeps serving meanwhile. */
export async function learn(learner: Learner, how: LearningOptions): Promise<void> {
  const { documents, catalog, fdes, by } = learner
  const { signal } = how
  const { count, sums } = await documents.aggregate(['tokens'], undefined, { signal })
  const tokens = sums.get('tokens') ?? 0
  const state = await fdes.state(true, { signal })
  if (state.learning && state.learning.by !== by && Date.now() - state.learning.since < GONE_MS) return
  if (state.serving !== state.writing) return encodeAll(learner, state, count, how)
  if (!(await isDue(learner, state, tokens))) return
  const learning = { by, since: Date.now() }
  await catalog.writeFdeState({ ...state, learning })
  const version = state.writing + 1
  await catalog.writeLearned(await learned(learner, version, tokens, count, signal))
  signal.throwIfAborted()
  await catalog.writeFdeState({ serving: state.serving, writing: version, learning })
  // Until everybody knows where else to look.
  if (state.serving > 0) await pause(2.5 * KNOWN_FOR_MS, signal)
  return encodeAll(learner, await fdes.state(true), count, how)
}

async function isDue({ fdes, dim, options }: Learner, { serving }: FdeState, tokens: number): Promise<boolean> {
  if (serving > 0) return tokens >= GROWTH * (await fdes.version(serving)).learned.tokens
  const { partitioning } = withLearnedPartitions({ ...options, dim })
  return tokens >= (partitioning === 'centroids' ? TOKENS_FOR_PARTITIONS : TOKENS_FOR_MEANS)
}

async function learned(
  learner: Learner,
  version: number,
  tokens: number,
  count: number,
  signal: AbortSignal,
): Promise<LearnedFde> {
  const { documents, dim, options } = learner
  const uuids: string[] = []
  for await (const page of documents.list(['tokens'], { signal })) {
    uuids.push(...page.filter(({ properties }) => (properties.tokens as number) > 0).map(({ uuid }) => uuid))
  }
  const wanted = Math.min(uuids.length, Math.ceil((TOKENS_AT_MOST * count) / Math.max(1, tokens)))
  // Uuids are in no order of what they stand for.
  const chosen = Array.from({ length: wanted }, (_, i) => uuids[Math.floor(((i + 0.5) * uuids.length) / wanted)]!)
  const found = await documents.byUuid(chosen, ['tokens', RECORD], { atOnce: RECORDS_AT_ONCE, signal })
  const sample = chosen.flatMap((uuid) => {
    const object = found.get(uuid)
    return (object && embeddingsOf(object, learner)) ?? []
  })
  const { config, means, meanNorm } = await learnFde(sample, { ...options, dim }, { signal })
  const { fingerprint } = new FdeEncoder(config, {}, means)
  return { version, config, fingerprint, means: storeMeans(means), meanNorm, tokens }
}

function embeddingsOf(object: FoundObject, { codec, dim }: Learner): TokenEmbeddings | undefined {
  const record = recordOf(object, codec, dim)
  return record && decodeRecord(codec, record, object.properties.tokens as number, dim)
}

/** Writes every document by the new encodings, a part at a time, until none is left that has others. */
async function encodeAll(
  learner: Learner,
  { writing }: FdeState,
  total: number,
  { signal, onProgress }: LearningOptions,
): Promise<void> {
  const { documents, catalog, fdes, by } = learner
  for (let pass = 1; pass <= PASSES; pass++) {
    let left = 0
    let done = 0
    for await (const page of documents.list(['fde', 'tokens', 'key'], { page: ENCODED_AT_ONCE, signal })) {
      const others = page.filter(({ properties }) => properties.fde !== writing)
      if (others.length > 0) left += await encodeSome(learner, writing, others, signal)
      done += page.length
      onProgress?.({ phase: 'build', done: Math.min(done, total), total })
      if (others.length > 0) {
        await untilIndexed(learner.cluster, signal)
        await catalog.writeFdeState({ ...(await fdes.state(true)), learning: { by, since: Date.now() } })
      }
    }
    if (left === 0) break
    await pause(100, signal)
  }
  await catalog.writeFdeState({ serving: writing, writing, learning: null })
  await fdes.state(true)
}

/** @returns how many had other encodings; some still have, if somebody was changing them */
async function encodeSome(
  learner: Learner,
  version: number,
  others: readonly FoundObject[],
  signal: AbortSignal,
): Promise<number> {
  const { documents, catalog, fdes, turns, codec, dim, by } = learner
  const encoder = await fdes.version(version)
  const all = others.map((object) => ({ id: idOf(object), uuid: object.uuid }))
  const encode = async (uuids: readonly string[]) => {
    const found = await documents.byUuid(uuids, [...HEAD, ...TEXT, RECORD], { atOnce: RECORDS_AT_ONCE, signal })
    await documents.put([...found.values()].flatMap((object) => rewritten(object, encoder, { codec }, dim) ?? []))
  }
  await turns.take(() => rewriting(catalog, by, all, encode), signal)
  return others.length
}
