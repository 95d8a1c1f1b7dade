import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'
import { maxSimMany } from '../../../packages/core/src/scoring/maxsim.js'

const folder = fileURLToPath(new URL('../../../packages/model-small/model', import.meta.url))
const golden = JSON.parse(readFileSync(new URL('../../golden/model-small/golden.json', import.meta.url), 'utf8')) as {
  records: { kind: 'query' | 'document'; text: string; tokens: number; rows: number[][] }[]
}

let model: ColBERT
beforeAll(async () => {
  model = await ColBERT.load('small')
})
afterAll(() => model.close())

test('it takes no more than 25 MB', () => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const bytes = files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
  expect(bytes).toBeLessThan(25e6)
})

test('its settings are those it was trained with', () => {
  expect(model.name).toBe('@serotine/model-small')
  expect(model.dim).toBe(128)
  expect(model.config).toMatchObject({
    queryPrefix: '',
    documentPrefix: '',
    queryLength: 256,
    documentLength: 512,
    doQueryExpansion: false,
  })
})

test.each(golden.records)('a $kind of $tokens tokens has the vectors that PyLate gives it', async (record) => {
  const { kind, text, tokens, rows } = record
  const [vectors] = kind === 'query' ? await model.encodeQueries([text]) : await model.encodeDocuments([text])
  expect(vectors!.length).toBe(tokens)
  const at = [0, 1, 2, 3, 4, 5, ...[6, 5, 4, 3, 2, 1].map((fromEnd) => tokens - fromEnd)]
  const differences = at.flatMap((token, row) =>
    rows[row]!.map((value, i) => Math.abs(vectors!.data[token * vectors!.dim + i]! - value)),
  )
  expect(Math.max(...differences)).toBeLessThan(5e-5)
})

test('it finds 23 of 24 paragraphs of XQuAD first by a question each', async () => {
  const data = new URL('../../../bench/data/xquad-en/', import.meta.url)
  const lines = (name: string) =>
    gunzipSync(readFileSync(new URL(name, data)))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { _id: string; title?: string; text: string })
  const qrels = readFileSync(new URL('qrels/test.tsv', data), 'utf8').trim().split('\n').slice(1)
  const askedOf = new Map(qrels.map((row) => row.split('\t') as [string, string]).map(([query, of]) => [of, query]))
  const texts = new Map(lines('queries.jsonl.gz').map(({ _id, text }) => [_id, text]))
  const documents = lines('corpus.jsonl.gz').slice(0, 24)
  const vectors = await model.encodeDocuments(documents.map(({ title, text }) => `${title ?? ''} ${text}`.trim()))
  const queries = await model.encodeQueries(documents.map(({ _id }) => texts.get(askedOf.get(_id)!)!))
  const found = queries.filter((query, i) => {
    const scores = maxSimMany(query, vectors)
    return scores.every((score) => score <= scores[i]!)
  })
  expect(found.length).toBeGreaterThanOrEqual(23)
})
