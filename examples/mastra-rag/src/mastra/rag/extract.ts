// An answer without a language model: the sentences that say most about the question, as they stand in the passages.
import { ColBERT } from '@serotine/core'

export interface Passage {
  /** What is cited. */
  number: number
  text: string
}

export const NOTHING = 'The documents say nothing about that.'
/** Mean similarity of the best sentence below which nothing is quoted. It depends on the model: try questions that nothing answers. */
const LEAST = 0.83
/** A second sentence may score this much less than the best. */
const NEAR = 0.02
const segmenter = new Intl.Segmenter(undefined, { granularity: 'sentence' })

export async function extract(question: string, passages: readonly Passage[], signal?: AbortSignal): Promise<string> {
  const sentences = passages.flatMap(({ number, text }) =>
    sentencesOf(text).map((sentence) => ({ number, text: sentence })),
  )
  if (sentences.length === 0) return NOTHING
  const model = await ColBERT.shared()
  const ranked = await model.rerank(question, sentences, { topN: 2, ...(signal && { signal }) })
  const best = ranked[0]!.meanSimilarity
  if (best < LEAST) return NOTHING
  return ranked
    .filter(({ meanSimilarity }) => meanSimilarity >= best - NEAR)
    .map(({ document }) => `${document.text} [${document.number}]`)
    .join(' ')
}

/** Sentences of the paragraphs, without headings. */
function sentencesOf(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .filter((paragraph) => !paragraph.startsWith('#'))
    .flatMap((paragraph) => [...segmenter.segment(paragraph.replace(/\s+/g, ' ').trim())])
    .map(({ segment }) => segment.trim())
    .filter((sentence) => sentence !== '')
}
