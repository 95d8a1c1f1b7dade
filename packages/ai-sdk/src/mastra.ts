import { ColBERT, SerotineError } from '@serotine/core'
import type { Scorer } from '@serotine/core'
import { checkOptions, describe } from '@serotine/core/options'

/** Mastra's `RelevanceScoreProvider`. */
export interface RelevanceScorer {
  /** 0 … 1, higher is better: (1 + MaxSim ÷ query tokens) ÷ 2. An empty text, or an empty query, has 0. */
  getRelevanceScore(query: string, text: string): Promise<number>
}

export interface RelevanceScorerOptions {
  /** Default: the embedded model, shared by the process and loaded at the first use. */
  model?: Scorer
}

interface Batch {
  readonly texts: string[]
  readonly scores: Promise<Float64Array | number[]>
}

/**
 * Scores for `rerankWithScorer()` of Mastra, which asks for one text at a time: what is asked about a query before the model is free is scored in
 * one batch, so that a list of 40 costs one encoding and not 40.
 *
 * @example
 * const ranked = await rerankWithScorer({ results, query, scorer: relevanceScorer(), options: { topK: 5 } })
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION
 */
export function relevanceScorer(options: RelevanceScorerOptions = {}): RelevanceScorer {
  checkOptions('relevanceScorer', options, ['model'])
  const { model } = options
  if (model !== undefined && typeof (model as Scorer | null)?.score !== 'function') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `model must be a ColBERT, got ${describe(model)}. Load one with await ColBERT.load().`,
    )
  }
  const open = new Map<string, Batch>()
  const begin = (query: string): Batch => {
    const texts: string[] = []
    const run = async (): Promise<number[]> => {
      // Whoever asks in this turn of the event loop is in the batch.
      await new Promise((next) => setImmediate(next))
      open.delete(query)
      const { scores, queryTokens } = await (model ?? (await ColBERT.shared())).score(query, texts)
      return Array.from(scores, (score) => Math.min(1, Math.max(0, (1 + score / queryTokens) / 2)))
    }
    const batch = { texts, scores: run() }
    open.set(query, batch)
    return batch
  }
  return {
    async getRelevanceScore(query, text) {
      for (const [name, value] of Object.entries({ query, text })) {
        if (typeof value === 'string') continue
        throw new SerotineError('INVALID_ARGUMENT', `The ${name} must be a string, got ${describe(value)}.`)
      }
      if (query.trim() === '' || text.trim() === '') return 0
      const batch = open.get(query) ?? begin(query)
      const position = batch.texts.push(text) - 1
      return (await batch.scores)[position]!
    },
  }
}
