// What coded stages keep of what they learned while the index changes; what each must do is test/contract/first-stage.ts.
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type * as Train from '../../../../packages/core/src/centroids/train.js'
import type * as Learn from '../../../../packages/core/src/fde/learn.js'
import type { Work } from '../../../../packages/core/src/embedded/stages/stage.js'
import { numbers, StagedIndex } from '../../../support/staged-index.js'

const learned = vi.hoisted(() => ({ times: 0, meanwhile: undefined as (() => Promise<void>) | undefined }))
vi.mock('../../../../packages/core/src/centroids/train.js', async (original) => {
  const train = await original<typeof Train>()
  const trainCodebook: typeof Train.trainCodebook = async (...args) => {
    learned.times++
    await learned.meanwhile?.()
    return train.trainCodebook(...args)
  }
  return { ...train, trainCodebook }
})
vi.mock('../../../../packages/core/src/fde/learn.js', async (original) => {
  const learn = await original<typeof Learn>()
  const learnFde: typeof Learn.learnFde = async (...args) => {
    learned.times++
    await learned.meanwhile?.()
    return learn.learnFde(...args)
  }
  return { ...learn, learnFde }
})
beforeEach(() => {
  learned.times = 0
  learned.meanwhile = undefined
})

describe.each(['centroids', 'fde'])('%s of an index that is compacted again and again', (name) => {
  const filled = async (count = 400) => {
    const index = await StagedIndex.open({ preferred: name })
    await index.put(numbers(0, count))
    let next = 0
    const compact = async () => {
      await index.delete([next++])
      await index.compact()
    }
    return { index, compact }
  }
  const upkeep = (index: StagedIndex, work: Partial<Work> = {}) => {
    const plain: Work = { signal: undefined, onDocument: () => {}, inTurn: (change) => index.inTurn(change) }
    return index.stage(name).upkeep({ ...plain, ...work })
  }
  const found = async (index: StagedIndex, n: number) => (await index.answers(name, [n], 5))[0]?.ids

  test('are learned once: afterwards documents are only coded again', async () => {
    const { index, compact } = await filled()
    let turns = 0
    const inTurn: Work['inTurn'] = async (change) => {
      if (turns++ < 5) await compact()
      return index.inTurn(change)
    }
    await upkeep(index, { inTurn })
    expect([learned.times, turns, index.files.collection.total]).toEqual([1, 6, 395])
    expect([index.stage(name).rows, index.derived(name)!.rows]).toEqual([395, 395])
    expect(await found(index, 300)).toContain('d300')
    await compact()
    expect([learned.times, index.stage(name).rows]).toEqual([1, 394])
    expect(await found(index, 300)).toContain('d300')
  })

  test('are coded from the collection there is when they have been learned', async () => {
    const { index, compact } = await filled()
    learned.meanwhile = compact
    let coded = 0
    await upkeep(index, { onDocument: () => coded++ })
    expect([learned.times, index.derived(name)!.rows]).toEqual([1, 399])
    // 399 documents, 64 at a time.
    expect(coded).toBe(7)
    expect(await found(index, 300)).toContain('d300')
  })

  test('stop being coded for a collection that is no more', async () => {
    const { index, compact } = await filled(800)
    let compacting: Promise<void> | undefined
    const done: number[] = []
    const onDocument = (count: number, total: number) => {
      done.push(total)
      if (count === 64) compacting ??= compact()
    }
    await upkeep(index, { onDocument })
    await compacting
    expect([learned.times, index.derived(name)!.rows]).toEqual([1, 799])
    // 800 documents, 64 at a time.
    expect(done.filter((total) => total === 800).length).toBeLessThan(13)
  })

  test('are not made of what was emptied meanwhile', async () => {
    const { index } = await filled()
    learned.meanwhile = async () => {
      await index.delete(numbers(0, 400))
      await index.compact()
    }
    await upkeep(index)
    expect([learned.times, index.derived(name), index.stage(name).rows]).toEqual([1, undefined, 0])
    learned.meanwhile = undefined
    await index.put(numbers(400, 800))
    await upkeep(index)
    expect([learned.times, index.stage(name).rows]).toEqual([2, 400])
  })
})
