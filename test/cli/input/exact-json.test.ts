import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readRecords } from '../../../packages/cli/src/input/jsonl.js'
import type { TextRecord } from '../../../packages/cli/src/input/jsonl.js'
import { readLines, splitLines } from '../../../packages/cli/src/input/lines.js'
import { parseWhere } from '../../../packages/cli/src/input/where.js'

async function read(text: string): Promise<TextRecord[]> {
  const source = (async function* () {
    yield text
  })()
  const records: TextRecord[] = []
  for await (const record of readRecords(splitLines(source), 'a.jsonl')) records.push(record)
  return records
}

const one = async (fields: string): Promise<TextRecord> => (await read(`{"text": "x", ${fields}}`))[0]!

describe('numbers of JSONL', () => {
  it('as ids keep all their digits', async () => {
    const ids: unknown[] = []
    const path = fileURLToPath(new URL('../../fixtures/bigint-ids/posts.jsonl', import.meta.url))
    for await (const { id } of readRecords(readLines(path), 'posts.jsonl')) ids.push(id)
    expect(ids).toEqual([1734562345678901235n, 1734562345678901236n])
    expect(await Promise.all(['1', '-0', '1.5', '9007199254740991'].map((id) => one(`"id": ${id}`)))).toMatchObject([
      { id: 1 },
      { id: 0 },
      { id: 1.5 },
      { id: 9007199254740991 },
    ])
    expect(await one('"_id": -9007199254740993')).toMatchObject({ id: -9007199254740993n })
  })

  it.each(['1.0', '1e5', '1e400', '1e-7', '0.10', '1234567890.12345678901'])('as an id, %s is refused', async (id) => {
    await expect(one(`"id": ${id}`)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringMatching(/^a\.jsonl:1 has the number .* as its "id"; write it as a string/),
    })
  })

  it.each([
    ['"n": 9007199254740993', 'n', 'would become 9007199254740992'],
    [
      '"metadata": {"a": {"b": [0, {"c": 1734562345678901235}]}}',
      'metadata.a.b[1].c',
      'would become 1734562345678901248',
    ],
    ['"list": [12345678901234567891]', 'list[0]', 'would become 12345678901234567168'],
    ['"n": 1e400', 'n', 'would become Infinity'],
    ['"n": -1e400', 'n', 'would become -Infinity'],
    ['"n": 1e-400', 'n', 'would become 0'],
  ])('in metadata, %s is refused with its place', async (fields, place, problem) => {
    await expect(one(fields)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining(`in ${place}, which ${problem}; write it as a string`),
    })
  })

  it('in metadata are what Python reads, where JavaScript can hold it', async () => {
    const { fields } = await one(
      '"a": 1.0, "b": 1e5, "c": -0.0, "d": 0e9, "e": 9007199254740992, "f": 3.14159265358979323846, "g": 1E+2, "h": [-0, 0.10], "i": 27338945615977230',
    )
    expect(fields).toEqual({
      a: 1,
      b: 1e5,
      c: -0,
      d: 0,
      e: 2 ** 53,
      f: Math.PI,
      g: 100,
      h: [-0, 0.1],
      i: 27338945615977230,
    })
  })

  it('in texts are texts', async () => {
    const text = '1734562345678901235, 1.0 and "1e400"'
    expect((await read(JSON.stringify({ id: '1.0', text })))[0]).toMatchObject({ id: '1.0', text })
  })
})

describe('lines of JSONL', () => {
  it('lose nothing: two ids, a title that is a number, a field __proto__, the last of two fields', async () => {
    const { id, title, fields } = await one(
      '"id": 1, "_id": "b", "title": 3.0, "n": 1.0, "n": 2.0, "__proto__": {"a": 1.0}',
    )
    expect({ id, title }).toEqual({ id: 1, title: undefined })
    expect(Object.entries(fields)).toEqual(
      expect.arrayContaining([
        ['_id', 'b'],
        ['title', 3],
        ['n', 2],
        ['__proto__', { a: 1 }],
      ]),
    )
  })

  it.each([
    ['an empty id', '{"id": "", "text": "x"}', /a\.jsonl:1 has an empty "id"/],
    ['deep nesting', `{"text": "x", "m": ${'['.repeat(600)}${']'.repeat(600)}}`, /a\.jsonl:1 .*nested more than 500/],
    [
      'nesting too deep for any parser',
      `{"text": "x", "n": 1.0, "m": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      /a\.jsonl:1 is nested too deeply/,
    ],
  ])('refuse %s', async (_, line, message) => {
    await expect(read(line)).rejects.toMatchObject({ code: 'INPUT_FORMAT', message: expect.stringMatching(message) })
  })
})

describe('numbers of --where', () => {
  it.each([
    'id=1734562345678901235',
    'id=1,9007199254740993',
    'id>=1e400',
    '{"id": 1734562345678901235}',
    '{"or": [{"id": {"in": [9007199254740993]}}]}',
  ])('%s is refused', (text) => {
    expect(() => parseWhere(text, undefined)).toThrow(
      expect.objectContaining({
        code: 'commander.invalidArgument',
        message: expect.stringMatching(/would become .*write it as a string, as in id="123"/),
      }),
    )
  })

  it('are numbers where JavaScript can hold them', () => {
    expect(parseWhere('n=1.0', undefined)).toEqual({ n: { eq: 1 } })
    expect(parseWhere('n=9007199254740992', undefined)).toEqual({ n: { eq: 2 ** 53 } })
    expect(parseWhere('id="1734562345678901235"', undefined)).toEqual({ id: { eq: '1734562345678901235' } })
    expect(parseWhere('{"n": 1e2}', undefined)).toEqual({ n: 100 })
  })
})
