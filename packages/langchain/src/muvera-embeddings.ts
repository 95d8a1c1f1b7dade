import { Embeddings } from '@langchain/core/embeddings'
import { ColBERT, SerotineError } from '@serotine/core'
import type { Encoder, TokenEmbeddings } from '@serotine/core'
import { FdeEncoder, learnFde, resolveFdeConfig } from '@serotine/core/muvera'
import type { FdeMeans, FdeOptions } from '@serotine/core/muvera'
import { checkOptions, describe } from '@serotine/core/options'
import { currentSignal } from './abort.js'

export interface MuveraEmbeddingsInput {
  /** Default: the embedded model, shared by the process and loaded at the first use. */
  model?: Encoder
  /** Preset and settings of the encoding. Default: the preset `compact`, 2560 numbers per text. */
  fde?: FdeOptions
  /** What is known about the collection, for `fde.prepare` and `fde.partitioning`. `MuveraEmbeddings.fromSample` measures it. */
  means?: FdeMeans
}

/** Texts encoded to token embeddings at a time; their FDEs are all that is kept. */
const CHUNK = 64

/**
 * Multi-vector texts as single vectors: MUVERA's fixed-dimensional encodings (FDEs), whose inner product approximates MaxSim.
 * With them any LangChain vector store becomes a first stage for late interaction; rerank its results with `ColBERTReranker`.
 *
 * Compare FDEs by inner product. They are not normalised, so a store that only knows cosine distorts their order.
 *
 * @example
 * const store = await PGVectorStore.initialize(new MuveraEmbeddings(), { distanceStrategy: 'innerProduct', ... })
 * const retriever = new RerankingRetriever({ baseRetriever: store.asRetriever(100), reranker: new ColBERTReranker() })
 */
export class MuveraEmbeddings extends Embeddings {
  readonly #input: MuveraEmbeddingsInput
  #encoder: FdeEncoder | undefined

  /** @throws UNKNOWN_OPTION, INVALID_ARGUMENT */
  constructor(fields: MuveraEmbeddingsInput = {}) {
    checkOptions('MuveraEmbeddings', fields, ['model', 'fde', 'means'], { preset: 'fde', modelName: 'model' })
    // Nothing is passed to the base class: whatever it gets ends up in traces.
    super({})
    this.#input = fields
    if (fields.model !== undefined && typeof (fields.model as Encoder | null)?.encodeQueries !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `model must be a loaded model, got ${describe(fields.model)}. Load one with await ColBERT.load().`,
      )
    }
    // The encoder waits for the model to say its dimension; a misspelling is told at once.
    resolveFdeConfig({ ...fields.fde, dim: fields.model?.dim ?? 128 })
    const { prepare = 'auto' } = fields.fde ?? {}
    if (prepare !== 'auto' && prepare !== 'none' && !fields.means) {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `fde.prepare: '${prepare}' needs means. Use MuveraEmbeddings.fromSample(texts, …).`,
      )
    }
  }

  /**
   * Embeddings fitted to a collection: partitions learned from its tokens, after removing the direction that most of them share,
   * as they do in many models. Finds more than the random partitions of `new MuveraEmbeddings()`. Pass a few
   * hundred texts from all over the collection, and keep using what this returns: FDEs fitted otherwise cannot be compared.
   */
  static async fromSample(
    texts: readonly string[],
    fields: Omit<MuveraEmbeddingsInput, 'means'> = {},
  ): Promise<MuveraEmbeddings> {
    checkOptions('MuveraEmbeddings.fromSample', fields, ['model', 'fde'], { preset: 'fde', modelName: 'model' })
    const model = fields.model ?? (await ColBERT.shared())
    const documents = await model.encodeDocuments(texts, signalOption())
    const { config, means } = await learnFde(documents, { ...fields.fde, dim: model.dim })
    const { dim: _dim, ...fde } = config
    return new MuveraEmbeddings({ ...fields, model, means, fde })
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    const model = await this.model()
    const encoder = this.encoder(model.dim)
    const rows: number[][] = []
    for (let i = 0; i < texts.length; i += CHUNK) {
      const embeddings = await model.encodeDocuments(texts.slice(i, i + CHUNK), signalOption())
      for (const matrix of embeddings) rows.push(Array.from(encoder.encodeDocument(matrix)))
    }
    return rows
  }

  override async embedQuery(text: string): Promise<number[]> {
    const model = await this.model()
    const [matrix] = await model.encodeQueries([text], signalOption())
    return Array.from(this.encoder(model.dim).encodeQuery(matrix!))
  }

  /** The FDE of a text that is already encoded. */
  fdeOf(embeddings: TokenEmbeddings, kind: 'query' | 'document'): Float32Array {
    const encoder = this.encoder(embeddings.dim)
    return kind === 'query' ? encoder.encodeQuery(embeddings) : encoder.encodeDocument(embeddings)
  }

  /** The model whose token embeddings are encoded. */
  async model(): Promise<Encoder> {
    return this.#input.model ?? ColBERT.shared()
  }

  encoder(dim: number): FdeEncoder {
    const { fde, means } = this.#input
    return (this.#encoder ??= new FdeEncoder(resolveFdeConfig({ ...fde, dim }), {}, means))
  }
}

function signalOption(): { signal?: AbortSignal } {
  const signal = currentSignal()
  return signal ? { signal } : {}
}
