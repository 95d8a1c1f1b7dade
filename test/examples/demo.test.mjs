import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MultiVectorIndex } from '@serotine/core'
import { describe, expect, it } from 'vitest'
import { FakeEncoder, random, randomText } from '../support/fake-encoder.js'
import { BM25, words } from '../../examples/demo/bm25.mjs'
import { HNSWLIB_MISSING, hnswMethod } from '../../examples/demo/hnsw.mjs'
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

/** The demo's own; absent where there was no compiler when it was installed. */
const library = await (async () => {
  const require = createRequire(new URL('../../examples/demo/package.json', import.meta.url))
  return require('hnswlib-node')
})().catch(() => undefined)

describe('MUVERA in hnswlib', () => {
  const next = random(11)
  const documents = Array.from({ length: 300 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 10) }))
  const open = async (source) => {
    const fde = { repetitions: 8, simHashBits: 3, finalDim: 256 }
    const index = await MultiVectorIndex.open(undefined, { model: new FakeEncoder(), fde, hnswlib: source })
    await index.upsert(documents)
    return index
  }

  it.skipIf(!library)('is really searched by hnswlib', async () => {
    let searches = 0
    class Counting extends library.HierarchicalNSW {
      searchKnn(...query) {
        searches++
        return super.searchKnn(...query)
      }
    }
    const index = await open({ HierarchicalNSW: Counting })
    const { method } = await hnswMethod('in hnswlib', index, { candidates: 100 })
    const { documents: found, foundBy } = await method.search({ embeddings: await index.embeddings('d7') }, 10)
    expect([method.name, found[0].id, foundBy, searches]).toEqual(['in hnswlib', 'd7', 'hnsw', 1])
  })

  it('is no row at all where hnswlib-node is missing, and the demo says what to install', async () => {
    const index = await open(() => {
      throw new Error('Cannot find package')
    })
    expect(await hnswMethod('in hnswlib', index, { candidates: 100 })).toBeUndefined()
    expect(HNSWLIB_MISSING).toMatch(/hnswlib-node is not installed.*npm install hnswlib-node/)
  })

  it('fails loudly when something else would answer', async () => {
    const index = await MultiVectorIndex.open(undefined, { model: new FakeEncoder(), fde: 'compact' })
    await index.upsert(documents.slice(0, 3))
    await expect(hnswMethod('in hnswlib', index, { candidates: 100 })).rejects.toThrow(
      'The graph holds 0 of 3 documents.',
    )
  })
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
