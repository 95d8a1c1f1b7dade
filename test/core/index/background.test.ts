// What an index has its store prepare in the background, and what others do to that.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { Warning } from '../../../packages/core/src/errors.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { PrepareOptions } from '../../../packages/core/src/store/store.js'
import { FakeEncoder } from '../../support/fake-encoder.js'
import { MemoryStore } from '../../support/memory-store.js'

const model = new FakeEncoder()
const documents = Array.from({ length: 30 }, (_, i) => ({ id: `d${i}`, text: `bird number ${i}` }))

/** A store whose runs end, or fail, when they are told to, and know what was there when they began. */
class PreparedStore extends MemoryStore {
  readonly seen: number[] = []
  readonly ends: ((error?: Error) => void)[] = []
  closed = 0

  override readonly prepare = async ({ signal }: PrepareOptions = {}) => {
    this.seen.push(await this.count())
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      this.ends.push((error) => (error ? reject(error) : resolve()))
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  }

  override async close(): Promise<void> {
    this.closed++
    await super.close()
  }
}

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  const done = () => (isSettled = true)
  promise.then(done, done)
  for (let i = 0; i < 20; i++) await nextTurn()
  return isSettled
}

describe('many changes', () => {
  test('are followed by the run under way and one more, which sees everything', async () => {
    const store = new PreparedStore()
    const index = await MultiVectorIndex.open(store, { model })
    for (const document of documents) await index.upsert([document])
    await vi.waitFor(() => expect(store.ends).toHaveLength(1))
    const closing = index.close()
    expect(await settled(closing)).toBe(false)
    store.ends[0]!()
    await vi.waitFor(() => expect(store.ends).toHaveLength(2))
    expect([await settled(closing), store.seen]).toEqual([false, [1, 30]])
    store.ends[1]!()
    await closing
    expect([store.seen, store.closed]).toEqual([[1, 30], 1])
  })

  test('made while a run is under way are seen by the next, however often that goes on', async () => {
    const store = new PreparedStore()
    const index = await MultiVectorIndex.open(store, { model })
    for (let round = 0; round < 5; round++) {
      await index.upsert(documents.slice(round * 2, round * 2 + 1))
      await index.upsert(documents.slice(round * 2 + 1, round * 2 + 2))
      if (round > 0) store.ends[round - 1]!()
      await vi.waitFor(() => expect(store.ends).toHaveLength(round + 1))
    }
    expect(store.seen).toEqual([1, 4, 6, 8, 10])
    await index.close({ prepare: false })
    expect(store.seen).toHaveLength(5)
  })

  test('prepare() waits for the run that is still to come, but not for those of later changes', async () => {
    const store = new PreparedStore()
    const index = await MultiVectorIndex.open(store, { model })
    await index.upsert(documents.slice(0, 1))
    await vi.waitFor(() => expect(store.ends).toHaveLength(1))
    await index.upsert(documents.slice(0, 2))
    const prepared = index.prepare()
    await vi.waitFor(() => expect(store.ends).toHaveLength(2))
    store.ends[1]!()
    expect(await settled(prepared)).toBe(false)
    store.ends[0]!()
    await vi.waitFor(() => expect(store.ends).toHaveLength(3))
    await index.upsert(documents.slice(0, 3))
    store.ends[2]!()
    await prepared
    expect(store.seen.slice(0, 3)).toEqual([1, 2, 2])
    await index.close({ prepare: false })
  })
})

describe('an onWarning that throws', () => {
  const onWarning = () => {
    throw new Error('The log is full.')
  }

  test('disturbs neither changes nor close(): nobody waits for the background', async () => {
    const store = new PreparedStore()
    const index = await MultiVectorIndex.open(store, { model, onWarning })
    await index.upsert(documents)
    await vi.waitFor(() => expect(store.ends).toHaveLength(1))
    store.ends[0]!(new Error('The disk is full.'))
    await index.upsert(documents.slice(0, 1))
    await vi.waitFor(() => expect(store.ends).toHaveLength(2))
    store.ends[1]!()
    await index.close()
    expect(store.closed).toBe(1)
  })

  test('nor does a store that throws at once', async () => {
    const store = new PreparedStore()
    const warnings: Warning[] = []
    const prepare = () => {
      throw new Error('At once.')
    }
    const index = await MultiVectorIndex.open(Object.assign(store, { prepare }), {
      model,
      onWarning: (warning) => warnings.push(warning),
    })
    expect(await index.upsert(documents)).toMatchObject({ added: 30 })
    await index.close()
    expect([warnings.map(({ code }) => code), store.closed]).toEqual([['UPKEEP_FAILED'], 1])
  })
})

test('prepare() that is stopped does not wait for the changes before it', async () => {
  let go = () => {}
  const slow = new FakeEncoder()
  slow.encodeDocuments = async (texts) => {
    await new Promise<void>((resolve) => (go = resolve))
    return texts.map((text) => slow.embed(text))
  }
  await using index = await MultiVectorIndex.open(undefined, { model: slow })
  const upserted = index.upsert(documents)
  const stop = new AbortController()
  const prepared = index.prepare({ signal: stop.signal })
  expect(await settled(prepared)).toBe(false)
  stop.abort(new Error('enough'))
  expect(await settled(prepared)).toBe(true)
  await expect(prepared).rejects.toThrow('enough')
  go()
  expect(await upserted).toMatchObject({ added: 30 })
})
