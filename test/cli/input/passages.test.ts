import * as fc from '../../support/fast-check.js'
import { describe, expect, it } from 'vitest'
import { markdownBlocks } from '../../../packages/cli/src/input/formats/markdown.js'
import { estimateTokens, lineCounter } from '../../../packages/cli/src/input/passages.js'
import type { Passage } from '../../../packages/cli/src/input/passages.js'
import { splitPassages } from '../../../packages/cli/src/input/split-passages.js'

const words = (text: string): number => text.split(/\s+/).filter(Boolean).length

function expectExact(text: string, passages: readonly Passage[]): void {
  for (const passage of passages) {
    expect(passage.text).toBe(text.slice(passage.charStart, passage.charEnd))
    expect(passage.text.trim()).not.toBe('')
    expect(passage.lineStart).toBe(text.slice(0, passage.charStart).split('\n').length)
    expect(passage.lineEnd).toBe(text.slice(0, passage.charEnd).split('\n').length)
  }
}

describe('splitPassages', () => {
  it('keeps a short text whole, without the blanks around it', () => {
    const text = '\n  One line.\nAnother one.\n\n'
    expect(splitPassages(text)).toEqual([
      { text: 'One line.\nAnother one.', charStart: 3, charEnd: 25, lineStart: 2, lineEnd: 3 },
    ])
  })

  it('has no passage for an empty or blank text', () => {
    expect(splitPassages('')).toEqual([])
    expect(splitPassages(' \r\n\t\n\ufeff')).toEqual([])
  })

  it('puts whole paragraphs together while they fit', () => {
    const text = 'a b c\n\nd e f\n\ng h i\n\nj k l'
    const passages = splitPassages(text, { maxTokens: 6, countTokens: words })
    expect(passages.map((passage) => passage.text)).toEqual(['a b c\n\nd e f', 'g h i\n\nj k l'])
    expectExact(text, passages)
  })

  it('splits a long paragraph between sentences, into parts of about equal length', () => {
    const sentence = (n: number): string => `Sentence ${n} has exactly six words.`
    const text = Array.from({ length: 10 }, (_, i) => sentence(i)).join(' ')
    const passages = splitPassages(text, { maxTokens: 50, countTokens: words })
    expect(passages).toHaveLength(2)
    expect(passages.map(({ text: part }) => words(part))).toEqual([30, 30])
    expectExact(text, passages)
  })

  it('splits a long sentence between words and an endless word between characters', () => {
    const sentence = Array.from({ length: 100 }, (_, i) => `w${i}`).join(' ')
    const parts = splitPassages(sentence, { maxTokens: 10, countTokens: words })
    expect(parts.map((part) => part.text).join(' ')).toBe(sentence)
    expect(Math.max(...parts.map((part) => words(part.text)))).toBeLessThanOrEqual(10)

    const endless = '😀'.repeat(5000)
    const pieces = splitPassages(endless, { maxTokens: 50, countTokens: words })
    expect(pieces.map((piece) => piece.text).join('')).toBe(endless)
    expect(pieces.length).toBeGreaterThan(1)
    for (const piece of pieces) expect(piece.text.length % 2).toBe(0)
  })

  it('repeats whole sentences when passages overlap', () => {
    const text = 'One two three. Four five six. Seven eight nine. Ten eleven twelve.'
    const passages = splitPassages(text, { maxTokens: 6, overlap: 3, countTokens: words })
    expect(passages.map((passage) => passage.text)).toEqual([
      'One two three. Four five six.',
      'Four five six. Seven eight nine.',
      'Seven eight nine. Ten eleven twelve.',
    ])
    expectExact(text, passages)
  })

  it('begins a passage at a heading, names the path of headings, and never ends with one', () => {
    const text =
      '# Guide\n\nIntro words are here for you.\n\n## Proxy\n\nSet the variable now please do.\n\n### Deep\n\nMore.\n\n## Other\n\nLast.'
    const passages = splitPassages(text, { maxTokens: 13, countTokens: words, markdown: true })
    expectExact(text, passages)
    expect(passages.map(({ heading }) => heading)).toEqual(['Guide', 'Guide › Proxy', 'Guide › Proxy › Deep'])
    expect(passages[1]!.text.startsWith('## Proxy')).toBe(true)
    for (const passage of passages) expect(passage.text.split('\n').at(-1)).not.toMatch(/^#/)
  })

  it('keeps line endings as they are', () => {
    const text = 'a b\r\nc d\r\n\r\ne f\r\n'
    const passages = splitPassages(text, { maxTokens: 4, countTokens: words })
    expect(passages.map((passage) => passage.text)).toEqual(['a b\r\nc d', 'e f'])
    expectExact(text, passages)
  })

  it('ends no passage in an empty line before a list in code', () => {
    const text = '```\nCurabitur integer euismod pharetra massa.\n# H\n\n1. x'
    const passages = splitPassages(text, { maxTokens: 9, markdown: true })
    expectExact(text, passages)
    expect(passages.map((passage) => passage.text)).toEqual([
      '```\nCurabitur integer',
      'euismod pharetra massa.\n# H',
      '1. x',
    ])
  })

  it('splits a megabyte on one line', () => {
    const text = Array.from({ length: 180_000 }, (_, i) => `w${i % 97}`).join(' ') + '.'
    const passages = splitPassages(text, { maxTokens: 180 })
    expect(passages.length).toBeGreaterThan(500)
    expect(passages[0]!.charStart).toBe(0)
    expect(passages.at(-1)!.charEnd).toBe(text.length)
    for (const passage of passages) expect(estimateTokens(passage.text)).toBeLessThanOrEqual(180)
  })

  it('loses nothing but blanks, stays in order and within the limit, for any text', () => {
    const piece = fc.oneof(
      fc.constantFrom('# H', '## H2', '```', '---', '', '  ', 'Word.', '- item', '東京。', '\r', '1. x', '>'),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.lorem({ mode: 'sentences', maxCount: 4 }),
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        (lines, maxTokens, markdown) => {
          const text = lines.join('\n')
          const passages = splitPassages(text, { maxTokens, markdown })
          expectExact(text, passages)
          let position = 0
          let left = ''
          for (const passage of passages) {
            expect(passage.charStart).toBeGreaterThanOrEqual(position)
            left += text.slice(position, passage.charStart)
            position = passage.charEnd
            // A single unit cannot be cut below one character, whatever the limit.
            expect(passage.text.length > 12 ? estimateTokens(passage.text) : 0).toBeLessThanOrEqual(maxTokens + 12)
          }
          left += text.slice(position)
          // Front matter is left out on purpose.
          expect(markdown && text.startsWith('---') ? '' : left.trim()).toBe('')
        },
      ),
      { numRuns: 300 },
    )
  })

  it('overlapping passages are exact too, and cover everything', () => {
    fc.assert(
      fc.property(fc.lorem({ mode: 'sentences', maxCount: 30 }), fc.integer({ min: 5, max: 40 }), (text, maxTokens) => {
        const passages = splitPassages(text, { maxTokens, overlap: Math.floor(maxTokens / 3) })
        expectExact(text, passages)
        expect(passages[0]!.charStart).toBe(0)
        expect(passages.at(-1)!.charEnd).toBe(text.length)
        for (let i = 1; i < passages.length; i++) {
          expect(passages[i]!.charEnd).toBeGreaterThan(passages[i - 1]!.charEnd)
          expect(text.slice(passages[i - 1]!.charEnd, passages[i]!.charStart).trim()).toBe('')
        }
      }),
    )
  })
})

