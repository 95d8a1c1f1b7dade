import type { ColBERT } from '@serotine/core'
import { FdeEncoder, resolveFdeConfig } from '@serotine/core/muvera'
import { BaseEmbedding } from 'llamaindex'
import type { MessageContentDetail } from 'llamaindex'

/**
 * LlamaIndex's vector index wants one vector per text. Any embedding will do; this one makes it from the vectors per word of the same
 * model (MUVERA), so that nothing is downloaded.
 */
export class MuveraEmbedding extends BaseEmbedding {
  readonly #model: ColBERT
  readonly #fde: FdeEncoder

  constructor(model: ColBERT) {
    super()
    this.#model = model
    this.#fde = new FdeEncoder(resolveFdeConfig({ dim: model.dim, preset: 'small' }))
  }

  override async getTextEmbedding(text: string): Promise<number[]> {
    const [embeddings] = await this.#model.encodeDocuments([text])
    return Array.from(this.#fde.encodeDocument(embeddings!))
  }

  override async getQueryEmbedding(query: MessageContentDetail): Promise<number[] | null> {
    if (query.type !== 'text') return null
    const [embeddings] = await this.#model.encodeQueries([query.text])
    return Array.from(this.#fde.encodeQuery(embeddings!))
  }
}
