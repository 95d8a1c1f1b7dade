import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  formatTrecRun,
  readBeir,
  readBeirCorpus,
  readQrels,
  readTrecRun,
  writeTrecRun,
} from '../../../packages/core/src/evaluation/index.js'

const mini = fileURLToPath(new URL('../../fixtures/beir-mini', import.meta.url))
const scifact = fileURLToPath(new URL('../../../bench/data/scifact', import.meta.url))

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-beir-'))
  await mkdir(join(folder, 'qrels'))
  await put({
    'corpus.jsonl': '{"_id":"a","title":"T","text":"x"}\n',
    'queries.jsonl': '{"_id":"1","text":"q"}\n',
    'qrels/test.tsv': '1\ta\t1\n',
  })
})
afterEach(() => rm(folder, { recursive: true }))

async function put(files: Record<string, string | Buffer>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
}

describe('readBeir', () => {
  it('reads documents, the judged queries and the judgments', async () => {
    const data = await readBeir(mini)
    expect(data).toMatchObject({ name: 'beir-mini', split: 'test' })
    expect(data.documents).toHaveLength(12)
    expect(data.documents[0]).toEqual({
      id: 'kiwi',
      text: 'Kiwi The kiwi is a bird of New Zealand that cannot fly.',
      metadata: { title: 'Kiwi' },
    })
    expect(data.queries.map(({ id }) => id)).toEqual(['q1', 'q2', 'q3', 'q4'])
    expect(data.qrels.get('q1')).toEqual(
      new Map([
        ['kiwi', 2],
        ['penguin', 2],
        ['ostrich', 1],
      ]),
    )
  })

  it('a document without a title is its text, with no leading space', async () => {
    const { documents } = await readBeir(mini)
    for (const id of ['decaf', 'arabica']) {
      const document = documents.find((candidate) => candidate.id === id)!
      expect(document.text).toMatch(/^(Decaffeinated|Arabica)/)
      expect(document.metadata).toEqual({})
    }
  })

  it('reads another split, in TREC form', async () => {
    const { queries, qrels } = await readBeir(mini, { split: 'dev' })
    expect(queries.map(({ id }) => id)).toEqual(['q5', 'q6'])
    expect(qrels.get('q5')).toEqual(
      new Map([
        ['tern', 1],
        ['swift', 0],
      ]),
    )
  })

  it('reads SciFact: gzipped, with the counts BEIR states', async () => {
    const { documents, queries, qrels } = await readBeir(scifact)
    expect([documents.length, queries.length, qrels.size]).toEqual([5183, 300, 300])
    expect([...qrels.values()].reduce((sum, judgments) => sum + judgments.size, 0)).toBe(339)
  })

  it('keeps the line separator U+2028 inside a text, and reads CRLF files', async () => {
    await put({ 'corpus.jsonl': '{"_id":"a","text":"one\u2028two"}\r\n\r\n{"_id":7,"text":"b"}' })
    const { documents } = await readBeir(folder)
    expect(documents.map(({ id, text }) => [id, text])).toEqual([
      ['a', 'one\u2028two'],
      ['7', 'b'],
    ])
  })

  it('reads a text cut between two bytes of one character by the stream', async () => {
    const text = 'é文'.repeat(60_000)
    await put({ 'corpus.jsonl': JSON.stringify({ _id: 'a', text }) })
    const { documents } = await readBeir(folder)
    expect(documents[0]!.text).toBe(text)
  })
})

