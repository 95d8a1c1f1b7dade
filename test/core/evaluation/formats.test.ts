import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  checkTrecIds,
  evaluateRun,
  readBeir,
  readCollection,
  readQrels,
  readTrecRun,
} from '../../../packages/core/src/evaluation/index.js'
import { readCells } from '../../../packages/core/src/evaluation/formats/delimited.js'
import { needsIdenticalIdsIgnored } from '../../../packages/core/src/evaluation/collections/judgments.js'

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-formats-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function put(files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}

const CORPUS = '{"_id":"a","text":"x"}\n{"_id":"b","text":"y"}\n'
const QUERIES = '{"_id":"1","text":"q"}\n'

async function qrelsOf(content: string): Promise<object> {
  await put({ 'qrels.tsv': content })
  const qrels = await readQrels(join(folder, 'qrels.tsv'))
  return Object.fromEntries([...qrels].map(([query, grades]) => [query, Object.fromEntries(grades)]))
}

async function runOf(content: string): Promise<[string, string, number][]> {
  await put({ 'run.trec': content })
  const run = await readTrecRun(join(folder, 'run.trec'))
  return [...run].flatMap(([query, documents]) =>
    documents.map(({ id, score }): [string, string, number] => [query, id, score]),
  )
}

describe('numbers as ids', () => {
  it('keep all their digits beyond 2^53', async () => {
    const { documents, qrels } = await readBeir(fixture('bigint-ids/beir'))
    expect(documents[0]!.id).toBe('1734562345678901235')
    expect([...qrels.get('q1')!]).toEqual([['1734562345678901235', 1]])
  })

  it.each([
    ['9007199254740993', '9007199254740993'],
    ['-9007199254740993', '-9007199254740993'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    ['7', '7'],
    // As str() of Python's json has them.
    ['-0', '0'],
    ['1.5', '1.5'],
  ])('%s is %s', async (number, id) => {
    const ids = `"query-id": ${number}, "corpus-id": ${number}`
    await put({
      'corpus.jsonl': `{"_id": ${number}, "text": "in 1734562345678901235 and 1.0 words"}\n`,
      'queries.jsonl': `{"_id": ${number}, "text": "q"}\n`,
      'qrels/test.jsonl': `{${ids}, "score": 1.0}\n`,
    })
    const { documents, queries, qrels } = await readCollection(folder)
    expect([documents[0]!.id, queries[0]!.id, ...qrels.keys(), ...qrels.get(id)!.keys()]).toEqual([id, id, id, id])
    expect(documents[0]!.text).toBe('in 1734562345678901235 and 1.0 words')
  })

  it.each(['1.0', '1e5', '1E400', '0.10', '1e-7', '-0.0', '12345678901234567.5'])(
    '%s is refused: programs write it in different ways',
    async (number) => {
      await put({
        'corpus.jsonl': `{"_id": ${number}, "text": "x"}\n`,
        'queries.jsonl': QUERIES,
        'qrels/test.tsv': '1\ta\t1\n',
      })
      await expect(readBeir(folder)).rejects.toMatchObject({
        code: 'INPUT_FORMAT',
        message: expect.stringMatching(/corpus\.jsonl:1: "_id" is the number .*; write it as a string\./),
      })
      await put({
        'corpus.jsonl': CORPUS,
        'qrels2/corpus.jsonl': CORPUS,
        'qrels2/queries.jsonl': QUERIES,
        'qrels2/qrels/test.jsonl': `{"query-id": "1", "corpus-id": ${number}, "score": 1}\n`,
      })
      await expect(readCollection(join(folder, 'qrels2'))).rejects.toThrow(
        /test\.jsonl:1: "corpus-id".*write it as a string/,
      )
    },
  )

  it('elsewhere in a line are none of an id’s business, and the last of two fields counts', async () => {
    await put({
      'corpus.jsonl': '{"_id":"z","_id":"a","n":1.0,"__proto__":{"x":9007199254740993},"text":"x"}\n',
      'queries.jsonl': QUERIES,
      'qrels/test.tsv': '1\ta\t1\n',
    })
    expect((await readBeir(folder)).documents).toEqual([{ id: 'a', text: 'x', metadata: {} }])
  })
})

describe('readCells', () => {
  it('reads what Python’s csv module reads, 300 times', () => {
    const path = new URL('../../golden/evaluation/python-csv.json', import.meta.url)
    const cases = JSON.parse(readFileSync(path, 'utf8')) as { text: string; rows: string[][] }[]
    expect(cases).toHaveLength(300)
    for (const { text, rows } of cases) {
      const read: string[][] = []
      let open: string[] | undefined
      for (const line of text.split('\n')) {
        const { cells, isOpen } = readCells(line, open)
        open = isOpen ? cells : undefined
        if (!isOpen) read.push(cells)
      }
      // Python ends a row at an end of line, and has no cells in an empty one.
      const ours = read.map((cells) => (cells.length === 1 && cells[0] === '' ? [] : cells))
      if (text.endsWith('\n')) ours.pop()
      const theirs = rows.map((cells) => (cells.length === 1 && cells[0] === '' ? [] : cells))
      expect(ours, JSON.stringify(text)).toEqual(theirs)
    }
  })
})

describe('readQrels', () => {
  it('reads quoted ids', async () => {
    const { documents, qrels } = await readBeir(fixture('qrels-quoted'))
    expect([...qrels.get('q1')!.keys()]).toEqual(['"Ode"_(poem)'])
    expect(documents[0]!.id).toBe('"Ode"_(poem)')
  })

  const header = 'query-id\tcorpus-id\tscore'
  it.each([
    ['quotes inside', `${header}\n1\t<"Heroes">\t1\n`, { 1: { '<"Heroes">': 1 } }],
    [
      'a quoted tab and a quoted end of line',
      `${header}\n1\t"a\tb"\t1\n1\t"c\n\nd"\t2\n`,
      { 1: { 'a\tb': 1, 'c\n\nd': 2 } },
    ],
    [
      'everything quoted, CRLF, a byte order mark',
      `\ufeff"query-id"\t"corpus-id"\t"score"\r\n"1"\t"a"\t"1"\r\n`,
      { 1: { a: 1 } },
    ],
    ['a byte order mark without a header', '\ufeff1\ta\t1\n', { 1: { a: 1 } }],
    ['more columns', `${header}\tnote\n1\ta\t1\tgood\n1\tb\t0\t7\n`, { 1: { a: 1, b: 0 } }],
    ['other names of columns', 'topic\titeration\tdocno\trel\n1\t0\ta\t2\n', { 1: { a: 2 } }],
    ['TREC with blanks', '1 0 a 1\n1 Q0 "b" 0\n', { 1: { a: 1, '"b"': 0 } }],
    [
      'TREC with tabs, which knows no quotes',
      '1\t0\t"Ode"_(poem)\t1\n1\t0\t"x\t2\n',
      { 1: { '"Ode"_(poem)': 1, '"x': 2 } },
    ],
    ['ids with blanks, also at their ends', `${header}\n 1\ta b \t 1 \n`, { ' 1': { 'a b ': 1 } }],
    ['a no-break space in an id', '1 0 a\u00a0b 1\n', { 1: { 'a\u00a0b': 1 } }],
    ['signs of grades', '1\ta\t-1\n1\tb\t+2\n', { 1: { a: -1, b: 2 } }],
    ['the same judgment twice', '1\ta\t1\n1\ta\t1\n', { 1: { a: 1 } }],
  ])('reads %s', async (_, content, expected) => {
    expect(await qrelsOf(content)).toEqual(expected)
  })

  it.each([
    ['only a header', `${header}\n`, /qrels\.tsv holds no judgments/],
    ['an empty file', '', /qrels\.tsv holds no judgments/],
    ['a grade that is a word in the first line', '1\ta\tyes\n', /qrels\.tsv:1: the grade "yes" is not an integer/],
    ['a fraction', '1\ta\t0.5\n', /:1: the grade "0\.5"/],
    ['a float', `${header}\n1\ta\t1.0\n`, /:2: the grade "1\.0"/],
    ['an exponent', '1\ta\t1e400\n', /:1: the grade "1e400"/],
    ['a grade beyond 2^53', '1\ta\t9007199254740993\n', /:1: the grade "9007199254740993"/],
    ['an empty id', '1\t\t1\n', /:1: expected/],
    ['a quote that is never closed', `${header}\n1\t"a\t1\n1\tb\t1\n`, /:2: a quote is opened and never closed/],
    ['too many columns without a header', '1\t0\ta\t1\tx\n', /:1: expected/],
    ['a second header', `${header}\n1\ta\t1\n${header}\n`, /:3: the grade "score"/],
  ])('refuses %s', async (_, content, message) => {
    await expect(qrelsOf(content)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(message),
    })
  })
})

