import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { OpenOptions } from '../../../packages/core/src/index/open.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'

const model = new FakeEncoder()
const next = random(5)
const documents = Array.from({ length: 200 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 10) }))

let folder: string
let writer: MultiVectorIndex
let reader: MultiVectorIndex
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-refresh-'))
  writer = await MultiVectorIndex.open(folder, { model })
  await writer.upsert(documents.slice(0, 100))
  reader = await MultiVectorIndex.open(folder, { model, readonly: true })
})
afterEach(async () => {
  await Promise.all([writer.close(), reader.close()])
  rmSync(folder, { recursive: true, force: true })
})

test('a reader sees what was committed since, when it is refreshed', async () => {
  expect(await reader.refresh()).toBe(false)
  await writer.upsert(documents)
  await writer.delete('d0')
  await writer.compact()
  expect([await reader.count(), await reader.has('d0')]).toEqual([100, true])
  expect(await reader.refresh()).toBe(true)
  expect([await reader.count(), await reader.has('d0')]).toEqual([199, false])
  expect((await reader.search(documents[150]!.text))[0]!.id).toBe('d150')
  expect(await reader.refresh()).toBe(false)
  await expect(reader.upsert(documents)).rejects.toMatchObject({ code: 'INDEX_READONLY' })
})

test('a reader sees an index that took the place of one with as many changes', async () => {
  const made = join(folder, 'made')
  const own = join(folder, 'own')
  for (const [path, some] of [
    [made, documents.slice(100, 150)],
    [own, documents.slice(0, 50)],
  ] as const) {
    await using index = await MultiVectorIndex.open(path, { model })
    await index.upsert(some)
  }
  await using reading = await MultiVectorIndex.open(own, { model, readonly: true })
  renameSync(own, join(folder, 'before'))
  renameSync(made, own)
  expect(await reading.refresh()).toBe(true)
  expect([await reading.has('d0'), await reading.has('d100')]).toEqual([false, true])
})

test('a reader takes over vectors that were compressed since, with what they were compressed by', async () => {
  const options = { model, codec: 'residual', compressTokens: 300 } as OpenOptions
  const own = join(folder, 'residual')
  await using writing = await MultiVectorIndex.open(own, options)
  await writing.upsert(documents)
  await using reading = await MultiVectorIndex.open(own, { ...options, readonly: true })
  const vectors = await reading.embeddings('d7')
  await writing.prepare()
  expect((await writing.stats()).firstStages.centroids!.facts.compressed).toBe(200)
  expect(await reading.embeddings('d7')).toEqual(vectors)
  expect(await reading.refresh()).toBe(true)
  expect(await reading.embeddings('d7')).toEqual(await writing.embeddings('d7'))
  expect(await reading.embeddings('d7')).not.toEqual(vectors)
  // Those that come later bring their own.
  await writing.upsert(Array.from({ length: 250 }, (_, i) => ({ id: `e${i}`, text: randomText(next, 10) })))
  await writing.prepare()
  expect(await reading.refresh()).toBe(true)
  expect((await reading.stats()).firstStages.centroids!.facts.compressed).toBe(450)
  for (const firstStage of ['exact', 'centroids']) {
    const search = { k: 500, candidates: 500, firstStage }
    expect(await reading.search('kiwi river', search)).toEqual(await writing.search('kiwi river', search))
  }
})

test('searches that are under way end on what they began with', async () => {
  const searches = Array.from({ length: 20 }, (_, i) => reader.search(documents[i]!.text, { k: 1 }))
  await writer.delete(documents.slice(0, 50).map(({ id }) => id))
  await writer.compact()
  const refreshed = reader.refresh()
  const hits = await Promise.all(searches)
  expect(hits.map(([hit]) => hit?.id)).toEqual(documents.slice(0, 20).map(({ id }) => id))
  expect([await refreshed, await reader.count()]).toEqual([true, 50])
})

test('searches that are under way end when the index is closed', async () => {
  const slow = await MultiVectorIndex.open(folder, { readonly: true })
  const queries = documents.slice(0, 20).map(({ text }) => model.embed(text))
  const searches = queries.map((query) => slow.search(query, { k: 1 }))
  await slow.close()
  expect((await Promise.all(searches)).map(([hit]) => hit!.id)).toEqual(documents.slice(0, 20).map(({ id }) => id))
  await expect(slow.search(queries[0]!)).rejects.toMatchObject({ code: 'CLOSED' })
})

test('the state before stays when the next one cannot be opened', async () => {
  await writer.upsert(documents)
  const table = readdirSync(folder).find((name) => name.endsWith('.table'))!
  writeFileSync(join(folder, table), 'x', { flag: 'r+' })
  await expect(reader.refresh()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
  expect((await reader.search(documents[7]!.text))[0]!.id).toBe('d7')
})

test('costs a look at the manifest where nothing has changed', async () => {
  await writer.upsert(documents)
  expect([reader.readonly, writer.readonly]).toEqual([true, false])
  expect(await reader.refresh()).toBe(true)
  // Opening it once more would fail.
  for (const name of readdirSync(folder)) if (name.endsWith('.table')) rmSync(join(folder, name))
  expect(await reader.refresh()).toBe(false)
})

test('is for readers, that are open', async () => {
  await expect(writer.refresh()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await reader.close()
  await expect(reader.refresh()).rejects.toMatchObject({ code: 'CLOSED' })
})
