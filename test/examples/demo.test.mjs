import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { BM25, words } from '../../examples/demo/bm25.mjs'
import { bestPassage, matchedSpans } from '../../examples/demo/snippet.mjs'
import { markWords } from '../../examples/demo/terminal.mjs'

it('BM25 stems, drops stop words and ranks by rarity', () => {
  expect(words('The Owls are hunting in the nights')).toEqual(['owl', 'hunt', 'night'])
  const bm25 = new BM25([
    { id: 'a', text: 'owls hunt at night' },
    { id: 'b', text: 'night trains' },
    { id: 'c', text: 'coffee' },
  ])
  expect(bm25.search('hunting by night', 10).map(({ id }) => id)).toEqual(['a', 'b'])
  expect(bm25.search('the', 10)).toEqual([])
})

it('BM25 gives the score of the formula', () => {
  const bm25 = new BM25(
    [
      { id: 'a', text: 'x x y' },
      { id: 'b', text: 'z' },
    ],
    { k1: 0.9, b: 0.4 },
  )
  const idf = Math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
  expect(bm25.search('x', 1)[0].score).toBeCloseTo((idf * 2) / (2 + 0.9 * (0.6 + (0.4 * 3) / 2)), 12)
})

it('marks the whole word a token lies in, not its neighbours', () => {
  const marked = markWords('Kiwis cannot fly.', [
    { start: 0, end: 4 },
    { start: 13, end: 16 },
  ])
  expect(marked).toEqual([
    { word: 'Kiwis', marked: true },
    { word: 'cannot', marked: false },
    { word: 'fly.', marked: true },
  ])
})

it('keeps the matches between words that carry meaning', () => {
  const [query, text] = ['birds of a feather.', 'The owl, feathered.']
  const match = (queryWord, word, similarity = 0.9) => {
    const [queryStart, start] = [query.indexOf(queryWord), text.indexOf(word)]
    return { queryStart, queryEnd: queryStart + queryWord.length, start, end: start + word.length, similarity }
  }
  const matches = [
    { ...match('birds', 'owl'), queryStart: -1 },
    match('birds', 'owl'),
    match('of', 'owl'),
    match('birds', 'The'),
    match('birds', 'of a'),
    match('feather', 'feathered', 0.1),
    match('.', '.'),
  ]
  expect(matchedSpans(matches, query, text)).toEqual([matches[1]])
})

it('shows the passage whose matches weigh most, from the start of a sentence', () => {
  const text = 'Nothing here. Still nothing in this one. Owls hunt at night.'
  const start = text.indexOf('Owls')
  const passage = bestPassage(text, [{ start, end: start + 4, similarity: 0.9 }], 30)
  expect(passage).toEqual({ text: 'Owls hunt at night.', cut: true, spans: [{ start: 0, end: 4, similarity: 0.9 }] })
  expect(bestPassage(text, [], 30)).toEqual({ text, cut: false, spans: [] })
})

it('has the collection that bench/ measures with, to the byte', () => {
  const [own, benched] = ['../../examples/demo/scifact', '../../bench/data/scifact'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  const files = ['README.md', 'corpus.jsonl.gz', 'queries.jsonl.gz', join('qrels', 'test.tsv')]
  const listing = readdirSync(own, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(listing).toHaveLength(files.length)
  for (const file of files)
    expect(readFileSync(join(own, file)).equals(readFileSync(join(benched, file))), file).toBe(true)
})