describe('readTrecRun', () => {
  it('keeps ids with blanks whole where tabs separate', async () => {
    const run = await readTrecRun(fixture('trec-run-tabs/run.trec'))
    expect([...run]).toEqual([
      [
        'q1',
        [
          { id: 'doc one', score: 3.5 },
          { id: 'doc two', score: 3.1 },
        ],
      ],
    ])
  })

  it('keeps the order of the file, and leaves equal scores to trec_eval’s rule', async () => {
    await put({ 'run.trec': 'q\tQ0\ta 1\t1\t2\tx\r\nq\tQ0\tb 1\t2\t2\tx\r\n' })
    const run = await readTrecRun(join(folder, 'run.trec'))
    expect(run.get('q')!.map(({ id }) => id)).toEqual(['a 1', 'b 1'])
    const qrels = new Map([['q', new Map([['a 1', 1]])]])
    expect(evaluateRun(qrels, run, { metrics: ['mrr'] }).metrics.mrr).toBe(1 / 2)
    expect(evaluateRun(qrels, run, { metrics: ['mrr'], ties: 'as-given' }).metrics.mrr).toBe(1)
  })

  it.each([
    ['a byte order mark', '\ufeffq Q0 a 1 2 x\n', [['q', 'a', 2]]],
    ['columns wide apart', ' q   Q0 a 1  -2.5e-3 x \n', [['q', 'a', -0.0025]]],
    ['no tag', 'q Q0 a 1 .5\n', [['q', 'a', 0.5]]],
    ['a no-break space in an id', 'q Q0 a\u00a0b 1 2 x\n', [['q', 'a\u00a0b', 2]]],
    ['a quote, which is no more than one', 'q\tQ0\t"a\t1\t2\tx\n', [['q', '"a', 2]]],
  ])('reads %s', async (_, content, expected) => {
    expect(await runOf(content)).toEqual(expected)
  })

  it.each([
    ['an empty file', '\n', /run\.trec holds no line of a run/],
    ['an id with a blank where blanks separate', 'q Q0 my doc 1 2 x\n', /run\.trec:1: expected.*with tabs/],
    ['the same without a tag', 'q Q0 my doc 2.5\n', /:1: expected/],
    ['a score that is no number', 'q Q0 a 1 nan x\n', /:1: expected/],
    ['a score beyond all numbers', 'q Q0 a 1 1e400 x\n', /:1: expected/],
    ['a hexadecimal score', 'q Q0 a 1 0x10 x\n', /:1: expected/],
    ['an empty id', 'q\tQ0\t\t1\t2\tx\n', /:1: expected/],
    ['a document twice', 'q Q0 a 1 2 x\nq Q0 a 2 1 x\n', /:2: query "q" has the document "a" already/],
  ])('refuses %s', async (_, content, message) => {
    await expect(runOf(content)).rejects.toThrow(message)
  })

  it('finds ids that a run file cannot hold', () => {
    const named = (...ids: string[]) => ids.map((id) => ({ id }))
    expect(() => checkTrecIds({ queries: named('q'), documents: named('a', '文', 'a"b') })).not.toThrow()
    for (const id of ['a b', 'a\tb', ' ', 'a\u00a0b', '\ud800'])
      expect(() => checkTrecIds({ queries: [], documents: named('a', id) })).toThrow(/document id/)
    expect(() => checkTrecIds({ queries: named('1\n'), documents: [] })).toThrow(/query id "1\\n"/)
  })
})

