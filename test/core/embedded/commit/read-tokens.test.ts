import { describe, expect, test } from 'vitest'
import { readTokens } from '../../../../packages/core/src/embedded/commit/read-tokens.js'
import type { RecordedDocument } from '../../../../packages/core/src/embedded/format/segment.js'
import { StagedIndex, numbers } from '../../../support/staged-index.js'

/** Records whose every byte says which document they are of. */
async function indexOf(sizes: readonly number[], segmentBytes: number): Promise<StagedIndex> {
  const index = await StagedIndex.open({ fde: null, segmentBytes })
  for (const [i, tokens] of sizes.entries()) {
    const record = new Uint8Array(tokens * 32).fill(i)
    const document: RecordedDocument = { id: `d${i}`, text: undefined, metadata: '{}', hash: '00', tokens, record }
    await index.files.commit({ documents: [document], deleted: [], dim: 16, model: null })
  }
  return index
}

async function read({ files }: StagedIndex, ids: readonly string[], signal?: AbortSignal) {
  const rooms: number[] = []
  const records = new Map<number, { tokens: number; bytes: number[] }>()
  let room = new Uint8Array(0)
  const sink = {
    room(bytes: number) {
      rooms.push(bytes)
      return (room = new Uint8Array(bytes))
    },
    record(position: number, offset: number, tokens: number) {
      records.set(position, { tokens, bytes: [...new Set(room.subarray(offset, offset + tokens * 32))] })
    },
  }
  await files.reading((snapshot) => readTokens(snapshot, ids, sink, signal))
  return { rooms, records }
}

describe('records of documents', () => {
  test('come with the position of their id, whatever order they were asked in', async () => {
    const index = await indexOf([1, 2, 3, 4, 5, 6], 150)
    expect(index.files.manifest.segments.length).toBeGreaterThan(2)
    const asked = ['d4', 'unknown', 'd0', 'd5', 'd1', 'd3']
    const { rooms, records } = await read(index, asked)
    expect(rooms).toEqual([(1 + 2 + 4 + 5 + 6) * 32])
    expect([...records.keys()].sort()).toEqual([0, 2, 3, 4, 5])
    for (const [position, { tokens, bytes }] of records) {
      const n = Number(asked[position]!.slice(1))
      expect([tokens, bytes]).toEqual([n + 1, [n]])
    }
    expect((await read(index, [])).rooms).toEqual([])
    expect((await read(index, ['unknown'])).records.size).toBe(0)
  })

  test('asked for twice come twice', async () => {
    const { records } = await read(await indexOf([1, 2], 1000), ['d1', 'd0', 'd1'])
    expect([0, 1, 2].map((position) => records.get(position)?.bytes)).toEqual([[1], [0], [1]])
  })

  test('come a mebibyte at a time, larger ones alone', async () => {
    const mebibyte = 2 ** 20 / 32
    const sizes = [mebibyte / 2, mebibyte / 2, 1, mebibyte * 2, 3, 4]
    const { rooms, records } = await read(
      await indexOf(sizes, 2 ** 30),
      numbers(0, 6).map((n) => `d${n}`),
    )
    expect(rooms).toEqual([2 ** 20, 32, 2 ** 21, 7 * 32])
    for (const n of numbers(0, 6)) expect(records.get(n)).toEqual({ tokens: sizes[n], bytes: [n] })
  })

  test('stop coming once the signal says so, between two slices', async () => {
    const index = await indexOf(
      numbers(0, 40).map(() => 2 ** 15),
      2 ** 30,
    )
    const ids = numbers(0, 40).map((n) => `d${n}`)
    const stop = new AbortController()
    setImmediate(() => stop.abort(new Error('enough')))
    await expect(read(index, ids, stop.signal)).rejects.toThrow('enough')
  })
})
