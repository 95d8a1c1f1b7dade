// A text that was cut into pieces is replaced as a whole: what comes and what goes is one commit.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { FakeEncoder } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const pieces = (version: string, n: number) =>
  Array.from({ length: n }, (_, i) => ({ id: `a#${i + 1}`, text: `${version} ${i} of the text` }))

let folder: string
let index: MultiVectorIndex
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-upsert-delete-'))
  index = await MultiVectorIndex.open(folder, { model })
  await index.upsert([...pieces('old', 5), { id: 'b', text: 'another' }])
})
afterEach(async () => {
  await index.close()
  rmSync(folder, { recursive: true, force: true })
})

const generation = async () => (await index.stats()).generation

test('a reader sees the old pieces or the new ones, never both', async () => {
  await using reader = await MultiVectorIndex.open(folder, { model, readonly: true })
  const before = await generation()
  const result = await index.upsert(pieces('new', 3), { delete: ['a#4', 'a#5', 'a#1', 'unknown'] })
  expect(result).toEqual({ added: 0, updated: 3, unchanged: 0, deleted: 2 })
  expect(await generation()).toBe(before + 1)
  await reader.refresh()
  expect((await reader.ids()).sort()).toEqual(['a#1', 'a#2', 'a#3', 'b'])
  expect((await reader.get('a#3'))?.text).toBe('new 2 of the text')
})

test('all documents are one batch, however many and long they are', async () => {
  const before = await generation()
  const long = 'word '.repeat(2_000)
  const many = Array.from({ length: 700 }, (_, i) => ({ id: `c${i}`, text: `${i} ${i < 50 ? long : ''}` }))
  await index.upsert(many, { delete: ['b'], batchSize: 10 })
  expect([await generation(), await index.count()]).toEqual([before + 1, 705])
})

test('what is unchanged is not written; nothing at all is, where nothing comes or goes', async () => {
  const before = await generation()
  expect(await index.upsert(pieces('old', 5), { delete: [] })).toEqual({
    added: 0,
    updated: 0,
    unchanged: 5,
    deleted: 0,
  })
  expect(await generation()).toBe(before)
  expect((await index.upsert(pieces('old', 4), { delete: ['a#5'] })).deleted).toBe(1)
  expect((await index.upsert([], { delete: ['a#4', 'a#4', 'a#5'] })).deleted).toBe(1)
  expect([await generation(), await index.count()]).toEqual([before + 2, 4])
})

test('nothing goes when what comes cannot be written', async () => {
  const bad = { id: 'a#1', embeddings: { data: new Float32Array(3), length: 1, dim: 3 } }
  await expect(index.upsert([bad], { delete: ['a#2'] })).rejects.toMatchObject({ code: 'DIM_MISMATCH' })
  const controller = new AbortController()
  const aborted = index.upsert(pieces('new', 1), { delete: ['a#2'], signal: controller.signal })
  controller.abort(new Error('stop'))
  await expect(aborted).rejects.toThrow('stop')
  expect((await index.get('a#1'))?.text).toBe('old 0 of the text')
  expect(await index.count()).toBe(6)
})

test('a stream is no one commit, and a list is one of ids', async () => {
  const stream = (async function* () {
    yield { id: 'a#1', text: 'new' }
  })()
  await expect(index.upsert(stream, { delete: ['b'] })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('async iterable'),
  })
  for (const wrong of ['b', [''], [1], { where: {} }]) {
    await expect(index.upsert([], { delete: wrong as never })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
  expect(await index.count()).toBe(6)
})
