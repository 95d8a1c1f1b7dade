// An answer without a language model: the sentences of the passages that say most about the question, as they stand there.
import { ColBERTReranker } from '@serotine/langchain'
import { sentencesOf } from '../library/sentences.mjs'
import { escapeMarkdown } from './citations.mjs'

/**
 * @typedef {import('./sources.mjs').Source} Source
 * @typedef {import('../library/sentences.mjs').Sentence & { source: Source, position: number, similarity: number, score: number }} Candidate
 */

/** Sentences quoted at most, besides those that they lean on. */
const MOST = 3
/** A further sentence may score this much less than the best: with more, answers wander off. */
const NEAR = 0.04
/** How much of its passage's similarity a sentence gets: of two alike, the one in the better passage. */
const PASSAGE_SHARE = 0.5
/**
 * Mean similarity of the best sentence below which nothing is quoted. Of 30 questions about this project's documentation, three had a
 * best sentence below it, none of which answered; see docs/scores.md for finding the value for your model.
 */
const LEAST = 0.84
/** What leans on the sentence before it. Only English is known here; others are quoted alone. */
const LEANS =
  /^(it|its|this|that|these|those|they|them|their|he|she|both|such|so|but|and|or|then|there|otherwise|instead|here|also|however|therefore)\b/i
const LEANS_ON_NOTHING = 0.02

/**
 * @param {string} question
 * @param {readonly Source[]} sources
 * @param {{ model: import('@serotine/core').Scorer, signal?: AbortSignal }} options
 * @returns {AsyncGenerator<string>} Markdown with citations like [1]
 */
export async function* extract(question, sources, { model, signal }) {
  const candidates = await candidatesOf(question, sources, model, signal)
  const chosen = choose(candidates)
  if (chosen.length === 0) {
    const near = sources.slice(0, 2).map(({ name, number }) => `“${escapeMarkdown(name)}” [${number}]`)
    yield `No single sentence answers this, but it may be in ${near.join(' or ')}.`
    return
  }
  let isFirst = true
  for (const quote of quotes(chosen, candidates)) {
    yield `${isFirst ? '' : '\n\n'}${quote}`
    isFirst = false
  }
}

/**
 * @param {string} question
 * @param {readonly Source[]} sources
 * @param {import('@serotine/core').Scorer} model
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Candidate[]>}
 */
async function candidatesOf(question, sources, model, signal) {
  const candidates = sources.flatMap((source) =>
    sentencesOf(source.text, source).map((sentence, position) => ({ ...sentence, position, source })),
  )
  // A sentence says little without what stands above it.
  const texts = candidates.map(({ text, lead, source }) => [source.heading, lead, text].filter(Boolean).join('\n\n'))
  const reranker = new ColBERTReranker({ model, topN: null })
  const ranking = await reranker.rerank(texts, question, signal ? { signal } : {})
  const similarities = new Map(ranking.map(({ index, relevanceScore }) => [index, relevanceScore]))
  return candidates.map((candidate, i) => {
    const similarity = similarities.get(i) ?? 0
    const alone = candidate.place === 0 && !candidate.lead && LEANS.test(candidate.text) ? LEANS_ON_NOTHING : 0
    return { ...candidate, similarity, score: similarity + PASSAGE_SHARE * candidate.source.meanSimilarity - alone }
  })
}

/**
 * The best sentences, none of which says what another one says.
 *
 * @param {readonly Candidate[]} candidates
 */
function choose(candidates) {
  const ranked = [...candidates].sort((a, b) => b.score - a.score)
  const [best] = ranked
  /** @type {Candidate[]} */
  const chosen = []
  if (!best || best.similarity < LEAST) return chosen
  for (const candidate of ranked) {
    if (chosen.length === MOST || candidate.score < best.score - NEAR) break
    if (!chosen.some((other) => saysTheSame(other.text, candidate.text))) chosen.push(candidate)
  }
  return chosen
}

/**
 * Sentences of one passage in its own order, with what they lean on; the best passage first.
 *
 * @param {readonly Candidate[]} chosen
 * @param {readonly Candidate[]} candidates
 */
function* quotes(chosen, candidates) {
  for (const source of new Set(chosen.map(({ source }) => source))) {
    const own = candidates.filter((candidate) => candidate.source === source)
    const wanted = new Set(chosen.filter((one) => one.source === source))
    for (const one of wanted) {
      const before = own[one.position - 1]
      if (before && follows(one, before) && LEANS.test(one.text)) wanted.add(before)
    }
    const inOrder = own.filter((candidate) => wanted.has(candidate))
    let text = ''
    inOrder.forEach((one, i) => {
      const last = inOrder[i - 1]
      const begins = last?.paragraph !== one.paragraph
      if (last) text += last.code || (begins && one.lead) ? '\n\n' : follows(one, last) ? ' ' : ' … '
      if (begins && one.lead) text += `**${escapeMarkdown(one.lead)}** `
      text += escapeMarkdown(one.text)
      if (one.code) text += `\n\n\`\`\`\`\n${one.code}\n\`\`\`\``
    })
    yield inOrder.at(-1)?.code ? `${text}\n\n[${source.number}]` : `${text} [${source.number}]`
  }
}

/**
 * @param {Candidate} one
 * @param {Candidate} before
 */
function follows(one, before) {
  return one.paragraph === before.paragraph && one.place === before.place + 1
}

/**
 * @param {string} one
 * @param {string} other
 */
function saysTheSame(one, other) {
  const [a, b] = [wordsOf(one), wordsOf(other)]
  const shared = [...a].filter((word) => b.has(word)).length
  return shared >= 0.7 * Math.min(a.size, b.size)
}

/** @param {string} text */
function wordsOf(text) {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
}
