// Files written at random come back exactly; damaged ones give an error that names file and line, or what a reader of the format
// would read, never a crash and never less than is there.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from '../../support/fast-check.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SerotineError } from '../../../packages/core/src/errors.js'
import { readCollection, readQrels, readTrecRun, writeTrecRun } from '../../../packages/core/src/evaluation/index.js'

const RUNS = { numRuns: 200 }

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-fuzz-'))
  await mkdir(join(folder, 'beir/qrels'), { recursive: true })
})
afterAll(() => rm(folder, { recursive: true }))

const file = (name: string): string => join(folder, name)

/** Any Unicode text but lone surrogates, which UTF-8 cannot hold. */
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 })
const word = text.filter((id) => !/\s/.test(id))
/** Characters that mean something to one of the formats. */
const odd = fc.string({
  unit: fc.constantFrom('"', '\t', ' ', '\n', '\\', "'", 'a', '文', '\u00a0', '\u2028', '\u0085', '{', ','),
  minLength: 1,
  maxLength: 8,
})
/** No -0, which is written like 0. */
const score = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()).map((number) => number + 0)
const grade = fc.integer({ min: -3, max: 1000 })

const runOf = (id: fc.Arbitrary<string>) =>
  fc
    .uniqueArray(
      fc.tuple(
        id,
        fc.uniqueArray(fc.record({ id, score }), { selector: (document) => document.id, minLength: 1, maxLength: 6 }),
      ),
      { selector: ([query]) => query, minLength: 1, maxLength: 4 },
    )
    .map((queries) => new Map(queries))

const qrelsOf = (id: fc.Arbitrary<string>) =>
  fc
    .uniqueArray(
      fc.tuple(id, fc.uniqueArray(fc.tuple(id, grade), { selector: ([d]) => d, minLength: 1, maxLength: 6 })),
      {
        selector: ([query]) => query,
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((queries) => new Map(queries.map(([query, grades]) => [query, new Map(grades)])))

/** As Python's csv writer: QUOTE_MINIMAL. */
const csvCell = (cell: string): string => (/[\t\n\r"]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

interface Judged {
  query: string
  document: string
  grade: number
}
const judged = (qrels: ReadonlyMap<string, ReadonlyMap<string, number>>): Judged[] =>
  [...qrels].flatMap(([query, grades]) => Array.from(grades, ([document, g]) => ({ query, document, grade: g })))

/** What a reader gave, or undefined for an error that names the file. */
async function readOrRefuse<T>(read: () => Promise<T>, name: string, lineToo = true): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!SerotineError.isInstance(error)) throw error
    expect(error.message).toContain(name)
    if (lineToo && !/holds no|cannot be read|judgments of|judges/.test(error.message))
      expect(error.message).toMatch(/:\d+[: ]/)
    return undefined
  }
}

/** Replaces, removes or puts in a few characters. */
const mutations = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    remove: fc.nat(3),
    insert: fc.string({
      unit: fc.constantFrom(
        '"',
        '\t',
        '\n',
        '\r',
        ' ',
        '0',
        '9',
        '.',
        'e',
        '-',
        '{',
        '}',
        '[',
        ',',
        '\\',
        '\0',
        '\ufeff',
      ),
      maxLength: 3,
    }),
  }),
  { minLength: 1, maxLength: 4 },
)

function mutate(content: string, changes: readonly { at: number; remove: number; insert: string }[]): string {
  const characters = Array.from(content)
  for (const { at, remove, insert } of changes)
    characters.splice(Math.floor(at * characters.length), remove, ...Array.from(insert))
  return characters.join('')
}

describe('TREC runs', () => {
  it('come back as they were written, whatever the ids', async () => {
    await fc.assert(
      fc.asyncProperty(runOf(word), async (run) => {
        await writeTrecRun(file('run.trec'), run)
        expect(await readTrecRun(file('run.trec'))).toEqual(run)
      }),
      RUNS,
    )
  })

  it('with tabs keep ids with blanks', async () => {
    const id = text.filter((candidate) => !/[\t\n\r\ufeff]/.test(candidate))
    await fc.assert(
      fc.asyncProperty(runOf(id), fc.boolean(), async (run, crlf) => {
        const lines = [...run].flatMap(([query, documents]) =>
          documents.map((document, i) => [query, 'Q0', document.id, i + 1, document.score, 'tag'].join('\t')),
        )
        await writeFile(file('run.trec'), lines.join(crlf ? '\r\n' : '\n'))
        expect(await readTrecRun(file('run.trec'))).toEqual(run)
      }),
      RUNS,
    )
  })

  it('that are damaged are refused, or read line by line', async () => {
    await fc.assert(
      fc.asyncProperty(runOf(word), mutations, async (run, changes) => {
        await writeTrecRun(file('run.trec'), run)
        const lines = [...run].flatMap(([q, d]) => d.map(({ id, score: s }, i) => `${q} Q0 ${id} ${i + 1} ${s} tag`))
        const content = mutate(lines.join('\n'), changes)
        await writeFile(file('run.trec'), content)
        const read = await readOrRefuse(() => readTrecRun(file('run.trec')), 'run.trec')
        if (!read) return
        const kept = [...read.values()].reduce((sum, documents) => sum + documents.length, 0)
        // No line that says anything is passed over.
        expect(kept).toBe(content.split('\n').filter((line) => line.trim() !== '').length)
        for (const documents of read.values()) for (const document of documents) expect(content).toContain(document.id)
      }),
      RUNS,
    )
  })
})

