import { describe, expect, test } from 'vitest'
import type { IndexFiles } from '../../../../packages/core/src/embedded/commit/index-files.js'
import { MemoryLog, checksum } from '../../../../packages/core/src/embedded/files/byte-log.js'
import { CheckedPieces } from '../../../../packages/core/src/embedded/format/checked.js'
import type { CodedSearcher } from '../../../../packages/core/src/embedded/stages/coded-kind.js'
import { fill } from '../../../../packages/core/src/embedded/stages/fill.js'

/** Files with codes of so many documents, of 300 bytes for each of their tokens. */
function filesOf(lengths: readonly number[], crc?: number) {
  const codes = Uint8Array.from({ length: lengths.reduce((a, b) => a + b, 0) * 300 }, (_, i) => i % 251)
  const log = new MemoryLog('codes')
  log.append(codes)
  const extent = { bytes: codes.length, crc: crc ?? checksum(codes) }
  const segment = { rows: lengths }
  const stored = {
    row: (ordinal: number) => ({ tokens: lengths[ordinal]! }),
    locate: (ordinal: number) => ({ segment, from: ordinal, to: ordinal + 1 }),
  }
  const files = {
    codesInPieces: () => new CheckedPieces(log, extent, 'codes'),
    reading: (work: (snapshot: unknown) => Promise<void>) => work({ stored }),
  } as unknown as IndexFiles
  const appended: { bytes: Uint8Array; lengths: readonly number[]; turns: number }[] = []
  const reserved: number[] = []
  let turns = 0
  const searcher = {
    codeBytes: { perDocument: 0, perToken: 300 },
    reserve: (all: readonly number[]) => void reserved.push(all.length),
    append: (bytes: Uint8Array, of: readonly number[]) => void appended.push({ bytes, lengths: of, turns }),
  } as unknown as CodedSearcher
  let isOver = false
  const turn = () => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const filled = async (rows = lengths.length) => {
    try {
      await fill(files, searcher, { name: 'centroids', rows, codesFrom: 0 })
    } finally {
      isOver = true
    }
  }
  return { filled, appended, codes, reserved }
}

describe('codes that are loaded', () => {
  const lengths = Array.from({ length: 200 }, (_, i) => (i * 37) % 120)

  test('come in pieces of about a megabyte, whole documents, and others get their turn between two', async () => {
    const { filled, appended, codes, reserved } = filesOf(lengths)
    await filled()
    expect(appended.length).toBeGreaterThan(3)
    expect(Buffer.concat(appended.map(({ bytes }) => bytes)).equals(codes)).toBe(true)
    expect(appended.flatMap((each) => each.lengths)).toEqual(lengths)
    for (const { bytes } of appended) expect(bytes.length).toBeLessThan(2 ** 20 + 120 * 300)
    for (const [i, { turns }] of appended.entries()) if (i > 0) expect(turns).toBeGreaterThan(appended[i - 1]!.turns)
    expect(reserved).toEqual([200])
  })

  test('are refused when their checksum is wrong, also when only the first of them are wanted', async () => {
    await expect(filesOf(lengths, 1).filled()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    await expect(filesOf(lengths, 1).filled(10)).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
    const { filled, appended } = filesOf(lengths)
    await filled(10)
    expect(appended.flatMap((each) => each.lengths)).toEqual(lengths.slice(0, 10))
  })
})
