import { BaseCallbackHandler } from '@langchain/core/callbacks/base'
import type { DocumentInterface } from '@langchain/core/documents'
import type { Serialized } from '@langchain/core/load/serializable'

export interface Run {
  type: 'retriever' | 'tool' | 'chain'
  id: string
  parent: string | undefined
  name: string | undefined
  input?: string
  metadata?: Record<string, unknown>
  documents?: number
  error?: string
}

/** What a tracer sees of runs, in the order they start. */
export function recordRuns(): { handler: BaseCallbackHandler; runs: Run[] } {
  const runs: Run[] = []
  const run = (id: string): Run => runs.find((candidate) => candidate.id === id)!
  class Recorder extends BaseCallbackHandler {
    name = 'recorder'
    override awaitHandlers = true
    override handleRetrieverStart(
      retriever: Serialized,
      input: string,
      id: string,
      parent?: string,
      _tags?: string[],
      metadata?: Record<string, unknown>,
      name?: string,
    ): void {
      runs.push({ type: 'retriever', id, parent, name: name ?? retriever.id.at(-1), input, metadata: metadata ?? {} })
    }
    override handleRetrieverEnd(documents: DocumentInterface[], id: string): void {
      run(id).documents = documents.length
    }
    override handleRetrieverError(error: Error, id: string): void {
      run(id).error = error.message
    }
    override handleToolStart(
      _tool: Serialized,
      input: string,
      id: string,
      parent?: string,
      _tags?: string[],
      _metadata?: object,
      name?: string,
    ): void {
      runs.push({ type: 'tool', id, parent, name, input })
    }
    override handleChainStart(
      _chain: Serialized,
      _inputs: object,
      id: string,
      runType?: string,
      _tags?: string[],
      _metadata?: object,
      name?: string,
      parent?: string,
    ): void {
      runs.push({ type: 'chain', id, parent: parent ?? runType, name })
    }
  }
  return { handler: new Recorder(), runs }
}
