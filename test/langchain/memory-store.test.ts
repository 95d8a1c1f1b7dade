// Long-term memory of LangGraph: the contract of its own store, and what late interaction adds.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Annotation, InMemoryStore, StateGraph } from '@langchain/langgraph'
import type { BaseStore, LangGraphRunnableConfig } from '@langchain/langgraph'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { textOfMemory } from '../../packages/langchain/src/memory-text.js'
import { ColBERTMemoryStore } from '../../packages/langchain/src/memory.js'

let model: ColBERT
let folder: string
const stores: ColBERTMemoryStore[] = []
beforeAll(async () => {
  model = await ColBERT.load()
})
afterAll(() => model?.close())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serotine-memory-'))
})
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.stop()))
  rmSync(folder, { recursive: true, force: true })
})
const open = (input: ConstructorParameters<typeof ColBERTMemoryStore>[0] = {}): ColBERTMemoryStore => {
  const store = new ColBERTMemoryStore({ model, ...input })
  stores.push(store)
  return store
}
const keys = (items: readonly { key: string }[]) => items.map(({ key }) => key)

/** What both stores are asked, and have to answer alike. */
async function story(store: BaseStore): Promise<unknown[]> {
  const answers: unknown[] = []
  await store.put(['users', 'ada'], 'diet', { text: 'Ada does not eat meat.', kind: 'fact', weight: 3 })
  await store.put(['users', 'ada'], 'pet', { text: 'Ada has a cat.', kind: 'fact', weight: 1 })
  await store.put(['users', 'ada', 'work'], 'tool', { text: 'Ada uses Vim.', kind: 'habit', weight: 2 })
  await store.put(['users', 'adam'], 'diet', { text: 'Adam eats fish.', kind: 'fact', weight: 5 })
  await store.put(['users', 'ada'], 'pet', { text: 'Ada has two cats.', kind: 'fact', weight: 1 })
  answers.push((await store.get(['users', 'ada'], 'pet'))?.value, await store.get(['users', 'ada'], 'none'))
  answers.push((await store.get(['users', 'adam'], 'pet')) === null)
  const find = async (prefix: string[], options = {}) => keys(await store.search(prefix, options)).sort()
  answers.push(await find(['users', 'ada']), await find(['users']), await find([]), await find(['none']))
  answers.push(await find(['users'], { filter: { kind: 'fact' } }))
  answers.push(await find(['users'], { filter: { kind: 'fact', weight: { $gte: 3 } } }))
  answers.push(await find(['users'], { filter: { weight: { $gt: 1, $lt: 5 } } }))
  answers.push(await find(['users'], { filter: { kind: { $ne: 'fact' } } }), await find([], { filter: { none: 1 } }))
  answers.push(
    (await store.search(['users'], { limit: 2 })).length,
    (await store.search(['users'], { offset: 3 })).length,
  )
  answers.push(await store.listNamespaces(), await store.listNamespaces({ maxDepth: 2 }))
  answers.push(
    await store.listNamespaces({ prefix: ['users', 'ada'] }),
    await store.listNamespaces({ suffix: ['work'] }),
  )
  answers.push(
    await store.listNamespaces({ prefix: ['*', 'adam'] }),
    await store.listNamespaces({ limit: 1, offset: 1 }),
  )
  await store.delete(['users', 'ada'], 'diet')
  answers.push(await find(['users', 'ada']))
  return answers
}

it('answers as the store of LangGraph does', async () => {
  expect(await story(open())).toEqual(await story(new InMemoryStore()))
})

describe('a memory', () => {
  it('is found by what it says, within its namespace and filter', async () => {
    const store = open({ fields: ['text'] })
    await store.put(['users', 'ada'], 'diet', { text: 'Ada does not eat meat.', kind: 'fact' })
    await store.put(['users', 'ada'], 'pet', { text: 'Ada has a cat.', kind: 'fact' })
    await store.put(['users', 'bob'], 'diet', { text: 'Bob eats only meat.', kind: 'fact' })
    const query = 'What does she eat for dinner?'
    const found = await store.search(['users', 'ada'], { query })
    expect(keys(found)).toEqual(['diet', 'pet'])
    expect(found[0]!.score).toBeGreaterThan(found[1]!.score!)
    expect(found[0]).toMatchObject({
      namespace: ['users', 'ada'],
      value: { kind: 'fact' },
      createdAt: expect.any(Date),
    })
    expect(keys(await store.search(['users', 'ada'], { query, limit: 1, offset: 1 }))).toEqual(['pet'])
    expect(await store.search(['users', 'ada'], { query, filter: { kind: 'habit' } })).toEqual([])
  })

  it('keeps when it was made when it is changed', async () => {
    const store = open()
    await store.put(['a'], 'b', { n: 1 })
    const before = (await store.get(['a'], 'b'))!
    await new Promise((next) => setTimeout(next, 10))
    await store.put(['a'], 'b', { n: 2 })
    const after = (await store.get(['a'], 'b'))!
    expect(after.createdAt).toEqual(before.createdAt)
    expect(after.updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime())
  })

  it('is searched by the fields that put names, or not at all', async () => {
    const store = open({ fields: ['text'] })
    await store.put(['a'], 'silent', { text: 'The kiwi cannot fly.' }, false)
    await store.put(['a'], 'title', { text: 'unrelated', title: 'The kiwi cannot fly.' }, ['title'])
    await store.put(['a'], 'parts', { parts: [{ text: 'Bread' }, { text: 'The kiwi is a bird.' }] }, ['parts[*].text'])
    const found = keys(await store.search(['a'], { query: 'flightless kiwi' }))
    expect(found.slice(0, 2).sort()).toEqual(['parts', 'title'])
    expect(found).not.toContain('silent')
    expect(keys(await store.search(['a'])).sort()).toEqual(['parts', 'silent', 'title'])
  })

  it('survives the process, and is not mixed up with others whose names are alike', async () => {
    const first = open({ folder })
    await first.put(['a', 'b'], 'c', { n: 1 })
    await first.put(['a'], 'b:c', { n: 2 })
    await first.put(['a","b'], 'c', { n: 3 })
    await first.stop()
    const second = open({ folder })
    expect((await second.get(['a', 'b'], 'c'))?.value).toEqual({ n: 1 })
    expect((await second.get(['a'], 'b:c'))?.value).toEqual({ n: 2 })
    expect((await second.get(['a","b'], 'c'))?.value).toEqual({ n: 3 })
    expect(await second.search(['a'])).toHaveLength(2)
  })

  it('lives beside other documents of an index, which stays open', async () => {
    const index = await MultiVectorIndex.open(undefined, { model })
    await index.upsert([{ id: 'own', text: 'mine' }])
    const store = open({ index })
    await store.put(['a'], 'b', { text: 'a memory' })
    expect(keys(await store.search([]))).toEqual(['b'])
    expect(keys(await store.search([], { query: 'mine' }))).toEqual(['b'])
    expect(await store.listNamespaces()).toEqual([['a']])
    await store.stop()
    expect(await index.count()).toBe(2)
    await index.close()
  })
})

