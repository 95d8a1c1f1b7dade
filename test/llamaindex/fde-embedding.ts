import type { Encoder } from '@serotine/core'
import { FdeEncoder, resolveFdeConfig } from '@serotine/core/muvera'
import { BaseEmbedding } from 'llamaindex'
import type { MessageContentDetail } from 'llamaindex'

/** LlamaIndex wants one vector per text: a fixed-dimensional encoding of the same model's token vectors. */
export class FdeEmbedding extends BaseEmbedding {
  readonly #fde: FdeEncoder
  constructor(readonly model: Encoder) {
    super()
    this.#fde = new FdeEncoder(resolveFdeConfig({ dim: model.dim, preset: 'small' }))
  }
  override async getTextEmbedding(text: string): Promise<number[]> {
    const [embeddings] = await this.model.encodeDocuments([text])
    return Array.from(this.#fde.encodeDocument(embeddings!))
  }
  override async getQueryEmbedding(query: MessageContentDetail): Promise<number[] | null> {
    if (query.type !== 'text') return null
    const [embeddings] = await this.model.encodeQueries([query.text])
    return Array.from(this.#fde.encodeQuery(embeddings!))
  }
}
