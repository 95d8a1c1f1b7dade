// Documents that come in their own time, and callbacks that throw: neither holds up or breaks anything else.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { loadHnswlib } from '../../../packages/core/src/embedded/stages/hnsw/hnswlib.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import { breakFiles, repair } from '../../support/file-faults.js'

vi.mock('node:fs', async (original) =>
  (await import('../../support/file-faults.js')).faulty(await original<typeof import('node:fs')>()),
)

const hnswlib = await loadHnswlib().catch(() => undefined)
const model = new FakeEncoder()
const next = random(4)
const documents = Array.from({ length: 300 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 8) }))

let folder: string
let index: MultiVectorIndex
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-streams-'))
  index = await MultiVectorIndex.open(folder, { model })
})
afterEach(async () => {
  repair()
  await index.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Gives so many documents and then nothing, for ever. `ended` says whether it was told that nobody waits any more. */
function stalling(count: number) {
  const state = { given: 0, ended: false }
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        state.given < count
          ? Promise.resolve({ done: false, value: documents[state.given++]! })
          : new Promise<never>(() => {}),
      return: () => {
        state.ended = true
        return new Promise<never>(() => {})
      },
    }),
  } as AsyncIterable<(typeof documents)[number]>
  return { source, state }
}
const committed = async (count: number) => {
  while ((await index.count()) < count) await sleep(2)
}

describe('a stream that stalls', () => {
  test('holds up no other change', async () => {
    const { source, state } = stalling(5)
    const upsert = index.upsert(source, { batchSize: 2 })
    upsert.catch(() => {})
    await committed(4)
    expect(await index.delete('d0')).toBe(1)
    expect(await index.upsert([{ id: 'other', text: 'kiwi' }])).toMatchObject({ added: 1 })
    await index.compact()
    await index.prepare()
    expect(await index.count()).toBe(4)
    await index.close()
    await expect(upsert).rejects.toMatchObject({ code: 'CLOSED' })
    expect([state.ended, readdirSync(folder).includes('lock')]).toEqual([true, false])
    index = await MultiVectorIndex.open(folder, { model })
    expect(await index.ids()).toEqual(['d1', 'd2', 'd3', 'other'])
  })

  test('ends at once when the signal says so', async () => {
    const { source, state } = stalling(4)
    const controller = new AbortController()
    const upsert = index.upsert(source, { batchSize: 2, signal: controller.signal })
    upsert.catch(() => {})
    await committed(4)
    controller.abort(new Error('enough'))
    await expect(upsert).rejects.toThrow('enough')
    expect([await index.count(), state.ended]).toEqual([4, true])
  })
})

test('a stream may wait for changes of the index it is read into', async () => {
  async function* source() {
    yield documents[0]!
    await index.upsert([documents[10]!, documents[11]!])
    yield documents[1]!
    await index.delete('d10')
    await index.compact()
    yield documents[2]!
  }
  expect(await index.upsert(source(), { batchSize: 1 })).toEqual({ added: 3, updated: 0, unchanged: 0 })
  expect((await index.ids()).sort()).toEqual(['d0', 'd1', 'd11', 'd2'])
})

test('a stream that throws, or comes to an end, is not told to', async () => {
  const told = vi.fn()
  const source = (fails: boolean) => ({
    [Symbol.asyncIterator]: () => ({
      count: 0,
      next() {
        if (this.count++ < 3) return Promise.resolve({ done: false as const, value: documents[this.count]! })
        return fails ? Promise.reject(new Error('torn')) : Promise.resolve({ done: true as const, value: undefined })
      },
      return: told,
    }),
  })
  await expect(index.upsert(source(true))).rejects.toThrow('torn')
  expect(await index.upsert(source(false))).toMatchObject({ added: 3 })
  expect(told).not.toHaveBeenCalled()
})

test('what is there already is written in the order of the calls, and close() waits for it', async () => {
  const calls = [
    index.upsert(documents.slice(0, 40), { batchSize: 3 }),
    index.delete(['d1', 'd2']),
    index.upsert(new Set(documents.slice(0, 2)), { batchSize: 1 }),
  ]
  await index.close()
  expect(await Promise.all(calls)).toEqual([
    { added: 40, updated: 0, unchanged: 0 },
    2,
    { added: 1, updated: 0, unchanged: 1 },
  ])
  index = await MultiVectorIndex.open(folder, { model })
  expect(await index.count()).toBe(39)
})

describe('onProgress that throws', () => {
  const wrong = new TypeError('bar.tick is not a function')

  test('ends the call and is not taken for a failure of what was written', async () => {
    const upsert = index.upsert(documents, {
      batchSize: 100,
      onProgress: ({ phase, done }) => {
        if (phase === 'index' && done === 200) throw wrong
      },
    })
    await expect(upsert).rejects.toMatchObject({
      code: 'CALLBACK_FAILED',
      message: expect.stringMatching(
        /onProgress threw when 200 documents .* bar\.tick is not a function .* committed stays/,
      ) as string,
      cause: wrong,
    })
    expect(await index.count()).toBe(200)
    expect(await index.upsert(documents, { batchSize: 100 })).toEqual({ added: 100, updated: 0, unchanged: 200 })
  })

  test('nor of what comes next', async () => {
    const first = index.upsert(documents.slice(0, 10), {
      onProgress: () => {
        throw wrong
      },
    })
    const second = index.upsert(documents.slice(5, 20))
    await expect(first).rejects.toMatchObject({ code: 'CALLBACK_FAILED' })
    expect([await second, await index.count()]).toEqual([{ added: 10, updated: 0, unchanged: 5 }, 20])
  })
})

test.skipIf(!hnswlib)('a graph for which the disk has no room is a warning when the index is closed', async () => {
  await index.close()
  rmSync(folder, { recursive: true })
  const warnings: Warning[] = []
  index = await MultiVectorIndex.open(folder, {
    model,
    firstStage: 'hnsw',
    fde: { partitioning: 'hyperplanes' },
    onWarning: (warning) => warnings.push(warning),
  })
  await index.upsert(documents.slice(0, 200))
  await index.prepare()
  await index.upsert(documents.slice(200, 201))
  await index.prepare()
  breakFiles({ call: 'openSync', path: /hnsw-graph$/, code: 'ENOSPC' })
  await index.close()
  expect(warnings).toMatchObject([
    { code: 'UPKEEP_FAILED', message: expect.stringMatching(/first stage hnsw .*made again: ENOSPC/) as string },
  ])
  repair()
  index = await MultiVectorIndex.open(folder, { model, firstStage: 'hnsw' })
  expect(await index.count()).toBe(201)
  expect((await index.search(documents[200]!.text))[0]!.id).toBe('d200')
})