describe('judgments', () => {
  it('in TREC’s form come back, whatever the ids', async () => {
    await fc.assert(
      fc.asyncProperty(qrelsOf(word), fc.constantFrom(' ', '\t'), async (qrels, between) => {
        const lines = judged(qrels).map(({ query, document, grade: g }) => [query, '0', document, g].join(between))
        await writeFile(file('qrels.txt'), `${lines.join('\n')}\n`)
        expect(await readQrels(file('qrels.txt'))).toEqual(qrels)
      }),
      RUNS,
    )
  })

  it('as BEIR writes them come back, quotes, tabs and ends of lines included', async () => {
    const id = fc.oneof(odd, text).filter((candidate) => !/[\r\ufeff]/.test(candidate))
    await fc.assert(
      fc.asyncProperty(qrelsOf(id), fc.boolean(), async (qrels, more) => {
        const rows = judged(qrels).map(({ query, document, grade: g }) => [
          query,
          document,
          `${g}`,
          ...(more ? ['x'] : []),
        ])
        const all = [['query-id', 'corpus-id', 'score', ...(more ? ['note'] : [])], ...rows]
        await writeFile(file('test.tsv'), all.map((row) => `${row.map(csvCell).join('\t')}\n`).join(''))
        expect(await readQrels(file('test.tsv'))).toEqual(qrels)
      }),
      RUNS,
    )
  })

  it('that are damaged are refused, or hold what a line says', async () => {
    await fc.assert(
      fc.asyncProperty(qrelsOf(fc.oneof(word, odd)), mutations, async (qrels, changes) => {
        const rows = judged(qrels).map(({ query, document, grade: g }) =>
          [query, document, `${g}`].map(csvCell).join('\t'),
        )
        const content = mutate(`query-id\tcorpus-id\tscore\n${rows.join('\n')}\n`, changes)
        await writeFile(file('test.tsv'), content)
        const read = await readOrRefuse(() => readQrels(file('test.tsv')), 'test.tsv')
        if (!read) return
        for (const { query, document, grade: g } of judged(read)) {
          expect(Number.isSafeInteger(g)).toBe(true)
          expect([query, document]).not.toContain('')
        }
      }),
      RUNS,
    )
  })
})

describe('collections of JSON lines', () => {
  interface Row {
    id: string | number | bigint
    text: string
  }
  const id = fc.oneof(text, fc.integer(), fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }))
  const documents = fc.uniqueArray(fc.record({ id, text: fc.oneof(text, odd) }), {
    selector: (row) => String(row.id),
    minLength: 1,
    maxLength: 6,
  })
  const line = (row: Row): string =>
    `{"_id": ${typeof row.id === 'bigint' ? row.id : JSON.stringify(row.id)}, "text": ${JSON.stringify(row.text)}}`

  const put = async (corpus: string, relevant: string): Promise<void> => {
    await writeFile(file('beir/corpus.jsonl'), corpus)
    await writeFile(file('beir/queries.jsonl'), '{"_id": "q", "text": "x"}\n')
    const cell = csvCell(relevant)
    await writeFile(file('beir/qrels/test.tsv'), `query-id\tcorpus-id\tscore\nq\t${cell}\t1\n`)
  }

  it('keep ids and texts', async () => {
    await fc.assert(
      fc.asyncProperty(documents, fc.boolean(), async (rows, crlf) => {
        const relevant = String(rows[0]!.id)
        fc.pre(!relevant.includes('\r'))
        await put(rows.map(line).join(crlf ? '\r\n' : '\n'), relevant)
        const read = await readCollection(file('beir'))
        expect(read.documents.map((document) => [document.id, document.text])).toEqual(
          rows.map((row) => [String(row.id), row.text.trim()]),
        )
        expect([...read.qrels.get('q')!.keys()]).toEqual([relevant])
      }),
      RUNS,
    )
  })

  it('that are damaged are refused, or hold as many documents as lines', async () => {
    await fc.assert(
      fc.asyncProperty(documents, mutations, async (rows, changes) => {
        const corpus = mutate(rows.map(line).join('\n'), changes)
        await put(corpus, String(rows[0]!.id).replaceAll('\r', ''))
        const read = await readOrRefuse(() => readCollection(file('beir')), 'beir')
        if (!read) return
        expect(read.documents).toHaveLength(corpus.split('\n').filter((l) => l.trim() !== '').length)
        for (const document of read.documents) expect(document.id).not.toBe('')
      }),
      RUNS,
    )
  })
})
