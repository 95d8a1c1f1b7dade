import { describe, expect, test } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { TokenEmbeddings } from '../../../packages/core/src/types.js'
import { FakeEncoder, random, randomText } from './fake-encoder.js'

/** All tokens point nearly the same way: what FDEs without preparation cannot tell apart. */
class Narrow extends FakeEncoder {
  override embed(text: string): TokenEmbeddings {
    const embeddings = super.embed(text)
    embeddings.data.forEach((x, i) => (embeddings.data[i] = i % this.dim === 0 ? 1 : 0.1 * x))
    return embeddings
  }
}

describe('FDE suitability', () => {
  const next = random(21)
  const documents = Array.from({ length: 4100 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 12, 400) }))

  test('is measured once there are a thousand documents, again when there are four times as many, and kept', async () => {
    const model = new FakeEncoder()
    await using index = await MultiVectorIndex.open(undefined, { model, fde: { partitioning: 'hyperplanes' } })
    await index.upsert(documents.slice(0, 999))
    expect((await index.stats()).fde!.suitability).toBeNull()
    await index.upsert(documents.slice(0, 1000))
    const first = (await index.stats()).fde!.suitability!
    expect(first).toMatchObject({ documents: 1000, collection: 1000, queries: 20, candidates: 100 })
    expect(first.recall).toBeGreaterThan(0.5)
    await index.upsert(documents.slice(0, 3999))
    expect((await index.stats()).fde!.suitability).toEqual(first)
    await index.upsert(documents)
    expect((await index.stats()).fde!.suitability).toMatchObject({ documents: 3000, collection: 4100 })
    await index.delete(['d0'])
    await index.compact()
    expect((await index.stats()).fde!.suitability!.collection).toBe(4100)
  })

  test('is a warning with the number and the remedy where it is low, and preparation mends it', async () => {
    const results = []
    for (const prepare of ['none', 'auto'] as const) {
      const warnings: Warning[] = []
      await using index = await MultiVectorIndex.open(undefined, {
        model: new Narrow(), codec: 'f32', fde: { preset: 'small', partitioning: 'hyperplanes', prepare }, onWarning: (warning) => warnings.push(warning),
      })
      await index.upsert(documents.slice(0, 2500))
      const { fde } = await index.stats()
      results.push({ prepare: fde!.config!.prepare, meanNorm: fde!.meanNorm!, recall: fde!.suitability!.recall, warnings })
    }
    expect(results).toMatchObject([{ prepare: 'none' }, { prepare: 'deflate', warnings: [] }])
    expect(results[0]!.meanNorm).toBeGreaterThan(0.9)
    expect(results[0]!.recall).toBeLessThan(0.5)
    expect(results[1]!.recall).toBeGreaterThan(results[0]!.recall + 0.1)
    expect(results[0]!.warnings).toEqual([{
      code: 'FDE_UNSUITABLE',
      message: expect.stringMatching(new RegExp(`keeps ${Math.round(results[0]!.recall * 100)} % of the exact top 10.*stage: 'exact'`)) as string,
    }])
  })
})
