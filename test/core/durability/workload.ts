// Changes of every kind, one after the other, and what an index has to hold after each.
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { FakeEncoder } from '../../support/fake-encoder.js'
import { withDocuments, without } from './plain-index.js'
import type { State } from './plain-index.js'
import { documentOf } from './steps.js'

/** What is done between two openings. */
interface Session {
  readonly changes: readonly Change[]
}

export interface Change {
  readonly name?: string
  /** What is there afterwards. */
  after(before: State): State
  make(index: MultiVectorIndex): Promise<unknown>
}

const hyperplanes = { partitioning: 'hyperplanes', repetitions: 5, simHashBits: 2, finalDim: 64 }
const SMALL = { segmentBytes: 20_000, compactAt: false }
export const INDEXES: Readonly<Record<string, Record<string, unknown>>> = {
  'centroid codes': { firstStage: 'centroids', codec: 'f32' },
  'residual codes': { firstStage: 'centroids', codec: 'residual', compressTokens: 300 },
  'a graph': { firstStage: 'hnsw', fde: hyperplanes },
}

export const model = new FakeEncoder({ dim: 16 })

export function optionsOf(name: string, onWarning?: OpenOptions['onWarning']): OpenOptions {
  return { model, onWarning, ...SMALL, ...INDEXES[name] } as OpenOptions
}

const upsert = (topic: number, from: number, to: number, revision: number): Change => {
  const documents = Array.from({ length: to - from }, (_, i) =>
    documentOf({ kind: 'many', topic, n: from + i, length: 16, revision, year: 2000 + revision }),
  )
  return { after: (before) => withDocuments(before, documents), make: (index) => index.upsert(documents) }
}
const remove = (...ids: string[]): Change => {
  return { after: (before) => without(before, ids), make: (index) => index.delete(ids) }
}
const prepare: Change = { after: (before) => before, make: (index) => index.prepare() }
const compact: Change = { name: 'compact', after: (before) => before, make: (index) => index.compact() }

/**
 * @param size about half the documents that are there in the end
 * @param revision of the texts
 */
export function sessions(size: number, revision = 0): Session[] {
  const [some, most] = [Math.floor(size / 8), Math.floor(size * 0.7)]
  return [
    {
      changes: [
        upsert(0, 0, size, revision),
        prepare,
        upsert(0, most, size + some, revision + 1),
        upsert(1, 0, size, revision),
        remove('g0-3', `g0-${most + 1}`, 'g1-7'),
        compact,
        prepare,
      ],
    },
    { changes: [upsert(1, size - 2, size + 3, revision + 2), remove('g0-0', `g1-${size - 1}`), compact] },
  ]
}

/** What there is before the first change, and after each. */
export function statesOf(all: readonly Session[], before: State = new Map()): State[] {
  const states = [before]
  for (const { after } of all.flatMap(({ changes }) => changes)) states.push(after(states.at(-1)!))
  return states
}

/**
 * Makes the changes.
 *
 * @param onBegin told the number of each state that may show from now on
 * @param onDone told the number of each state that was acknowledged; 0 when the index is open
 */
export async function work(
  folder: string,
  options: OpenOptions,
  all: readonly Session[],
  onBegin: (state: number) => void,
  onDone: (state: number) => void,
): Promise<void> {
  let state = 0
  for (const { changes } of all) {
    const index = await MultiVectorIndex.open(folder, options)
    if (state === 0) onDone(0)
    for (const { make } of changes) {
      onBegin(++state)
      await make(index)
      onDone(state)
    }
    await index.close()
  }
}
