import type { EmbeddingModelV3 } from '@ai-sdk/provider'
import { ColBERT } from '@serotine/core'
import { FdeEncoder, fdeLength, resolveFdeConfig } from '@serotine/core/muvera'

/** The model that all parts share. */
export const model = await ColBERT.shared()
const config = resolveFdeConfig({ dim: model.dim, preset: 'small' })
const fde = new FdeEncoder(config)

/** Numbers in a vector. */
export const dimension = fdeLength(config)

/**
 * A vector store wants one vector per text. Any embedding model will do; this one makes it from the vectors per word of the model that
 * reranks (MUVERA), so that nothing is downloaded. Mastra embeds questions and passages alike: here one by one as questions are.
 */
export const embedder: EmbeddingModelV3 = {
  specificationVersion: 'v3',
  provider: 'serotine',
  modelId: 'muvera-small',
  maxEmbeddingsPerCall: 100,
  supportsParallelCalls: false,
  async doEmbed({ values, abortSignal }) {
    const queries = await model.encodeQueries(values, { ...(abortSignal && { signal: abortSignal }) })
    return { embeddings: queries.map((query) => Array.from(fde.encodeQuery(query))), warnings: [] }
  },
}

/** Vectors of passages, which MUVERA makes in another way than those of questions. */
export async function embedPassages(texts: readonly string[]): Promise<number[][]> {
  const passages = await model.encodeDocuments(texts)
  return passages.map((passage) => Array.from(fde.encodeDocument(passage)))
}
