import { describe, expect, it } from 'vitest'
import { InvertedIndex } from '../../../packages/core/src/keywords/inverted-index.js'
import { holdsAll, parseKeywordQuery } from '../../../packages/core/src/keywords/query.js'
import { hashOf, readTermLists, recordLength, termList } from '../../../packages/core/src/keywords/term-lists.js'
import * as fc from '../../support/fast-check.js'
import { plainBm25 } from '../../support/plain-bm25.js'

const asIs = (word: string): string => word
const word = fc.constantFrom('ant', 'bee', 'cat', 'dog', 'elk', 'fox', 'err_77', 'v0.17-m', 'gnu')
const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(' '))

describe('a term list', () => {
  it('is what a text holds, and says its own length', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 9 }), (texts) => {
        const lists = texts.map((each) => termList(each, asIs))
        const bytes = Buffer.concat(lists)
        let at = 0
        for (const list of lists) {
          expect(recordLength(bytes, at)).toBe(list.length)
          at += list.length
        }
        expect(recordLength(bytes, at)).toBe(Infinity)
        const read = readTermLists(bytes, texts.length)
        for (const [i, each] of texts.entries()) {
          const words = each.split(' ').filter((one) => one !== '')
          const hashes = read.hashes.subarray(read.starts[i], read.starts[i + 1])
          for (const one of words) {
            const index = hashes.indexOf(hashOf(one))
            expect(read.counts[read.starts[i]! + index]).toBe(words.filter((other) => other === one).length)
          }
        }
      }),
    )
  })

  it('counts a word up to 255 times', () => {
    const read = readTermLists(termList('ant '.repeat(300), asIs), 1)
    expect([read.words[0], read.counts[0], read.hashes.length]).toEqual([300, 255, 1])
  })
})

describe('an inverted index', () => {
  const any = {
    texts: fc.array(text, { minLength: 1, maxLength: 30 }),
    query: text,
    sizes: fc.array(fc.integer({ min: 1, max: 8 })),
    count: fc.integer({ min: 1, max: 12 }),
  }

  it('answers as BM25 is written down, however documents were added and whichever of them live', () => {
    const property = fc.property(
      any.texts,
      any.query,
      any.sizes,
      fc.infiniteStream(fc.boolean()),
      any.count,
      (texts, query, sizes, alive, count) => {
        const index = new InvertedIndex()
        const lists = texts.map((each) => termList(each, asIs))
        for (let from = 0, i = 0; from < lists.length; i++) {
          const batch = lists.slice(from, from + (sizes[i] ?? 4))
          index.append(Buffer.concat(batch), batch.length)
          from += batch.length
        }
        expect(index.rows).toBe(texts.length)
        const living = new Set(texts.flatMap((_, i) => (alive.next().value ? [i] : [])))
        const scope = { total: texts.length, living, size: living.size, allowed: living }
        const { words } = parseKeywordQuery(query, asIs)
        const expected = plainBm25(
          [...living].map((i) => ({ id: String(i), text: texts[i] })),
          query,
          asIs,
        ).filter(({ score }) => score > 0)
        const { ordinals, scores } = index.search(words, count, scope)
        expect(ordinals.length).toBe(Math.min(count, expected.length))
        for (const [i, score] of scores.entries()) {
          expect(score).toBeCloseTo(expected[i]!.score, 9)
          const same = expected.find(({ id }) => id === String(ordinals[i]))!
          expect(score).toBeCloseTo(same.score, 9)
          const [parts] = index.contributions(words, [ordinals[i]!], scope)
          expect(parts!.reduce((a, b) => a + b, 0)).toBeCloseTo(score, 9)
        }
        const wanted = words.map(({ hash }) => hash)
        const having = index.withAll(wanted, scope)
        if (words.length > 0)
          expect(having.length).toBe(expected.filter((match) => match.words.length === words.length).length)
      },
    )
    fc.assert(property)
  })

  it('knows nothing of documents beyond the state that is looked at', () => {
    const index = new InvertedIndex()
    for (const each of ['ant bee', 'ant', 'bee bee bee']) index.append(termList(each, asIs), 1)
    const everything = { has: () => true }
    const { words } = parseKeywordQuery('bee', asIs)
    const early = index.search(words, 9, { total: 2, living: everything, size: 2, allowed: everything })
    const [match] = plainBm25(
      [
        { id: '0', text: 'ant bee' },
        { id: '1', text: 'ant' },
      ],
      'bee',
      asIs,
    )
    expect([...early.ordinals]).toEqual([0])
    expect(early.scores[0]).toBeCloseTo(match!.score, 9)
  })

  it('has few parts and says what it takes', () => {
    const index = new InvertedIndex()
    for (let i = 0; i < 500; i++) index.append(termList(`word${i % 50} common`, asIs), 1)
    expect(index.terms).toBeLessThan(500)
    expect(index.bytes).toBeGreaterThan(1000 * 5)
    expect(index.bytes).toBeLessThan(20_000)
  })
})

describe('what is quoted', () => {
  const phrases = (query: string) => parseKeywordQuery(query, asIs).phrases
  it('is taken out of the query', () => {
    expect(phrases('a "b c" d “e” "" "!?" "open').map(({ written }) => written)).toEqual(['b c', 'e'])
  })

  it('occurs as it is written, but for capital letters, accents and white space', () => {
    const text = 'The Café  is\nopen: fs.readFileSync(path)'
    for (const query of ['"cafe is open"', '"FS.readfilesync(path)"', '"open:"', '"the" "path"'])
      expect(holdsAll(text, phrases(query)), query).toBe(true)
    for (const query of ['"is cafe"', '"pat"', '"readFile"', '"the" "shut"', '"open fs"'])
      expect(holdsAll(text, phrases(query)), query).toBe(false)
  })

  it('may be a part of what is written without spaces', () => {
    expect(holdsAll('東京都に住む', phrases('"京都"'))).toBe(true)
  })
})
