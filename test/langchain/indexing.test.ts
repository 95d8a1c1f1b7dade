import { Document } from '@langchain/core/documents'
import { index, RecordManager } from '@langchain/core/indexing'
import type { ListKeyOptions, UpdateOptions } from '@langchain/core/indexing'
import { ColBERT } from '@serotine/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ColBERTVectorStore, MuveraEmbeddings } from '../../packages/langchain/src/index.js'

/** A record manager in memory; LangChain's own is in `@langchain/community`. */
class Records extends RecordManager {
  override lc_namespace = ['test']
  readonly #records = new Map<string, { at: number; group: string | null }>()
  #clock = 0
  async createSchema(): Promise<void> {}
  async getTime(): Promise<number> {
    return ++this.#clock
  }
  async update(keys: string[], { groupIds, timeAtLeast }: UpdateOptions = {}): Promise<void> {
    const at = Math.max(++this.#clock, timeAtLeast ?? 0)
    keys.forEach((key, i) =>
      this.#records.set(key, { at, group: groupIds?.[i] ?? this.#records.get(key)?.group ?? null }),
    )
  }
  async exists(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => this.#records.has(key))
  }
  async listKeys({ before = Infinity, after = -Infinity, groupIds, limit = Infinity }: ListKeyOptions = {}): Promise<
    string[]
  > {
    const fits = [...this.#records].filter(
      ([, { at, group }]) => at < before && at > after && (!groupIds || groupIds.includes(group)),
    )
    return fits.map(([key]) => key).slice(0, limit)
  }
  async deleteKeys(keys: string[]): Promise<void> {
    for (const key of keys) this.#records.delete(key)
  }
}

let model: ColBERT
let store: ColBERTVectorStore
let recordManager: Records
beforeAll(async () => {
  model = await ColBERT.load()
})
afterAll(() => model?.close())
beforeEach(async () => {
  store = await ColBERTVectorStore.open(new MuveraEmbeddings({ model }))
  recordManager = new Records()
})
afterEach(() => store.index.close())

const page = (pageContent: string, source: string) => new Document({ pageContent, metadata: { source } })
const run = (docsSource: Document[], options: object = {}) =>
  index({ docsSource, recordManager, vectorStore: store, options })
const stored = async () =>
  (await store.similaritySearch('kiwi emu tern', 50)).map(({ pageContent }) => pageContent).sort()

describe('LangChain’s indexing API', () => {
  it('adds once, then skips what it has', async () => {
    const pages = [page('kiwi', 'a'), page('emu', 'b')]
    expect(await run(pages)).toEqual({ numAdded: 2, numDeleted: 0, numUpdated: 0, numSkipped: 0 })
    expect(await run(pages)).toEqual({ numAdded: 0, numDeleted: 0, numUpdated: 0, numSkipped: 2 })
    expect(await stored()).toEqual(['emu', 'kiwi'])
  })

  it('incremental: a changed page replaces its source’s old text', async () => {
    const options = { cleanup: 'incremental', sourceIdKey: 'source' }
    await run([page('kiwi', 'a'), page('emu', 'b')], options)
    expect(await run([page('kiwi, rewritten', 'a')], options)).toMatchObject({ numAdded: 1, numDeleted: 1 })
    expect(await stored()).toEqual(['emu', 'kiwi, rewritten'])
  })

  it('full: what is not given any more goes', async () => {
    const options = { cleanup: 'full', sourceIdKey: 'source' }
    await run([page('kiwi', 'a'), page('emu', 'b')], options)
    expect(await run([page('emu', 'b'), page('tern', 'c')], options)).toEqual({
      numAdded: 1,
      numDeleted: 1,
      numUpdated: 0,
      numSkipped: 1,
    })
    expect(await stored()).toEqual(['emu', 'tern'])
  })

  it('forceUpdate writes again, without doubles', async () => {
    await run([page('kiwi', 'a')])
    expect(await run([page('kiwi', 'a')], { forceUpdate: true })).toMatchObject({ numUpdated: 1 })
    expect(await stored()).toEqual(['kiwi'])
  })

  it('works in batches', async () => {
    const pages = Array.from({ length: 25 }, (_, i) => page(`kiwi ${i}`, `page-${i}`))
    expect(await run(pages, { batchSize: 10, cleanup: 'full', sourceIdKey: 'source' })).toMatchObject({ numAdded: 25 })
    expect(await stored()).toHaveLength(25)
  })
})
