import { createVectorQueryTool } from '@mastra/rag'
import { relevanceScorer } from '@serotine/ai-sdk/mastra'
import { embedder, model } from '../rag/embedding.ts'
import { INDEX, vectorStore } from '../rag/library.ts'

/** Candidates by one vector each; the words of the question then decide which four the agent reads, and in which order. */
export const searchTool = createVectorQueryTool({
  id: 'search_documents',
  description: 'Finds the passages of the documents that say most about a question, the best first.',
  vectorStore,
  indexName: INDEX,
  // Mastra has its own copy of the AI SDK's types.
  model: embedder as never,
  reranker: {
    model: relevanceScorer({ model }),
    options: { topK: 4, weights: { semantic: 1, vector: 0, position: 0 } },
  },
})
