// Signals of changes act at once, and what they stop has not happened.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { EmbeddedStore } from '../../../packages/core/src/embedded/embedded-store.js'
import { IndexFiles } from '../../../packages/core/src/embedded/commit/index-files.js'
import { Turns } from '../../../packages/core/src/store/turns.js'
import { FakeEncoder } from '../../support/fake-encoder.js'

const document = (id: string) => ({ id, text: `a ${id}` })

let model: FakeEncoder
let store: EmbeddedStore
let index: MultiVectorIndex
beforeEach(async () => {
  model = new FakeEncoder()
  store = await EmbeddedStore.open()
  index = await MultiVectorIndex.open(store, { model })
  await index.upsert([document('kiwi'), document('emu')])
})
afterEach(async () => {
  vi.restoreAllMocks()
  await index.close()
})

/** Makes the model stand still until it is told to go on. */
function stalled(): { goOn: () => void } {
  let goOn!: () => void
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  vi.spyOn(model, 'encodeDocuments').mockImplementationOnce(async (texts) => {
    await gate
    return texts.map((text) => model.embed(text))
  })
  return { goOn }
}

function aborting(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort(new Error('enough')) }
}

test.each<[string, (signal: AbortSignal) => Promise<unknown>]>([
  ['delete', (signal) => index.delete('kiwi', { signal })],
  ['delete by a filter', (signal) => index.delete({ where: () => true }, { signal })],
  ['upsert', (signal) => index.upsert([document('owl')], { signal })],
  ['insert', (signal) => index.insert([document('owl')], { signal })],
])('%s that waits for a change before it is taken back at once', async (_, change) => {
  const { goOn } = stalled()
  const before = index.upsert([document('penguin')])
  const { signal, abort } = aborting()
  const waiting = change(signal)
  setTimeout(abort, 10)
  await expect(waiting).rejects.toThrow('enough')
  expect(await index.ids()).toEqual(['kiwi', 'emu'])
  goOn()
  await before
  expect(await index.ids()).toEqual(['kiwi', 'emu', 'penguin'])
  await expect(change(signal)).rejects.toThrow('enough')
  expect(await index.ids()).toEqual(['kiwi', 'emu', 'penguin'])
})

test('an upsert does not wait for a model that does not listen, and what it makes of the texts later is not written', async () => {
  const { goOn } = stalled()
  const { signal, abort } = aborting()
  const progress: number[] = []
  const upserting = index.upsert([document('owl')], { signal, onProgress: ({ done }) => progress.push(done) })
  setTimeout(abort, 10)
  await expect(upserting).rejects.toThrow('enough')
  // The next change does not wait for it, either.
  await index.upsert([document('penguin')])
  goOn()
  await sleep(5)
  expect(await index.ids()).toEqual(['kiwi', 'emu', 'penguin'])
  expect(progress).toEqual([])
})

test('a batch that is being written is written to its end, and the next one is not begun', async () => {
  const { signal, abort } = aborting()
  const upsert = store.upsert.bind(store)
  vi.spyOn(store, 'upsert').mockImplementation(async (...given) => {
    const writing = upsert(...given)
    await Promise.resolve()
    abort()
    return writing
  })
  const documents = [document('a'), document('b')]
  await expect(index.upsert(documents, { batchSize: 1, signal })).rejects.toThrow('enough')
  expect(await index.ids()).toEqual(['kiwi', 'emu', 'a'])
})

test('a delete is taken back, too, while the store itself is busy', async () => {
  let goOn!: () => void
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  // As a compaction in the background: a change of the store that the index knows nothing of.
  vi.spyOn(IndexFiles.prototype, 'compact').mockImplementation(async (how) => how!.inTurn!(() => gate))
  const busy = store.compact()
  const { signal, abort } = aborting()
  const deleting = index.delete('kiwi', { signal })
  const upserting = index.upsert([document('owl')], { signal })
  setTimeout(abort, 10)
  await expect(deleting).rejects.toThrow('enough')
  await expect(upserting).rejects.toThrow('enough')
  goOn()
  await busy
  expect(await index.ids()).toEqual(['kiwi', 'emu'])
})

test('a turn that is taken back does not hold up the next, and one that has begun goes on', async () => {
  const turns = new Turns()
  let goOn!: () => void
  const first = turns.take(() => new Promise<void>((resolve) => (goOn = resolve)))
  const { signal, abort } = aborting()
  const ran: string[] = []
  const second = turns.take(async () => ran.push('second'), signal)
  const third = turns.take(async () => ran.push('third'))
  abort()
  await expect(second).rejects.toThrow('enough')
  goOn()
  await Promise.all([first, third])
  expect(ran).toEqual(['third'])
  // Begun is begun.
  const late = aborting()
  const begun = turns.take(async () => {
    late.abort()
    await sleep(1)
    return 'done'
  }, late.signal)
  expect(await begun).toBe('done')
})

test('checks the options of delete', async () => {
  await expect(index.delete('kiwi', { abortSignal: 1 } as never)).rejects.toThrow('Did you mean "signal"?')
})
