import { describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord, recordBytes, TOKEN_CODECS } from '../../../packages/core/src/store/records.js'
import { random } from '../../support/fake-encoder.js'

const next = random(2)
const embeddings = (length: number, dim: number, scale = 1) => ({
  data: Float32Array.from({ length: length * dim }, () => (next() - 0.5) * scale),
  length,
  dim,
})

describe.each(TOKEN_CODECS)('codec %s', (codec) => {
  test.each([
    [0, 8],
    [1, 1],
    [3, 7],
    [5, 48],
    [33, 128],
    [300, 96],
  ])('keeps %i tokens of %i numbers to its precision', (length, dim) => {
    const original = embeddings(length, dim, 3)
    const record = encodeRecord(codec, original)
    expect(record).toHaveLength(recordBytes(codec, length, dim))
    expect(record.length % 16).toBe(0)
    const decoded = decodeRecord(codec, record, length, dim)
    expect(decoded).toMatchObject({ length, dim })
    for (let token = 0; token < length; token++) {
      const row = original.data.subarray(token * dim, (token + 1) * dim)
      const largest = row.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
      const step = codec === 'f32' ? 0 : codec === 'f16' ? largest / 2048 : largest / 254
      row.forEach((x, i) => expect(Math.abs(decoded.data[token * dim + i]! - x)).toBeLessThanOrEqual(step * 1.0001))
    }
  })

  test('gives the same bytes for the same vectors, whatever was encoded before', () => {
    const original = embeddings(7, 31)
    const first = encodeRecord(codec, original)
    encodeRecord(codec, embeddings(50, 64, 9))
    expect(encodeRecord(codec, original)).toEqual(first)
    const shifted = new Uint8Array(first.length + 3)
    shifted.set(first, 3)
    expect(decodeRecord(codec, shifted.subarray(3), 7, 31)).toEqual(decodeRecord(codec, first, 7, 31))
  })

  test('zero rows stay zero', () => {
    const zeros = { data: new Float32Array(32), length: 2, dim: 16 }
    expect(decodeRecord(codec, encodeRecord(codec, zeros), 2, 16)).toEqual(zeros)
  })
})

test('f16 refuses what it cannot hold', () => {
  expect(() => encodeRecord('f16', { data: new Float32Array([1, 70000]), length: 1, dim: 2 })).toThrow(
    /70000 does not fit float16.*'f32'/,
  )
})
