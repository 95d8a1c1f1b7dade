import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ColBERT } from '../../../packages/core/src/colbert.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'

let model: ColBERT
let root: string
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'serotine-micro-'))
  model = await ColBERT.load(undefined, { workers: 0 })
})
afterAll(async () => {
  await model.close()
  rmSync(root, { recursive: true })
})

const TEXTS = [
  { id: 'kiwi', text: 'The kiwi is a bird of New Zealand that cannot fly.', metadata: { lang: 'en' } },
  { id: 'bat', text: 'Bats are mammals that hunt insects at night by echolocation.', metadata: { lang: 'en' } },
  { id: 'bread', text: 'Sourdough bread is leavened with wild yeast and bacteria.', metadata: { lang: 'en' } },
  { id: 'proxy', text: 'Set the HTTPS_PROXY environment variable to use a proxy server.', metadata: { lang: 'en' } },
]

test('the embedded model takes no more than 6 MB', () => {
  const folder = fileURLToPath(new URL('../../../packages/model-micro/model', import.meta.url))
  const sizes = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).size)
  expect(sizes.length).toBeGreaterThan(5)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(6e6)
})

test('the embedded model finds texts by what they mean, and an index of it is refused to another', async () => {
  const folder = join(root, 'index')
  const index = await MultiVectorIndex.open(folder, { model, codec: 'f32' })
  await index.upsert(TEXTS)
  expect((await index.search('flightless birds', { k: 1 }))[0]!.id).toBe('kiwi')
  expect((await index.search('baking without commercial yeast', { k: 1 }))[0]!.id).toBe('bread')
  expect(await index.upsert(TEXTS)).toEqual({ added: 0, updated: 0, unchanged: 4 })
  const hits = await index.search('animals active at night', { k: 4 })
  const ranked = await model.rerank(
    'animals active at night',
    TEXTS.map(({ text }) => text),
  )
  expect(hits.map(({ text }) => text)).toEqual(ranked.map(({ document }) => document))
  hits.forEach(({ score, meanSimilarity }, i) => {
    expect(score).toBeCloseTo(ranked[i]!.score, 4)
    expect(meanSimilarity).toBeCloseTo(ranked[i]!.meanSimilarity, 5)
  })
  await index.close()
  const shorter = await ColBERT.load(undefined, { workers: 0, documentLength: 64 })
  await expect(MultiVectorIndex.open(folder, { model: shorter })).rejects.toMatchObject({ code: 'INDEX_MISMATCH' })
  await shorter.close()
})
