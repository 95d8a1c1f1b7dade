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
/** Characters before a sentence in its paragraph that are quoted with it, so that it is not torn out. */
const LEAD_IN = 220
/** What leans on the sentence before it. Only English is known here; others are quoted alone. */
const LEANS =
  /^(it|its|this|that|these|those|they|them|their|he|she|both|such|so|but|and|or|then|there|otherwise|instead|here|also|however|therefore)\b/i
const LEANS_ON_NOTHING = 0.02

/**
 * @param {{ asked: string, standalone: string }} question as it was asked, and as it was searched for
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
 * @param {{ asked: string, standalone: string }} question
 * @param {readonly Source[]} sources
 * @param {import('@serotine/core').Scorer} model
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Candidate[]>}
 */
async function candidatesOf({ asked, standalone }, sources, model, signal) {
  const candidates = sources.flatMap((source) =>
    sentencesOf(source.text, source).map((sentence, position) => ({ ...sentence, position, source })),
  )
  // A sentence says little without what stands above it, and one that leans on another little without that.
  const texts = candidates.map((candidate, i) => {
    const before = candidates[i - 1]
    const leaned = before && follows(candidate, before) && LEANS.test(candidate.text) ? `${before.text} ` : ''
    return [candidate.source.heading, candidate.lead, leaned + candidate.text].filter(Boolean).join('\n\n')
  })
  const reranker = new ColBERTReranker({ model, topN: null })
  // What was put into a follow-up question finds the passages; which sentence answers is asked by both.
  const rankings = await Promise.all(
    [...new Set([standalone, asked])].map((one) => reranker.rerank(texts, one, signal ? { signal } : {})),
  )
  /** @type {number[]} */
  const similarities = candidates.map(() => 0)
  for (const { index, relevanceScore } of rankings.flat())
    similarities[index] = (similarities[index] ?? 0) + relevanceScore / rankings.length
  return candidates.map((candidate, i) => {
    const similarity = similarities[i] ?? 0
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
    for (const one of wanted) for (const before of leadIn(one, own)) wanted.add(before)
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
 * The beginning of a short paragraph, up to a sentence of it; of a long one, the sentence that is leaned on.
 *
 * @param {Candidate} one
 * @param {readonly Candidate[]} own
 */
function leadIn(one, own) {
  const before = own.filter((other) => other.paragraph === one.paragraph && other.place < one.place)
  const isShort = before.length === one.place && before.reduce((sum, { text }) => sum + text.length, 0) <= LEAD_IN
  return isShort ? before : LEANS.test(one.text) ? before.filter((other) => follows(one, other)) : []
}

/**
 * @param {Pick<Candidate, 'source' | 'paragraph' | 'place'>} one
 * @param {Pick<Candidate, 'source' | 'paragraph' | 'place'>} before
 */
function follows(one, before) {
  return one.source === before.source && one.paragraph === before.paragraph && one.place === before.place + 1
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
