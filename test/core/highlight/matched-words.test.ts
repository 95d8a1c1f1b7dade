import { describe, expect, it } from 'vitest'
import { bestStretch, commonWords, matchedWords } from '../../../packages/core/src/entries/highlight.js'
import { ColBERT } from '../../../packages/core/src/index.js'
import * as fc from '../../support/fast-check.js'

const match = (start: number, end: number, similarity: number, queryStart = 0) => ({
  start,
  end,
  similarity,
  queryStart,
  queryEnd: queryStart + 1,
})

describe('matched words', () => {
  const text = 'Penguins are flightless seabirds.'

  it('widens tokens to words and keeps each once', () => {
    const words = matchedWords(text, [match(13, 19, 0.9), match(19, 23, 0.8, 3), match(27, 31, 0.85, 5)])
    expect(words.map(({ start, end }) => text.slice(start, end))).toEqual(['flightless', 'seabirds'])
  })

  it('leaves out special tokens and what is far less similar than the best', () => {
    expect(matchedWords(text, [match(-1, -1, 1), match(0, 8, 0.9, -1)])).toEqual([])
    const words = matchedWords(text, [match(0, 8, 0.9), match(9, 12, 0.3)])
    expect(words.map(({ start }) => start)).toEqual([0])
  })

  it('leaves out words that are common in the collection, unless there are no others', () => {
    const common = commonWords(Array.from({ length: 10 }, (_, i) => `The birds number ${i} ARE here`))
    const matches = [match(9, 12, 0.9), match(24, 32, 0.8, 4)]
    expect(matchedWords(text, matches, 'are seabirds', common).map(({ start }) => start)).toEqual([24])
    expect(matchedWords(text, matches.slice(0, 1), 'are', common).map(({ start }) => start)).toEqual([9])
  })

  it('does not widen in scripts without blanks', () => {
    expect(matchedWords('東京は日本の首都', [match(0, 2, 0.9)])).toEqual([{ start: 0, end: 2, similarity: 0.9 }])
  })

  it('ends a word that does not end', () => {
    const [word] = matchedWords('a'.repeat(1000), [match(500, 503, 0.9)])
    expect(word!.end - word!.start).toBeLessThan(200)
  })

  it('are those that a model finds', async () => {
    const model = await ColBERT.load()
    const [document, query] = ['The ferry to Skye is cancelled because of the storm.', 'Why is the ferry cancelled?']
    const found = matchedWords(
      document,
      await model.explain(query, document),
      query,
      new Set(['the', 'is', 'of', 'to', 'why']),
    )
    expect(found.map(({ start, end }) => document.slice(start, end))).toEqual(
      expect.arrayContaining(['ferry', 'cancelled']),
    )
    expect(found.map(({ start, end }) => document.slice(start, end))).not.toContain('the')
    await model.close()
  })
})

describe('common words', () => {
  it('are those of more than a fifth of the texts, the most common first', () => {
    const texts = Array.from(
      { length: 10 },
      (_, i) => `The birds number ${i}${i < 3 ? ' are' : ''} ${i < 2 ? 'here' : ''}`,
    )
    expect([...commonWords(texts)]).toEqual(['the', 'birds', 'number', 'are'])
  })

  it('are none of few texts', () => {
    expect(commonWords(['a b', 'a c']).size).toBe(0)
  })
})

describe('the best stretch', () => {
  const text = `${'filler '.repeat(50)}the needle here ${'filler '.repeat(50)}`
  const at = text.indexOf('needle')

  it('holds the most of what matched, from word to word', () => {
    const words = [
      { start: 0, end: 6, similarity: 0.2 },
      { start: at, end: at + 6, similarity: 0.9 },
    ]
    const { start, end } = bestStretch(text, words, 60)
    expect(text.slice(start, end)).toMatch(/^(filler )*the needle here( filler)*$/)
    expect(end - start).toBeLessThanOrEqual(60)
  })

  it('is the beginning where nothing matched, and a text that is short enough whole', () => {
    expect(bestStretch(text, [], 20)).toEqual({ start: 0, end: 20 })
    expect(bestStretch('  a kiwi \n', [], 50)).toEqual({ start: 2, end: 8 })
    expect(bestStretch('   ', [], 50)).toEqual({ start: 0, end: 0 })
  })

  it('is never longer than asked for, and breaks no character, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.nat(300),
        fc.integer({ min: 20, max: 100 }),
        (any, from, length) => {
          const word = { start: Math.min(from, any.length), end: Math.min(from + 3, any.length), similarity: 1 }
          for (const words of [[], [word]]) {
            const { start, end } = bestStretch(any, words, length)
            expect(start).toBeLessThanOrEqual(end)
            expect(end - start).toBeLessThanOrEqual(length)
            for (const cut of [start, end])
              expect(any.slice(cut - 1, cut + 1)).not.toMatch(/^[\ud800-\udbff][\udc00-\udfff]$/)
          }
        },
      ),
    )
  })
})
