import { describe, expect, test } from 'vitest'
import { checkCodes, copyCodes } from '../../../../../packages/core/src/embedded/commit/compaction/codes.js'
import type { CodeBytes, DerivedManifest } from '../../../../../packages/core/src/embedded/format/manifest.js'
import type { RecordedDocument } from '../../../../../packages/core/src/embedded/format/segment.js'
import { StagedIndex } from '../../../../support/staged-index.js'

/** An index of documents with so many tokens each; those in `dead` are deleted. */
async function indexOf(lengths: readonly number[], dead: readonly number[]): Promise<StagedIndex> {
  const index = await StagedIndex.open({ fde: null })
  const documents = lengths.map((tokens, i): RecordedDocument => {
    return { id: `d${i}`, text: undefined, metadata: '{}', hash: '00', tokens, record: new Uint8Array(tokens * 32) }
  })
  await index.files.commit({ documents, deleted: [], dim: 16, model: null })
  await index.files.commit({ documents: [], deleted: dead, dim: 16, model: null })
  return index
}
const derivedOf = (rows: number, perDocument: number, perToken: number) =>
  ({
    version: 1,
    rows,
    files: { codes: { file: '000009.centroids-codes', bytes: 0, crc: 0 } },
    codeBytes: { perDocument, perToken },
    parts: [],
    facts: {},
    suitability: null,
  }) as DerivedManifest

/** Codes of the first documents: each byte says of which. */
const codesOf = (lengths: readonly number[], { rows, codeBytes }: DerivedManifest) => {
  const { perDocument, perToken } = codeBytes as CodeBytes
  return lengths.slice(0, rows).flatMap((tokens, i) => Array<number>(perDocument + perToken * tokens).fill(i))
}

describe('codes', () => {
  const lengths = [2, 0, 3, 1, 1, 4, 2]

  test.each([
    ['none', []],
    ['the first', [0]],
    ['the last', [6]],
    ['the last coded and those without code', [4, 5, 6]],
    ['runs and single ones', [0, 1, 3, 5]],
    ['every second', [1, 3, 5]],
    ['all', [0, 1, 2, 3, 4, 5, 6]],
  ])('of the living are copied, in their order, when %s died', async (_, dead) => {
    const { files } = await indexOf(lengths, dead)
    for (const derived of [derivedOf(7, 0, 2), derivedOf(5, 3, 0), derivedOf(5, 1, 1), derivedOf(0, 1, 1)]) {
      const codes = Uint8Array.from(codesOf(lengths, derived))
      const copied: number[] = []
      const append = (bytes: Uint8Array) => void copied.push(...bytes)
      const left = files.collection.living()
      const result: unknown = await copyCodes(files.collection, derived, codes, { append }, { left })
      const living = lengths.map((_, i) => i).filter((i) => i < derived.rows && !dead.includes(i))
      expect(result).toEqual(typeof result === 'number' ? living.length : { rows: living.length, parts: [] })
      expect(copied).toEqual([...codes].filter((i) => living.includes(i)))
    }
  })

  test('are of documents that have as many tokens', async () => {
    const { collection } = (await indexOf(lengths, [2])).files
    const check = (derived: DerivedManifest, more = 0) => {
      const codes = new Uint8Array(codesOf(lengths, derived).length + more)
      expect(checkCodes(collection, derived, codes)).toBe(codes)
    }
    for (const rows of [0, 4, 7]) {
      check(derivedOf(rows, 1, 2))
      expect(() => check(derivedOf(rows, 1, 2), 1)).toThrow('do not belong to the documents')
    }
    expect(() => check(derivedOf(7, 1, 2), -1)).toThrow('do not belong to the documents')
    expect(() => check(derivedOf(8, 0, 2))).toThrow('do not belong to the documents')
  })

  test('are no longer copied once a signal says so', async () => {
    const { files } = await indexOf(lengths, [2])
    const derived = derivedOf(7, 0, 2)
    const signal = AbortSignal.abort(new Error('enough'))
    const codes = Uint8Array.from(codesOf(lengths, derived))
    const left = files.collection.living()
    const copying = copyCodes(files.collection, derived, codes, { append: () => {} }, { left, from: 0, signal })
    await expect(copying).rejects.toThrow('enough')
  })
})
