import { describe, expect, test } from 'vitest'
import type { Snapshot } from '../../../../packages/core/src/embedded/commit/snapshot.js'
import { embeddingsOf, numbers, StagedIndex } from '../../../support/staged-index.js'

const open = async (count: number): Promise<StagedIndex> => {
  const index = await StagedIndex.open()
  await index.put(numbers(0, count))
  return index
}
const idsOf = (snapshot: Snapshot) => [...snapshot.ordinals()].map((ordinal) => snapshot.row(ordinal).id)
const names = (from: number, to: number) => numbers(from, to).map((n) => `d${n}`)

/** Everything it says is of the ten documents that were there. */
function expectUnchanged(snapshot: Snapshot): void {
  expect([snapshot.total, snapshot.size, snapshot.tokens]).toEqual([10, 10, 120])
  expect(idsOf(snapshot)).toEqual(names(0, 10))
  for (const n of numbers(0, 10)) {
    expect(snapshot.ordinalOf(`d${n}`)).toBe(n)
    expect(snapshot.row(n).id).toBe(`d${n}`)
    const { data } = embeddingsOf(n)
    const read = snapshot.stored.readEmbeddings(n, 'int8', 16)
    expect(Math.abs(read.data[20]! - data[20]!)).toBeLessThan(0.01)
  }
  expect([snapshot.ordinalOf('d10'), snapshot.ordinalOf('d11')]).toEqual([undefined, undefined])
  const { documents, count, tokens } = snapshot.allowed(undefined)
  expect([[...documents], count, tokens]).toEqual([numbers(0, 10), 10, 120])
  const even = snapshot.allowed(({ id }) => Number(id.slice(1)) % 2 === 0)
  expect([[...even.documents], even.count, even.tokens]).toEqual([[0, 2, 4, 6, 8], 5, 60])
}

describe('a snapshot', () => {
  test('does not show what is added, deleted and replaced afterwards', async () => {
    const index = await open(10)
    const snapshot = index.files.begin()
    await index.put([10, 11])
    await index.delete([3, 11])
    await index.put([4])
    await index.put([4, 3])
    await index.delete([4])
    expectUnchanged(snapshot)
    const later = index.files.begin()
    expect(idsOf(later)).toEqual([...names(0, 3), ...names(5, 11), 'd3'])
    expect([later.ordinalOf('d4'), later.ordinalOf('d3'), later.total]).toEqual([undefined, 14, 15])
  })

  test('does not show a document that was deleted before it and added again after it', async () => {
    const index = await open(10)
    await index.delete([3])
    const snapshot = index.files.begin()
    await index.put([3])
    expect(snapshot.ordinalOf('d3')).toBeUndefined()
    await index.delete([3])
    expect(snapshot.ordinalOf('d3')).toBeUndefined()
    expect(idsOf(snapshot)).toEqual([...names(0, 3), ...names(4, 10)])
  })

  test('keeps its ordinals when the index is compacted, and when documents are deleted after that', async () => {
    const index = await open(10)
    const snapshot = index.files.begin()
    await index.delete([0, 1, 2])
    await index.compact()
    expectUnchanged(snapshot)
    // Number 5 of the compacted collection is another document in this one.
    await index.delete([8])
    await index.put([9])
    expectUnchanged(snapshot)
  })

  test('that has ended is forgotten', async () => {
    const index = await open(10)
    const snapshot = index.files.begin()
    index.files.end(snapshot)
    await index.delete([3])
    expect(snapshot.ordinalOf('d3')).toBeUndefined()
    await expect(index.files.reading(() => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
  })
})