describe('readBeir names the file and the line of', () => {
  it.each([
    ['broken JSON', 'corpus.jsonl', '{"_id":"a","text":"x"}\n{"_id":"b",', /corpus\.jsonl:2: not a JSON object/],
    ['a line that is no object', 'corpus.jsonl', '[1]\n', /corpus\.jsonl:1: expected a JSON object.*array of 1/],
    ['a missing id', 'corpus.jsonl', '\n{"text":"x"}\n', /corpus\.jsonl:2: "_id".*undefined/],
    ['an empty id', 'corpus.jsonl', '{"_id":"","text":"x"}\n', /corpus\.jsonl:1: "_id"/],
    ['a missing text', 'queries.jsonl', '{"_id":"1","query":"x"}\n', /queries\.jsonl:1: "text".*undefined/],
    ['a title that is a list', 'corpus.jsonl', '{"_id":"a","text":"x","title":["t"]}\n', /corpus\.jsonl:1: "title"/],
    [
      'an id used twice',
      'corpus.jsonl',
      '{"_id":"a","text":"x"}\n{"_id":"a","text":"y"}\n',
      /corpus\.jsonl:2: id "a".*corpus\.jsonl:1/,
    ],
    ['a judgment without a grade', 'qrels/test.tsv', 'query-id\tcorpus-id\tscore\n1\ta\n', /test\.tsv:2: expected/],
    ['a grade that is a word', 'qrels/test.tsv', '1\ta\t1\n1\tb\tyes\n', /test\.tsv:2: the grade "yes"/],
    [
      'contradicting judgments',
      'qrels/test.tsv',
      '1\ta\t1\n1\ta\t0\n',
      /test\.tsv:2: document "a" is judged 0 for query "1", but 1/,
    ],
    ['a judged query that is not there', 'qrels/test.tsv', '1\ta\t1\n2\ta\t1\n', /name query "2"/],
  ])('%s', async (_, file, content, message) => {
    await put({ [file]: content })
    await expect(readBeir(folder)).rejects.toThrow(message)
  })

  it('text that is not UTF-8', async () => {
    await put({ 'corpus.jsonl': Buffer.from([0x7b, 0xff, 0xfe, 0x0a]) })
    await expect(readBeir(folder)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(/corpus\.jsonl cannot be read/),
    })
  })

  it('a truncated gzip file', async () => {
    await rm(join(folder, 'corpus.jsonl'))
    await put({ 'corpus.jsonl.gz': gzipSync('{"_id":"a","text":"x"}\n').subarray(0, -10) })
    await expect(readBeir(folder)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(/corpus\.jsonl\.gz.*unexpected end/),
    })
  })
})

describe('a folder that is not BEIR', () => {
  it('names what is missing', async () => {
    await rm(join(folder, 'corpus.jsonl'))
    await expect(readBeir(folder)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(/neither corpus\.jsonl nor/),
    })
  })

  it('names the splits there are', async () => {
    await expect(readBeir(mini, { split: 'train' })).rejects.toThrow(
      /no judgments qrels\/train\.tsv\. Splits: dev, test\./,
    )
    await expect(readBeir(join(folder, 'nowhere'))).rejects.toThrow(/No qrels\/\*\.tsv found/)
  })

  it('readBeirCorpus fails when iterated, not before', async () => {
    await expect(readBeirCorpus(join(folder, 'nowhere')).next()).rejects.toThrow(/not a BEIR folder/)
  })
})

describe('TREC files', () => {
  const run = new Map([
    [
      'q1',
      [
        { id: 'b', score: 12.5 },
        { id: 'a', score: -0.1 },
      ],
    ],
    ['q2', [{ id: 'c', score: 1e-7 }]],
  ])

  it('a run comes back as it was written', async () => {
    const file = join(folder, 'run.trec')
    await writeTrecRun(file, run)
    expect((await readFile(file, 'utf8')).split('\n')[0]).toBe('q1 Q0 b 1 12.5 serotine')
    expect(await readTrecRun(file)).toEqual(run)
  })

  it('refuses ids the format cannot hold', () => {
    expect(() => formatTrecRun(new Map([['q 1', [{ id: 'b', score: 1 }]]]))).toThrow(/query id "q 1"/)
    expect(() => formatTrecRun(new Map([['q', [{ id: '', score: 1 }]]]))).toThrow(/document id ""/)
    expect(() => formatTrecRun(run, 'my run')).toThrow(/tag/)
  })

  it('names the line of a run that is not one', async () => {
    await put({ 'run.trec': 'q1 Q0 b 1 12.5 x\nq1 Q0 b one\n' })
    await expect(readTrecRun(join(folder, 'run.trec'))).rejects.toThrow(/run\.trec:2/)
  })

  it('qrels ids may hold spaces where tabs separate', async () => {
    await put({ 'qrels/dev.tsv': 'query-id\tcorpus-id\tscore\nq 1\ta b\t2\n' })
    expect(await readQrels(join(folder, 'qrels/dev.tsv'))).toEqual(new Map([['q 1', new Map([['a b', 2]])]]))
  })
})
