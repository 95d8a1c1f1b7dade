import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import { EmbeddedStore } from '@serotine/core/store'
import { MockLLM } from '@llamaindex/core/llms/mock'
import { Document, NodeRelationship, RetrieverQueryEngine, SentenceSplitter, Settings, TextNode } from 'llamaindex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColBERTPostprocessor } from '../../packages/llamaindex/src/index.js'
import { ColBERTRetriever } from '../../packages/llamaindex/src/retriever.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'

let model: ColBERT
let retriever: ColBERTRetriever<MultiVectorIndex>
let folder: string
const nodes = () => BIRDS.map(({ id, text, ...metadata }) => new TextNode({ id_: id, text, metadata }))
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serotine-llamaindex-'))
  model = await ColBERT.load()
  Settings.llm = new MockLLM()
  retriever = await ColBERTRetriever.fromNodes(nodes(), { model })
})
afterAll(async () => {
  await retriever?.index.close()
  await model?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('ColBERTRetriever', () => {
  it('retrieves nodes, best first', async () => {
    const found = await retriever.retrieve({ query: FLIGHTLESS })
    expect(found.map(({ node }) => node.id_).sort()).toEqual(['emu', 'kiwi'])
    expect(found[0]!.score).toBeGreaterThanOrEqual(found[1]!.score!)
    expect(found[0]!.score).toBeLessThanOrEqual(1)
    expect(found[0]!.node).toBeInstanceOf(TextNode)
    expect(found[0]!.node.metadata).toMatchObject({ lang: 'en' })
    expect(Object.keys(found[0]!.node.metadata)).toEqual(['lang', 'year'])
  })

  it('gives nodes back as they were: text, excluded keys, relationships', async () => {
    const splitter = new SentenceSplitter({ chunkSize: 40, chunkOverlap: 0 })
    const book = new Document({
      id_: 'book',
      text: BIRDS.map(({ text }) => text).join(' '),
      metadata: { path: '/tmp/book' },
    })
    const chunks = splitter.getNodesFromDocuments([book])
    for (const chunk of chunks) chunk.excludedEmbedMetadataKeys = ['path']
    const own = await ColBERTRetriever.fromNodes(chunks, { model, similarityTopK: 1, folder: join(folder, 'book') })
    const [{ node }] = (await own.retrieve(FLIGHTLESS)) as [{ node: TextNode }]
    const original = chunks.find(({ id_ }) => id_ === node.id_)!
    expect(node.toJSON()).toEqual(original.toJSON())
    expect(node.relationships[NodeRelationship.SOURCE]).toMatchObject({ nodeId: 'book' })
    await own.index.close()
    const reopened = new ColBERTRetriever(await MultiVectorIndex.open(join(folder, 'book'), { model, readonly: true }))
    expect((await reopened.retrieve(FLIGHTLESS))[0]!.node.toJSON()).toEqual(original.toJSON())
    await reopened.index.close()
  })

  it('where looks at the node’s metadata', async () => {
    const german = new ColBERTRetriever(retriever.index, { where: { lang: 'de' } })
    expect((await german.retrieve(FLIGHTLESS)).map(({ node }) => node.id_)).toEqual(['zug'])
  })

  it('counts words, too, where that is asked for', async () => {
    const hybrid = new ColBERTRetriever(retriever.index, { hybrid: true, similarityTopK: 9 })
    const found = await hybrid.retrieve('a bird that "cannot fly"')
    const expected = BIRDS.filter(({ text }) => text.toLowerCase().includes('cannot fly')).map(({ id }) => id)
    expect(found.map(({ node }) => node.id_).sort()).toEqual(expected.sort())
  })

  it('reads an index that was not made from nodes', async () => {
    const plain = await MultiVectorIndex.open(undefined, { model })
    await plain.upsert([{ id: 'a', text: 'Kiwis cannot fly.', metadata: { n: 1 } }])
    const [found] = await new ColBERTRetriever(plain).retrieve(FLIGHTLESS)
    expect(found!.node).toMatchObject({ id_: 'a', text: 'Kiwis cannot fly.', metadata: { n: 1 } })
    await plain.close()
  })

  it('retrieves from an index in a store that was given', async () => {
    const index = await MultiVectorIndex.open(await EmbeddedStore.open(), { model })
    await index.upsert(BIRDS.map(({ id, text }) => ({ id, text })))
    const found = await new ColBERTRetriever(index).retrieve(FLIGHTLESS)
    expect(found.map(({ node }) => node.id_).sort()).toEqual(['emu', 'kiwi'])
    await index.close()
  })

  it('fires the retrieve events', async () => {
    const seen: string[] = []
    Settings.callbackManager.on('retrieve-start', () => seen.push('start'))
    Settings.callbackManager.on('retrieve-end', ({ detail }) => seen.push(`end ${detail.nodes.length}`))
    await retriever.retrieve(FLIGHTLESS)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen).toEqual(['start', 'end 2'])
  })

  it('in a query engine, with the postprocessor', async () => {
    const wide = new ColBERTRetriever(retriever.index, { similarityTopK: 10 })
    const engine = new RetrieverQueryEngine(wide, undefined, [new ColBERTPostprocessor({ model, topN: 2 })])
    const { sourceNodes } = await engine.query({ query: FLIGHTLESS })
    expect(sourceNodes!.map(({ node }) => node.id_).sort()).toEqual(['emu', 'kiwi'])
  })

  it('bad input', async () => {
    await expect(retriever.retrieve('')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(() => new ColBERTRetriever(retriever.index, { topK: 3 } as never)).toThrow('Did you mean "similarityTopK"')
    expect(() => new ColBERTRetriever(retriever.index, { similarityTopK: 0 })).toThrow('got 0')
    expect(() => new ColBERTRetriever(undefined as never)).toThrow('index must be a MultiVectorIndex')
    await expect(ColBERTRetriever.fromNodes('a' as never, { model })).rejects.toThrow('takes an array')
    await expect(ColBERTRetriever.fromNodes([{ text: 'a' } as never], { model })).rejects.toThrow(
      'item 0 is not a LlamaIndex node',
    )
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    for (const metadata of [{ n: 1n }, circular]) {
      const node = new TextNode({ id_: 'odd', text: 'a', metadata })
      const building = ColBERTRetriever.fromNodes([node], { model, metadataMode: 'NONE' })
      await expect(building).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('"odd"'),
      })
    }
    const aborted = AbortSignal.abort(new Error('stop'))
    await expect(ColBERTRetriever.fromNodes(nodes(), { model, signal: aborted })).rejects.toThrow('stop')
    const none = await ColBERTRetriever.fromNodes([], { model })
    expect(await none.retrieve(FLIGHTLESS)).toEqual([])
    await none.index.close()
  })
})
