import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MultiVectorIndex } from '../../../../packages/core/src/index/multi-vector-index.js'
import { FakeEncoder, random, randomText } from '../../../support/fake-encoder.js'
import { MemoryStore } from '../../../support/memory-store.js'

const model = new FakeEncoder()
const next = random(3)
const documents = Array.from({ length: 200 }, (_, i) => ({ id: `d${i}`, text: randomText(next, 10) }))
const queries = documents.slice(0, 50).map(({ text }) => text.split(' ').slice(0, 4).join(' '))

let folder: string
let index: MultiVectorIndex
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-many-'))
  index = await MultiVectorIndex.open(folder, { model })
  await index.upsert(documents)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await index.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('searchMany', () => {
  it.each([
    {},
    { k: 3, offset: 2 },
    { hybrid: true, text: false },
    { where: (document: { id: string }) => document.id.endsWith('5') },
  ])('gives what each query gives alone, in their order: %j', async (options) => {
    const alone = await Promise.all(queries.map((query) => index.search(query, options)))
    expect(await index.searchMany(queries, options)).toEqual(alone)
  })

  it('takes texts and embeddings side by side', async () => {
    const mixed = queries.map((text, i) => (i % 3 === 0 ? model.embed(text) : text))
    expect(await index.searchMany(mixed)).toEqual(await index.searchMany(queries))
    expect(await index.searchMany([])).toEqual([])
  })

  it('encodes texts in one call', async () => {
    const encode = vi.spyOn(model, 'encodeQueries')
    await index.searchMany(queries, { promptName: 'query' })
    expect(encode.mock.calls.map(([texts]) => texts)).toEqual([queries])
    expect(encode.mock.calls[0]![1]).toMatchObject({ promptName: 'query' })
  })

  it('answers all on one state of the index', async () => {
    const before = await index.searchMany(queries)
    const answers = index.searchMany(queries)
    await index.delete(documents.slice(0, 150).map(({ id }) => id))
    await index.compact()
    expect(await answers).toEqual(before)
    expect(await index.searchMany(queries)).not.toEqual(before)
  })

  it('lets timers and sockets have their turn between two queries', async () => {
    let turns = 0
    const count = (): void => {
      turns++
      timer = setImmediate(count)
    }
    let timer = setImmediate(count)
    await index.searchMany(queries)
    clearImmediate(timer)
    expect(turns).toBeGreaterThan(queries.length / 2)
  })

  it('stops at the signal, with its reason', async () => {
    const controller = new AbortController()
    let asked = 0
    const where = (): boolean => {
      if (++asked === 300) controller.abort(new Error('enough'))
      return true
    }
    await expect(index.searchMany(queries, { where, signal: controller.signal })).rejects.toThrow(/^enough$/)
    expect(asked).toBeLessThan(1000)
  })

  it('ends before the index is closed', async () => {
    const answers = index.searchMany(queries)
    await index.close()
    expect(await answers).toHaveLength(50)
    await expect(index.searchMany(queries)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('a query that fails', () => {
  it('is named when it is none', async () => {
    const encode = vi.spyOn(model, 'encodeQueries')
    await expect(index.searchMany(['a', 7 as never])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'Query 1: The query must be a text or token embeddings, got 7.',
    })
    expect(encode).not.toHaveBeenCalled()
    await expect(index.searchMany('kiwi' as never)).rejects.toThrow(
      'searchMany() takes an array of queries, got "kiwi".',
    )
  })

  it('is named when it is of another dimension', async () => {
    const other = new FakeEncoder({ dim: 8 }).embed('a')
    await expect(index.searchMany([queries[0]!, other])).rejects.toMatchObject({
      code: 'DIM_MISMATCH',
      message: expect.stringMatching(/^Query 1: The query has dimension 8, but the index has 16/) as string,
    })
  })

  it('is named when the model makes no numbers of it', async () => {
    vi.spyOn(model, 'encodeQueries').mockImplementation(async (texts) =>
      texts.map((text) => {
        const embeddings = model.embed(text)
        if (text === 'bad') embeddings.data[0] = Number.NaN
        return embeddings
      }),
    )
    await expect(index.searchMany(['good', 'bad'])).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringMatching(/^Query 1 \("bad"\): /) as string,
    })
  })

  it('is named with its code and cause when it cannot be answered', async () => {
    const store = new MemoryStore()
    const other = await MultiVectorIndex.open(store, { model })
    await other.upsert(documents.slice(0, 3))
    const reading = store.reading.bind(store)
    vi.spyOn(store, 'reading').mockImplementation((work) =>
      reading((reader) => {
        let calls = 0
        const candidates: typeof reader.candidates = async (query) => {
          if (++calls === 3) throw new Error('node 4 is gone')
          return reader.candidates(query)
        }
        return work({ ...bound(reader), candidates })
      }),
    )
    const failed = await other.searchMany(['a', 'b', 'c', 'd']).catch((error: unknown) => error as Error)
    expect(failed).toMatchObject({ message: 'Query 2 ("c"): node 4 is gone', cause: { message: 'node 4 is gone' } })
    await other.close()
  })

  it('does not cost the index', async () => {
    const table = readdirSync(folder).find((name) => name.endsWith('.tokens'))!
    truncateSync(join(folder, table), 64)
    // What is damaged is left out, as in one search.
    expect(await index.searchMany(queries.slice(0, 2))).toHaveLength(2)
  })
})

/** A reader whose methods can be taken apart. */
function bound<T extends object>(reader: T): T {
  return new Proxy({} as T, {
    ownKeys: () => ['candidates', 'readTokens', 'get'],
    getOwnPropertyDescriptor: (_, name) => ({
      value: bind(reader, name as keyof T),
      enumerable: true,
      configurable: true,
    }),
    get: (_, name) => bind(reader, name as keyof T),
  })
}

function bind<T extends object>(reader: T, name: keyof T): unknown {
  const method = reader[name]
  return typeof method === 'function' ? (method.bind(reader) as unknown) : method
}
