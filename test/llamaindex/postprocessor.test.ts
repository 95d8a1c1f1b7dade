import { ColBERT } from '@serotine/core'
import { MockLLM } from '@llamaindex/core/llms/mock'
import {
  CondenseQuestionChatEngine,
  ContextChatEngine,
  Document,
  ImageNode,
  NodeRelationship,
  ObjectType,
  Settings,
  TextNode,
  VectorStoreIndex,
} from 'llamaindex'
import type { NodeWithScore } from 'llamaindex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ColBERTPostprocessor } from '../../packages/llamaindex/src/index.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { FdeEmbedding } from './fde-embedding.js'

let model: ColBERT
beforeAll(async () => {
  model = await ColBERT.load()
  Settings.llm = new MockLLM()
  Settings.embedModel = new FdeEmbedding(model)
})
afterAll(() => model?.close())

const nodes = (): NodeWithScore[] =>
  BIRDS.map(({ id, text, ...metadata }, i) => ({ node: new TextNode({ id_: id, text, metadata }), score: 1 - i / 10 }))
const ids = (ranked: NodeWithScore[]) => ranked.map(({ node }) => node.id_)

describe('postprocessNodes', () => {
  it('keeps the best topN, best first, 2 by default', async () => {
    const ranked = await new ColBERTPostprocessor({ model }).postprocessNodes(nodes(), FLIGHTLESS)
    expect(ids(ranked).sort()).toEqual(['emu', 'kiwi'])
    expect(ranked[0]!.score).toBeGreaterThanOrEqual(ranked[1]!.score!)
  })

  it('scores as the model does, with the metadata the mode asks for', async () => {
    const input = nodes()
    for (const { node } of input) node.excludedEmbedMetadataKeys = ['year']
    for (const [mode, prefix] of [
      ['EMBED', 'lang: en\n\n'],
      ['NONE', ''],
      ['ALL', 'lang: en\nyear: 1813\n\n'],
    ] as const) {
      const ranked = await new ColBERTPostprocessor({ model, topN: null, metadataMode: mode }).postprocessNodes(
        input,
        FLIGHTLESS,
      )
      const { scores, queryTokens } = await model.score(FLIGHTLESS, [prefix + BIRDS[0].text])
      expect(ranked.find(({ node }) => node.id_ === 'kiwi')!.score).toBeCloseTo(scores[0]! / queryTokens, 5)
    }
  })

  it('mutates nothing', async () => {
    const input = nodes()
    const before = JSON.stringify(input)
    const ranked = await new ColBERTPostprocessor({ model, keepRetrievalScore: true }).postprocessNodes(
      input,
      FLIGHTLESS,
    )
    expect(JSON.stringify(input)).toBe(before)
    for (const { node } of ranked) expect(input.map((item) => item.node)).not.toContain(node)
  })

  it('keepRetrievalScore', async () => {
    const input = nodes()
    input[0]!.node.relationships = {
      [NodeRelationship.SOURCE]: { nodeId: 'book', nodeType: ObjectType.DOCUMENT, metadata: {} },
    }
    const ranked = await new ColBERTPostprocessor({ model, topN: null, keepRetrievalScore: true }).postprocessNodes(
      input,
      FLIGHTLESS,
    )
    const kiwi = ranked.find(({ node }) => node.id_ === 'kiwi')!
    expect(kiwi.node.metadata).toEqual({ lang: 'en', year: 1813, retrieval_score: 1 })
    expect(kiwi.node).toBeInstanceOf(TextNode)
    expect(kiwi.node.sourceNode?.nodeId).toBe('book')
    expect(kiwi.score).toBeLessThan(1)
  })

  it('keepRetrievalScore keeps where in its document a node begins, 0 too', async () => {
    const node = new TextNode({ text: 'Kiwis cannot fly.' })
    Object.assign(node, { startCharIdx: 0, endCharIdx: 17 })
    const processor = new ColBERTPostprocessor({ model, keepRetrievalScore: true })
    const [ranked] = await processor.postprocessNodes([{ node, score: 1 }], FLIGHTLESS)
    expect(ranked!.node).not.toBe(node)
    expect(ranked!.node).toMatchObject({ startCharIdx: 0, endCharIdx: 17 })
  })

  it('multi-modal queries: the text parts', async () => {
    const text = await new ColBERTPostprocessor({ model }).postprocessNodes(nodes(), FLIGHTLESS)
    const parts = await new ColBERTPostprocessor({ model }).postprocessNodes(nodes(), [
      { type: 'image_url', image_url: { url: 'data:,' } },
      { type: 'text', text: FLIGHTLESS },
    ])
    expect(parts.map(({ score }) => score)).toEqual(text.map(({ score }) => score))
  })

  it('scoreThreshold, topN beyond the list', async () => {
    const all = await new ColBERTPostprocessor({ model, topN: 99 }).postprocessNodes(nodes(), FLIGHTLESS)
    expect(all).toHaveLength(BIRDS.length)
    const some = new ColBERTPostprocessor({ model, topN: null, scoreThreshold: all[2]!.score! })
    expect(await some.postprocessNodes(nodes(), FLIGHTLESS)).toHaveLength(3)
  })

  it('nodes without text', async () => {
    const empty: NodeWithScore[] = [
      { node: new TextNode({ text: '' }) },
      { node: new ImageNode({ image: 'data:,' }) },
      ...nodes(),
    ]
    const ranked = await new ColBERTPostprocessor({ model, topN: null }).postprocessNodes(empty, FLIGHTLESS)
    expect(ranked).toHaveLength(BIRDS.length + 2)
    for (const { score } of ranked) expect(Number.isFinite(score)).toBe(true)
  })

  it('loads the embedded model by itself', async () => {
    expect(await new ColBERTPostprocessor().postprocessNodes(nodes(), FLIGHTLESS)).toHaveLength(2)
  })
})

