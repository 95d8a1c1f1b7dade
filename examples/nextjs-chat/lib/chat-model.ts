import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { ChatOpenAI } from '@langchain/openai'
import { ExtractiveChatModel } from './extractive-chat-model'

/**
 * Which model answers. With OPENAI_API_KEY one that speaks the protocol of OpenAI: theirs, or Ollama, LM Studio, vLLM … with
 * OPENAI_BASE_URL and OPENAI_MODEL. Without it, sentences are quoted and nothing is sent anywhere. Any other chat model of LangChain fits, too.
 */
export function chatModel(): BaseChatModel {
  if (!hasModel()) return new ExtractiveChatModel({})
  const baseURL = process.env['OPENAI_BASE_URL']
  return new ChatOpenAI({
    model: process.env['OPENAI_MODEL'] ?? 'gpt-4o-mini',
    temperature: 0.2,
    maxRetries: 1,
    ...(baseURL && { configuration: { baseURL } }),
  })
}

export function hasModel(): boolean {
  return Boolean(process.env['OPENAI_API_KEY'])
}
