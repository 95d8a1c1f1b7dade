import { Agent } from '@mastra/core/agent'
import { chatModel } from '../model.ts'
import { searchTool } from '../tools/search.ts'

export const librarian = new Agent({
  id: 'librarian',
  name: 'Librarian',
  instructions: `You answer from documents. Search them before every answer, and answer from nothing else. Cite what you use by its place
in relevantContext, counted from one, like [1]. When the documents do not say it, say so.`,
  model: chatModel(),
  tools: { search_documents: searchTool },
})
