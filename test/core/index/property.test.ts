import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from '../../support/fast-check.js'
import { expect, test } from 'vitest'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { maxSim } from '../../../packages/core/src/scoring/maxsim.js'
import type { Metadata } from '../../../packages/core/src/store/metadata.js'
import { FakeEncoder } from '../../support/fake-encoder.js'

const model = new FakeEncoder({ dim: 8 })

type Step =
  | { do: 'upsert'; documents: { id: string; text: string; metadata: Metadata }[]; batchSize: number }
  | { do: 'delete'; ids: string[] }
  | { do: 'deleteWhere'; n: number }
  | { do: 'reopen' }
  | { do: 'compact' }
  | { do: 'prepare' }
  /** By centroid codes; the next steps come while it runs. */
  | { do: 'search'; query: string }

const id = fc.nat(11).map((n) => `id${n}`)
const text = fc
  .array(fc.constantFrom('kiwi', 'owl', 'egg', 'nest', 'wing', 'river'), { maxLength: 5 })
  .map((words) => words.join(' '))
const document = fc.record({ id, text, metadata: fc.record({ n: fc.nat(3) }) })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('upsert' as const),
      documents: fc.uniqueArray(document, { selector: (d) => d.id, minLength: 1, maxLength: 8 }),
      batchSize: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), ids: fc.array(id, { maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deleteWhere' as const), n: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'reopen' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'compact' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'prepare' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('search' as const), query: text }) },
)

const QUERIES = ['kiwi egg', 'river', 'owl nest wing kiwi']

/** Every state an index can get into by these steps answers like one that was filled at once, and like plain arithmetic. */
async function expectAsFresh(steps: readonly Step[], options: OpenOptions): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'serotine-property-'))
  const folder = join(root, 'index')
  /** What a change said it did, and what it should have. */
  const counts: [number, number][] = []
  const expected = new Map<string, { text: string; metadata: Metadata }>()
  /** Ids a search found, and those that were there when it began. */
  const searches: Promise<{ found: string[]; there: string[] }>[] = []
  const open = async (): Promise<MultiVectorIndex> => {
    const opened = await MultiVectorIndex.open(folder, { model, ...options })
    await opened.prepare({ firstStage: 'centroids' })
    return opened
  }
  let index = await open()
  try {
    for (const action of steps) {
      if (action.do === 'upsert') {
        const known = action.documents.filter((each) => expected.has(each.id)).length
        const { added } = await index.upsert(action.documents, { batchSize: action.batchSize })
        counts.push([added, action.documents.length - known])
        for (const { id: key, ...rest } of action.documents) expected.set(key, rest)
      } else if (action.do === 'delete') {
        const there = new Set(action.ids.filter((key) => expected.delete(key)))
        counts.push([await index.delete(action.ids), there.size])
      } else if (action.do === 'deleteWhere') {
        const there = [...expected].filter(([, { metadata }]) => metadata.n === action.n)
        counts.push([await index.delete({ where: { n: action.n } }), there.length])
        for (const [key] of there) expected.delete(key)
      } else if (action.do === 'compact') {
        await index.compact()
      } else if (action.do === 'prepare') {
        await index.prepare()
      } else if (action.do === 'search') {
        const there = [...expected.keys()].sort()
        const search = index.search(action.query, { firstStage: 'centroids', k: 400 })
        searches.push(search.then((hits) => ({ found: hits.map((hit) => hit.id).sort(), there })))
      } else {
        await Promise.all(searches)
        await index.close()
        index = await open()
      }
    }
    for (const { found, there } of await Promise.all(searches)) expect(found).toEqual(there)
    expect(counts.map(([said]) => said)).toEqual(counts.map(([, should]) => should))
    expect(await index.count()).toBe(expected.size)
    expect((await index.ids()).sort()).toEqual([...expected.keys()].sort())
    for (const [key, { text: wanted, metadata }] of expected)
      expect(await index.get(key)).toMatchObject({ text: wanted, metadata })
    await using fresh = await MultiVectorIndex.open(undefined, { model, ...options })
    const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1))
    await fresh.upsert(sorted.map(([key, rest]) => ({ id: key, ...rest })))
    await index.prepare()
    await fresh.prepare()
    await using reader = await MultiVectorIndex.open(folder, { model, readonly: true })
    for (const query of QUERIES) {
      for (const where of [undefined, { n: { gte: 2 } }]) {
        const search = { k: 5, candidates: 400, ...(where && { where }) }
        const hits = await index.search(query, search)
        expect(hits).toEqual(await fresh.search(query, search))
        expect(hits).toEqual(await reader.search(query, search))
        expect(hits).toEqual(await index.search(query, { ...search, firstStage: 'centroids' }))
        const exact = sorted
          .filter(([, { metadata }]) => !where || (metadata.n as number) >= 2)
          .map(([key, { text: own }]) => ({ id: key, score: maxSim(model.embed(query), model.embed(own)) }))
          .sort((a, b) => b.score - a.score)
        expect(hits).toHaveLength(Math.min(5, exact.length))
        hits.forEach((hit, i) => {
          expect(Math.abs(hit.score - exact[i]!.score)).toBeLessThan(options.codec === 'f32' ? 1e-5 : 0.05)
          const own = exact.find(({ id: key }) => key === hit.id)!.score
          expect(Math.abs(hit.score - own)).toBeLessThan(options.codec === 'f32' ? 1e-5 : 0.05)
        })
      }
    }
  } finally {
    await index.close()
    rmSync(root, { recursive: true })
  }
}

test.each<OpenOptions>([{ codec: 'f32' }, { codec: 'int8' }, { codec: 'f16' }])(
  'any order of changes, reopening and compaction answers like a fresh index ($codec)',
  (options) =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => expectAsFresh(steps, options)),
      { numRuns: 40 },
    ),
)

/** Enough tokens in front that FDEs are there; as many candidates as documents, so the first stage must not lose one. */
const filler: Step = {
  do: 'upsert',
  batchSize: 100,
  documents: Array.from({ length: 120 }, (_, i) => ({
    id: `filler${i}`,
    text: Array.from({ length: 16 }, (__, j) => `w${(i * 31 + j * 17) % 211}`).join(' '),
    metadata: { n: 9 },
  })),
}

const hasHnswlib = await loadHnswlib().then(
  () => true,
  () => false,
)

test.each(hasHnswlib ? (['centroids', 'fde', 'hnsw'] as const) : (['centroids', 'fde'] as const))(
  'also with candidates from the first stage (%s)',
  (firstStage) =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) =>
        expectAsFresh([filler, ...steps], {
          codec: 'f32',
          fde: { repetitions: 5, simHashBits: 2, finalDim: 64 },
          firstStage,
        }),
      ),
      { numRuns: 15 },
    ),
)
