import { expect, test } from 'vitest'
import { Codebook } from '../../../../../packages/core/src/centroids/codebook.js'
import { CentroidScan } from '../../../../../packages/core/src/embedded/stages/centroids/centroid-scan.js'
import { bitsetOf, numbers } from '../../../../support/staged-index.js'

/** Sixteen directions, one after the other in a circle. */
const angles = numbers(0, 16).map((i) => (i * Math.PI) / 8)
const centroids = Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]))
const codebook = () =>
  new Codebook({ dim: 2, cells: Float32Array.of(1, 0), centroids, cellBlocks: Int32Array.of(0, 1) })
const codes = (...list: number[]) => new Uint8Array(Uint16Array.from(list).buffer)
const tokens = (...which: number[]) => ({
  data: Float32Array.from(which.flatMap((i) => [3 * Math.cos(angles[i]!), 3 * Math.sin(angles[i]!)])),
  length: which.length,
  dim: 2,
})
const everything = bitsetOf(numbers(0, 1000))

test('codes are the nearest directions, whatever the length of a token', () => {
  const scan = new CentroidScan(codebook())
  expect(new Uint16Array(scan.encode([tokens(3, 7), tokens(), tokens(15)]).buffer)).toEqual(Uint16Array.of(3, 7, 15))
})

test('a document scores by its most similar direction, one without tokens last', () => {
  const scan = new CentroidScan(codebook())
  scan.append(codes(4, 8, 1, 12), [2, 0, 1, 1])
  const { ordinals, scores } = scan.search(tokens(0), 4, everything)
  expect([...ordinals]).toEqual([2, 0, 3, 1])
  expect(scores[0]!).toBeCloseTo(3 * Math.cos(angles[1]!), 1)
  expect(scores[1]!).toBeCloseTo(0, 1)
  expect([...scan.search(tokens(0), 1, everything).ordinals]).toEqual([2])
  expect([...scan.search(tokens(0), 4, bitsetOf([0, 3])).ordinals]).toEqual([0, 3])
  expect(scan.search(tokens(), 4, everything).ordinals).toHaveLength(0)
})

test('documents may be added one by one or all at once', () => {
  const lengths = numbers(0, 700).map((i) => 1 + (i % 3))
  const list = lengths.map((length, i) => numbers(0, length).map((token) => (i * 7 + token * 5) % 16))
  const whole = new CentroidScan(codebook())
  whole.append(codes(...list.flat()), lengths)
  const grown = new CentroidScan(codebook())
  for (const [i, own] of list.entries()) grown.append(codes(...own), [lengths[i]!])
  expect([whole.rows, grown.rows]).toEqual([700, 700])
  for (const query of [tokens(2), tokens(5, 9)]) {
    expect(grown.search(query, 50, everything)).toEqual(whole.search(query, 50, everything))
  }
})

test('a scan that cannot grow stays as it was', () => {
  const scan = new CentroidScan(codebook())
  expect(scan.search(tokens(0), 3, everything).ordinals).toHaveLength(0)
  scan.append(codes(3, 4, 5), [1, 2])
  const before = scan.search(tokens(0), 2, everything)
  expect(() => scan.append({ length: 6e9 } as Uint8Array, numbers(0, 1000))).toThrow(RangeError)
  expect([scan.search(tokens(0), 2, everything), scan.rows]).toEqual([before, 2])
})
