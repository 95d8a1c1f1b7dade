import { describe, expect, test } from 'vitest'
import { sampleTokens, spread } from '../../../../packages/core/src/embedded/stages/sample.js'
import { embeddingsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

describe('spread', () => {
  test('takes from all over a list, and all of a short one', () => {
    expect([...spread(numbers(0, 10), 10)]).toEqual(numbers(0, 10))
    expect([...spread(numbers(0, 10), 11)]).toEqual(numbers(0, 10))
    expect([...spread([], 3)]).toEqual([])
    expect([...spread(numbers(0, 10), 5)]).toEqual([1, 3, 5, 7, 9])
    expect([...spread(numbers(0, 10), 1)]).toEqual([5])
    expect([...spread([7, 9, 100], 2)]).toEqual([7, 100])
    const some = [...spread(numbers(0, 1000), 37)]
    expect(new Set(some).size).toBe(37)
    expect(some).toEqual(some.toSorted((a, b) => a - b))
  })
})

describe('sampleTokens', () => {
  const most = (documents: number, tokens: number) => ({ documents, tokens, from: 0, to: 200 })

  test('takes so many tokens of so many documents, evenly', async () => {
    const index = await StagedIndex.open({ codec: 'f32' })
    await index.put(numbers(0, 200))
    await index.delete([0])
    const { collection } = index.files
    const take = (documents: number, tokens: number) =>
      sampleTokens(collection, 'f32', 16, most(documents, tokens), undefined)
    const all = await take(1000, 10_000)
    expect(all).toHaveLength(199 * 12 * 16)
    expect(all.subarray(0, 12 * 16)).toEqual(embeddingsOf(1).data)
    const some = await take(1000, 199)
    expect(some).toHaveLength(199 * 16)
    // The last token of each, which is that of the end of a text.
    for (let token = 0; token < 199; token++) {
      expect(some.subarray(token * 16, (token + 1) * 16)).toEqual(embeddingsOf(1).data.subarray(11 * 16))
    }
    expect(await take(10, 10_000)).toHaveLength(10 * 12 * 16)
    expect(await take(10, 7)).toHaveLength(7 * 16)
    expect(await take(10, 7)).toEqual(await take(10, 7))
  })

  test('is stopped by its signal, and lets others have their turn', async () => {
    const index = await StagedIndex.open()
    await index.put(numbers(0, 200))
    const stopped = AbortSignal.abort(new Error('enough'))
    const { collection } = index.files
    await expect(sampleTokens(collection, 'int8', 16, most(200, 200), stopped)).rejects.toThrow('enough')
    let turns = 0
    const count = setImmediate(function again(): void {
      turns++
      setImmediate(again).unref()
    })
    await sampleTokens(collection, 'int8', 16, most(200, 200), undefined)
    clearImmediate(count)
    expect(turns).toBeGreaterThanOrEqual(2)
  })
})
