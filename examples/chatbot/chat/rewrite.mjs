// Follow-up questions as questions that can be understood, and searched for, by themselves.
import { HumanMessage, SystemMessage } from '@langchain/core/messages'
import { isFunctionWord } from '../library/background-words.mjs'

/** Point at something said before. Only English is known here; a chat model knows others. */
const POINTS_BACK =
  /\b(?:it|its|that|this|those|these|they|them|their|there|then|ones?|he|she|him|her|his|both|each|either|else|too|instead|the same(?=\s*\?))\b/i
/** Go on from something said before. */
const GOES_ON =
  /^\s*(?:and|but|or|so|also|what about|how about|what else|which one|for example)\b|^\s*(?:why|how|when|where)(?: not| so| come)?\s*\?*$/i
/** After this many words of its own, what a question points back to is likely to be one of them. */
const OWN_ANTECEDENT = 3
/** Words that a question has whatever it is about, beside those that any text has. */
const OF_QUESTIONS = new Set('give good made mean means many need show still take tell work works'.split(' '))
/** A question with fewer words of its own says too little to be found by. */
const FEWEST_WORDS = 2

/**
 * Without a chat model: a question that points back gets the words that the one before was about. These are the ones that stand in the
 * headings of what answered it, if any do. Measured on 16 follow-up questions about this project's documentation: a passage of the right
 * file first for 14 of them, without this for 10; among the first three for 16 and 10.
 *
 * @param {string} question
 * @param {{ standalone: string, headings: readonly string[] } | undefined} previous the question before, as it was searched for
 * @returns {string}
 */
export function rewriteByRule(question, previous) {
  if (!previous) return question
  const own = wordsOf(question)
  if (!pointsBack(question) && !GOES_ON.test(question) && own.length >= FEWEST_WORDS) return question
  const said = wordsOf(previous.standalone)
  const topics = said.filter((word) =>
    previous.headings.some((heading) => wordsOf(heading).some((other) => alike(word, other))),
  )
  const missing = (topics.length > 0 ? topics : said).filter((word) => !own.some((other) => alike(word, other)))
  return missing.length === 0 ? question : `${question} (${missing.join(' ')})`
}

/**
 * One and many of a word: enough for nouns of English and its neighbours.
 *
 * @param {string} one
 * @param {string} other
 */
function alike(one, other) {
  const [short, long] = [one.toLowerCase(), other.toLowerCase()].sort((a, b) => a.length - b.length)
  return short !== undefined && long !== undefined && long.startsWith(short) && long.length - short.length <= 2
}

/** @param {string} question */
function pointsBack(question) {
  const at = question.search(POINTS_BACK)
  return at !== -1 && wordsOf(question.slice(0, at)).length < OWN_ANTECEDENT
}

/**
 * @param {string} text
 * @returns {string[]} what it is about, as it is written
 */
export function wordsOf(text) {
  const words = text.match(/[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}_.'’-]*[\p{L}\p{M}\p{N}])?/gu) ?? []
  return [...new Set(words)].filter((word) => !isFunctionWord(word) && !OF_QUESTIONS.has(word.toLowerCase()))
}

/** Characters. What is longer is no question. */
const LONGEST = 400
/** Turns that the model sees. */
const TURNS = 4

const INSTRUCTION = `Rewrite the user's last question so that it can be understood without the conversation: put in what words like "it" or
"they" stand for. Keep its language. If it can be understood alone, repeat it unchanged. Reply with the question and nothing else.`

/**
 * The same by a chat model.
 *
 * @param {string} question
 * @param {readonly import('./history.mjs').Turn[]} history
 * @param {{ model: import('@langchain/core/language_models/chat_models').BaseChatModel, signal: AbortSignal }} options
 * @returns {Promise<string>}
 */
export async function rewriteWithModel(question, history, { model, signal }) {
  if (history.length === 0) return question
  const conversation = history
    .slice(-TURNS)
    .map((turn) => `User: ${turn.question}\nAssistant: ${turn.answer.slice(0, 600)}`)
  const reply = await model.invoke(
    [new SystemMessage(INSTRUCTION), new HumanMessage(`${conversation.join('\n')}\n\nLast question: ${question}`)],
    { signal },
  )
  const rewritten = reply.text
    .replace(/\s+/g, ' ')
    .replace(/^["'“]|["'”]$/g, '')
    .trim()
  return rewritten === '' || rewritten.length > LONGEST ? question : rewritten
}