describe('bad input', () => {
  const processor = () => new ColBERTPostprocessor({ model })
  it('no nodes: none come back, query or not', async () => {
    expect(await processor().postprocessNodes([])).toEqual([])
  })
  it('no query text', async () => {
    await expect(processor().postprocessNodes(nodes())).rejects.toThrow(
      'ColBERTPostprocessor requires a query with text; none was given',
    )
    await expect(processor().postprocessNodes(nodes(), '  ')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(
      processor().postprocessNodes(nodes(), [{ type: 'image_url', image_url: { url: 'data:,' } }]),
    ).rejects.toThrow('an array of 1 contains no text')
  })
  it('what is no list of nodes, and no query', async () => {
    await expect(processor().postprocessNodes(undefined as never, FLIGHTLESS)).rejects.toThrow(
      'takes an array, got undefined',
    )
    await expect(processor().postprocessNodes([{ text: 'a' } as never], FLIGHTLESS)).rejects.toThrow(
      'item 0 is not a LlamaIndex node',
    )
    await expect(processor().postprocessNodes(nodes(), { query: 'a' } as never)).rejects.toThrow(
      'requires a query with text',
    )
  })
  it('options', () => {
    expect(() => new ColBERTPostprocessor({ model: null as never })).toThrow('must be a ColBERT, got null')
    expect(() => new ColBERTPostprocessor({ topK: 3 } as never)).toThrow('Did you mean "topN"')
    expect(() => new ColBERTPostprocessor({ topN: 0 })).toThrow('got 0')
    expect(() => new ColBERTPostprocessor({ metadataMode: 'embed' as never })).toThrow('ALL, EMBED, LLM, NONE')
    expect(() => new ColBERTPostprocessor({ model: 'colbert' as never })).toThrow('ColBERT.load()')
    expect(() => new ColBERTPostprocessor({ scoreThreshold: Number.NaN })).toThrow('scoreThreshold must be a number')
  })
})

describe('in engines', () => {
  let index: VectorStoreIndex
  beforeAll(async () => {
    index = await VectorStoreIndex.fromDocuments(BIRDS.map(({ id, text }) => new Document({ id_: id, text })))
  })

  it('query engine', async () => {
    const engine = index.asQueryEngine({
      similarityTopK: 10,
      nodePostprocessors: [new ColBERTPostprocessor({ model })],
    })
    const { sourceNodes, message } = await engine.query({ query: FLIGHTLESS })
    expect(sourceNodes!.map(({ node }) => node.sourceNode!.nodeId).sort()).toEqual(['emu', 'kiwi'])
    expect(message.content).not.toBe('')
  })

  it('chat engine that rewrites the question', async () => {
    // The mock model repeats what it is told: the rewritten question.
    const chatModel = new MockLLM({ responseMessage: FLIGHTLESS, timeBetweenToken: 0 })
    const engine = new CondenseQuestionChatEngine({
      queryEngine: index.asQueryEngine({
        similarityTopK: 10,
        nodePostprocessors: [new ColBERTPostprocessor({ model })],
      }),
      chatHistory: [{ role: 'user', content: 'Tell me about birds.' }],
    })
    engine.llm = chatModel
    const { sourceNodes } = await engine.chat({ message: 'And which of them stay on the ground?' })
    expect(sourceNodes!.map(({ node }) => node.sourceNode!.nodeId).sort()).toEqual(['emu', 'kiwi'])
  })

  it('chat engine, streaming', async () => {
    const engine = new ContextChatEngine({
      retriever: index.asRetriever({ similarityTopK: 10 }),
      nodePostprocessors: [new ColBERTPostprocessor({ model })],
    })
    let text = ''
    let sources: NodeWithScore[] | undefined
    for await (const chunk of await engine.chat({ message: FLIGHTLESS, stream: true })) {
      text += chunk.delta
      sources ??= chunk.sourceNodes
    }
    expect(text).not.toBe('')
    expect(sources!.map(({ node }) => node.sourceNode!.nodeId).sort()).toEqual(['emu', 'kiwi'])
  })
})
