export { ColBERTRetriever } from './retriever.js'
export type {
  BuildOptions,
  ColBERTRetrieverCallOptions,
  ColBERTRetrieverInput,
  ColBERTSearchOptions,
} from './retriever.js'
export { ColBERTReranker, RerankingRetriever } from './reranker.js'
export type { ColBERTRerankerInput, RerankingRetrieverInput, RerankResult } from './reranker.js'
export { ColBERTVectorStore } from './vector-store.js'
export type { ColBERTVectorStoreInput } from './vector-store.js'
export { MuveraEmbeddings } from './muvera-embeddings.js'
export type { MuveraEmbeddingsInput } from './muvera-embeddings.js'
export { createSourcesTool } from './sources-tool.js'
export type { SourcesToolOptions } from './sources-tool.js'
export type { Relevance, ScoreKind } from './document.js'
