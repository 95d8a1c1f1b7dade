import { describe, expect, it } from 'vitest'
import type { TestCollection } from '../../packages/core/src/evaluation/index.js'
// @ts-expect-error a script without types
import { NEEDLES as FACTS } from '../../bench/long-embed/facts.mjs'
// @ts-expect-error a script without types
import * as tasks from '../../bench/long-embed/tasks.mjs'

interface Needle {
  readonly question: string
  readonly fact: string
}
interface Tasks {
  readonly LONG_EMBED_LENGTHS: readonly number[]
  generatePasskeys(options: object): TestCollection
  generateNeedles(options: object): TestCollection
}
const NEEDLES = FACTS as readonly Needle[]
const { LONG_EMBED_LENGTHS, generateNeedles, generatePasskeys } = tasks as Tasks

const words = (text: string): number => text.split(/\s+/).length
const haystack = Array.from({ length: 300 }, (_, i) => `Sentence ${i} goes on for seven words.`).join(' ')

describe('generatePasskeys', () => {
  it('makes the published shape: 50 queries, 100 documents of three quarters as many words as tokens', () => {
    for (const length of LONG_EMBED_LENGTHS.slice(0, 4)) {
      const { documents, queries, qrels, split } = generatePasskeys({ length })
      expect([documents.length, queries.length, qrels.size, split]).toEqual([100, 50, 50, `test_${length}`])
      for (const { text } of documents) expect(words(text)).toBe(length * 0.75)
    }
  })

  it('puts each person and key into one document, which answers the query', () => {
    const { documents, queries, qrels } = generatePasskeys({ length: 256 })
    for (const { id, text } of queries) {
      const name = /^what is the passkey for (.+)\?$/.exec(text)![1]!
      const holding = documents.filter((document) => document.text.includes(name))
      expect(holding).toHaveLength(1)
      expect([...qrels.get(id)!]).toEqual([[holding[0]!.id, 1]])
      expect(holding[0]!.text).toMatch(
        new RegExp(`${name}'s pass key is (\\d+)\\. Remember it\\. \\1 is the pass key for ${name}\\.`),
      )
      expect(holding[0]!.text).toContain('Here we go. There and back again.')
    }
  })

  it('spreads the keys over the whole text', () => {
    const { documents } = generatePasskeys({ length: 1024 })
    const places = documents.map(({ text }) => text.indexOf('pass key') / text.length)
    for (const [from, to] of [
      [0, 0.25],
      [0.25, 0.5],
      [0.5, 0.75],
      [0.75, 1],
    ] as const) {
      expect(places.filter((place) => place >= from && place < to).length).toBeGreaterThan(10)
    }
  })

  it('depends on the seed and on nothing else', () => {
    const first = generatePasskeys({ length: 256 })
    expect(generatePasskeys({ length: 256, seed: 42 })).toEqual(first)
    expect(generatePasskeys({ length: 256, seed: 43 }).documents[0]).not.toEqual(first.documents[0])
    // Recorded: a change of the generator makes published numbers incomparable.
    expect(first.queries[0]!.text).toMatchInlineSnapshot(`"what is the passkey for Emil Weber?"`)
    expect(first.documents[0]!.text.match(/pass key is \d+/)![0]).toMatchInlineSnapshot(`"pass key is 14993"`)
  })
})

describe('generateNeedles', () => {
  it('hides a hundred different facts between sentences of the haystack', () => {
    const { documents, queries, qrels } = generateNeedles({ length: 512, haystack })
    expect([documents.length, queries.length]).toEqual([100, 50])
    const hidden = documents.map(({ text }) => NEEDLES.filter(({ fact }) => text.includes(fact)))
    expect(hidden.every((facts) => facts.length === 1)).toBe(true)
    expect(new Set(hidden.map(([needle]) => needle!.fact)).size).toBe(100)
    for (const [i, { text }] of documents.entries()) {
      expect(words(text)).toBe(384)
      const [before] = text.split(hidden[i]![0]!.fact)
      expect(before === '' || before!.endsWith('. ')).toBe(true)
    }
    for (const { id, text } of queries) {
      const [answer] = qrels.get(id)!.keys()
      expect(hidden[documents.findIndex((document) => document.id === answer)]![0]!.question).toBe(text)
    }
  })

  it('has facts and questions without repetitions', () => {
    expect(NEEDLES).toHaveLength(100)
    expect(new Set(NEEDLES.map(({ question }) => question)).size).toBe(100)
    for (const { fact } of NEEDLES) expect(fact).not.toMatch(/undefined|=|\n|;/)
  })

  it('takes facts of the caller', () => {
    const needles = [
      { question: 'Who?', fact: 'It was me.' },
      { question: 'When?', fact: 'It was noon.' },
    ]
    const { documents, queries } = generateNeedles({ length: 256, documents: 2, queries: 1, haystack, needles })
    expect(documents.map(({ text }) => /It was \w+\./.exec(text)![0]).toSorted()).toEqual([
      'It was me.',
      'It was noon.',
    ])
    expect(['Who?', 'When?']).toContain(queries[0]!.text)
  })

  it('refuses what cannot be made', () => {
    expect(() => generateNeedles({ length: 256, haystack: 'too short' })).toThrow(/at least 100 words, got 2/)
    expect(() => generateNeedles({ length: 256, haystack, documents: 101 })).toThrow(/100 needles for 101 documents/)
    expect(() => generatePasskeys({ length: 256, documents: 10 })).toThrow(/50 queries need as many documents, got 10/)
    expect(() => generatePasskeys({ length: 10 })).toThrow(/length/)
  })
})
