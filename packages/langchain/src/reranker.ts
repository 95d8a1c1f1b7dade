import { parseCallbackConfigArg } from '@langchain/core/callbacks/manager'
import type { Callbacks, CallbackManagerForRetrieverRun } from '@langchain/core/callbacks/manager'
import type { DocumentInterface } from '@langchain/core/documents'
import { BaseRetriever } from '@langchain/core/retrievers'
import type { BaseRetrieverInput, BaseRetrieverInterface } from '@langchain/core/retrievers'
import { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors'
import { ensureConfig } from '@langchain/core/runnables'
import type { RunnableConfig } from '@langchain/core/runnables'
import { ColBERT, SerotineError } from '@serotine/core'
import type { Scorer } from '@serotine/core'
import { checkInteger, checkOptions, describe } from '@serotine/core/options'
import { currentSignal, eitherSignal, withSignal } from './abort.js'
import { checkDocuments, checkQuery, withRelevance } from './document.js'
import type { ScoreKind } from './document.js'
import { baseInput, checkScoreKind, checkThreshold } from './retriever.js'

export interface ColBERTRerankerInput {
  /** Default: the embedded model, shared by the process and loaded at the first use. */
  model?: Scorer | Promise<Scorer>
  /** How many documents to keep. `null` keeps all. Default 3. */
  topN?: number | null
  /** Documents scoring less are left out, on the scale of `score`. Default: all are kept. */
  scoreThreshold?: number
  /** What `metadata.relevanceScore` holds. Default `meanSimilarity` (−1 … 1, comparable between queries). */
  score?: ScoreKind
}

/** One text of the list given to `rerank`, by position. */
export interface RerankResult {
  index: number
  relevanceScore: number
}

/**
 * Reorders documents by exact MaxSim, for `RerankingRetriever`, `ContextualCompressionRetriever` or on its own.
 *
 * Works on copies: the documents given keep their metadata. Equal scores keep the order given.
 *
 * @example
 * const reranker = new ColBERTReranker({ topN: 5 })
 * const best = await reranker.compressDocuments(documents, 'flightless birds')
 */
export class ColBERTReranker extends BaseDocumentCompressor {
  topN: number | null
  scoreThreshold: number | undefined
  score: ScoreKind
  readonly #model: Scorer | Promise<Scorer> | undefined

  constructor(fields: ColBERTRerankerInput = {}) {
    super()
    checkOptions('ColBERTReranker', fields, ['model', 'topN', 'scoreThreshold', 'score'], {
      topK: 'topN',
      k: 'topN',
      top_n: 'topN',
      threshold: 'scoreThreshold',
    })
    this.topN = checkTopN(fields.topN === undefined ? 3 : fields.topN)
    this.scoreThreshold = fields.scoreThreshold === undefined ? undefined : checkThreshold(fields.scoreThreshold)
    this.score = checkScoreKind(fields.score)
    this.#model = fields.model === undefined ? undefined : checkModel(fields.model)
    // A model that fails to load is reported by the call that needs it.
    if (this.#model instanceof Promise) this.#model.catch(() => {})
  }

  /** The best `topN` documents, best first, as copies with `metadata.relevanceScore` and `metadata.rank`. */
  override async compressDocuments(
    documents: readonly DocumentInterface[],
    query: string,
    _callbacks?: Callbacks,
  ): Promise<DocumentInterface[]> {
    checkDocuments(documents)
    const ranking = await this.rerank(documents, query)
    return ranking.map(({ index, relevanceScore }, i) =>
      withRelevance(documents[index]!, { relevanceScore, rank: i + 1 }),
    )
  }

  /**
   * Positions and scores, best first.
   *
   * @param options.topN overrides the reranker's own
   * @throws INVALID_ARGUMENT for an empty query or a document without text; the signal's reason when aborted
   */
  async rerank(
    documents: readonly (string | { readonly pageContent: string })[],
    query: string,
    options: { topN?: number | null; signal?: AbortSignal } = {},
  ): Promise<RerankResult[]> {
    checkOptions('rerank', options, ['topN', 'signal'], { topK: 'topN', k: 'topN', abortSignal: 'signal' })
    const topN = options.topN === undefined ? this.topN : checkTopN(options.topN)
    const texts = textsOf(documents)
    if (texts.length === 0) return []
    checkQuery(query)
    const signal = eitherSignal(options.signal, currentSignal())
    signal?.throwIfAborted()
    const model = await (this.#model ?? ColBERT.shared())
    const { scores, queryTokens } = await model.score(query, texts, { ...(signal && { signal }) })
    const divisor = this.score === 'maxSim' ? 1 : queryTokens
    return Array.from(scores, (score, index) => ({ index, relevanceScore: score / divisor }))
      .sort((a, b) => b.relevanceScore - a.relevanceScore || a.index - b.index)
      .slice(0, topN ?? texts.length)
      .filter(({ relevanceScore }) => relevanceScore >= (this.scoreThreshold ?? -Infinity))
  }
}

export interface RerankingRetrieverInput extends BaseRetrieverInput {
  /** Finds candidates: any retriever. Let it return several times as many as the reranker keeps. */
  baseRetriever: BaseRetrieverInterface
  /** Usually a `ColBERTReranker`; any document compressor works. */
  reranker: BaseDocumentCompressor
}

/**
 * A retriever whose results a reranker reorders: `ContextualCompressionRetriever` without `@langchain/classic`, and with
 * an abort signal that reaches both.
 *
 * @example
 * new RerankingRetriever({ baseRetriever: store.asRetriever(50), reranker: new ColBERTReranker({ topN: 5 }) })
 */
export class RerankingRetriever extends BaseRetriever {
  static override lc_name(): string {
    return 'RerankingRetriever'
  }

  lc_namespace = ['serotine', 'langchain', 'retrievers']
  readonly baseRetriever: BaseRetrieverInterface
  readonly reranker: BaseDocumentCompressor

  constructor(fields: RerankingRetrieverInput) {
    checkOptions(
      'RerankingRetriever',
      fields,
      ['baseRetriever', 'reranker', 'callbacks', 'tags', 'metadata', 'verbose'],
      {
        retriever: 'baseRetriever',
        baseCompressor: 'reranker',
        compressor: 'reranker',
      },
    )
    super(baseInput(fields))
    if (typeof fields.baseRetriever?.invoke !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `baseRetriever must be a retriever, got ${describe(fields.baseRetriever)}.`,
      )
    }
    if (typeof fields.reranker?.compressDocuments !== 'function') {
      throw new SerotineError(
        'INVALID_ARGUMENT',
        `reranker must be a document compressor, got ${describe(fields.reranker)}.`,
      )
    }
    this.baseRetriever = fields.baseRetriever
    this.reranker = fields.reranker
  }

  override async invoke(input: string, options?: Partial<RunnableConfig>): Promise<DocumentInterface[]> {
    const config = ensureConfig(parseCallbackConfigArg(options as Callbacks | undefined) as Partial<RunnableConfig>)
    config.signal?.throwIfAborted()
    return withSignal(config.signal, () => super.invoke(input, config))
  }

  override async _getRelevantDocuments(
    query: string,
    runManager?: CallbackManagerForRetrieverRun,
  ): Promise<DocumentInterface[]> {
    const signal = currentSignal()
    const callbacks = runManager?.getChild('base_retriever')
    const documents = await this.baseRetriever.invoke(query, {
      ...(callbacks && { callbacks }),
      ...(signal && { signal }),
    })
    signal?.throwIfAborted()
    return this.reranker.compressDocuments(documents, query, runManager?.getChild('reranker'))
  }
}

/** @throws INVALID_ARGUMENT */
function checkModel(model: Scorer | Promise<Scorer>): Scorer | Promise<Scorer> {
  const given = model as (Partial<Scorer> & Partial<Promise<Scorer>>) | null
  if (typeof given?.score === 'function' || typeof given?.then === 'function') return model
  throw new SerotineError(
    'INVALID_ARGUMENT',
    `model must be a ColBERT or a promise of one, got ${describe(model)}. Load one with await ColBERT.load().`,
  )
}

function checkTopN(topN: number | null): number | null {
  return topN === null ? null : checkInteger('topN', topN, 1)
}

function textsOf(documents: readonly (string | { readonly pageContent: string })[]): string[] {
  if (!Array.isArray(documents)) {
    throw new SerotineError('INVALID_ARGUMENT', `rerank takes an array of documents, got ${describe(documents)}.`)
  }
  const wrapped = documents.map((document: string | DocumentInterface) =>
    typeof document === 'string' ? { pageContent: document } : document,
  )
  checkDocuments(wrapped)
  return wrapped.map(({ pageContent }) => pageContent)
}
