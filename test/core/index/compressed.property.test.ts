// Whatever is done to an index with codec `residual`, it holds the documents that one with int8 vectors holds, and scores them nearly alike.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import * as fc from '../../support/fast-check.js'

const model = new FakeEncoder({ dim: 16 })
/** Of each number: 40 texts of ten of 60 words. */
const textOf = (n: number) => randomText(random((n % 40) + 1), 10, 60)

type Step =
  | { do: 'upsert'; from: number; count: number; year: number }
  | { do: 'delete'; from: number; count: number }
  | { do: 'compact' | 'prepare' | 'reopen' }

const range = { from: fc.nat(120), count: fc.integer({ min: 1, max: 60 }) }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('upsert' as const), ...range, year: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), ...range }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('compact' as const, 'prepare' as const, 'reopen' as const) }),
  },
)

let compressions = 0

async function expectAlike(steps: readonly Step[]): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'serotine-compressed-property-'))
  const warnings: string[] = []
  const options = (codec: 'int8' | 'residual') =>
    ({
      model,
      codec,
      firstStage: 'centroids',
      compressTokens: 300,
      onWarning: ({ code }) => warnings.push(code),
    }) as OpenOptions
  const openAll = () =>
    Promise.all(
      (['int8', 'residual'] as const).map((codec) => MultiVectorIndex.open(join(root, codec), options(codec))),
    )
  let indexes = await openAll()
  try {
    for (const action of steps) {
      for (const index of indexes) {
        if (action.do === 'upsert') {
          const documents = Array.from({ length: action.count }, (_, i) => {
            return { id: `d${action.from + i}`, text: textOf(action.from + i), metadata: { year: action.year } }
          })
          await index.upsert(documents)
        } else if (action.do === 'delete') {
          await index.delete(Array.from({ length: action.count }, (_, i) => `d${action.from + i}`))
        } else if (action.do === 'compact') await index.compact()
        else if (action.do === 'prepare') await index.prepare()
        else await index.close()
      }
      if (action.do === 'reopen') indexes = await openAll()
    }
    const [int8, residual] = indexes as [MultiVectorIndex, MultiVectorIndex]
    for (const index of indexes) await index.prepare()
    const { firstStages, documents } = await residual.stats()
    if (((firstStages.centroids?.facts.compressed as number | null) ?? 0) > 0) compressions++
    expect(documents).toBe(await int8.count())
    await using reader = await MultiVectorIndex.open(join(root, 'residual'), { model, readonly: true })
    expect((await residual.ids()).sort()).toEqual((await int8.ids()).sort())
    expect(await residual.verify()).toEqual([])
    // Deleted ones included.
    expect((await residual.stats()).keywords!.documents).toBeGreaterThanOrEqual(documents)
    const words = { k: 500, candidates: 500, hybrid: true }
    const byWords = async (index: MultiVectorIndex) => (await index.search(textOf(3), words)).map(({ id }) => id).sort()
    expect(await byWords(residual)).toEqual(await byWords(int8))
    for (const query of [textOf(3), textOf(17).split(' ').slice(0, 4).join(' ')]) {
      for (const where of [undefined, { year: 1 }]) {
        const search = { k: 500, candidates: 500, ...(where && { where }) }
        const wanted = new Map((await int8.search(query, search)).map((hit) => [hit.id, hit]))
        const hits = await residual.search(query, search)
        expect(hits.map(({ id }) => id).sort()).toEqual([...wanted.keys()].sort())
        for (const { id, score, metadata, text } of hits) {
          const other = wanted.get(id)!
          expect([metadata, text]).toEqual([other.metadata, other.text])
          expect(Math.abs(score - other.score)).toBeLessThan(0.2 * Math.abs(other.score) + 0.5)
        }
        expect(await reader.search(query, search)).toEqual(hits)
        expect(await residual.search(query, { ...search, firstStage: 'exact' })).toEqual(hits)
      }
    }
    expect(warnings.filter((code) => code !== 'RESIDUALS_UNSUITABLE')).toEqual([])
  } finally {
    for (const index of indexes) await index.close()
    rmSync(root, { recursive: true })
  }
}

test('any order of changes, compaction and reopening leaves what an int8 index has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), (steps) =>
      expectAlike([{ do: 'upsert', from: 0, count: 80, year: 0 }, { do: 'prepare' }, ...steps]),
    ),
    { numRuns: 20 },
  )
  expect(compressions).toBeGreaterThan(5)
})

test('a document whose metadata change keeps its vectors, also when it is compressed again', async () => {
  await using index = await MultiVectorIndex.open(undefined, {
    model,
    codec: 'residual',
    compressTokens: 300,
  } as OpenOptions)
  const documents = Array.from({ length: 80 }, (_, i) => ({ id: `d${i}`, text: textOf(i), metadata: { year: 1 } }))
  await index.upsert(documents)
  await index.prepare()
  expect((await index.stats()).firstStages.centroids!.facts.compressed).toBe(80)
  const before = (await index.embeddings('d7'))!.data
  const result = await index.upsert(documents.map((document) => ({ ...document, metadata: { year: 2 } })))
  expect(result).toMatchObject({ updated: 80, unchanged: 0 })
  expect((await index.embeddings('d7'))!.data).toEqual(before)
  await index.prepare()
  await index.compact()
  await index.prepare()
  const after = (await index.embeddings('d7'))!.data
  before.forEach((value, i) => expect(Math.abs(after[i]! - value)).toBeLessThan(0.35))
  const [hit] = await index.search(textOf(7), { k: 1, where: { year: 2 } })
  expect(textOf(Number(hit!.id.slice(1)))).toBe(textOf(7))
})
