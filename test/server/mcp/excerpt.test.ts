import { describe, expect, it } from 'vitest'
import type { TextMatch } from '../../../packages/core/src/index.js'
import { citationOf, excerptOf } from '../../../packages/server/src/mcp/excerpt.js'

/** As `explain` says it: where a word of the text is, and how similar. */
function matchOf(text: string, word: string, similarity = 0.9): TextMatch {
  const start = text.indexOf(word)
  const end = start + word.length
  return { queryToken: word, queryStart: 0, queryEnd: 1, token: word, start, end, similarity } as TextMatch
}

describe('an excerpt', () => {
  const filler = 'Nothing to see in these words, which go on for a while. '.repeat(20)
  const text = `${filler}The kiwi is a flightless bird of New Zealand. ${filler}`

  it('is the whole text where it is short', () => {
    expect(excerptOf('A kiwi.', 100, [])).toEqual({ text: 'A kiwi.', start: 0, isCut: false })
  })

  it('is where most words match, from one word to another', () => {
    const matches = ['kiwi', 'flightless', 'Zealand'].map((word) => matchOf(text, word))
    const { text: part, start, isCut } = excerptOf(text, 200, [matchOf(text, 'Nothing'), ...matches])
    expect(part).toContain('kiwi is a flightless bird of New Zealand')
    expect([text.slice(start, start + part.length), isCut]).toEqual([part, true])
    expect(part.length).toBeLessThanOrEqual(200)
    expect([text.charAt(start - 1), text.charAt(start + part.length)]).toEqual([' ', ' '])
  })

  it('is the beginning where nothing matches, or what matches is no text', () => {
    const beginning = { start: 0, isCut: true, text: expect.stringMatching(/^Nothing to see/) }
    expect(excerptOf(text, 100, [])).toEqual(beginning)
    expect(excerptOf(text, 100, [{ ...matchOf(text, 'kiwi'), start: -1, end: -1 }])).toEqual(beginning)
  })

  it('cuts no character in two', () => {
    for (let most = 50; most < 60; most++) {
      const penguins = '🐧'.repeat(500)
      const match = { ...matchOf(penguins, '🐧'), start: 401, end: 403 }
      const { text: part, start } = excerptOf(penguins, most, [match])
      expect(part).toMatch(/^🐧+$/u)
      expect(start % 2).toBe(0)
    }
  })
})

describe('a citation', () => {
  const text = 'one\ntwo\nthree'
  const same = (source: string) => source

  it.each([
    [{ source: 'a.md', line: 10, lineEnd: 12 }, 0, 'a.md:10'],
    [{ source: 'a.md', line: 10, lineEnd: 12 }, 5, 'a.md:11'],
    // Its text is not the file's: the lines of one are not those of the other.
    [{ source: 'a.html', line: 10, lineEnd: 40 }, 5, 'a.html:10'],
    [{ source: 'a.pdf' }, 5, 'a.pdf'],
    [{ lang: 'en' }, 0, undefined],
    [{ source: 7 }, 0, undefined],
  ])('of %j at %d is %s', (metadata, offset, expected) => {
    expect(citationOf(metadata, text, offset, same)).toBe(expected)
  })

  it('names the source as it is told to', () => {
    expect(citationOf({ source: 'a.md', line: 1 }, 'a', 0, (source) => `/docs/${source}`)).toBe('/docs/a.md:1')
  })
})
