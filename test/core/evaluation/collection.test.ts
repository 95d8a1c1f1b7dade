import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { evaluateRetrieval, readBeir, readCollection } from '../../../packages/core/src/evaluation/index.js'
import { wordEncoder } from './word-encoder.js'

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))

const qrelsOf = ({ qrels }: { qrels: ReadonlyMap<string, ReadonlyMap<string, number>> }): object =>
  Object.fromEntries([...qrels].map(([query, grades]) => [query, Object.fromEntries(grades)]))

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-collection-'))
})

afterEach(() => rm(folder, { recursive: true }))

async function put(files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}

describe('readCollection', () => {
  it('reads BEIR as readBeir does', async () => {
    const collection = await readCollection(fixture('beir-mini'), { split: 'dev' })
    expect(collection.layout).toBe('beir')
    expect(collection).toEqual(await readBeir(fixture('beir-mini'), { split: 'dev' }))
    expect((await readCollection(fixture('beir-mini'))).split).toBe('test')
    await expect(readCollection(fixture('beir-mini'), { split: 'train' })).rejects.toThrow(/"train".*dev, test/)
  })

  it('reads NanoBEIR: shards in folders, one split, judgments without grades, empty texts left out', async () => {
    const nano = await readCollection(fixture('nano-mini'))
    expect(nano).toMatchObject({ layout: 'hugging-face', name: 'nano-mini', split: 'train' })
    expect(nano.documents.map(({ id }) => id)).toEqual(['kiwi', 'owl'])
    expect(nano.queries).toEqual([{ id: 'q1', text: 'birds that cannot fly' }])
    expect(qrelsOf(nano)).toEqual({ q1: { kiwi: 1 } })
  })

  it('reads MTEB: graded judgments as JSON lines, by split', async () => {
    const mteb = await readCollection(fixture('mteb-mini'))
    expect(mteb).toMatchObject({ layout: 'hugging-face', split: 'test' })
    expect(mteb.documents.map(({ text }) => text)).toEqual([
      'Kiwi A bird of New Zealand that cannot fly.',
      'Owls hunt at night.',
      '',
    ])
    expect(qrelsOf(mteb)).toEqual({ q1: { kiwi: 2, owl: 0 } })
    expect(qrelsOf(await readCollection(fixture('mteb-mini'), { split: 'dev' }))).toEqual({ q2: { owl: 1 } })
  })

  it('reads LongEmbed, one length at a time', async () => {
    const passkey = await readCollection(fixture('long-embed-mini'), { split: 'test_256' })
    expect(passkey).toMatchObject({ layout: 'long-embed', split: 'test_256' })
    expect(passkey.documents.map(({ id }) => id)).toEqual(['ctx256_doc1', 'ctx256_doc2'])
    expect(passkey.queries.map(({ id }) => id)).toEqual(['ctx256_query1'])
    expect(qrelsOf(passkey)).toEqual({ ctx256_query1: { ctx256_doc1: 1 } })
    for (const options of [{}, { split: 'test_1024' }]) {
      await expect(readCollection(fixture('long-embed-mini'), options)).rejects.toThrow(
        /several lengths.*test_256, test_512/,
      )
    }
  })

  it('reads the parts of LongEmbed that have one length only', async () => {
    await put({
      'corpus.jsonl.gz': gzipSync('{"doc_id": "a", "text": "A story."}\n'),
      'queries.jsonl': '{"qid": "1", "text": "what"}\n',
      'qrels.jsonl': '{"qid": "1", "doc_id": "a"}\n',
    })
    expect(await readCollection(folder)).toMatchObject({
      layout: 'long-embed',
      split: 'test',
      documents: [{ id: 'a' }],
    })
  })

  it('reads BRIGHT: a domain, its excluded documents, and whole pages', async () => {
    const bright = await readCollection(fixture('bright-mini'), { subset: 'biology' })
    expect(bright).toMatchObject({ layout: 'bright', name: 'bright-mini biology', split: 'standard' })
    expect(bright.documents).toHaveLength(3)
    expect(bright.queries[1]).toEqual({ id: '1', text: 'Which bird lays the largest egg for its size?' })
    expect(qrelsOf(bright)).toEqual({ 0: { 'kiwi/0.txt': 1 }, 1: { 'kiwi/1.txt': 1 } })
    expect(bright.exclude).toEqual(new Map([['1', new Set(['owl/0.txt'])]]))
    const long = await readCollection(fixture('bright-mini'), { subset: 'biology', split: 'long' })
    expect(long.documents.map(({ id }) => id)).toEqual(['kiwi.txt', 'owl.txt'])
    expect(qrelsOf(long)).toEqual({ 0: { 'kiwi.txt': 1 }, 1: { 'kiwi.txt': 1 } })
  })

  it('leaves excluded documents out of an evaluation without being told', async () => {
    const collection = await readCollection(fixture('bright-mini'), { subset: 'biology' })
    const documents = ['owl/0.txt', 'kiwi/1.txt'].map((id, i) => ({ id, score: -i }))
    const { methods } = await evaluateRetrieval({
      collection,
      model: wordEncoder(),
      metrics: ['accuracy@1'],
      methods: [{ name: 'owl first', search: (_, k) => ({ documents: documents.slice(0, k) }) }],
    })
    expect(methods[0]!.run.get('0')!.map(({ id }) => id)).toEqual(['owl/0.txt', 'kiwi/1.txt'])
    expect(methods[0]!.run.get('1')!.map(({ id }) => id)).toEqual(['kiwi/1.txt'])
    expect(methods[0]!.perQuery.get('1')).toEqual({ 'accuracy@1': 1 })
  })

  it('names the domains and splits of BRIGHT', async () => {
    const bright = fixture('bright-mini')
    await expect(readCollection(bright)).rejects.toThrow(/several domains.*biology, economics/)
    await expect(readCollection(bright, { subset: 'pony' })).rejects.toThrow(/no domain "pony".*biology, economics/)
    await expect(readCollection(bright, { subset: 'biology', split: 'test' })).rejects.toThrow(
      /standard and long, not "test"/,
    )
    await expect(readCollection(bright, { subset: 'economics' })).rejects.toThrow(
      /examples of economics, but no documents\/economics\.jsonl/,
    )
    await expect(readCollection(fixture('mteb-mini'), { subset: 'biology' })).rejects.toThrow(
      /hugging-face, which has no subsets/,
    )
  })

  it.each([
    ['an empty folder', {}, /It is empty\. Expected corpus/],
    ['other files', { 'notes.txt': 'x', 'corpus.jsonl': '' }, /It holds corpus\.jsonl, notes\.txt\. Expected corpus/],
    [
      'Parquet',
      { 'corpus/train-0.parquet': 'PAR1', 'queries/train-0.parquet': 'PAR1' },
      /corpus\/train-0\.parquet.*Parquet is not supported: convert/,
    ],
  ])('says what it found: %s', async (_, files, message) => {
    await put(files)
    await expect(readCollection(folder)).rejects.toThrow(
      expect.objectContaining({ code: 'INPUT_FORMAT', message: expect.stringMatching(message) }),
    )
  })

  it.each([
    ['a judgment without a document', '{"query-id": "1"}', /test\.jsonl:1: expected "query-id", "corpus-id"/],
    ['a grade that is a word', '{"query-id": "1", "corpus-id": "a", "score": "yes"}', /test\.jsonl:1: "score".*"yes"/],
    [
      'a query that is not there',
      '{"query-id": "2", "corpus-id": "a", "score": 1}',
      /name query "2", which is not among its queries/,
    ],
  ])('refuses %s', async (_, judgment, message) => {
    await put({
      'corpus.jsonl': '{"_id":"a","text":"x"}',
      'queries.jsonl': '{"_id":"1","text":"x"}',
      'qrels/test.jsonl': judgment,
    })
    await expect(readCollection(folder)).rejects.toThrow(message)
  })

  it('names a folder that is not there', async () => {
    await expect(readCollection(join(folder, 'nowhere'))).rejects.toThrow(/nowhere cannot be read: ENOENT/)
  })
})
