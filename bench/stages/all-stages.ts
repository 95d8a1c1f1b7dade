import type { FdeOptions } from '../../packages/core/src/fde/config.js'
import type { TokenEmbeddings } from '../../packages/core/src/embeddings.js'
import { CentroidStage } from './centroid-stage.js'
import { LemurTargets, LemurVectors } from './lemur.js'
import type { Storage } from './rows.js'
import type { Stage } from './stage.js'
import { FdeVectors, LearnedFdeVectors, MeanVectors, collectionMeans } from './text-vectors.js'
import { TokenStage } from './token-stage.js'
import type { TokenStore } from './token-store.js'
import { SharedVectors, VectorStage } from './vector-stage.js'
import type { TextVectors } from './vector-stage.js'

const STORAGES: readonly Storage[] = ['f32', 'int8', '1 bit']
const PREPARATIONS = ['none', 'deflate', 'center'] as const

/**
 * Everything that is compared with exact MaxSim over token vectors, one after the other: a stage is made when it is asked for, so
 * that only its own memory is in use.
 */
export function* tokenStages(store: TokenStore, queries: readonly TokenEmbeddings[]): Generator<Stage> {
  const means = collectionMeans(store, queries)
  const fde = (options: FdeOptions): TextVectors => new FdeVectors(store.dim, options, means)
  const stored = function* (name: string, group: string, vectors: TextVectors, storages = STORAGES): Generator<Stage> {
    const shared = new SharedVectors(vectors, store)
    for (const storage of storages) yield new VectorStage(`${name}, ${storage}`, group, shared, storage)
  }
  yield* stored('MUVERA as published, 10,240', 'published', fde({ preset: 'paper', prepare: 'none' }))
  yield* stored('MUVERA as published, deflated, 10,240', 'published', fde({ preset: 'paper', prepare: 'deflate' }), [
    'int8',
  ])
  yield* stored('sphere small, 1,280', 'sphere', fde({ preset: 'small' }))
  yield* stored('sphere compact, 2,560', 'sphere', fde({ preset: 'compact' }))
  yield* stored('sphere, 5,120', 'sphere', fde({ preset: 'quality', finalDim: 5120 }))
  yield* stored('sphere quality, 10,240', 'sphere', fde({ preset: 'quality' }))
  for (const [preset, size] of [
    ['small', '1,280'],
    ['compact', '2,560'],
    ['quality', '10,240'],
  ] as const) {
    yield* stored(`learned ${preset}, ${size}`, 'learned', new LearnedFdeVectors(store.dim, { preset }), [
      'int8',
      '1 bit',
    ])
  }
  for (const [preset, name] of [
    ['compact', 'sphere compact, 2,560'],
    ['quality', 'sphere quality, 10,240'],
  ] as const) {
    for (const prepare of PREPARATIONS)
      yield* stored(`${name}, prepare ${prepare}`, 'sphere', fde({ preset, prepare }), ['int8'])
  }
  let targets: LemurTargets | undefined
  for (const size of [1024, 2048]) {
    const vectors = new LemurVectors(size, store.dim, () => (targets ??= new LemurTargets(store)))
    yield* stored(`LEMUR, ${size.toLocaleString('en-US')}`, 'LEMUR', vectors, ['int8', '1 bit'])
  }
  targets = undefined
  yield new CentroidStage(store, 1024)
  yield new CentroidStage(store, 4096)
  yield new TokenStage(store, 1000)
  yield* stored('mean vector', 'baseline', new MeanVectors(store.dim), ['int8'])
}
