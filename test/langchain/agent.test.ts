import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { Document } from '@langchain/core/documents'
import type { DocumentInterface } from '@langchain/core/documents'
import type { RunnableConfig } from '@langchain/core/runnables'
import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import { ColBERT } from '@serotine/core'
import type { MultiVectorIndex } from '@serotine/core'
import { createAgent, fakeModel } from 'langchain'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ColBERTReranker,
  ColBERTRetriever,
  createSourcesTool,
  RerankingRetriever,
} from '../../packages/langchain/src/index.js'
import { BIRDS, FLIGHTLESS } from '../contract/birds.js'
import { recordRuns } from './runs.js'

let model: ColBERT
let retriever: ColBERTRetriever<MultiVectorIndex>
beforeAll(async () => {
  model = await ColBERT.load()
  const documents = BIRDS.map(
    ({ id, text, ...rest }) => new Document({ id, pageContent: text, metadata: { ...rest, source: `${id}.md` } }),
  )
  retriever = await ColBERTRetriever.fromDocuments(documents, { model, k: 2 })
})
afterAll(async () => {
  await retriever?.index.close()
  await model?.close()
})

const search = () => createSourcesTool(retriever, { name: 'search_birds', description: 'Finds facts about birds.' })

describe('createSourcesTool', () => {
  it('answers with numbered texts, and documents as the artifact', async () => {
    const message = (await search().invoke({
      type: 'tool_call',
      id: 'call-1',
      name: 'search_birds',
      args: { query: FLIGHTLESS },
    })) as ToolMessage
    expect(message.content).toMatch(/^\[1\] \((kiwi|emu)\.md\) The .*\n\n\[2\] \((kiwi|emu)\.md\) The /)
    const artifact = message.artifact as DocumentInterface[]
    expect(artifact.map(({ id }) => id).sort()).toEqual(['emu', 'kiwi'])
    expect(artifact[0]!.metadata).toMatchObject({
      rank: 1,
      relevanceScore: expect.any(Number),
      source: expect.stringMatching(/\.md$/),
    })
  })

  it('says when nothing was found', async () => {
    const strict = createSourcesTool(new ColBERTRetriever({ index: retriever.index, scoreThreshold: 1.01 }), {
      description: 'x',
    })
    const message = (await strict.invoke({
      type: 'tool_call',
      id: '1',
      name: 'search',
      args: { query: 'quantum' },
    })) as ToolMessage
    expect(message.content).toBe('Nothing was found for "quantum".')
    expect(message.artifact).toEqual([])
  })

  it('takes a format, refuses unknown options', async () => {
    const short = createSourcesTool(retriever, { description: 'x', format: ({ id }, n) => `${n}=${id}` })
    expect(await short.invoke({ query: 'grey parrots learn words' })).toMatch(/^1=parrot/)
    expect(() => createSourcesTool(retriever, { descripton: 'x' } as never)).toThrow('Did you mean "description"')
    expect(() => createSourcesTool(retriever, {} as never)).toThrow('description must be a string, got undefined')
    expect(() => createSourcesTool(undefined as never, { description: 'x' })).toThrow(
      'takes a retriever, got undefined',
    )
  })

  it('passes the abort signal on', async () => {
    await expect(
      search().invoke({ query: FLIGHTLESS }, { signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop')
  })
})

describe('an agent', () => {
  it('searches, and its sources stay with the answer', async () => {
    const { handler, runs } = recordRuns()
    const llm = fakeModel()
      .respondWithTools([{ name: 'search_birds', args: { query: FLIGHTLESS }, id: 'call-1' }])
      .respond((messages) => new AIMessage(`Found: ${String(messages.at(-1)!.content).split('\n')[0]}`))
    const agent = createAgent({ model: llm, tools: [search()] })
    const { messages } = await agent.invoke(
      { messages: [new HumanMessage('Which birds cannot fly?')] },
      { callbacks: [handler] },
    )
    expect(messages.at(-1)!.content).toMatch(/^Found: \[1\] \((kiwi|emu)\.md\)/)
    const toolMessage = messages.find((message): message is ToolMessage => ToolMessage.isInstance(message))!
    expect((toolMessage.artifact as DocumentInterface[]).map(({ id }) => id).sort()).toEqual(['emu', 'kiwi'])
    const retrieval = runs.find(({ type }) => type === 'retriever')!
    expect(runs.find(({ id }) => id === retrieval.parent)?.type).toBe('tool')
  })
})

describe('a LangGraph node', () => {
  const State = Annotation.Root({ question: Annotation<string>(), documents: Annotation<DocumentInterface[]>() })
  const graphOf = (
    retrieve: (state: { question: string }, config: RunnableConfig) => Promise<{ documents: DocumentInterface[] }>,
  ) => new StateGraph(State).addNode('retrieve', retrieve).addEdge(START, 'retrieve').addEdge('retrieve', END).compile()

  it('retrieves, and its trace is nested without passing the config', async () => {
    const { handler, runs } = recordRuns()
    const reranking = new RerankingRetriever({ baseRetriever: retriever, reranker: new ColBERTReranker({ model }) })
    const graph = graphOf(async ({ question }) => ({ documents: await reranking.invoke(question) }))
    const { documents } = await graph.invoke({ question: FLIGHTLESS }, { callbacks: [handler] })
    expect(documents).toHaveLength(2)
    const [outer, inner] = runs.filter(({ type }) => type === 'retriever')
    expect(inner!.parent).toBe(outer!.id)
    expect(runs.map(({ id }) => id)).toContain(outer!.parent)
  })

  it('stops with the graph', async () => {
    const controller = new AbortController()
    let signal: AbortSignal | undefined
    const spying = new ColBERTRetriever({
      index: {
        search: (query, options) => (
          (signal = options.signal),
          controller.abort(),
          retriever.index.search(query, options)
        ),
      },
    })
    const graph = graphOf(async ({ question }) => ({ documents: await spying.invoke(question) }))
    await expect(graph.invoke({ question: FLIGHTLESS }, { signal: controller.signal })).rejects.toThrow(/abort/i)
    expect(signal?.aborted).toBe(true)
  })
})
