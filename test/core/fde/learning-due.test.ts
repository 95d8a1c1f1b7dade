import { describe, expect, test } from 'vitest'
import { FdeEncoder } from '../../../packages/core/src/fde/encode.js'
import { learnFde } from '../../../packages/core/src/fde/learn.js'
import { learningDue } from '../../../packages/core/src/fde/learning-due.js'
import { documentsFit, partitionFit, stillFits } from '../../../packages/core/src/fde/partition-fit.js'
import type { TokenEmbeddings } from '../../../packages/core/src/embeddings.js'
import { random } from '../../support/fake-encoder.js'

const dim = 16

describe('learningDue', () => {
  test('waits for 8,000 tokens where partitions are learned, for 2,000 where hyperplanes are enough', () => {
    const due = (tokens: number, options = {}) => learningDue(tokens, { ...options, dim }, undefined)
    expect([due(7999), due(8000)]).toEqual(['never', 'always'])
    const hyperplanes = { partitioning: 'hyperplanes' } as const
    expect([due(1999, hyperplanes), due(2000, hyperplanes)]).toEqual(['never', 'always'])
    const paper = { preset: 'paper' } as const
    expect([due(1999, paper), due(2000, paper)]).toEqual(['never', 'always'])
  })

  test('is due again at twice the tokens, at one and a half times where what came since does not fit', () => {
    const due = (tokens: number, similarity: number | null) =>
      learningDue(tokens, { dim }, { tokens: 10_000, similarity })
    expect([10_000, 14_999, 15_000, 19_999, 20_000].map((tokens) => due(tokens, 0.5))).toEqual([
      'never',
      'never',
      'unless it fits',
      'unless it fits',
      'always',
    ])
    expect([15_000, 19_999, 20_000].map((tokens) => due(tokens, null))).toEqual(['never', 'never', 'always'])
    // Documents were deleted since.
    expect(due(5000, 0.5)).toBe('never')
  })
})

describe('fit', () => {
  test('is as good while the mean distance has grown by a tenth at most', () => {
    expect(stillFits(0.45, 0.5)).toBe(true)
    expect(stillFits(0.449, 0.5)).toBe(false)
    expect(stillFits(0.9, 0.5)).toBe(true)
    expect(stillFits(1, 1)).toBe(true)
    expect(stillFits(0.99, 1)).toBe(false)
  })

  test('is bad for documents of another kind, and that of the first documents speaks for many', async () => {
    const next = random(3)
    /** Documents of 40 words each, near directions of their own kind. */
    const documents = (count: number, words: readonly Float32Array[]): TokenEmbeddings[] =>
      Array.from({ length: count }, () => {
        const data = new Float32Array(40 * dim)
        for (let at = 0; at < data.length; at += dim) {
          const word = words[Math.floor(next() * words.length)]!
          word.forEach((x, i) => (data[at + i] = x + 0.1 * (next() - 0.5)))
        }
        return { data, length: 40, dim }
      })
    const directions = (count: number) =>
      Array.from({ length: count }, () => Float32Array.from({ length: dim }, () => next() - 0.5))
    const [kind, other] = [directions(60), directions(60)]
    const known = documents(300, kind)
    const { config, means } = await learnFde(known, { preset: 'small', dim })
    const encoder = new FdeEncoder(config, {}, means)
    const ofKnown = documentsFit(encoder, means, known)
    expect(stillFits(documentsFit(encoder, means, documents(100, kind)), ofKnown)).toBe(true)
    expect(stillFits(documentsFit(encoder, means, documents(100, other)), ofKnown)).toBe(false)
    // 4,096 tokens are the first 103 documents; what comes after them changes nothing.
    expect(documentsFit(encoder, means, [...known.slice(0, 103), ...documents(50, other)])).toBe(
      documentsFit(encoder, means, known.slice(0, 103)),
    )
    const one = known[0]!
    expect(documentsFit(encoder, means, [one])).toBeCloseTo(partitionFit(encoder, means, one), 10)
    expect(documentsFit(encoder, means, [])).toBe(1)
  })
})
