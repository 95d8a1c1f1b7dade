import type { DocumentInterface } from '@langchain/core/documents'
import type { BaseRetrieverInterface } from '@langchain/core/retrievers'
import type { RunnableConfig } from '@langchain/core/runnables'
import { tool } from '@langchain/core/tools'
import type { DynamicStructuredTool } from '@langchain/core/tools'
import { SerotineError } from '@serotine/core'
import { checkOptions, checkString, describe } from '@serotine/core/options'

export interface SourcesToolOptions {
  /** What the model calls it. Default `search`. */
  name?: string
  /** Tells the model when to use it, and what it finds. */
  description: string
  /** How the model sees one document; `number` is what it may cite. Default: `[number] (source) text`. */
  format?: (document: DocumentInterface, number: number) => string
}

/**
 * A search tool for agents. The model reads numbered texts it can cite as [1], [2] …; the documents themselves, with their
 * scores and metadata, are the tool message's `artifact`, in the same order.
 *
 * @example
 * const search = createSourcesTool(retriever, { name: 'search_handbook', description: 'Finds passages of the handbook.' })
 * const agent = createAgent({ model, tools: [search] })
 */
export function createSourcesTool(
  retriever: BaseRetrieverInterface,
  options: SourcesToolOptions,
): DynamicStructuredTool<typeof SCHEMA, { query: string }, { query: string }, [string, DocumentInterface[]]> {
  checkOptions('createSourcesTool', options, ['name', 'description', 'format'])
  const { name = 'search', description, format = formatSource } = options
  if (typeof (retriever as BaseRetrieverInterface | null)?.invoke !== 'function') {
    throw new SerotineError('INVALID_ARGUMENT', `createSourcesTool takes a retriever, got ${describe(retriever)}.`)
  }
  checkString('description', description)
  const search = async (
    { query }: { query: string },
    config?: RunnableConfig,
  ): Promise<[string, DocumentInterface[]]> => {
    const documents = await retriever.invoke(query, config)
    if (documents.length === 0) return [`Nothing was found for ${JSON.stringify(query)}.`, []]
    return [documents.map((document, i) => format(document, i + 1)).join('\n\n'), documents]
  }
  return tool(search as never, { name, description, schema: SCHEMA, responseFormat: 'content_and_artifact' }) as never
}

// JSON Schema, so that the app's version of zod does not matter.
const SCHEMA = {
  type: 'object',
  properties: { query: { type: 'string', description: 'What to look for, as a question or a phrase.' } },
  required: ['query'],
} as const

function formatSource(document: DocumentInterface, number: number): string {
  const source: unknown = document.metadata['source']
  return `[${number}] ${typeof source === 'string' ? `(${source}) ` : ''}${document.pageContent}`
}
