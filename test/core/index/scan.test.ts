import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import type { ScanIndexOptions } from '../../../packages/core/src/index/scan.js'
import type { ScanOptions, StoredDocument } from '../../../packages/core/src/store/store.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import { MemoryStore } from '../../support/memory-store.js'

const model = new FakeEncoder()
const next = random(8)
const documents = Array.from({ length: 600 }, (_, i) => ({
  id: `d${i}`,
  text: randomText(next, 6),
  metadata: { third: i % 3 === 0 },
}))
const ids = (some: readonly { id: string }[]): string[] => some.map(({ id }) => id)

let folder: string
let index: MultiVectorIndex
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-scan-'))
  index = await MultiVectorIndex.open(folder, { model })
  await index.upsert(documents)
})
afterEach(async () => {
  await index.close()
  rmSync(folder, { recursive: true, force: true })
})

async function all(options?: ScanIndexOptions): Promise<StoredDocument[]> {
  const found = []
  for await (const document of index.scan(options)) found.push(document)
  return found
}

/** A store that counts the scans that are open. */
class CountingStore extends MemoryStore {
  open = 0
  override async *scan(options?: ScanOptions): ReturnType<MemoryStore['scan']> {
    this.open++
    try {
      yield* super.scan({ ...options, batchSize: 2 })
    } finally {
      this.open--
    }
  }
}

async function counting(): Promise<{ store: CountingStore; counted: MultiVectorIndex }> {
  const store = new CountingStore()
  const counted = await MultiVectorIndex.open(store, { model })
  await counted.upsert(documents.slice(0, 20))
  return { store, counted }
}

describe('scan', () => {
  test('gives every document once, as get does, in the order of ids()', async () => {
    await index.upsert([{ ...documents[5]!, text: 'another' }])
    const found = await all()
    expect(ids(found)).toEqual(await index.ids())
    expect(found).toEqual(await index.get(ids(found)))
    expect(ids(await all())).toEqual(ids(found))
  })

  test('leaves out what does not pass, what comes before, and texts', async () => {
    const third = documents.filter(({ metadata }) => metadata.third)
    expect(ids(await all({ where: { third: true } }))).toEqual(ids(third))
    expect(ids(await all({ after: 'd297' }))).toEqual(ids(documents.slice(298)))
    expect(ids(await all({ after: 'd297', where: { third: true } }))).toEqual(ids(third.slice(100)))
    expect((await all({ text: false })).some((document) => 'text' in document)).toBe(false)
    await expect(all({ after: 'nobody' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('shows one state, whatever its reader does to the index meanwhile', async () => {
    const found = []
    for await (const document of index.scan()) {
      found.push(document)
      if (found.length % 100 === 50) {
        await index.upsert([
          { id: document.id, text: 'changed' },
          { id: `new ${document.id}`, text: 'new' },
        ])
        await index.delete(`d${found.length + 300}`)
        await index.compact()
      }
    }
    expect(found.map(({ id, text }) => [id, text])).toEqual(documents.map(({ id, text }) => [id, text]))
  })

  test('checks its options at once', () => {
    expect(() => index.scan({ filter: {} } as never)).toThrow('scan() has no option "filter". Did you mean "where"?')
    expect(() => index.scan({ text: 'no' as never })).toThrow('text must be true or false, got "no".')
    expect(() => index.scan({ after: 7 as never })).toThrow('after must be a string that is not empty, got 7.')
    expect(() => index.scan({ where: { third: { near: 1 } } as never })).toThrow('near')
  })

  test('is of the index as it is when the first document is asked for', async () => {
    const scan = index.scan()
    await index.delete(ids(documents.slice(1)))
    expect(await scan.next()).toMatchObject({ value: { id: 'd0' } })
    expect(await scan.next()).toEqual({ done: true, value: undefined })
  })
})

describe('a scan that is not read to its end', () => {
  test('lets go when its reader leaves the loop', async () => {
    const { store, counted } = await counting()
    for await (const { id } of counted.scan()) {
      expect(store.open).toBe(1)
      if (id === 'd4') break
    }
    expect(store.open).toBe(0)
    await expect(
      (async () => {
        for await (const { id } of counted.scan()) throw new Error(id)
      })(),
    ).rejects.toThrow('d0')
    expect(store.open).toBe(0)
    await counted.close()
  })

  test('lets go when the signal says so, though nobody asks it for anything', async () => {
    const { store, counted } = await counting()
    const controller = new AbortController()
    const scan = counted.scan({ signal: controller.signal })
    await scan.next()
    controller.abort(new Error('enough'))
    await nextTurn()
    expect(store.open).toBe(0)
    await expect(scan.next()).rejects.toThrow('enough')
    await counted.close()
  })

  test('stops waiting for the store at the signal', async () => {
    const { store, counted } = await counting()
    store.scan = async function* () {
      yield [] as never[]
      await new Promise<never>(() => {})
    }
    const controller = new AbortController()
    const waiting = counted.scan({ signal: controller.signal }).next()
    setTimeout(() => controller.abort(new Error('enough')), 10)
    await expect(waiting).rejects.toThrow('enough')
  })

  test('lets go when it is forgotten', async () => {
    const { store, counted } = await counting()
    await (async () => {
      await counted.scan().next()
      await counted.scan({ signal: new AbortController().signal }).next()
    })()
    expect(store.open).toBe(2)
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let tries = 0; store.open > 0 && tries < 100; tries++) {
      collect()
      await nextTurn()
    }
    expect(store.open).toBe(0)
    await counted.close()
  })

  test('ends with CLOSED after the index was closed, and does not hold that up', async () => {
    const scan = index.scan()
    await scan.next()
    await index.close()
    await expect(
      (async () => {
        for await (const _ of scan);
      })(),
    ).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => index.scan()).toThrow('closed')
  })

  test('goes on over what it began with when a reader is refreshed, which does not wait for it', async () => {
    const reader = await MultiVectorIndex.open(folder, { readonly: true })
    const found = []
    for await (const { id, text } of reader.scan()) {
      found.push([id, text])
      if (found.length !== 10) continue
      await index.delete(ids(documents.slice(100)))
      await index.compact()
      expect(await reader.refresh()).toBe(true)
      expect(await reader.count()).toBe(100)
    }
    expect(found).toEqual(documents.map(({ id, text }) => [id, text]))
    await reader.close()
  })

  test('of a reader that was refreshed ends with it', async () => {
    const reader = await MultiVectorIndex.open(folder, { readonly: true })
    const scan = reader.scan()
    await scan.next()
    await index.delete('d0')
    expect(await reader.refresh()).toBe(true)
    await reader.close()
    await expect(
      (async () => {
        for await (const _ of scan);
      })(),
    ).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
