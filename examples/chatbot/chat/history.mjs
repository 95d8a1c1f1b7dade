// What was said in a conversation, from the messages that LangGraph keeps.
import { MemorySaver } from '@langchain/langgraph'

/**
 * @typedef {object} Turn
 * @property {string} question as it was asked
 * @property {string} standalone as it was searched for
 * @property {string} answer Markdown with citations
 * @property {import('./graph.mjs').AnswerDetails} details
 *
 * @typedef {import('@langchain/core/messages').BaseMessage} BaseMessage
 */

/**
 * @param {readonly BaseMessage[]} messages
 * @returns {Turn[]}
 */
export function turnsOf(messages) {
  return messages.flatMap((message, i) => {
    const reply = messages[i + 1]
    if (message.getType() !== 'human' || reply?.getType() !== 'ai') return []
    const { standalone, ...details } = /** @type {any} */ (reply.additional_kwargs)
    return [{ question: message.text, standalone, answer: reply.text, details }]
  })
}

/** Conversations kept in memory; the one that was silent longest goes first. */
const MOST_CONVERSATIONS = 500

/**
 * Keeps the last state of each conversation, and none of those before it, which nobody asks for. For conversations that outlive the process take
 * SqliteSaver or PostgresSaver in its place.
 */
export class LastStates extends MemorySaver {
  /** @type {Set<string>} */
  #conversations = new Set()

  /** @param {Parameters<MemorySaver['put']>} given */
  async put(...given) {
    const id = String(given[0].configurable?.['thread_id'])
    await this.deleteThread(id)
    this.#conversations.delete(id)
    this.#conversations.add(id)
    const [oldest] = this.#conversations
    if (this.#conversations.size > MOST_CONVERSATIONS && oldest !== undefined) {
      this.#conversations.delete(oldest)
      await this.deleteThread(oldest)
    }
    return super.put(...given)
  }
}
