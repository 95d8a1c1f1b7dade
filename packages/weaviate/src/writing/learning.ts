import type { Progress, TokenEmbeddings } from '@serotine/core'
import {
  documentsFit,
  FdeEncoder,
  FIT_SAMPLE,
  stillFits,
  learnFde,
  LEARNING_TOKENS,
  learningDue,
  storeMeans,
} from '@serotine/core/muvera'
import type { FdeOptions } from '@serotine/core/muvera'
import { decodeRecord, evenly } from '@serotine/core/store'
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

/** What came since is looked at again when the collection has this many times the tokens it had when that fitted. */
const GROWTH_OF_FITTING = 1.1
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
  /** The last time that what came since fitted. */
  readonly fitted: Fitted
}

export interface Fitted {
  version: number
  /** Of the collection. */
  tokens: number
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
  if (!(await isDue(learner, state, tokens, signal))) return
  const learning = { by, since: Date.now() }
  await catalog.writeFdeState({ ...state, learning })
  const version = state.writing + 1
  await catalog.writeLearned(await learned(learner, version, tokens, signal))
  signal.throwIfAborted()
  await catalog.writeFdeState({ serving: state.serving, writing: version, learning })
  // Until everybody knows where else to look.
  if (state.serving > 0) await pause(2.5 * KNOWN_FOR_MS, signal)
  return encodeAll(learner, await fdes.state(true), count, how)
}

async function isDue(
  learner: Learner,
  { serving, seen }: FdeState,
  tokens: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { documents, fdes, dim, fitted } = learner
  const options = { ...learner.options, dim }
  if (serving === 0) return learningDue(tokens, options, undefined) === 'always'
  const { learned, encoder, means } = await fdes.version(serving)
  const similarity = learned.similarity ?? null
  const due = learningDue(tokens, options, { tokens: learned.tokens, similarity })
  if (due !== 'unless it fits' || seen === undefined || similarity === null) return due === 'always'
  if (fitted.version === serving && tokens < fitted.tokens * GROWTH_OF_FITTING) return false
  const since: FoundObject[] = []
  for await (const page of documents.list(['tokens'], { signal })) {
    since.push(...page.filter(({ updated, properties }) => updated > seen && (properties.tokens as number) > 0))
  }
  if (!stillFits(documentsFit(encoder, means, await sample(learner, since, FIT_SAMPLE.tokens, signal)), similarity))
    return true
  Object.assign(fitted, { version: serving, tokens })
  return false
}

async function learned(learner: Learner, version: number, tokens: number, signal: AbortSignal): Promise<LearnedFde> {
  const { documents, dim, options } = learner
  const all: FoundObject[] = []
  for await (const page of documents.list(['tokens'], { signal })) {
    all.push(...page.filter(({ properties }) => (properties.tokens as number) > 0))
  }
  const examples = await sample(learner, all, LEARNING_TOKENS, signal)
  const { config, means, meanNorm } = await learnFde(examples, { ...options, dim }, { signal })
  const encoder = new FdeEncoder(config, {}, means)
  const similarity = config.partitioning === 'centroids' ? documentsFit(encoder, means, examples) : null
  const { fingerprint } = encoder
  return { version, config, fingerprint, means: storeMeans(means), meanNorm, tokens, similarity }
}

/** Documents of these with about so many tokens together. Uuids are in no order of what they stand for, so that evenly is at random. */
async function sample(
  learner: Learner,
  objects: readonly FoundObject[],
  tokens: number,
  signal: AbortSignal,
): Promise<TokenEmbeddings[]> {
  const total = objects.reduce((sum, { properties }) => sum + (properties.tokens as number), 0)
  const wanted = Math.ceil((tokens * objects.length) / Math.max(1, total))
  const chosen = Array.from(evenly(objects.length, wanted), (place) => objects[place]!.uuid)
  const found = await learner.documents.byUuid(chosen, ['tokens', RECORD], { atOnce: RECORDS_AT_ONCE, signal })
  return chosen.flatMap((uuid) => {
    const object = found.get(uuid)
    return (object && embeddingsOf(object, learner)) ?? []
  })
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
  let seen = 0
  for (let pass = 1; pass <= PASSES; pass++) {
    let left = 0
    let done = 0
    for await (const page of documents.list(['fde', 'tokens', 'key'], { page: ENCODED_AT_ONCE, signal })) {
      const others = page.filter(({ properties }) => properties.fde !== writing)
      if (others.length > 0) left += await encodeSome(learner, writing, others, signal)
      done += page.length
      seen = page.reduce((latest, { updated }) => Math.max(latest, updated), seen)
      onProgress?.({ phase: 'build', done: Math.min(done, total), total })
      if (others.length > 0) {
        await untilIndexed(learner.cluster, signal)
        await catalog.writeFdeState({ ...(await fdes.state(true)), learning: { by, since: Date.now() } })
      }
    }
    if (left === 0) break
    await pause(100, signal)
  }
  await catalog.writeFdeState({ serving: writing, writing, learning: null, seen })
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
