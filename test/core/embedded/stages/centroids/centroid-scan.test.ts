import { expect, test } from 'vitest'
import type { TokenEmbeddings } from '../../../../../packages/core/src/embeddings.js'
import { Codebook } from '../../../../../packages/core/src/centroids/codebook.js'
import { CentroidScan } from '../../../../../packages/core/src/embedded/stages/centroids/centroid-scan.js'
import { numbers } from '../../../../support/staged-index.js'

/** Sixteen directions, one after the other in a circle. */
const angles = numbers(0, 16).map((i) => (i * Math.PI) / 8)
const centroids = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]))
const codebook = () =>
  new Codebook({ dim: 2, cells: Float32Array.of(1, 0), centroids, cellBlocks: Int32Array.of(0, 1) })
const codes = (...list: number[]) => bytes(list)
const bytes = (list: number[]) => new Uint8Array(Uint16Array.from(list).buffer)
const tokens = (...which: number[]) => ({
  data: Float32Array.from(which.flatMap((i) => [3 * Math.cos(angles[i]!), 3 * Math.sin(angles[i]!)])),
  length: which.length,
  dim: 2,
})
const scores = (scan: CentroidScan, query: TokenEmbeddings, count = scan.rows): number[] => {
  const out = new Float32Array(count)
  scan.score(query, out)
  return [...out]
}

test('codes are the nearest directions, whatever the length of a token', () => {
  const scan = new CentroidScan(codebook(), null)
  expect(new Uint16Array(scan.encode([tokens(3, 7), tokens(), tokens(15)]).buffer)).toEqual(Uint16Array.of(3, 7, 15))
})

test('a document scores by its most similar direction, one without tokens last', () => {
  const scan = new CentroidScan(codebook(), null)
  scan.append(codes(4, 8, 1, 12), [2, 0, 1, 1])
  const found = scores(scan, tokens(0))
  expect([2, 0, 3, 1].map((row) => found[row]!)).toEqual(found.toSorted((x, y) => y - x))
  expect(found[2]!).toBeCloseTo(3 * Math.cos(angles[1]!), 1)
  expect(found[0]!).toBeCloseTo(0, 1)
  expect(scores(scan, tokens(0), 2)).toEqual(found.slice(0, 2))
})

test('documents may be added one by one or all at once', () => {
  const lengths = numbers(0, 700).map((i) => 1 + (i % 3))
  const list = lengths.map((length, i) => numbers(0, length).map((token) => (i * 7 + token * 5) % 16))
  const whole = new CentroidScan(codebook(), null)
  whole.append(codes(...list.flat()), lengths)
  const grown = new CentroidScan(codebook(), null)
  for (const [i, own] of list.entries()) grown.append(codes(...own), [lengths[i]!])
  expect([whole.rows, grown.rows]).toEqual([700, 700])
  for (const query of [tokens(2), tokens(5, 9)]) {
    expect(scores(grown, query)).toEqual(scores(whole, query))
  }
})

test('a scan that cannot grow stays as it was', () => {
  const scan = new CentroidScan(codebook(), null)
  expect(scores(scan, tokens(0), 3)).toEqual([0, 0, 0])
  scan.append(codes(3, 4, 5), [1, 2])
  const before = scores(scan, tokens(0))
  expect(() => scan.append({ length: 6e9 } as Uint8Array, numbers(0, 1000))).toThrow(RangeError)
  expect([scores(scan, tokens(0)), scan.rows]).toEqual([before, 2])
})

test('documents in lists count as those whose codes are looked at one by one', () => {
  const lengths = numbers(0, 30_000).map((i) => 40 + (i % 31))
  const starts = [0]
  for (const length of lengths) starts.push(starts.at(-1)! + length)
  // A third of them lack most of the directions.
  const all = lengths.map((length, i) => numbers(0, length).map((at) => (i % 3 === 0 ? i : (i + at * at) * 7) % 16))
  const [listed, looked] = [new CentroidScan(codebook(), null), new Float32Array(lengths.length)]
  for (let from = 0; from < lengths.length; from += 999) {
    const some = all.slice(from, from + 999)
    listed.append(bytes(some.flat()), lengths.slice(from, from + 999))
  }
  expect(listed.hasLists).toBe(true)
  const query = tokens(2, 9)
  for (const wanted of [1, 5, 16]) {
    for (let from = 0; from < lengths.length; from += 5000) {
      const few = new CentroidScan(codebook(), null)
      few.append(bytes(all.slice(from, from + 5000).flat()), lengths.slice(from, from + 5000))
      expect(few.hasLists).toBe(false)
      few.score(query, looked.subarray(from, from + 5000), wanted)
    }
    for (const count of [lengths.length, 12_345]) {
      const found = new Float32Array(count)
      listed.score(query, found, wanted)
      expect(found).toEqual(looked.slice(0, count))
    }
  }
})