describe('a collection of which every number would be zero', () => {
  it.each([
    ['no judged document in the corpus', '1\tc\t1\n', /"c" relevant, but the corpus holds no relevant document/],
    ['only documents judged irrelevant in the corpus', '1\ta\t0\n1\tc\t1\n', /holds no relevant document/],
    ['no positive judgment', '1\ta\t0\n1\tb\t-1\n', /no grade is above 0/],
    ['an unknown query', '1\ta\t1\n2\ta\t1\n', /name query "2", which/],
  ])('is refused: %s', async (_, qrels, message) => {
    const files = { 'corpus.jsonl': CORPUS, 'queries.jsonl': QUERIES }
    await put({ ...files, 'qrels/test.tsv': qrels })
    for (const read of [readBeir, readCollection]) {
      await expect(read(folder)).rejects.toMatchObject({
        code: 'INPUT_FORMAT',
        message: expect.stringMatching(message),
      })
    }
    const lines = qrels.replaceAll(/(.)\t(.)\t(.*)\n/g, '{"query-id": "$1", "corpus-id": "$2", "score": $3}\n')
    await rm(join(folder, 'qrels'), { recursive: true })
    await put({ 'qrels/test.jsonl': lines })
    await expect(readCollection(folder)).rejects.toThrow(message)
  })

  it('is told of where only some documents are missing, as BEIR tolerates', async () => {
    await put({ 'corpus.jsonl': CORPUS, 'queries.jsonl': QUERIES, 'qrels/test.tsv': '1\ta\t1\n1\tc\t1\n' })
    const warnings: string[] = []
    const collection = await readCollection(folder, { onWarning: ({ code, message }) => warnings.push(code, message) })
    expect(collection.qrels.get('1')!.size).toBe(2)
    expect(warnings).toEqual(['JUDGED_MISSING', expect.stringMatching(/^1 of 2 documents.*"c" for one; they count/)])
  })

  it('contradicting judgments as JSON lines', async () => {
    const line = (grade: number) => `{"query-id": "1", "corpus-id": "a", "score": ${grade}}\n`
    await put({ 'corpus.jsonl': CORPUS, 'queries.jsonl': QUERIES, 'qrels/test.jsonl': line(1) + line(0) })
    await expect(readCollection(folder)).rejects.toThrow(/test\.jsonl:2: document "a" is judged 0.*but 1 before/)
    await put({ 'qrels/test.jsonl': line(0.5) })
    await expect(readCollection(folder)).rejects.toThrow(/test\.jsonl:1: "score" must be an integer, got 0\.5/)
    await put({ 'qrels/test.jsonl': line(1).replace('1}', '1e400}') })
    await expect(readCollection(folder)).rejects.toThrow(/test\.jsonl:1: "score" must be an integer/)
  })
})

describe('documents with the query’s id', () => {
  it('are left out of ArguAna and Quora, told by the folder', async () => {
    for (const name of [
      'arguana',
      'quora',
      'ArguAna',
      'QuoraRetrieval',
      'NanoArguAna',
      'NanoQuoraRetrieval',
      'arguana-pl',
    ])
      expect([name, needsIdenticalIdsIgnored(name)]).toEqual([name, true])
    for (const name of ['scifact', 'my-quora-answers', 'quorate', 'cqadupstack', 'arguana2vec'])
      expect([name, needsIdenticalIdsIgnored(name)]).toEqual([name, false])
    const files = (name: string) => ({
      [`${name}/corpus.jsonl`]: CORPUS,
      [`${name}/queries.jsonl`]: QUERIES,
      [`${name}/qrels/test.tsv`]: '1\ta\t1\n',
    })
    await put({ ...files('arguana'), ...files('numbered') })
    expect((await readBeir(join(folder, 'arguana'))).ignoreIdenticalIds).toBe(true)
    expect((await readCollection(join(folder, 'arguana'))).ignoreIdenticalIds).toBe(true)
    expect((await readBeir(join(folder, 'numbered'))).ignoreIdenticalIds).toBeUndefined()
  })
})
