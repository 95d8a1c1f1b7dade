// Compiled, never run: how apps use the types. Checked against the oldest and newest @langchain/core.
import type { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors'
import type { DocumentInterface } from '@langchain/core/documents'
import type { EmbeddingsInterface } from '@langchain/core/embeddings'
import type { BaseRetrieverInterface } from '@langchain/core/retrievers'
import type { RunnableInterface } from '@langchain/core/runnables'
import type { StructuredToolInterface } from '@langchain/core/tools'
import type { VectorStore, VectorStoreRetriever } from '@langchain/core/vectorstores'
import { ColBERT, MultiVectorIndex } from '@serotine/core'
import {
  ColBERTReranker,
  ColBERTRetriever,
  ColBERTVectorStore,
  createSourcesTool,
  MuveraEmbeddings,
  RerankingRetriever,
} from '../../packages/langchain/src/index.js'

export async function usage(documents: DocumentInterface[]): Promise<void> {
  const model = await ColBERT.load()
  const index = await MultiVectorIndex.open('./birds', { model })

  const retriever = new ColBERTRetriever({ index, k: 5, filter: { lang: 'en', year: { gte: 2020 } }, tags: ['birds'] })
  const asInterface: BaseRetrieverInterface = retriever
  const asRunnable: RunnableInterface<string, DocumentInterface[]> = retriever
  const found: DocumentInterface[] = await retriever.invoke('query', {
    k: 3,
    signal: AbortSignal.timeout(1000),
    runName: 'birds',
  })
  const few: DocumentInterface[][] = await retriever
    .withConfig({ k: 1, tags: ['few'] })
    .batch(['a', 'b'], { candidates: 20 })
  await retriever.index.upsert([{ id: 'a', text: 'text' }])
  const built: ColBERTRetriever<MultiVectorIndex> = await ColBERTRetriever.fromDocuments(documents, {
    model,
    folder: './birds',
  })
  await ColBERTRetriever.fromTexts(['a'], [{ n: 1 }])
  await ColBERTRetriever.fromExistingIndex('./birds', { k: 2 })

  const reranker = new ColBERTReranker({ model, topN: null, score: 'maxSim' })
  const compressor: BaseDocumentCompressor = reranker
  const ranking: { index: number; relevanceScore: number }[] = await reranker.rerank(
    ['a', { pageContent: 'b' }],
    'query',
    {
      topN: 1,
    },
  )
  const reranking: BaseRetrieverInterface = new RerankingRetriever({ baseRetriever: asInterface, reranker: compressor })

  const embeddings = new MuveraEmbeddings({ model, fde: { preset: 'small' } })
  const asEmbeddings: EmbeddingsInterface = embeddings
  const store = await ColBERTVectorStore.fromDocuments(documents, embeddings, { folder: './store' })
  const asStore: VectorStore = store
  const stock: VectorStoreRetriever<ColBERTVectorStore> = store.asRetriever({ k: 5, filter: { lang: 'en' } })
  const ids: string[] = await store.addDocuments(documents, { ids: ['a'] })
  await store.similaritySearch('query', 3, ({ metadata }) => metadata['lang'] === 'en')

  const tool = createSourcesTool(retriever, { name: 'search', description: 'Searches.' })
  const asTool: StructuredToolInterface = tool

  // @ts-expect-error it is k
  retriever.withConfig({ topK: 1 })
  // @ts-expect-error the index is missing
  void new ColBERTRetriever({ k: 5 })
  // @ts-expect-error it is topN
  void new ColBERTReranker({ topK: 5 })
  // @ts-expect-error a description is required
  createSourcesTool(retriever, {})
  // @ts-expect-error not a compressor
  void new RerankingRetriever({ baseRetriever: retriever, reranker: retriever })

  void [reranking, asRunnable, found, few, built, ranking, asEmbeddings, asStore, stock, ids, asTool]
}
