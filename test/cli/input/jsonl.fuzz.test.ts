// Records written at random come back exactly; damaged lines give an error that names file and line, or what the line says.
import * as fc from '../../support/fast-check.js'
import { describe, expect, it } from 'vitest'
import { SerotineError } from '../../../packages/core/src/errors.js'
import { readRecords } from '../../../packages/cli/src/input/jsonl.js'
import type { TextRecord } from '../../../packages/cli/src/input/jsonl.js'
import { splitLines } from '../../../packages/cli/src/input/lines.js'

const RUNS = { numRuns: 300 }

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })
const id = fc.oneof(text, fc.integer(), fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }))
const RESERVED = ['id', '_id', 'text', 'title', 'metadata']
const fields = fc.dictionary(
  text.filter((name) => !RESERVED.includes(name)),
  fc.jsonValue({ maxDepth: 3 }),
  { maxKeys: 4 },
)
const records = fc.array(fc.record({ id, text, fields }), { minLength: 1, maxLength: 5 })

const line = (record: { id: string | number | bigint; text: string; fields: object }): string => {
  const rest = JSON.stringify({ text: record.text, ...record.fields })
  return `{"id": ${typeof record.id === 'bigint' ? record.id : JSON.stringify(record.id)}, ${rest.slice(1)}`
}

/** Bytes in pieces, cut anywhere. */
async function* pieces(content: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content)
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
}

async function read(content: string, size = 7): Promise<TextRecord[]> {
  const found: TextRecord[] = []
  for await (const record of readRecords(splitLines(pieces(content, size)), 'a.jsonl')) found.push(record)
  return found
}

/** JSON has no −0 once JavaScript has written it. */
const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('JSONL records', () => {
  it('come back exactly', async () => {
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.constantFrom('\n', '\r\n', '\n\n'),
        fc.integer({ min: 1, max: 50 }),
        async (rows, end, size) => {
          const found = await read(rows.map(line).join(end), size)
          expect(found.map((record) => [String(record.id), record.text, written(record.fields)])).toEqual(
            rows.map((row) => [String(row.id), row.text, written(row.fields)]),
          )
        },
      ),
      RUNS,
    )
  })

  it('that are damaged are refused by line, or are what the line says', async () => {
    const changes = fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        remove: fc.nat(2),
        insert: fc.constantFrom(
          '',
          '"',
          '\\',
          '{',
          '}',
          '[',
          ',',
          ':',
          '9',
          '99999999999999999999',
          '.',
          'e',
          'e999',
          '-',
          '\0',
        ),
      }),
      { minLength: 1, maxLength: 3 },
    )
    await fc.assert(
      fc.asyncProperty(records, changes, async (rows, damage) => {
        const characters = Array.from(rows.map(line).join('\n'))
        for (const { at, remove, insert } of damage)
          characters.splice(Math.floor(at * characters.length), remove, ...Array.from(insert))
        const content = characters.join('')
        let found: TextRecord[]
        try {
          found = await read(content)
        } catch (error) {
          if (!SerotineError.isInstance(error)) throw error
          expect(error.code).toBe('INPUT_FORMAT')
          expect(error.message).toMatch(/^a\.jsonl:\d+ /)
          return
        }
        const lines = content.split('\n').filter((one) => one.trim() !== '')
        expect(found).toHaveLength(lines.length)
        for (const [i, record] of found.entries()) {
          const value = JSON.parse(lines[i]!) as Record<string, unknown>
          expect(record.text).toBe(value.text)
          if (record.id !== undefined)
            expect([value.id ?? value._id, String(value.id ?? value._id)]).toContain(
              typeof record.id === 'bigint' ? Number(record.id) : record.id,
            )
          // Every digit that stands for a field's number is in the line.
          for (const [name, field] of Object.entries(record.fields)) {
            if (typeof field === 'number' && Number.isInteger(field) && Math.abs(field) > 2 ** 53)
              expect([name, lines[i]!.includes(String(BigInt(field))) || /[.eE]/.test(lines[i]!)]).toEqual([name, true])
          }
        }
      }),
      RUNS,
    )
  })
})
