// The one line that switches to a chat model: CHAT_MODEL=openai:gpt-5-mini, ollama:llama3.2, anthropic:claude-haiku-4-5 …
import { initChatModel } from 'langchain/chat_models/universal'

/**
 * @typedef {object} ChatModel
 * @property {string} name
 * @property {import('@langchain/core/language_models/chat_models').BaseChatModel} model
 *
 * @typedef {Readonly<Record<string, string | undefined>>} Environment
 */

/**
 * Whatever LangChain knows: `provider:model`. Packages of other providers than OpenAI are installed when they are wanted.
 *
 * @param {string} name
 * @param {Environment} environment
 * @returns {Promise<ChatModel>}
 */
export async function openModel(name, environment) {
  const [provider, ...rest] = name.split(':')
  if (rest.length === 0 || rest.join(':') === '') {
    throw new Error(`CHAT_MODEL is "${name}". Write provider:model, like openai:gpt-5-mini or ollama:llama3.2.`)
  }
  // One retry: somebody is waiting. LangChain's default of six takes a minute to say that a quota is used up.
  const model = await initChatModel(name, { maxRetries: 1, ...optionsOf(provider, environment) })
  return { name, model: /** @type {any} */ (model) }
}

/**
 * What the providers' own environment variables leave out.
 *
 * @param {string | undefined} provider
 * @param {Environment} environment
 */
function optionsOf(
  provider,
  { OPENAI_API_KEY, OPENAI_BASE_URL, OLLAMA_BASE_URL, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL },
) {
  if (provider === 'openai') {
    if (OPENAI_BASE_URL) {
      // Servers of one's own ask for no key, but the client wants one.
      return { apiKey: OPENAI_API_KEY || 'none', configuration: { baseURL: OPENAI_BASE_URL }, useResponsesApi: false }
    }
    if (!OPENAI_API_KEY)
      throw new Error('OpenAI wants a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.')
    return { apiKey: OPENAI_API_KEY }
  }
  if (provider === 'ollama' && OLLAMA_BASE_URL) return { baseUrl: OLLAMA_BASE_URL }
  if (provider === 'anthropic') {
    if (!ANTHROPIC_API_KEY) throw new Error('Anthropic wants a key: set ANTHROPIC_API_KEY.')
    return { apiKey: ANTHROPIC_API_KEY, ...(ANTHROPIC_BASE_URL && { anthropicApiUrl: ANTHROPIC_BASE_URL }) }
  }
  return {}
}
