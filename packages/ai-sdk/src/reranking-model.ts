import type { JSONObject, RerankingModelV3 } from '@ai-sdk/provider'
import { ColBERT, SerotineError } from '@serotine/core'
import type { Scorer } from '@serotine/core'
import { checkInteger, checkOptions, describe } from '@serotine/core/options'

export interface ColBERTRerankerOptions {
  /** Default: the embedded model, shared by the process and loaded at the first use. */
  model?: Scorer
  /** `modelId` in telemetry and responses. Default: the model's name. */
  modelId?: string
  /** The text of a document that is a JSON object. Default: its JSON. */
  toText?: (document: JSONObject) => string
}

/**
 * A reranking model for `rerank()` of the AI SDK. Scores are MaxSim ÷ query tokens (−1 … 1); equal scores keep the order
 * given. `abortSignal` stops the encoding. `headers` and `providerOptions` are ignored.
 *
 * Its interface version is v3, which AI SDK 6 and 7 both accept.
 *
 * @example
 * const { ranking } = await rerank({ model: colbertReranker(), query: 'flightless birds', documents, topN: 3 })
 */
export function colbertReranker(options: ColBERTRerankerOptions = {}): RerankingModelV3 {
  checkOptions('colbertReranker', options, ['model', 'modelId', 'toText'], { id: 'modelId', getText: 'toText' })
  const { model, toText } = options
  if (model !== undefined && typeof (model as Scorer | null)?.score !== 'function') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `model must be a ColBERT, got ${describe(model)}. Load one with await ColBERT.load().`,
    )
  }
  return rerankingModel({
    modelId: options.modelId ?? model?.name ?? '@serotine/model-micro',
    scorer: async () => model ?? ColBERT.shared(),
    ...(toText !== undefined && { toText }),
  })
}

/** A reranking model whose scorer is asked for at the first use. @throws INVALID_ARGUMENT */
export function rerankingModel({
  modelId,
  scorer,
  toText = JSON.stringify,
}: {
  modelId: string
  scorer: () => Promise<Scorer>
  toText?: (document: JSONObject) => string
}): RerankingModelV3 {
  if (typeof toText !== 'function') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `toText must be a function from a document to its text, got ${describe(toText)}.`,
    )
  }
  return {
    specificationVersion: 'v3',
    provider: 'serotine',
    modelId,
    async doRerank({ documents, query, topN, abortSignal }) {
      if (topN !== undefined) checkInteger('topN', topN, 1)
      const texts = documents.type === 'text' ? documents.values : documents.values.map((value) => toText(value))
      checkTexts(texts)
      if (texts.length === 0) return { ranking: [] }
      if (typeof query !== 'string' || query.trim() === '') {
        throw new SerotineError(
          'INVALID_ARGUMENT',
          `The query must be a text with at least one word, got ${describe(query)}.`,
        )
      }
      abortSignal?.throwIfAborted()
      const { scores, queryTokens } = await (
        await scorer()
      ).score(query, texts, { ...(abortSignal && { signal: abortSignal }) })
      const ranking = Array.from(scores, (score, index) => ({ index, relevanceScore: score / queryTokens }))
        .sort((a, b) => b.relevanceScore - a.relevanceScore || a.index - b.index)
        .slice(0, topN)
      return { ranking }
    },
  }
}

function checkTexts(texts: readonly unknown[]): asserts texts is readonly string[] {
  texts.forEach((text, i) => {
    if (typeof text === 'string') return
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `documents[${i}] must be a string, got ${describe(text)}. Give all strings, or all objects and a toText.`,
    )
  })
}
