import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { EmbeddedStore } from '../../../packages/core/src/embedded/embedded-store.js'
import { MultiVectorIndex } from '../../../packages/core/src/index/multi-vector-index.js'
import { copyCollection } from '../../../packages/core/src/store/copy.js'
import { TOKEN_CODECS } from '../../../packages/core/src/store/records.js'
import type { Store } from '../../../packages/core/src/store/store.js'
import { FakeEncoder, random, randomText } from '../../support/fake-encoder.js'
import { MemoryStore } from '../../support/memory-store.js'

const folder = mkdtempSync(join(tmpdir(), 'serotine-copy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const model = new FakeEncoder()
const COUNT = 700
const textOf = (n: number): string => randomText(random(n + 1), 12)

/** Everything a document can be: with text, only embeddings, without tokens, with metadata of all kinds. */
async function filled(store: Store, count = COUNT): Promise<Store> {
  const index = await MultiVectorIndex.open(store, { model })
  await index.upsert(
    Array.from({ length: count }, (_, n) => ({ id: `d${n}`, text: textOf(n), metadata: { n, odd: n % 2 === 1 } })),
  )
  await index.upsert([
    { id: 'only vectors 🦇', embeddings: model.embed('a bat at dusk') },
    { id: 'nothing', text: '', metadata: { nested: { list: [1, null, 'ü'], text: 'Zug' } } },
  ])
  return store
}

async function everything(store: Store) {
  const all = []
  for await (const batch of store.scan()) all.push(...batch)
  return all.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

describe('copying a collection', () => {
  it.each(TOKEN_CODECS.flatMap((from) => TOKEN_CODECS.map((to) => [from, to] as const)))(
    'from %s to %s takes over documents as they are, and their vectors as the target keeps them',
    async (from, to) => {
      const [source, target] = [
        await filled(await EmbeddedStore.open(undefined, { codec: from }), 40),
        new MemoryStore({ codec: to }),
      ]
      const result = await copyCollection(source, target)
      expect(result).toEqual({
        documents: 42,
        copied: 42,
        unchanged: 0,
        removed: 0,
        extra: 0,
        compared: 42,
        damaged: [],
      })
      expect(await everything(target)).toEqual(await everything(source))
      expect(target.spec).toMatchObject({ codec: to, dim: source.spec.dim, model: source.spec.model })
      const [one, other] = await Promise.all([source, target].map((store) => MultiVectorIndex.open(store, { model })))
      const [before, after] = await Promise.all([one, other].map((index) => index!.search(textOf(7), { k: 5 })))
      expect(after!.map(({ id }) => id)).toEqual(before!.map(({ id }) => id))
      after!.forEach(({ score }, i) => expect(score).toBeCloseTo(before![i]!.score, from === to ? 6 : 1))
    },
  )

  it('goes on where it was interrupted', async () => {
    const [source, target] = [await filled(new MemoryStore()), await EmbeddedStore.open(join(folder, 'interrupted'))]
    const stop = new AbortController()
    const seen: number[] = []
    const onProgress = ({ phase, done, total }: { phase: string; done: number; total?: number }): void => {
      expect([phase, total]).toEqual(['copy', COUNT + 2])
      seen.push(done)
      if (done >= 256) stop.abort(new Error('enough'))
    }
    await expect(copyCollection(source, target, { onProgress, signal: stop.signal })).rejects.toThrow('enough')
    const kept = await target.count()
    expect([kept, seen]).toEqual([256, [256, 256]])
    const result = await copyCollection(source, target)
    expect(result).toMatchObject({
      documents: COUNT + 2,
      copied: COUNT + 2 - kept,
      unchanged: kept,
      compared: COUNT + 2,
    })
    expect(await copyCollection(source, target)).toMatchObject({ copied: 0, unchanged: COUNT + 2 })
    await target.close()
  })

  it('takes over what has changed since, and what is gone when it is told to', async () => {
    const [source, target] = [await filled(new MemoryStore(), 20), new MemoryStore()]
    await copyCollection(source, target)
    const index = await MultiVectorIndex.open(source, { model })
    await index.upsert([
      { id: 'd1', text: 'another text' },
      { id: 'd2', text: textOf(2), metadata: { n: 'other metadata' } },
      { id: 'new', text: 'a new text' },
    ])
    await index.delete(['d3', 'd4'])
    expect(await copyCollection(source, target)).toMatchObject({
      documents: 21,
      copied: 3,
      unchanged: 18,
      removed: 0,
      extra: 2,
    })
    expect(await target.count()).toBe(23)
    expect(await copyCollection(source, target, { prune: true })).toMatchObject({ copied: 0, removed: 2, extra: 0 })
    expect(await everything(target)).toEqual(await everything(source))
  })

  it('copies what is written meanwhile, and says so where that never ends', async () => {
    const [source, target] = [await filled(new MemoryStore()), new MemoryStore()]
    const index = await MultiVectorIndex.open(source, { model })
    let writes = 3
    const onProgress = async (): Promise<void> => {
      if (writes-- > 0)
        await index.upsert([
          { id: `d${writes}`, text: `changed ${writes}` },
          { id: `late ${writes}`, text: 'late' },
        ])
    }
    await copyCollection(source, target, { onProgress: () => void onProgress() })
    expect(await everything(target)).toEqual(await everything(source))
    let n = 0
    const { scan } = source
    const restless: Store = Object.assign(source, {
      scan: async function* (options) {
        await index.upsert([{ id: 'd5', text: `change ${n++}` }])
        yield* scan.call(source, options)
      },
    } satisfies Partial<Store>)
    await expect(copyCollection(restless, target)).rejects.toMatchObject({ code: 'COPY_FAILED' })
  })

  it('leaves out what the source cannot read, names it, and keeps the copy of an earlier day', async () => {
    const path = join(folder, 'damaged')
    const before = await EmbeddedStore.open(path)
    const index = await MultiVectorIndex.open(before, { model })
    for (const n of [0, 1, 2, 3]) await index.upsert([{ id: `d${n}`, text: textOf(n) }])
    await index.close()
    const target = new MemoryStore()
    const intact = await EmbeddedStore.open(path, { readonly: true })
    await copyCollection(intact, target)
    await intact.close()
    const tokens = join(
      path,
      readdirSync(path).find((name) => name.endsWith('.tokens'))!,
    )
    const bytes = readFileSync(tokens)
    writeFileSync(tokens, bytes.fill(0xa5, 8, 16))
    const source = await EmbeddedStore.open(path, { readonly: true })
    const other = new MemoryStore()
    expect(await copyCollection(source, other)).toMatchObject({ documents: 3, copied: 3, damaged: ['d0'] })
    expect((await everything(other)).map(({ id }) => id)).toEqual(['d1', 'd2', 'd3'])
    await copyCollection(source, target, { prune: true })
    expect((await everything(target)).map(({ id }) => id)).toEqual(['d0', 'd1', 'd2', 'd3'])
    await source.close()
  })

  it('finds out when the target gives other vectors than it was given', async () => {
    const target = new MemoryStore()
    const { upsert } = target
    const forgetful: Store = Object.assign(target, {
      upsert: (documents, ...more) =>
        upsert(
          documents.map((document) => ({
            ...document,
            embeddings: model.embed(randomText(random(1), document.embeddings!.length)),
          })),
          ...more,
        ),
    } satisfies Partial<Store>)
    const source = await filled(new MemoryStore(), 5)
    await expect(copyCollection(source, forgetful)).rejects.toMatchObject({ code: 'COPY_FAILED' })
  })

  it('refuses what cannot be', async () => {
    const source = await filled(new MemoryStore(), 3)
    const wider = await filled(new MemoryStore(), 0)
    await wider.upsert([], { dim: 7, model: null })
    const refused = async (to: Store, options = {}) =>
      copyCollection(source, to, options).then(
        () => 'done',
        ({ code }) => code as string,
      )
    const others = new MemoryStore()
    await others.upsert([], { dim: source.spec.dim, model: { name: 'other', fingerprint: 'ff' } })
    expect(await refused(others)).toBe('INDEX_MISMATCH')
    const narrow = new MemoryStore()
    await narrow.upsert([], { dim: 7, model: null })
    expect(await refused(narrow)).toBe('INDEX_MISMATCH')
    expect(await refused(new MemoryStore({ readonly: true }))).toBe('INDEX_READONLY')
    expect(await refused(source)).toBe('INVALID_ARGUMENT')
    expect(await refused(new MemoryStore(), { compare: -1 })).toBe('INVALID_ARGUMENT')
    expect(await refused(new MemoryStore(), { prunes: true })).toBe('UNKNOWN_OPTION')
  })

  it('of nothing is nothing', async () => {
    expect(await copyCollection(new MemoryStore(), new MemoryStore())).toMatchObject({ documents: 0, copied: 0 })
  })
})
