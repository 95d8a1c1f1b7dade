// Everything that can be done to an index, in any order, with every first stage, while its disk fails now and then: what it holds and answers is what a
// map and exact MaxSim say. `npm run test:long` takes as many steps as docs/durability.md says; SEROTINE_SEED takes others.
import { afterEach, expect, test, vi } from 'vitest'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import * as fc from '../../support/fast-check.js'
import { repair } from '../../support/file-faults.js'
import { isLong, times } from '../../support/long.js'
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

/** Of each walk with centroid codes, how many codebooks it came to have. */
const codebooks: number[] = []

/** Takes the steps; what is wrong is an error that says which was the last. */
async function walk(options: OpenOptions, steps: readonly Step[]): Promise<Walk['found']> {
  const way = await Walk.begin(options)
  try {
    for (const [i, each] of steps.entries()) {
      try {
        await way.take(each)
      } catch (error) {
        throw new Error(`step ${i} (${each.do}) failed: ${String(error)}`, { cause: error })
      }
    }
    await way.end()
    return way.found
  } finally {
    await way.remove()
  }
}

test.each(CONFIGURATIONS.filter(([name]) => hasHnswlib || !name.includes('graph')))(
  'an index is what its changes say: %s',
  async (_name, options) => {
    const found: Walk['found'][] = []
    const [length, runs] = [times(40, 100), times(1, 8)]
    const steps = fc.array(step, { minLength: length, maxLength: length, size: 'max' })
    const property = fc.asyncProperty(steps, async (taken) => {
      found.push(await walk({ ...SMALL, ...options } as OpenOptions, taken))
    })
    await fc.assert(property, { numRuns: runs, endOnFailure: true })
    expect(found.length).toBeGreaterThanOrEqual(runs)
    const sum = (name: 'hits' | 'exact') => found.reduce((all, each) => all + each[name], 0)
    if (sum('hits') > 200) expect(sum('exact') / sum('hits')).toBeGreaterThan(0.8)
    if (!isLong) return
    const { firstStage, codec, graphNumbers } = options
    const wanted = graphNumbers ? 'hnsw' : firstStage === 'muvera' ? 'fde' : firstStage
    expect(found.flatMap(({ stages }) => [...stages])).toContain(wanted)
    if (codec === 'residual') expect(Math.max(...found.map(({ compressed }) => compressed ?? 0))).toBeGreaterThan(0)
    if (wanted === 'centroids') codebooks.push(...found.map((each) => each.codebooks ?? 0))
  },
  7_200_000,
)

// Not each kind has to: when it learns depends on the time that steps leave it.
test.runIf(isLong)('some of them learned more than one codebook', () => {
  expect(Math.max(...codebooks)).toBeGreaterThan(1)
})