it('operations of one call see the state before it; the last change of a memory counts', async () => {
  const store = open()
  await store.put(['a'], 'b', { n: 1 })
  const results = await store.batch([
    { namespace: ['a'], key: 'b', value: { n: 2 } },
    { namespace: ['a'], key: 'b' },
    { namespacePrefix: ['a'] },
    { namespace: ['a'], key: 'b', value: { n: 3 } },
    { namespace: ['a'], key: 'c', value: null },
  ] as never)
  expect((results as { value: unknown }[])[1]!.value).toEqual({ n: 1 })
  expect((await store.get(['a'], 'b'))?.value).toEqual({ n: 3 })
  await Promise.all(Array.from({ length: 20 }, (_, n) => store.put(['many'], `${n}`, { n })))
  expect(await store.search(['many'], { limit: 100 })).toHaveLength(20)
})

it('what is searched of a memory are the texts at its paths', () => {
  const value = { title: 'Birds', n: 3, parts: [{ text: 'kiwi' }, { text: 'emu', x: null }], author: { name: 'Ada' } }
  expect(textOfMemory(value, ['$'])).toBe('title: Birds\nn: 3\nparts: text: kiwi\ntext: emu\nauthor: name: Ada')
  expect(textOfMemory(value, ['title', 'parts[*].text', 'parts[-1].text', 'author.name'])).toBe(
    'Birds\nkiwi\nemu\nemu\nAda',
  )
  for (const path of ['none', 'title.length', 'parts.text', 'parts[7]', '__proto__', 'constructor.name']) {
    expect(textOfMemory(value, [path])).toBe('')
  }
})

it('serves the nodes of a graph', async () => {
  const State = Annotation.Root({ question: Annotation<string>, answer: Annotation<string> })
  const store = open({ fields: ['text'] })
  await store.put(['users', 'ada'], 'diet', { text: 'Ada does not eat meat.' })
  await store.put(['users', 'ada'], 'pet', { text: 'Ada has a cat.' })
  const graph = new StateGraph(State)
    .addNode('recall', async ({ question }, config: LangGraphRunnableConfig) => {
      const [memory] = await config.store!.search(['users', 'ada'], { query: question, limit: 1 })
      return { answer: memory!.value['text'] as string }
    })
    .addEdge('__start__', 'recall')
    .compile({ store })
  const { answer } = await graph.invoke({ question: 'Does Ada have a cat?' })
  expect(answer).toBe('Ada has a cat.')
})

it('refuses what is wrong', async () => {
  expect(() => open({ folder, index: {} as never })).toThrow(/not both/)
  expect(() => open({ index: {} as never })).toThrow(/must be an open MultiVectorIndex/)
  expect(() => open({ fields: 'text' as never })).toThrow(/array of paths/)
  expect(() => open({ foldr: folder } as never)).toThrow(/foldr/)
  const store = open()
  await store.put(['a'], 'b', { n: 1 })
  await expect(store.put([], 'b', {})).rejects.toThrow(/[Nn]amespace/)
  await expect(store.put(['a.b'], 'b', {})).rejects.toThrow(/[Nn]amespace/)
  await expect(store.search(['a'], { filter: { n: { $near: 1 } } })).rejects.toThrow(/no operator \$near/)
  await expect(store.search(['a'], { filter: { n: undefined } })).rejects.toThrow(/undefined/)
  const index = await MultiVectorIndex.open()
  const bare = new ColBERTMemoryStore({ index })
  await expect(bare.put(['a'], 'b', { n: 1 }, false)).rejects.toThrow(/Give ColBERTMemoryStore the model/)
  await index.close()
})
