import { expect, it } from 'vitest'
import { randomEmbeddings, seededNumbers } from '../../support/clustered-embeddings.js'
import { DIM, newDocument, newDocuments, readVectors, scannedIds, stored } from './stores.js'
import type { Stores } from './stores.js'

/** Ids that are mistaken for each other, or for something else, by whoever normalises, sorts, quotes or encodes them. */
const IDS: Readonly<Record<string, readonly string[]>> = {
  'with emoji': ['🦉', '🦉🦉', '👩‍👩‍👧', '👩', '\u{1f1e9}\u{1f1ea}', '☃', '☃\ufe0f'],
  'written from right to left': ['ינשוף', '\u202einvoice', 'بومة', 'a بومة b'],
  'with combining marks': ['é', 'e\u0301', 'ä', 'a\u0308', 'ﬁ', 'fi', 'Å', '\u212b', 'ẞ', 'ß', 'SS'],
  'with lone surrogates': ['\ud800', '\udc00', '\ud801', '\ufffd', 'a\ud800', '\ud800a', 'a\udfff'],
  'that look like numbers': ['1', '01', '1.0', '1e0', '-0', '0', '+1', 'NaN', 'Infinity', '9007199254740993', '0x1'],
  'that objects have as properties': ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'id'],
  'with spaces and signs': [
    ' ',
    '  ',
    'a',
    ' a',
    'a ',
    'A',
    '\t',
    '\n',
    'a\nb',
    'a\r\nb',
    '%',
    'a%',
    '_',
    "'",
    '"',
    '\\',
  ],
  'that look like paths, queries and values': [
    '../a',
    'a/b',
    'C:\\a',
    "'; DROP TABLE x; --",
    '{}',
    'null',
    'true',
    '$1',
  ],
  'with control characters': ['\0', 'a\0', 'a\0b', '\u0001', '\u007f', '\ufeff', '\ufeffa', '\u200b', 'a\u200b'],
}

/** 2,000 characters that do not compress. */
function longId(seed: number, first: number, letters: number): string {
  const next = seededNumbers(seed)
  return Array.from({ length: 2000 }, () => String.fromCharCode(first + Math.floor(next() * letters))).join('')
}

/** Metadata as JSON text, as it has to come back. */
const METADATA: Readonly<Record<string, string>> = {
  'empty and absent values': '{"":"","a":null,"b":[],"c":{},"d":[null,[],{}]}',
  'numbers of all sizes': `{"n":[${[0, -1.5, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53 + 2].join()}]}`,
  'a negative zero, which JSON.stringify makes zero': JSON.stringify({ zero: -0, in: [-0] }),
  'names that objects have': '{"constructor":1,"toString":{"__proto__":[2]},"__proto__":{"polluted":true},"length":3}',
  'names with dots, quotes and signs': '{"a.b":1,"a":{"b":2,"":3},"\'":1,"\\"":2,"$eq":3,"and":4,"or":[5],"not":6}',
  'texts of any script': JSON.stringify({ größe: '日本', '🦉': ['e\u0301', '\u202e', 'é'], '': 'بومة' }),
  'control characters and lone surrogates': JSON.stringify({ a: 'x\0y', '\0': 1, b: '\ud800', '\udc00': ['\ud800x'] }),
  'values inside each other, a hundred deep': `{"deep":${'['.repeat(99)}1${']'.repeat(99)}}`,
  'numbers for names': '{"z":1,"a":2,"m":{"z":1,"b":2},"10":1,"9":2}',
  'something long': JSON.stringify({ long: 'x'.repeat(200_000), list: Array.from({ length: 5000 }, (_, i) => i) }),
}

export function stringCases(stores: Stores): void {
  it.each(Object.keys(IDS))('tells ids apart %s', async (kind) => {
    const ids = IDS[kind]!
    await expectDistinct(stores, ids)
  })

  it('tells ids apart that are 2,000 characters long', async () => {
    const ascii = longId(1, 33, 94)
    const letters = longId(2, 0x4e00, 20_000)
    await expectDistinct(stores, [ascii, `${ascii.slice(0, -1)}\u007f`, letters, `${letters.slice(0, -1)}x`])
  })

  it.each<[string, string]>([
    ['with NUL', 'a\0b\0'],
    ['with lone surrogates', 'a\ud800b\udc00\udc00'],
    ['of any script', 'Größe 日本 بومة 🦉 e\u0301 \u202e'],
    ['with every kind of line end', 'a\nb\r\nc\rd\u2028e\n'],
    ['with a byte order mark', '\ufeffa'],
    ['that is long', 'The owl hunts at night. '.repeat(20_000)],
    ['of spaces', ' \t '],
  ])('keeps a text %s', async (_kind, text) => {
    const store = await stores.filled([newDocument('before'), newDocument('a', { text }), newDocument('after')])
    const texts = (await store.get(['before', 'a', 'after'])).map((document) => document?.text)
    expect(texts).toEqual(['Text of before.', text, 'Text of after.'])
  })

  it.each(Object.keys(METADATA))('keeps metadata with %s', async (kind) => {
    const json = METADATA[kind]!
    const store = await stores.filled([newDocument('a', { metadata: json }), newDocument('b')])
    const [a, b] = await store.get(['a', 'b'])
    expect(a!.metadata).toStrictEqual(JSON.parse(json))
    expect(b!.metadata).toStrictEqual({})
    // Nothing may turn __proto__ into what is inherited.
    expect(Object.getPrototypeOf(a!.metadata)).toBe(Object.prototype)
    expect(Object.keys(a!.metadata).toSorted()).toEqual(Object.keys(JSON.parse(json) as object).toSorted())
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
}

/** Adds, reads, replaces and deletes by each of these ids, and looks what became of the others. */
async function expectDistinct(stores: Stores, ids: readonly string[]): Promise<void> {
  const documents = ids.map((id, i) =>
    newDocument(id, { metadata: { i }, embeddings: randomEmbeddings(i, i + 1, DIM) }),
  )
  const store = await stores.filled(documents)
  expect(await store.count()).toBe(ids.length)
  expect(await store.get(ids)).toEqual(documents.map(stored))
  expect((await scannedIds(store)).toSorted()).toEqual(ids.toSorted())
  const found = await store.candidates({ embeddings: randomEmbeddings(1, 2, DIM), count: 100 })
  expect(found.ids.toSorted()).toEqual(ids.toSorted())
  const vectors = await readVectors(store, store.spec, ids)
  expect(ids.map((_, i) => vectors.get(i)?.length)).toEqual(ids.map((_, i) => i + 1))
  const order = await scannedIds(store)
  for (const [i, after] of order.entries()) expect(await scannedIds(store, { after })).toEqual(order.slice(i + 1))

  const [first, second] = [ids[0]!, ids[1]!]
  await stores.upsert(store, newDocuments([first], { text: 'Replaced.' }))
  expect(await stores.delete(store, { ids: [second] })).toBe(1)
  const texts = (await store.get(ids)).map((document) => document?.text)
  expect(texts).toEqual(['Replaced.', undefined, ...ids.slice(2).map((id) => `Text of ${id}.`)])
  expect(await store.count()).toBe(ids.length - 1)
}
