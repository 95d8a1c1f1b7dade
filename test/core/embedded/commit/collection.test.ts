import { describe, expect, test } from 'vitest'
import { Collection } from '../../../../packages/core/src/embedded/commit/collection.js'
import { numbers, StagedIndex } from '../../../support/staged-index.js'

/** Segments hold about six documents each. */
async function open(count: number): Promise<StagedIndex> {
  const index = await StagedIndex.open({ segmentBytes: 1200 })
  for (const n of numbers(0, count)) await index.put([n])
  return index
}
const idsOf = (collection: Collection, ordinals: Iterable<number>) =>
  [...ordinals].map((ordinal) => collection.row(ordinal).id)

describe('a collection', () => {
  test('counts documents and tokens, and knows where each is', async () => {
    const index = await open(20)
    const { collection } = index.files
    expect(collection.segments.length).toBeGreaterThan(2)
    expect([collection.size, collection.total, collection.searchableCount, collection.tokens]).toEqual([
      20, 20, 20, 240,
    ])
    for (const n of numbers(0, 20)) {
      expect(collection.ordinalOf(`d${n}`)).toBe(n)
      expect(collection.readRecord(n)).toHaveLength(collection.row(n).tokenBytes)
    }
    await index.delete([3, 19])
    await index.put([7])
    expect([collection.size, collection.total, collection.searchableCount, collection.tokens]).toEqual([
      18, 21, 18, 216,
    ])
    expect([collection.ordinalOf('d3'), collection.ordinalOf('d7'), collection.ordinalOf('d99')]).toEqual([
      undefined,
      20,
      undefined,
    ])
    expect(idsOf(collection, collection.ordinals()).at(-1)).toBe('d7')
    const living = numbers(0, 21).filter((n) => ![3, 7, 19].includes(n))
    expect([...collection.living()]).toEqual(living)
    expect([...collection.searchable()]).toEqual(living)
    // A copy: what is deleted afterwards does not change it.
    const before = collection.living()
    await index.delete([0])
    expect([before.has(0), collection.living().has(0)]).toEqual([true, false])
  })

  test('is the same when it is made of its segments and its list of deleted documents', async () => {
    const index = await open(20)
    await index.delete([3, 4])
    await index.put([5])
    const { collection } = index.files
    const again = new Collection(collection.segments, [3, 4, 5])
    expect([...again.living()]).toEqual([...collection.living()])
    expect(idsOf(again, again.ordinals()).toSorted()).toEqual(idsOf(collection, collection.ordinals()).toSorted())
    expect([again.size, again.total, again.tokens]).toEqual([collection.size, collection.total, collection.tokens])
  })

  test('cuts ordinals into runs that one read each is enough for', async () => {
    const { collection } = (await open(20)).files
    const starts = numbers(1, 20).filter((n) => collection.stored.runs([n - 1, n]).length === 2)
    expect(starts).toHaveLength(collection.segments.length - 1)
    expect(collection.stored.runs(numbers(0, 20))).toHaveLength(collection.segments.length)
    const [first] = starts as [number]
    expect(collection.stored.runs([0, 1, first, first + 1, first + 3])).toEqual([
      { segment: collection.segments[0], from: 0, to: 2 },
      { segment: collection.segments[1], from: 0, to: 2 },
      { segment: collection.segments[1], from: 3, to: 4 },
    ])
    expect(collection.stored.runs([])).toEqual([])
  })

  test('a document without tokens lives, and no search returns it', async () => {
    const index = await StagedIndex.open()
    const document = {
      id: 'empty',
      text: 'x',
      metadata: '{"a":{"b":[1]}}',
      hash: '00',
      tokens: 0,
      record: new Uint8Array(0),
    }
    await index.files.commit({ documents: [document], deleted: [], dim: 16, model: null })
    const { collection } = index.files
    expect([collection.size, collection.searchableCount, collection.tokens]).toEqual([1, 0, 0])
    expect([[...collection.living()], [...collection.searchable()]]).toEqual([[0], []])
    expect([collection.readText(0), collection.readEmbeddings(0, 'int8', 16).length]).toEqual(['x', 0])
    // Parsed once, and nobody can change it for the others.
    expect(collection.filtered(0).metadata).toBe(collection.filtered(0).metadata)
    expect(() => (collection.filtered(0).metadata as { a: { b: number[] } }).a.b.push(2)).toThrow(TypeError)
    await index.files.commit({ documents: [], deleted: [0], dim: 16, model: null })
    expect([collection.size, collection.searchableCount, collection.tokens]).toEqual([0, 0, 0])
  })
})
