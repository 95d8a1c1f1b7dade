import { describe, expect, test } from 'vitest'
import { Collection } from '../../../../../packages/core/src/embedded/commit/collection.js'
import { planSteps, segmentBytesFor } from '../../../../../packages/core/src/embedded/commit/compaction/plan.js'
import type { CodebookFile } from '../../../../../packages/core/src/embedded/format/codebook-file.js'
import type { Segment } from '../../../../../packages/core/src/embedded/format/segment.js'

/** A collection whose segments hold ten documents each, of so many bytes, the first so many deleted. */
function planned(
  segments: readonly {
    readonly bytes: number
    readonly dead?: number
    readonly codebook?: object
    readonly rows?: number
  }[],
  how: { share?: number; to?: number; segmentBytes?: number } = {},
): number[][] {
  const dead: number[] = []
  let ordinal = 0
  const made = segments.map(({ bytes, dead: count = 0, codebook, rows: length = 10 }, n) => {
    for (let i = 0; i < count; i++) dead.push(ordinal + i)
    ordinal += length
    const rows = Array.from({ length }, (_, i) => {
      return { id: `${n}-${i}`, metadata: '{}', tokens: 1, tokenBytes: bytes, textBytes: 0 }
    })
    return { id: n, rows, codebook: codebook as CodebookFile | undefined } as unknown as Segment
  })
  const steps = planSteps(new Collection(made, dead), { segmentBytes: 100, share: 0, ...how })
  return steps.map((group) => group.map(({ id }) => id))
}

describe('the steps of a compaction', () => {
  test('rewrite segments that hold deleted documents, where most is to be gained first', () => {
    expect(planned([{ bytes: 10 }, { bytes: 10 }])).toEqual([])
    const of = [{ bytes: 10, dead: 1 }, { bytes: 10 }, { bytes: 10, dead: 3 }, { bytes: 10, dead: 2 }]
    expect(planned(of)).toEqual([[2], [3], [0]])
    expect(planned(of, { share: 0.2 })).toEqual([[2], [3]])
  })

  test('put small segments together that follow each other, as long as they fit one', () => {
    expect(planned([{ bytes: 4 }, { bytes: 4 }, { bytes: 10 }])).toEqual([[0, 1]])
    expect(planned([{ bytes: 4 }, { bytes: 10 }, { bytes: 4 }])).toEqual([])
    // Alone it is not worth it, nor with one that holds nothing.
    expect(planned([{ bytes: 4 }, { bytes: 4, rows: 0 }])).toEqual([])
    expect(planned([{ bytes: 4 }, { bytes: 4 }, { bytes: 4 }, { bytes: 4 }, { bytes: 4 }])).toEqual([
      [0, 1],
      [2, 3],
    ])
    // What is left of a large one is small.
    expect(planned([{ bytes: 10, dead: 8 }, { bytes: 3 }, { bytes: 10, dead: 5 }])).toEqual([[0, 1, 2]])
    const [one, other] = [{}, {}]
    expect(planned([{ bytes: 1, codebook: one }, { bytes: 1, codebook: other }, { bytes: 1 }])).toEqual([])
  })

  test('leave alone what is about to be compressed', () => {
    const of = [
      { bytes: 10, dead: 1, codebook: {} },
      { bytes: 10, dead: 1 },
      { bytes: 10, dead: 1 },
    ]
    expect(planned(of, { to: 15 })).toEqual([[0], [2]])
  })
})

test('a segment holds 64 MiB, or a 32nd of the index', () => {
  const of = (tokenBytes: number) => segmentBytesFor({ segments: [{ tokenBytes }] as never })
  expect([of(0), of(2 ** 31), of(2 ** 36)]).toEqual([2 ** 26, 2 ** 26, 2 ** 31])
})
