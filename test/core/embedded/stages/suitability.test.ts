// How measuring goes with everything else; what is measured is tested in test/core/index/suitability.test.ts.
import { expect, test } from 'vitest'
import type { Stage, Work } from '../../../../packages/core/src/embedded/stages/stage.js'
import { keepSuitability } from '../../../../packages/core/src/embedded/stages/suitability.js'
import { numbers, StagedIndex } from '../../../support/staged-index.js'

async function made(count: number): Promise<StagedIndex> {
  const index = await StagedIndex.open({ preferred: 'fde' })
  await index.put(numbers(0, count))
  await index.stage('fde').upkeep(workOf(index))
  return index
}
const workOf = (index: StagedIndex): Work => {
  return { signal: undefined, onDocument: () => {}, inTurn: (change) => index.inTurn(change) }
}
const measure = (index: StagedIndex, stages: Iterable<Stage>) =>
  keepSuitability(index.files, stages, undefined, (warning) => index.warnings.push(warning), workOf(index))
/** A stage that does something more when it is asked for its searcher. */
const meanwhile = (stage: Stage, work: () => Promise<void>) => {
  const searcher: Stage['searcher'] = async (collection) => {
    const found = await stage.searcher(collection)
    await work()
    return found
  }
  return new Proxy(stage, {
    get: (_, property) => {
      if (property === 'searcher') return searcher
      const value: unknown = Reflect.get(stage, property, stage)
      return typeof value === 'function' ? value.bind(stage) : value
    },
  })
}

test('is measured from a thousand documents on, once', async () => {
  const index = await made(999)
  await measure(index, index.stages.values())
  expect(index.derived('fde')!.suitability).toBeNull()
  await index.put([999])
  await measure(index, index.stages.values())
  const { suitability } = index.derived('fde')!
  expect(suitability).toMatchObject({ collection: 1000 })
  expect(suitability!.recall).toBeGreaterThan(0.3)
  expect(suitability!.recall).toBeLessThanOrEqual(1)
  const { manifest } = index.files
  await measure(index, index.stages.values())
  expect(index.files.manifest).toBe(manifest)
  expect(Object.keys(manifest.derived)).toEqual(['fde'])
})

test('changes nothing of what else was committed meanwhile', async () => {
  const index = await made(1000)
  const stage = meanwhile(index.stage('fde'), () => index.put([1000, 1001]))
  await measure(index, [stage])
  expect(index.derived('fde')).toMatchObject({ rows: 1002, suitability: { queries: expect.any(Number) as number } })
  expect(index.stage('fde').rows).toBe(1002)
})

test('is kept though the warning about it is refused', async () => {
  const index = await made(1000)
  const none: Stage['searcher'] = async () => {
    return { rows: 1000, search: () => ({ ordinals: new Int32Array(), scores: new Float32Array() }) }
  }
  const stage = { name: 'fde', searcher: none } as Partial<Stage> as Stage
  const refuse = () => {
    throw new Error('The log is full.')
  }
  const measuring = keepSuitability(index.files, [stage], undefined, refuse, workOf(index))
  await expect(measuring).rejects.toThrow('The log is full.')
  expect(index.derived('fde')!.suitability).toMatchObject({ recall: 0, collection: 1000 })
})

test('is put off when the index was compacted meanwhile', async () => {
  const index = await made(1200)
  await index.delete(numbers(0, 100))
  const stage = meanwhile(index.stage('fde'), () => index.compact())
  await measure(index, [stage])
  expect([index.derived('fde')!.suitability, index.warnings]).toEqual([null, []])
  await measure(index, index.stages.values())
  expect(index.derived('fde')!.suitability).toMatchObject({ collection: 1100 })
})
