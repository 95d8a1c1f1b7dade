// Everything that can be done to an index, in any order, with every first stage, while its disk fails now and then: what it holds and answers is what a
// map and exact MaxSim say. `npm run test:long` takes as many steps as docs/durability.md says; SEROTINE_SEED takes others.
import { afterEach, expect, test, vi } from 'vitest'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import * as fc from '../../support/fast-check.js'
import { repair } from '../../support/file-faults.js'
import { times } from '../../support/long.js'
import { step } from './steps.js'
import type { Step } from './steps.js'
import { Walk } from './walk.js'

vi.mock('node:fs', async (original) =>
  (await import('../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)
afterEach(repair)

const hasHnswlib = await loadHnswlib().then(
  () => true,
  () => false,
)

const hyperplanes = { partitioning: 'hyperplanes', repetitions: 5, simHashBits: 3, finalDim: 128 } as const
/** Small ones, so that all that happens to a large index happens. */
const SMALL = { segmentBytes: 60_000, compactBytes: 20_000 }
const CONFIGURATIONS: [name: string, options: Record<string, unknown>][] = [
  ['exact', { firstStage: 'exact' }],
  ['centroid codes', { firstStage: 'centroids' }],
  ['centroid codes of f32', { firstStage: 'centroids', codec: 'f32' }],
  ['muvera, a scan', { firstStage: 'muvera', codec: 'f16', fde: hyperplanes }],
  ['muvera, learned partitions', { firstStage: 'muvera', fde: { preset: 'small' } }],
  ['muvera, a graph', { firstStage: 'muvera', fde: hyperplanes, graphNumbers: 20_000 }],
  ['a graph', { firstStage: 'hnsw', fde: hyperplanes }],
  ['residual codes', { firstStage: 'centroids', codec: 'residual', compressTokens: 3000 }],
]

/** Takes the steps; what is wrong is an error that says which was the last. */
async function walk(options: OpenOptions, steps: readonly Step[], onEnd?: (walk: Walk) => Promise<void>) {
  const way = await Walk.begin(options)
  try {
    for (const [i, each] of steps.entries()) {
      try {
        await way.take(each)
      } catch (error) {
        throw new Error(`step ${i} (${each.do}) failed: ${String(error)}`, { cause: error })
      }
    }
    await onEnd?.(way)
    await way.end()
  } finally {
    await way.remove()
  }
}

test.each(CONFIGURATIONS.filter(([name]) => hasHnswlib || !name.includes('graph')))(
  'an index is what its changes say: %s',
  async (_name, options) => {
    const found = { hits: 0, exact: 0 }
    let taken = 0
    const [length, runs] = [times(30, 100), times(1, 10)]
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: length, maxLength: length, size: 'max' }), async (steps) => {
        await walk({ ...SMALL, ...options } as OpenOptions, steps, async (way) => {
          found.hits += way.found.hits
          found.exact += way.found.exact
          taken += steps.length
        })
      }),
      { numRuns: runs, endOnFailure: true },
    )
    expect(taken).toBeGreaterThanOrEqual(length * runs)
    if (found.hits > 200) expect(found.exact / found.hits).toBeGreaterThan(0.8)
  },
  1_800_000,
)
