import { describe, expect, test } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

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

  test('is measured once there are a thousand documents, again when there are twice as many, and kept', async () => {
    const model = new FakeEncoder()
    await using index = await MultiVectorIndex.open(undefined, { model, fde: { partitioning: 'hyperplanes' } })
    await index.upsert(documents.slice(0, 999))
    await index.prepare()
    expect((await index.stats()).firstStages.fde!.suitability).toBeNull()
    await index.upsert(documents.slice(0, 1000))
    await index.prepare()
    const first = (await index.stats()).firstStages.fde!.suitability!
    expect(first).toMatchObject({ collection: 1000, queries: 24, candidates: expect.any(Number) as number })
    expect(first.recall).toBeGreaterThan(0.5)
    await index.upsert(documents.slice(0, 1999))
    await index.prepare()
    expect((await index.stats()).firstStages.fde!.suitability).toEqual(first)
    await index.upsert(documents)
    await index.prepare()
    expect((await index.stats()).firstStages.fde!.suitability).toMatchObject({ collection: 4100 })
    await index.delete(['d0'])
    await index.compact()
    await index.prepare()
    expect((await index.stats()).firstStages.fde!.suitability!.collection).toBe(4100)
  })

  test('is a warning with the number and the remedy where it is low, and preparation mends it', async () => {
    const results = []
    for (const prepare of ['none', 'auto'] as const) {
      const warnings: Warning[] = []
      await using index = await MultiVectorIndex.open(undefined, {
        model: new Narrow(),
        codec: 'f32',
        fde: { preset: 'small', partitioning: 'hyperplanes', prepare },
        onWarning: (warning) => warnings.push(warning),
      })
      await index.upsert(documents.slice(0, 2500))
      await index.prepare()
      const { fde } = (await index.stats()).firstStages
      results.push({
        prepare: fde!.facts.prepare,
        meanNorm: fde!.facts.meanNorm as number,
        recall: fde!.suitability!.recall,
        candidates: fde!.suitability!.candidates,
        warnings,
      })
    }
    expect(results).toMatchObject([{ prepare: 'none' }, { prepare: 'deflate', warnings: [] }])
    expect(results[0]!.meanNorm).toBeGreaterThan(0.9)
    expect(results[0]!.candidates).toBe(1000)
    expect(results[1]!.recall).toBeGreaterThan(results[0]!.recall)
    expect(results[0]!.warnings).toEqual([
      {
        code: 'FDE_UNSUITABLE',
        message: expect.stringMatching(
          /keeps [1-4]?\d % of the exact top 10 among 100 .* so searches take 1000\. .*firstStage: 'exact'/,
        ) as string,
      },
    ])
  })
})

describe('centroid suitability', () => {
  const dim = 16
  const next = random(22)
  /** Documents of 12 tokens around 400 directions; `spread` = how many times as long the longest tokens are as the shortest. */
  const documents = (count: number, spread: number) =>
    Array.from({ length: count }, (_, i) => {
      const { data, length } = new FakeEncoder({ dim }).embed(randomText(next, 10, 400))
      for (let token = 0; token < length; token++) {
        const scale = spread ** next()
        for (let k = 0; k < dim; k++) data[token * dim + k]! *= scale
      }
      return { id: `d${i}`, embeddings: { data, length, dim } }
    })

  test('is measured once there are a thousand documents, beside searches, again when codes are made anew, and kept', async () => {
    await using index = await MultiVectorIndex.open(undefined, { fde: false, firstStage: 'centroids' })
    const all = documents(2600, 1)
    await index.upsert(all.slice(0, 600))
    await index.prepare()
    expect((await index.stats()).firstStages.centroids!.suitability).toBeNull()
    const query = all[0]!.embeddings
    await Promise.all([index.upsert(all.slice(0, 1000)), index.search(query), index.search(query)])
    await index.prepare()
    const first = (await index.stats()).firstStages.centroids!.suitability!
    expect(first).toMatchObject({ collection: 1000, queries: 24, candidates: expect.any(Number) as number })
    expect(first.recall).toBeGreaterThan(0.9)
    await index.upsert(all.slice(0, 1100))
    await index.prepare()
    expect((await index.stats()).firstStages.centroids!.suitability).toEqual(first)
    await index.upsert(all)
    await index.prepare()
    expect((await index.stats()).firstStages.centroids!.suitability).toMatchObject({ collection: 2600 })
  })

  test('is good where tokens differ in length, too, which codes know', async () => {
    const warnings: Warning[] = []
    await using index = await MultiVectorIndex.open(undefined, {
      codec: 'f32',
      fde: false,
      firstStage: 'centroids',
      onWarning: (warning) => warnings.push(warning),
    })
    await index.upsert(documents(2000, 1000))
    await index.prepare()
    const { candidates, recall } = (await index.stats()).firstStages.centroids!.suitability!
    expect(recall).toBeGreaterThan(0.985)
    expect(candidates).toBeLessThanOrEqual(200)
    expect(warnings).toEqual([])
  })
})