describe('markdownBlocks', () => {
  it('reads both spellings of headings, and no headings in fenced code', () => {
    const text =
      'Title\n=====\n\ntext\n\nSub\n---\n\n```sh\n# a comment\n\necho\n```\n\n#not a heading\n\n###### Six ######\n'
    const blocks = markdownBlocks(text).map(({ start, end, ...rest }) => ({ text: text.slice(start, end), ...rest }))
    expect(blocks).toEqual([
      { text: 'Title\n=====', isHeading: true, heading: 'Title' },
      { text: 'text', isHeading: false, heading: 'Title' },
      { text: 'Sub\n---', isHeading: true, heading: 'Title › Sub' },
      { text: '```sh\n# a comment\n\necho\n```', isHeading: false, heading: 'Title › Sub' },
      { text: '#not a heading', isHeading: false, heading: 'Title › Sub' },
      { text: '###### Six ######', isHeading: true, heading: 'Title › Sub › Six' },
    ])
  })

  it('leaves front matter out', () => {
    const text = '---\ntitle: "A page"\n---\n\nBody'
    expect(markdownBlocks(text).map(({ start, end }) => text.slice(start, end))).toEqual(['Body'])
  })
})

describe('lineCounter', () => {
  it('counts from one, in any order', () => {
    const line = lineCounter('a\nbb\n\nc')
    expect([7, 0, 2, 1, 5, 6].map((offset) => line(offset))).toEqual([4, 1, 2, 1, 3, 4])
  })
})
