import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
// @ts-expect-error a script without types
import { encodedLargeCollection, readLargeCollection } from '../../bench/large/collection.mjs'
// @ts-expect-error a script without types
import { quality } from '../../bench/large/measure.mjs'
// @ts-expect-error a script without types
import { fillTables } from '../../bench/table.mjs'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-large-test-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** One row a word, whose first component is the word's length. */
function fakeModel() {
  let calls = 0
  const encode = (texts: readonly string[]) => {
    calls++
    return Promise.resolve(
      texts.map((text) => {
        const words = text.split(' ')
        return { data: Float32Array.from(words.flatMap((word) => [word.length, 0.1])), length: words.length, dim: 2 }
      }),
    )
  }
  const model = { name: 'fake', fingerprint: 'f', dim: 2, encodeDocuments: encode, encodeQueries: encode }
  return { model, calls: () => calls }
}

async function writeCollection() {
  const passages = Array.from({ length: 12 }, (_, i) => ({
    id: `p${i}`,
    topic: i < 6 ? 'birds' : 'stones',
    text: Array(i + 1)
      .fill('kiwi')
      .join(' '),
  }))
  const queries = passages.map(({ id, topic }) => ({ id: `q-${id}`, topic, text: `about ${id}`, relevant: [id] }))
  const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  await writeFile(join(folder, 'passages.jsonl'), lines(passages))
  await writeFile(join(folder, 'queries.jsonl'), lines(queries))
}

test('token vectors come back from disk exactly as the model gave them, and are made once', async () => {
  await writeCollection()
  const collection = await readLargeCollection(folder, {})
  const { model, calls } = fakeModel()
  for (const expectedCalls of [2, 2]) {
    const encoded = await encodedLargeCollection(folder, model, collection)
    expect(calls()).toBe(expectedCalls)
    const [expected] = await fakeModel().model.encodeDocuments([collection.passages[7].text])
    expect(await encoded.passage(7)).toEqual(expected)
    expect(encoded.queries[3]).toEqual({ data: Float32Array.of(5, 0.1, 2, 0.1), length: 2, dim: 2 })
    expect(encoded.about.tokens).toBe(78)
    await encoded.close()
  }
  const other = await encodedLargeCollection(folder, { ...model, fingerprint: 'g' }, collection)
  expect(calls()).toBe(4)
  await other.close()
})

test('a part of the collection has passages of every topic, and only queries that it can answer', async () => {
  await writeCollection()
  const { passages, queries } = await readLargeCollection(folder, { passages: 4 })
  expect(passages.map(({ topic }: { topic: string }) => topic)).toEqual(['birds', 'birds', 'stones', 'stones'])
  expect(queries.map(({ relevant }: { relevant: string[] }) => relevant[0])).toEqual(
    passages.map(({ id }: { id: string }) => id),
  )
})

test('a collection that was not collected says how it is', async () => {
  await expect(readLargeCollection(folder, {})).rejects.toThrow('run python bench/large/collect.py first')
})

test('quality counts what is lost of the exact top, by part of the collection', () => {
  const queries = [{ relevant: ['a'] }, { relevant: ['x', 'b'] }, { relevant: ['gone'] }]
  const exact = [
    ['a', 'c'],
    ['d', 'b'],
    ['e', 'f'],
  ]
  const top = [['a', 'c'], ['d', 'b'], ['g']]
  expect(quality(queries, top, exact, [0, 1, 1])).toEqual({ mrr: 0.5, exactTop10: 2 / 3, exactTop10ByPart: [1, 0.5] })
})

test('the table shows what an index reports beside what is true', () => {
  const result = {
    kind: 'large',
    machine: { cpu: 'CPU', cores: 2, loadAverage: 0.5 },
    versions: { node: '20.0.0' },
    date: '2026-01-01',
    dataset: { passages: 50_000, topics: 20, tokens: 4_000_000, queries: 200 },
    model: { name: 'fake' },
    exact: { mrr: 0.8, cpuMs: 700 },
    runs: [
      {
        name: 'what the index does by itself',
        order: 'topical',
        build: { cpuSeconds: 80.2 },
        bytes: { onDisk: 623e6 },
        firstStage: 'centroids',
        firstStages: { centroids: { suitability: { recall: 0.965, candidates: 100 } } },
        compaction: { longestMs: 32_000 },
        rows: [
          { candidates: null, mrr: 0.77, exactTop10: 0.8, cpuMs: 7 },
          { candidates: 100, mrr: 0.76, exactTop10: 0.799, cpuMs: 7.1 },
        ],
      },
      {
        name: 'a peer',
        order: 'topical',
        build: { cpuSeconds: 300 },
        bytes: { onDisk: 400e6 },
        rows: [{ candidates: null, mrr: 0.78, exactTop10: 0.9, cpuMs: 55 }],
      },
    ],
  }
  const table = fillTables('<!-- bench:large -->\n<!-- /bench:large -->', { large: result })
  expect(table).toContain(
    '| what the index does by itself, topical | by default | 0.7700 | 0.800 |  | 7.0 | 623 | 80 | 32,000 |',
  )
  expect(table).toContain('|  | 100 | 0.7600 | 0.799 | 0.965 | 7.1 |  |  |  |')
  expect(table).toContain('| a peer, topical | by default | 0.7800 | 0.900 |  | 55 | 400 | 300 |  |')
})
